"""The words that the bundled translator knows, from its two files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.faults import faults_of
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import ConfigurationError

_FOLDER = Path(__file__).parent.parent / "data" / "translator"
PHRASES_FILE, GRAMMAR_FILE = _FOLDER / "phrases.yaml", _FOLDER / "grammar.yaml"

Kind = Literal["name", "direction", "intensity", "negation", "limited", "no_more", "no_less"]
Way = Literal["more", "less", "for", "against", "praise", "keep"]
Words = tuple[str, ...]

_Model = TypeVar("_Model", bound=BaseModel)


class ValueWords(BaseModel):
    """What names one value or its contrary, and phrases of both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: Words = Field(min_length=1, description="words that name the value; * for any ending")
    opposites: Words = Field(description="words that name its contrary")
    for_phrases: Words = Field(alias="for", min_length=1, description="phrases of the value")
    against_phrases: Words = Field(alias="against", min_length=1, description="phrases of its contrary")


class Grammar(BaseModel):
    """Words that tell which way and how far, and the movements they stand for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plain: float = Field(gt=0, le=2, description="movement of a bare more or less")
    firm: float = Field(gt=0, le=2, description="movement of no, against, for")
    mild: float = Field(gt=0, le=2, description="movement of 'not so much'")
    intensities: tuple[tuple[Annotated[float, Field(gt=0, le=2)], Words], ...] = Field(
        description="movement and the words for it, from the smallest on"
    )
    directions: dict[Way, Words] = Field(description="which way")
    negations: Words = Field(description="turn what follows round")
    limited: Words = Field(description="such as 'not so'")
    no_more: Words = Field(description="such as 'no longer'")
    no_less: Words = Field(description="such as 'no less'")
    comparatives: Words = Field(description="adjectives that mean more by their form")
    fillers: Words = Field(description="words that say nothing of values")

    @model_validator(mode="after")
    def _check(self) -> Self:
        movements = [movement for movement, _ in self.intensities]
        if movements != sorted(set(movements)):
            raise ValueError(f"intensities: movements {movements} must rise")
        return self


@dataclass(frozen=True, slots=True)
class Mark:
    """A word or words of an instruction that are known.

    Attributes:
        kind: what they are.
        words: how many.
        value: index of the value, of names.
        sign: -1 for names of a contrary, else 1.
        way: of directions.
        movement: of intensities.
    """

    kind: Kind
    words: int
    value: int = 0
    sign: int = 1
    way: Way = "more"
    movement: float = 0.0


@dataclass(frozen=True)
class Lexicon:
    """Values and grammar together, as one table of known words."""

    values: tuple[ValueWords, ...]
    grammar: Grammar

    @cached_property
    def _entries(self) -> dict[str, Mark]:
        entries: dict[str, Mark] = {}

        def put(words: Words, kind: Kind, **more: Any) -> None:
            for entry in words:
                entries[entry] = Mark(kind, len(entry.split()), **more)

        grammar = self.grammar
        for movement, words in grammar.intensities:
            put(words, "intensity", movement=movement)
        for way, words in grammar.directions.items():
            put(words, "direction", way=way)
        put(grammar.negations, "negation")
        put(grammar.limited, "limited")
        put(grammar.no_more, "no_more")
        put(grammar.no_less, "no_less")
        for index, value in enumerate(self.values):
            put(value.names, "name", value=index)
            put(value.opposites, "name", value=index, sign=-1)
        return entries

    @cached_property
    def _prefixes(self) -> dict[int, list[tuple[str, Mark]]]:
        prefixes: dict[int, list[tuple[str, Mark]]] = {}
        for entry, mark in self._entries.items():
            if entry.endswith("*"):
                prefixes.setdefault(mark.words, []).append((entry[:-1], mark))
        return prefixes

    @cached_property
    def longest(self) -> int:
        """Words of the longest entry."""
        return max(mark.words for mark in self._entries.values())

    @cached_property
    def fillers(self) -> frozenset[str]:
        """Words that say nothing of values."""
        return frozenset(self.grammar.fillers)

    @cached_property
    def comparatives(self) -> frozenset[str]:
        """Adjectives that mean more by their form."""
        return frozenset(self.grammar.comparatives)

    def find(self, words: list[str], place: int) -> Mark | None:
        """The longest entry that begins at a place; of equal ones a whole word before one with an open ending."""
        for count in range(min(self.longest, len(words) - place), 0, -1):
            text = " ".join(words[place : place + count])
            if text in self._entries:
                return self._entries[text]
            fitting = [pair for pair in self._prefixes.get(count, ()) if text.startswith(pair[0])]
            if fitting:
                return max(fitting, key=lambda pair: len(pair[0]))[1]
        return None


@lru_cache(maxsize=4)
def load_lexicon(phrases: Path = PHRASES_FILE, grammar: Path = GRAMMAR_FILE) -> Lexicon:
    """Read both files.

    Raises:
        ConfigurationError: if one is missing, no such YAML, or does not have exactly the ten values.
    """
    tree = _yaml(phrases)
    if not isinstance(tree, dict) or tuple(tree) != SCHWARTZ_VALUES:
        raise ConfigurationError(
            f"phrases {phrases}: give exactly {', '.join(SCHWARTZ_VALUES)}, in this order"
        )
    values = tuple(_model(ValueWords, tree[name], f"phrases {phrases}, {name}") for name in SCHWARTZ_VALUES)
    return Lexicon(values, _model(Grammar, _yaml(grammar), f"grammar {grammar}"))


def _yaml(path: Path) -> object:
    try:
        tree: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}; give a YAML file in UTF-8") from error
    return tree


def _model(kind: type[_Model], tree: object, what: str) -> _Model:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise ConfigurationError(f"{what}: {faults_of(error, 'file')}") from error
