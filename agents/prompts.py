"""Prompts as data: the templates of a YAML file and the functions that fill them.

A template names its fields in braces. Filling is one pass over the template's own text, so what is put in is
never read as a template again: a topic with braces is only a topic. Every text that is put in becomes one
line, because lines give a prompt its structure (and a reply its three lines).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.faults import faults_of
from agents.models.protocol import Message
from agents.templates import check_template, fill_template, one_line
from negotiation.errors import ConfigurationError, GameError

if TYPE_CHECKING:
    from agents.cultures import Culture, Portrait

CandidateKind = Literal["adversarial", "complementary", "innovative"]
"""The three kinds of candidate guideline (NCN section 3.3)."""

DEFAULT_PROMPTS = Path(__file__).parent / "data" / "prompts" / "instruct.yaml"
"""The prompt set for instruction models; the bundled model is trained on it."""

SHOWN_FROM = 0.005
"""Guidelines that hold less than this share of the weight are not shown (unless nothing else remains)."""

TEMPLATE_FIELDS: dict[str, frozenset[str]] = {
    "system": frozenset({"culture", "description"}),
    "survey_values": frozenset({"values"}),
    "survey_map": frozenset({"secular_rational", "self_expression"}),
    "survey": frozenset({"answers"}),
    "survey_answer": frozenset({"question", "shares"}),
    "position": frozenset({"topic", "max_words"}),
    "first_guideline": frozenset({"topic", "position", "answer_format"}),
    "candidate": frozenset({"topic", "opponents", "own", "kind", "instruction", "answer_format"}),
    "weights": frozenset({"topic", "own", "max_words"}),
    "consensus": frozenset({"topic", "position", "opponents", "own", "max_words"}),
    "answer_format": frozenset(),
    "opponent": frozenset({"culture", "guidelines"}),
    "guideline": frozenset({"weight", "content", "reason"}),
    "guideline_heading": frozenset({"weight", "content"}),
    "reply": frozenset({"content", "reason", "description"}),
}
"""What each template is given; it must use exactly these."""

MAY_BE_LEFT_OUT = ("survey_values", "survey_map")
"""Templates of the default set that stand in for those that another set does not have."""


@dataclass(frozen=True, slots=True)
class WeightedGuideline:
    """A guideline as a prompt shows it.

    Attributes:
        weight: its share of the player's weights, finite and >= 0; shares are of the sum of those given.
        content: the heading.
        reason: why it was proposed; may be empty.
        description: what it asks for; may be empty. Shown where a culture speaks of what it holds itself.
    """

    weight: float
    content: str
    reason: str
    description: str = ""

    @property
    def whole(self) -> str:
        """Reason and description, as sentences one after the other; empty if both are.

        >>> WeightedGuideline(1.0, "Open days", "Trust", "Visit.").whole
        'Trust. Visit.'
        """
        reason, description = self.reason.strip(), self.description.strip()
        if not (reason and description):
            return reason or description
        return f"{reason}{'' if reason[-1] in '.!?' else '.'} {description}"


class Instructions(BaseModel):
    """What is asked of each kind of candidate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    adversarial: str = Field(min_length=1, description="attack a weakness of the other side")
    complementary: str = Field(min_length=1, description="fill a gap that both sides leave")
    innovative: str = Field(min_length=1, description="reframe the question")


