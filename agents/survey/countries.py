"""Countries as survey files name them: numbers, two or three letters, or English names."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml

COUNTRIES_FILE = Path(__file__).parents[1] / "data" / "survey" / "countries.yaml"
"""Codes and names by alpha-3 code."""


def find_country(text: str) -> str | None:
    """Alpha-3 code of a country given as ISO number, alpha-2, alpha-3 or English name, or None if there is none.

    Numbers may have a decimal part of zero, as spreadsheets and SPSS write them.

    >>> find_country("840"), find_country("840.0"), find_country("US"), find_country("United States")
    ('USA', 'USA', 'USA', 'USA')
    """
    key = text.strip().casefold()
    whole, point, rest = key.partition(".")
    if whole.isascii() and whole.isdigit() and (not point or not rest.strip("0")):
        key = str(int(whole))
    return _codes().get(key)


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    """Alpha-3 code by every spelling."""
    codes: dict[str, str] = {}
    tree: dict[str, list[int | str | None]] = yaml.safe_load(COUNTRIES_FILE.read_text(encoding="utf-8"))
    for code, spellings in tree.items():
        for spelling in (code, *spellings):
            if spelling is not None:
                codes[str(spelling).casefold()] = code
    return codes
