"""The profiles that ship with the package: of the eight regions and of their countries (made by ``published``)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from agents.survey.profile import CultureProfile, load_profiles

PROFILES_FILE = Path(__file__).parent.parent / "data" / "profiles.json"
"""The file that ships; ``python -m agents.survey.published DIR`` makes it anew."""


@lru_cache(maxsize=1)
def shipped_profiles() -> Mapping[str, CultureProfile]:
    """Profiles by region id and by alpha-3 code of a country; the regions come first.

    >>> figure = shipped_profiles()["protestant-europe"].culture_map["self_expression"]
    >>> figure.value > shipped_profiles()["confucian"].culture_map["self_expression"].value
    True
    """
    return MappingProxyType(load_profiles(PROFILES_FILE))
