"""The cultures that can negotiate: the eight regions of the Inglehart-Welzel map."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agents.faults import faults_of
from agents.values import ValueProfile
from negotiation.errors import CultureError

CULTURES_FILE = Path(__file__).parent / "data" / "cultures.yaml"
"""The cultures that ship with the package."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a culture's people answered to one survey item, as a prompt shows it.

    Attributes:
        item: id in the codebook.
        question: the item's paraphrase.
        shares: the answers with whole percentages, e.g. ``"62% yes, 38% no"``.
    """

    item: str
    question: str
    shares: str


@dataclass(frozen=True, slots=True)
class Portrait:
    """What surveys found about a culture's people as a whole, as a prompt shows it.

    Attributes:
        values: Schwartz's ten with their scores, the most important first: means centred within person, in points of the
            six-point scale; higher is more important.
        secular_rational: place on the culture map, higher is more secular; None if unknown.
        self_expression: the other axis, higher is more self-expressive; None if unknown.
    """

    values: tuple[tuple[str, float], ...] = ()
    secular_rational: float | None = None
    self_expression: float | None = None


@dataclass(frozen=True, slots=True)
class Culture:
    """One culture: who a cultural agent speaks for.

    Attributes:
        id: lower-case words joined by hyphens; used in records, file names and adapter names.
        name: as people write it; used in prompts.
        description: a short neutral one, naming places and institutions rather than traits; used in prompts.
        countries: alpha-3 codes of its countries, sorted.
        survey_codes: the numeric codes of the same countries, as survey files give them.
        profile: what its people value, or None where no survey has been read. The eight regions that ship have theirs from
            ``agents/data/profiles.json``; for all of a culture's figures see ``agents.survey.shipped``.
        evidence: its people's answers on the items nearest to the question at hand (``agents.grounding``); used in prompts.
        portrait: its people's values and place on the map, where its agent is shown them (``agents.grounding``); used in prompts.
    """

    id: str
    name: str
    description: str
    countries: tuple[str, ...] = ()
    survey_codes: tuple[int, ...] = ()
    profile: ValueProfile | None = None
    evidence: tuple[Evidence, ...] = ()
    portrait: Portrait | None = None


class _CultureEntry(BaseModel):
    """One entry of a cultures file."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(
        pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", description="lower-case words joined by hyphens"
    )
    name: str = Field(min_length=1, description="as people write it")
    description: str = Field(min_length=1, description="short and neutral")
    countries: dict[str, int] = Field(default={}, description="alpha-3 code: numeric code")

    def culture(self) -> Culture:
        codes = sorted(self.countries.items())
        return Culture(
            id=self.id,
            name=self.name,
            description=self.description,
            countries=tuple(alpha for alpha, _ in codes),
            survey_codes=tuple(number for _, number in codes),
        )


_ENTRIES = TypeAdapter(list[_CultureEntry])


@lru_cache(maxsize=8)
def load_cultures(path: Path = CULTURES_FILE) -> tuple[Culture, ...]:
    """The cultures of a YAML file, in its order; without a path, the eight regions with their value profiles.

    Raises:
        CultureError: as ``read_cultures``.

    >>> [culture.id for culture in load_cultures()][:2]
    ['english-speaking', 'protestant-europe']
    """
    cultures = read_cultures(path)
    return _with_profiles(cultures) if path == CULTURES_FILE else cultures