class PromptSet(BaseModel):
    """A set of templates; every one uses exactly the fields of ``TEMPLATE_FIELDS``.

    The rendering functions return the system and the user message of one model call.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=lambda name: name.removesuffix("_template")
    )

    name: str = Field(min_length=1, description="name of the set, kept in records")
    version: int = Field(ge=1, description="raised whenever a rendering changes")
    system_template: str = Field(description="system message: who speaks")
    survey_values_template: str = Field(
        description="added to the system message of a culture with value scores"
    )
    survey_map_template: str = Field(
        description="added after it where its place on the cultural map is known"
    )
    survey_template: str = Field(description="added to the system message of a culture with survey answers")
    survey_answer_template: str = Field(description="one item of a survey with the shares of its answers")
    position_template: str = Field(description="asks for the opening statement")
    first_guideline_template: str = Field(
        description="asks for the first guideline, given the opening statement"
    )
    candidate_template: str = Field(description="asks for a new guideline of one kind")
    weights_template: str = Field(description="asks to say one's own weights in words (interim consensus)")
    consensus_template: str = Field(description="asks for the consensus statement")
    answer_format_template: str = Field(description="how a guideline is to be written")
    opponent_template: str = Field(description="one opponent and what it holds")
    guideline_template: str = Field(description="one weighted guideline with its reason")
    guideline_heading_template: str = Field(description="one weighted guideline without a reason")
    instructions: Instructions = Field(description="what is asked of each kind of candidate")
    reply_template: str = Field(description="a guideline as the model is to write it; used in training")

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        for name, expected in TEMPLATE_FIELDS.items():
            check_template(name, self._template(name), expected)
        return self

    @classmethod
    def load(cls, path: Path | None = None) -> PromptSet:
        """Read a prompt set from YAML; without a path, the one for instruction models.

        Raises:
            ConfigurationError: if the file is missing, is no UTF-8 or YAML, lacks a template or has one too
                many, or a template does not use exactly the fields it is given.

        >>> PromptSet.load().name
        'instruct'
        """
        source = DEFAULT_PROMPTS if path is None else path
        try:
            tree = yaml.safe_load(source.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(
                f"prompts {source}: {error.strerror}; give a readable YAML file"
            ) from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigurationError(f"prompts {source}: not UTF-8 YAML: {error}") from error
        if not isinstance(tree, dict):
            raise ConfigurationError(
                f"prompts {source}: expected a mapping of templates, found {type(tree).__name__}"
            )
        if source != DEFAULT_PROMPTS:
            default = cls.load()
            tree = {name: default._template(name) for name in MAY_BE_LEFT_OUT} | tree
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            raise ConfigurationError(f"prompts {source}: {faults_of(error, 'templates')}") from error

    def speaker(self, culture: Culture) -> Message:
        """The system message: who speaks, and what its people value and answered where the culture brings that."""
        text = self._fill("system", {"culture": culture.name, "description": culture.description})
        if culture.portrait is not None:
            text += self._portrait(culture.portrait)
        if culture.evidence:
            lines = [
                self._fill("survey_answer", {"question": evidence.question, "shares": evidence.shares})
                for evidence in culture.evidence
            ]
            text += "\n" + self._fill("survey", {}, {"answers": "\n".join(lines)})
        return Message("system", text)

    def position(self, culture: Culture, topic: str, max_words: int) -> tuple[Message, Message]:
        """Ask for the opening statement on ``topic`` in at most ``max_words`` words."""
        return self._messages(culture, "position", {"topic": topic, "max_words": str(max_words)})

    def first_guideline(self, culture: Culture, topic: str, position: str) -> tuple[Message, Message]:
        """Ask for the first guideline, given the culture's own opening statement."""
        return self._messages(
            culture,
            "first_guideline",
            {"topic": topic, "position": position},
            {"answer_format": self._fill("answer_format", {})},
        )

    def candidate(
        self,
        culture: Culture,
        topic: str,
        opponents: Sequence[tuple[str, Sequence[WeightedGuideline]]],
        own: Sequence[WeightedGuideline],
        kind: CandidateKind,
    ) -> tuple[Message, Message]:
        """Ask for a new guideline of one kind, with every opponent's and the own weighted guidelines in view.

        Args:
            culture: who speaks.
            topic: the question.
            opponents: for each opponent its name and its pool, in pool order.
            own: the speaker's pool, in pool order.
            kind: adversarial, complementary or innovative.

        Raises:
            ConfigurationError: if ``kind`` is another word.
            GameError: if there are no opponents, or weights are missing, negative, not finite or all zero.
        """
        if kind not in Instructions.model_fields:
            known = ", ".join(Instructions.model_fields)
            raise ConfigurationError(f"candidate kind is {kind!r}; it must be one of {known}")
        return self._messages(
            culture,
            "candidate",
            {"topic": topic, "kind": kind},
            {
                "opponents": self._opponents(opponents),
                "own": self._guidelines(own),
                "instruction": getattr(self.instructions, kind),
                "answer_format": self._fill("answer_format", {}),
            },
        )

    def weights(
        self, culture: Culture, topic: str, own: Sequence[WeightedGuideline], max_words: int
    ) -> tuple[Message, Message]:
        """Ask to say in words what the culture stands for now, in proportion to its own weights.

        The own guidelines are shown with their descriptions.
        """
        return self._messages(
            culture,
            "weights",
            {"topic": topic, "max_words": str(max_words)},
            {"own": self._guidelines(own, whole=True)},
        )

    def consensus(
        self,
        culture: Culture,
        topic: str,
        position: str,
        opponents: Sequence[tuple[str, Sequence[WeightedGuideline]]],
        own: Sequence[WeightedGuideline],
        max_words: int,
    ) -> tuple[Message, Message]:
        """Ask for the consensus that follows from everybody's weights, in at most ``max_words`` words.

        The own opening statement is in view.
        """
        return self._messages(
            culture,
            "consensus",
            {"topic": topic, "position": position, "max_words": str(max_words)},
            {"opponents": self._opponents(opponents), "own": self._guidelines(own)},
        )

    def reply(self, content: str, reason: str, description: str) -> str:
        """A guideline as the model is to write it; ``agents.parsing.parse_guideline`` reads it back."""
        return self._fill("reply", {"content": content, "reason": reason, "description": description})

    def _portrait(self, portrait: Portrait) -> str:
        """What surveys found of a people as a whole, a line each; numbers with their sign, to a tenth."""
        lines = ""
        if portrait.values:
            scores = ", ".join(f"{name} {_signed(score)}" for name, score in portrait.values)
            lines += "\n" + self._fill("survey_values", {"values": scores})
        if portrait.secular_rational is not None and portrait.self_expression is not None:
            place = {
                "secular_rational": _signed(portrait.secular_rational),
                "self_expression": _signed(portrait.self_expression),
            }
            lines += "\n" + self._fill("survey_map", place)
        return lines

    def _template(self, name: str) -> str:
        text: str = getattr(self, f"{name}_template")
        return text

    def _fill(self, name: str, lines: Mapping[str, str], blocks: Mapping[str, str] | None = None) -> str:
        """Fill a template; ``lines`` become one line each, ``blocks`` (filled templates) stay as they are."""
        values = {field: one_line(text) for field, text in lines.items()} | dict(blocks or {})
        return fill_template(self._template(name), values)

    def _messages(
        self, culture: Culture, name: str, lines: Mapping[str, str], blocks: Mapping[str, str] | None = None
    ) -> tuple[Message, Message]:
        return self.speaker(culture), Message("user", self._fill(name, lines, blocks))

    def _guidelines(self, pool: Sequence[WeightedGuideline], *, whole: bool = False) -> str:
        """The shown guidelines, one a line, heaviest first; ``whole`` with their descriptions."""
        lines = []
        for k, percent in shown_percentages([guideline.weight for guideline in pool]):
            guideline = pool[k]
            fields = {"weight": str(percent), "content": guideline.content}
            reason = guideline.whole if whole else guideline.reason.strip()
            if reason:
                lines.append(self._fill("guideline", fields | {"reason": reason}))
            else:
                lines.append(self._fill("guideline_heading", fields))
        return "\n".join(lines)

    def _opponents(self, opponents: Sequence[tuple[str, Sequence[WeightedGuideline]]]) -> str:
        if not opponents:
            raise GameError("opponents is empty; a negotiation has two or more players")
        return "\n".join(
            self._fill("opponent", {"culture": name}, {"guidelines": self._guidelines(pool)})
            for name, pool in opponents
        )


