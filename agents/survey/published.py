"""Profiles of regions and countries from published aggregates, as they ship with the package.

Two files of country averages go in, made from the Integrated Values Surveys (the joint data of the World Values Survey and
the European Values Study): ``SCHWARTZ_FILE`` with the ten centred value scores by country and wave, ``MAP_FILE`` with the
two axes of the Inglehart-Welzel map by country and year. The rule, all of it:

- A country's numbers are all of one wave or year: the latest in which none is empty, and where every one has an empty cell,
  the latest. (In the wave ending 2014 many countries were not asked the benevolence item. Where the wave ending 2010 has all
  ten scores, it stands: scores centred on ten items and on nine are not put together.)
- A country without one of the ten has no Schwartz part of its own, but its other nine count in its region. They are
  centred on nine items, as published, and so lie about a ninth of the benevolence score too high (0.1 of a point or less).
- A region's figure is the mean over its countries that have one, each with weight one whatever its population or sample;
  the standard error is that between countries, s / sqrt(n), and unknown for one country. Countries whose cell is empty are
  skipped, and each figure's source says how many there were.
- A country in none of the eight regions is left out. What region a country is in is for ``agents/data/cultures.yaml`` to
  say; a file that says otherwise is refused.
- Figures are rounded to four decimals, the precision of the published scores.

Make the shipped file anew with ``python -m agents.survey.published DIR``, where DIR holds the two files.
"""

from __future__ import annotations

import csv
import math
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from agents.cultures import CULTURES_FILE, Culture, get_culture, read_cultures
from agents.survey.countries import find_country
from agents.survey.profile import MAP_AXES, CultureProfile, Figure, save_profiles
from agents.survey.shipped import PROFILES_FILE
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import CultureError

SCHWARTZ_FILE = "schwartz_by_country.csv"
"""Columns ``country``, ``region``, ``wave_end_year`` and the ten values, in points of the six-point battery."""

MAP_FILE = "inglehart_welzel_by_country.csv"
"""Columns ``name``, ``region``, ``year`` and the two axes."""

SURVEYS = "World Values Survey and European Values Study, Integrated Values Surveys"
"""How every source begins."""

ALSO_CALLED = {"Moldova, Rep. of": "MDA", "Montenegro, Rep. of": "MNE"}
"""Names that only these files use, with the codes they stand for."""

PAST_STATES = frozenset({"Germany West"})
"""Names in the files that are no country of today and therefore in no region."""

_DECIMALS = 4

_Columns: TypeAlias = tuple[str, str, Sequence[str]]
"""Names of a file's columns: of the country, of the year, and of the numbers."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One country in one wave or year: ``cells`` by column, without those that are empty."""

    country: str
    year: int
    cells: Mapping[str, float]


def write_published(folder: Path, path: Path = PROFILES_FILE) -> None:
    """Build the profiles from a folder's two files and write them to ``path``; errors as ``build_profiles``."""
    save_profiles(build_profiles(folder), path)


def build_profiles(folder: Path) -> dict[str, CultureProfile]:
    """Profiles of the eight regions, then of each country that has a complete part, by code.

    Raises:
        CultureError: if a file is missing or lacks a column, or a line names an unknown country or region, puts a country
            in another region than ours, holds no number, or repeats a country and year.
    """
    regions = read_cultures(CULTURES_FILE)  # not load_cultures, which reads the very file that is made here
    values = _latest(_read(folder / SCHWARTZ_FILE, ("country", "wave_end_year", SCHWARTZ_VALUES), regions))
    places = _latest(_read(folder / MAP_FILE, ("name", "year", MAP_AXES), regions))
    profiles = [_profile(region.id, region.countries, values, places) for region in regions]
    codes = sorted(code for region in regions for code in region.countries)
    profiles += [_profile(code, (code,), values, places) for code in codes]
    return {profile.culture: profile for profile in profiles if profile.schwartz or profile.culture_map}


def _latest(rows: Iterable[_Row]) -> dict[str, _Row]:
    """One row a country: the latest of those with the fewest empty cells."""
    return {row.country: row for row in sorted(rows, key=lambda row: (len(row.cells), row.year))}


def _profile(
    culture: str, countries: Sequence[str], values: Mapping[str, _Row], places: Mapping[str, _Row]
) -> CultureProfile:
    """The profile of some countries together; of one country, its own numbers."""
    valued = [values[code] for code in countries if code in values]
    placed = [places[code] for code in countries if code in places]
    one = countries == (culture,)
    return CultureProfile(
        culture=culture,
        schwartz=_figures(valued, SCHWARTZ_VALUES, "wave ending", one),
        culture_map=_figures(placed, MAP_AXES, "survey of", one),
        countries=tuple(code for code in countries if code in values or code in places),
    )