def read_cultures(path: Path) -> tuple[Culture, ...]:
    """The cultures of a YAML file as it gives them, without profiles.

    Raises:
        CultureError: if the file is missing, is no UTF-8 YAML list, has a wrong or unknown field, an id or
            name twice, or a country in two cultures.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CultureError(f"cultures {path}: {error.strerror}; give a readable YAML file") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise CultureError(f"cultures {path}: not UTF-8 YAML: {error}") from error
    try:
        cultures = tuple(entry.culture() for entry in _ENTRIES.validate_python(tree))
    except ValidationError as error:
        raise CultureError(f"cultures {path}: {faults_of(error, 'file')}") from error
    _check_distinct(path, cultures)
    return cultures


def _with_profiles(regions: Sequence[Culture]) -> tuple[Culture, ...]:
    """The regions that ship, with the value profiles that ship.

    Cultures of a file of the user's own get none: what we found for a region need not be true of theirs by that name.
    """
    from agents.survey.shipped import shipped_profiles

    profiles = shipped_profiles()
    return tuple(replace(region, profile=profiles[region.id].values) for region in regions)


def _check_distinct(path: Path, cultures: Sequence[Culture]) -> None:
    names: dict[str, Culture] = {}
    countries: dict[str, Culture] = {}
    for culture in cultures:
        for key in {_key(culture.id), _key(culture.name)}:
            if key in names:
                raise CultureError(
                    f"cultures {path}: {culture.id!r} and {names[key].id!r} answer to the same name;"
                    " rename one"
                )
            names[key] = culture
        for country in culture.countries:
            if country in countries:
                raise CultureError(
                    f"cultures {path}: country {country} is in {countries[country].id!r} and in"
                    f" {culture.id!r}; keep it in one"
                )
            countries[country] = culture


def get_culture(name: str, cultures: Sequence[Culture] | None = None) -> Culture:
    """The culture of that id or name; case, hyphens, underscores, spaces, "and" and "&" make no difference.

    Args:
        name: an id such as ``"west-south-asia"`` or a name such as ``"West & South Asia"``.
        cultures: where to look; the eight regions if None.

    Raises:
        CultureError: if there is none, with the nearest names.

    >>> get_culture("West & South Asia").id
    'west-south-asia'
    """
    known = load_cultures() if cultures is None else cultures
    for culture in known:
        if culture.id == name:  # as it mostly is, and without the work below
            return culture
    by_key = {_key(label): culture for culture in known for label in (culture.id, culture.name)}
    key = _key(name)
    if key in by_key:
        return by_key[key]
    raise CultureError(f"unknown culture {name!r}; {_advice(name.strip(), key, by_key, known)}")


def _advice(name: str, key: str, by_key: dict[str, Culture], known: Sequence[Culture]) -> str:
    """What to write in place of an unknown name."""
    for culture in known:
        if name.upper() in culture.countries:
            return f"{name.upper()} is a country of {culture.id!r}: use that"
    near: list[str] = []
    for match in difflib.get_close_matches(key, by_key, n=6, cutoff=0.5):
        if by_key[match].id not in near:
            near.append(by_key[match].id)
    if near:
        return f"did you mean {' or '.join(near[:3])}?"
    return f"the cultures are {', '.join(culture.id for culture in known)}"


def check_cultures(names: Sequence[str], cultures: Sequence[Culture] | None = None) -> tuple[Culture, ...]:
    """The cultures of a negotiation: two or more, each once, in the order given.

    Raises:
        CultureError: if one is unknown, one occurs twice (under any spelling), or there are fewer than two.

    >>> [culture.id for culture in check_cultures(["Confucian", "latin_america"])]
    ['confucian', 'latin-america']
    """
    found = tuple(get_culture(name, cultures) for name in names)
    if len(found) < 2:
        raise CultureError(
            f"cultures: {len(found)} given ({', '.join(names) or 'none'}); a negotiation needs two or more"
        )
    seen: dict[str, str] = {}
    for culture, name in zip(found, names, strict=True):
        if culture.id in seen:
            raise CultureError(
                f"cultures: {culture.id!r} is given twice ({seen[culture.id]!r}, {name!r}); name each once"
            )
        seen[culture.id] = name
    return found


def _key(name: str) -> str:
    """What two spellings of one name have in common."""
    words = re.split(r"[^a-z0-9]+", name.casefold())
    return "-".join(word for word in words if word and word != "and")