@lru_cache(maxsize=1024)
def _signed(number: float) -> str:
    """A number to a tenth with its sign; what rounds to nothing has no sign of its own.

    >>> _signed(-0.04), _signed(-0.25), _signed(1.06)
    ('+0.0', '-0.2', '+1.1')
    """
    return f"{round(number, 1) + 0.0:+.1f}"


def shown_percentages(weights: Sequence[float]) -> list[tuple[int, int]]:
    """Which guidelines a prompt shows and with what whole percentage.

    Weights are taken as shares of their sum. Those below ``SHOWN_FROM`` are left out (unless all are), the
    others share 100 percent by largest remainder, ties going to the heavier and then to the earlier one.

    Args:
        weights: (K,) finite, >= 0, not all zero; in pool order.

    Returns:
        Pairs of pool index and percentage, heaviest first, ties in pool order; the percentages sum to 100.

    Raises:
        GameError: if there are no weights, one is negative or not finite, or all are zero.

    >>> shown_percentages([0.2, 0.799, 0.001])
    [(1, 80), (0, 20)]
    """
    if not weights:
        raise GameError("weights is empty; a player holds at least one guideline")
    for k, weight in enumerate(weights):
        if not math.isfinite(weight) or weight < 0.0:
            raise GameError(f"weight {k} is {weight}; weights must be finite and not negative")
    total = math.fsum(weights)
    if not (total > 0.0 and math.isfinite(total)):
        raise GameError(f"weights sum to {total}; at least one must be positive")
    order = sorted(range(len(weights)), key=lambda k: -weights[k])
    shown = [k for k in order if weights[k] >= SHOWN_FROM * total] or order
    shown_total = math.fsum(weights[k] for k in shown)
    exact = [100.0 * (weights[k] / shown_total) for k in shown]
    percents = [math.floor(share) for share in exact]
    by_remainder = sorted(range(len(shown)), key=lambda place: percents[place] - exact[place])
    for place in by_remainder[: 100 - sum(percents)]:
        percents[place] += 1
    return list(zip(shown, percents, strict=True))