def _figures(rows: Sequence[_Row], names: Sequence[str], when: str, one: bool) -> dict[str, Figure]:
    """A figure for each name, or none if a name is empty in every row."""
    having = {name: [row for row in rows if name in row.cells] for name in names}
    if not all(having.values()):
        return {}
    if one:
        return {name: _own(found[0], name, when) for name, found in having.items()}
    return {name: _mean(found, len(rows) - len(found), name, when) for name, found in having.items()}


def _own(row: _Row, name: str, when: str) -> Figure:
    return Figure(value=round(row.cells[name], _DECIMALS), source=f"{SURVEYS}, {when} {row.year}")


def _mean(rows: Sequence[_Row], skipped: int, name: str, when: str) -> Figure:
    """Mean and between-country standard error of one or more countries, beside ``skipped`` without a figure."""
    numbers = [row.cells[name] for row in rows]
    error = statistics.stdev(numbers) / math.sqrt(len(numbers)) if len(numbers) > 1 else None
    first, last = min(row.year for row in rows), max(row.year for row in rows)
    years = f"{when} {first}" if first == last else f"{when.replace(' ', 's ', 1)} {first} to {last}"
    count = f"mean of {len(rows)} countr{'y' if len(rows) == 1 else 'ies'}"
    return Figure(
        value=round(statistics.fmean(numbers), _DECIMALS),
        standard_error=None if error is None else round(error, _DECIMALS),
        source=f"{SURVEYS}, {years}, {count}" + (f", {skipped} more without a figure" if skipped else ""),
    )


def _read(path: Path, columns: _Columns, regions: Sequence[Culture]) -> list[_Row]:
    """The rows of one file whose country is in a region, checked."""
    rows: dict[tuple[str, int], _Row] = {}
    name, year, numbers = columns
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            head = reader.fieldnames or ()
            missing = [column for column in (name, "region", year, *numbers) if column not in head]
            if missing:
                raise CultureError(f"{path}: no column {', '.join(missing)}; use a file with all columns")
            for line in reader:
                where = f"{path} line {reader.line_num}"
                row = _row(line, columns, regions, where)
                if row is not None and rows.setdefault((row.country, row.year), row) is not row:
                    raise CultureError(f"{where}: {row.country} is given twice for {row.year}; keep one line")
    except OSError as error:
        raise CultureError(f"{path}: {error.strerror}; give the folder of the two CSV files") from error
    except UnicodeDecodeError as error:
        raise CultureError(f"{path}: not UTF-8 text: {error.reason}; save it as UTF-8") from error
    return list(rows.values())


def _row(line: dict[str, str], columns: _Columns, regions: Sequence[Culture], where: str) -> _Row | None:
    """A line as a row, or None if its country is in no region."""
    name, year, numbers = columns
    # A reader gives None for what a short line lacks, and what a long one has too much under the key None.
    if None in line or None in line.values():
        raise CultureError(f"{where}: more or fewer cells than columns; give one for each, empty if unknown")
    country = _country(line[name], line["region"], regions, where)
    if country is None:
        return None
    if not line[year].strip().isdecimal():
        raise CultureError(f"{where}: {year} is {line[year]!r}; give a year")
    cells = {column: _number(line[column], column, where) for column in numbers if line[column].strip()}
    return _Row(country, int(line[year]), cells)


def _country(name: str, region: str, regions: Sequence[Culture], where: str) -> str | None:
    """The code of a country in one of the eight regions, else None."""
    if region:
        try:
            culture = get_culture(region, regions)
        except CultureError as error:
            raise CultureError(f"{where}: region {region!r}: {error}") from error
    if name in PAST_STATES:
        return None
    code = ALSO_CALLED.get(name) or find_country(name)
    if code is None:
        raise CultureError(
            f"{where}: unknown country {name!r}; add the name to agents/data/survey/countries.yaml"
        )
    if region and code not in culture.countries:
        raise CultureError(
            f"{where}: {name} is in {culture.id!r}, but {code} is not a country of it here;"
            " put the region right, or leave it empty"
        )
    return code if any(code in known.countries for known in regions) else None


def _number(text: str, column: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CultureError(f"{where}: {column} is {text!r}; give a number, or nothing if unknown")
    return number


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m agents.survey.published DIR")
    write_published(Path(sys.argv[1]))
