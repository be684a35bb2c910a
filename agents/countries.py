"""Countries by alpha-3 code: how people write them, and how survey files do."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml

COUNTRIES_FILE = Path(__file__).parent / "data" / "countries.yaml"
"""Names by alpha-3 code; the first is ours, the others are those of survey files."""


def country_name(code: str) -> str:
    """The name of a country for people; the code itself where we have none.

    >>> country_name("KOR"), country_name("QQQ")
    ('South Korea', 'QQQ')
    """
    return _names().get(code, (code,))[0]


def country_code(name: str) -> str | None:
    """The alpha-3 code of a country by one of its names, or None; case makes no difference.

    >>> country_code("Slovak Republic"), country_code("Atlantis")
    ('SVK', None)
    """
    return _codes().get(name.strip().casefold())


@lru_cache(maxsize=1)
def _names() -> dict[str, tuple[str, ...]]:
    tree: dict[str, list[str]] = yaml.safe_load(COUNTRIES_FILE.read_text(encoding="utf-8"))
    return {code: tuple(names) for code, names in tree.items()}


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    return {name.casefold(): code for code, names in _names().items() for name in names}
