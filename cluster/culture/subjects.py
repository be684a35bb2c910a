"""Which cultures are to be shown, with what surveys found about each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from agents.cultures import get_culture, load_cultures
from agents.survey.countries import COUNTRIES_FILE, find_country
from agents.survey.profile import MAP_AXES, CultureProfile, load_profiles
from agents.survey.shipped import shipped_profiles
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import CultureError


@dataclass(frozen=True, slots=True)
class Subject:
    """One culture to show.

    Attributes:
        id: of the region, alpha-3 code of the country, or as a profiles file of the user's own names it.
        name: as people write it.
        description: in a sentence; empty if we have none.
        region: id of the region that it is or lies in; empty if in none.
        countries: alpha-3 codes of the region's countries, or the country's own.
        profile: its figures; None if there are none.
    """

    id: str
    name: str
    description: str
    region: str
    countries: tuple[str, ...]
    profile: CultureProfile | None

    @property
    def is_region(self) -> bool:
        """Whether it is one of the eight regions."""
        return self.id == self.region

    @property
    def region_number(self) -> int | None:
        """Place of its region among the eight, which gives the colour on a map; None if it is in none."""
        return next((k for k, region in enumerate(load_cultures()) if region.id == self.region), None)

    @property
    def valued(self) -> bool:
        """Whether it has scores on the ten values."""
        return self.profile is not None and bool(self.profile.schwartz)

    @property
    def placed(self) -> bool:
        """Whether it has a place on the culture map."""
        return self.profile is not None and bool(self.profile.culture_map)

    def scores(self) -> list[float]:
        """Schwartz scores (10,) in points; only if ``valued``."""
        assert self.profile is not None
        return [self.profile.schwartz[name].value for name in SCHWARTZ_VALUES]

    def errors(self) -> list[float]:
        """Standard errors of ``scores``; 0 where unknown."""
        assert self.profile is not None
        return [self.profile.schwartz[name].standard_error or 0.0 for name in SCHWARTZ_VALUES]

    def place(self) -> tuple[float, float]:
        """Self-expression (to the right) and secular-rational (upward); only if ``placed``."""
        assert self.profile is not None
        upward, right = (self.profile.culture_map[axis].value for axis in MAP_AXES)
        return right, upward

    def sources(self) -> list[tuple[str, str]]:
        """What figures come from where: pairs such as ``("9 values", "World Values Survey, ...")``."""
        if self.profile is None:
            return []
        found: dict[str, list[str]] = {}
        for name, figure in self.profile.schwartz.items():
            found.setdefault(figure.source, []).append(name)
        pairs = [(_together(names), source) for source, names in found.items()]
        places = dict.fromkeys(figure.source for figure in self.profile.culture_map.values())
        return pairs + [("map", source) for source in places]

    def tree(self) -> dict[str, Any]:
        """As plain values for JSON."""
        figures = {} if self.profile is None else self.profile.model_dump(mode="json")
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "region": self.region or None,
            "countries": list(self.countries),
            "averaged_over": figures.get("countries", []),
            "schwartz": figures.get("schwartz", {}),
            "culture_map": figures.get("culture_map", {}),
            "hofstede": figures.get("hofstede", {}),
        }


def read_profiles(path: Path | None) -> Mapping[str, CultureProfile]:
    """The profiles of a file, or those that ship; errors as ``load_profiles``."""
    return shipped_profiles() if path is None else load_profiles(path)


def find_subjects(names: Sequence[str], profiles: Mapping[str, CultureProfile]) -> tuple[Subject, ...]:
    """The cultures of some names: regions, countries (code or name), or what the profiles call them.

    Raises:
        CultureError: if one is unknown, or given twice (under any spelling).
    """
    found: dict[str, str] = {}
    for name in names:
        culture = _identify(name, profiles)
        if culture in found:
            raise CultureError(
                f"cultures: {culture!r} is given twice ({found[culture]!r}, {name!r}); name each once"
            )
        found[culture] = name
    return tuple(_subject(culture, profiles) for culture in found)


def all_subjects(profiles: Mapping[str, CultureProfile]) -> tuple[Subject, ...]:
    """Every culture that has a profile, in the profiles' order."""
    return tuple(_subject(culture, profiles) for culture in profiles)


def cited(subjects: Sequence[Subject]) -> str:
    """One line of sources for under a picture: which surveys, without the years and counts of every figure."""
    surveys = dict.fromkeys(
        re.split(r", (?:waves?|surveys?) ", source)[0]
        for subject in subjects
        for _, source in subject.sources()
    )
    return f"Source: {'; '.join(surveys)}."


def country_name(code: str) -> str:
    """The name of a country for people; the code itself where we have none.

    >>> country_name("KOR"), country_name("QQQ")
    ('South Korea', 'QQQ')
    """
    return _country_names().get(code, code)


@lru_cache(maxsize=1)
def _country_names() -> dict[str, str]:
    """English names by alpha-3 code."""
    tree: dict[str, list[Any]] = yaml.safe_load(COUNTRIES_FILE.read_text(encoding="utf-8"))
    # Surveys ask in Northern Ireland apart, so that what they found under this code is of the rest alone.
    return {code: str(spellings[2]) for code, spellings in tree.items()} | {"GBR": "Great Britain"}


def _identify(name: str, profiles: Mapping[str, CultureProfile]) -> str:
    code = name.strip().upper()
    if name in profiles:
        return name
    if any(code in region.countries for region in load_cultures()):
        return code
    named = find_country(name)
    if named is not None and (named in profiles or any(named in r.countries for r in load_cultures())):
        return named
    return get_culture(name).id


def _subject(culture: str, profiles: Mapping[str, CultureProfile]) -> Subject:
    profile = profiles.get(culture)
    for region in load_cultures():
        if culture == region.id:
            return Subject(culture, region.name, region.description, culture, region.countries, profile)
        if culture in region.countries:
            about = f"a country of {region.name}."
            return Subject(culture, country_name(culture), about, region.id, (culture,), profile)
    countries = () if profile is None else profile.countries
    return Subject(culture, culture, "", "", countries, profile)


def _together(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} values"
