"""GlobalOpinionQA: published answer shares by country, without respondents, from its CSV file or a ``datasets`` folder.

The data set (Durmus et al. 2023) holds questions of the World Values Survey and of Pew's Global Attitudes Surveys with the
share of each option by country. It does not say how many people answered.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agents.survey.countries import find_country
from negotiation.errors import CultureError

OPINION_COLUMNS = ("question", "selections", "options")
"""What each row has; ``source`` may be there too."""

LARGEST_GAP = 0.05
"""How far published shares may be from summing to 1, by rounding."""

_LONGEST_CELL = 1_000_000
_SOURCES = {"WVS": "World Values Survey", "GAS": "Pew Global Attitudes Survey"}
_SAME_COUNTRY = " (current national sample)"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opinion:
    """One published question.

    Attributes:
        id: made from the text, so that the same question has the same id everywhere.
        question: the survey's wording, as the file gives it.
        options: (K,) as the file gives them, refusals among them.
        source: survey, never empty.
        shares: by alpha-3 code (K,), each in [0, 1], summing to 1.
    """

    id: str
    question: str
    options: tuple[str, ...]
    source: str
    shares: Mapping[str, tuple[float, ...]]


def is_opinions(path: Path) -> bool:
    """Whether it is a GlobalOpinionQA file or a folder of the ``datasets`` library."""
    if path.is_dir():
        return True
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open("rb") as file:
        header = file.readline(10_000).decode("utf-8-sig", "replace")
    names = {name.strip() for name in next(csv.reader([header]), [])}
    return names >= set(OPINION_COLUMNS)


def read_opinions(path: Path) -> tuple[Opinion, ...]:
    """The questions of a CSV file, or of a folder that ``Dataset.save_to_disk`` wrote.

    Rows without a question or without options, and rows whose shares do not go with the options, are left out and logged:
    the published file has some. So are samples that do not stand for a country, and countries with all shares 0.

    Raises:
        CultureError: naming line or row, if the file is missing, no UTF-8, malformed, or has no usable question.
    """
    return parse_opinions(_csv_rows(path) if path.is_file() else _folder_rows(path), path)


def parse_opinions(rows: Iterable[tuple[str, Mapping[str, object]]], path: Path) -> tuple[Opinion, ...]:
    """Questions from rows, each with its place ("line 2") for messages; see ``read_opinions``.

    Raises:
        CultureError: naming the place.
    """
    opinions: dict[str, Opinion] = {}
    skipped = 0
    for place, row in rows:
        opinion = _opinion(path, place, row)
        if opinion is None or not opinion.shares:
            skipped += 1
            continue
        known = opinions.get(opinion.id)
        if known is not None:  # asked in several years: the first row counts, and further countries are added
            opinion = Opinion(
                known.id, known.question, known.options, known.source, {**opinion.shares, **known.shares}
            )
        opinions[opinion.id] = opinion
    if skipped:
        logger.warning("%s: left out %d rows without question, options or fitting shares", path, skipped)
    if not opinions:
        raise CultureError(
            f"survey {path}: no usable question; give GlobalOpinionQA with {', '.join(OPINION_COLUMNS)}"
        )
    return tuple(opinions.values())


def _opinion(path: Path, place: str, row: Mapping[str, object]) -> Opinion | None:
    for name in OPINION_COLUMNS:
        if name not in row:
            raise CultureError(f"survey {path}, {place}: no {name!r}; a row has {', '.join(OPINION_COLUMNS)}")
    question = str(row["question"] or "").strip()
    if not question or not row["options"] or not row["selections"]:
        return None
    options = _literal(path, place, "options", row["options"], "[")
    selections = _literal(path, place, "selections", row["selections"], "{")
    if not isinstance(options, list) or not isinstance(selections, Mapping):
        raise CultureError(
            f"survey {path}, {place}: options must be a list and selections a mapping of countries to shares"
        )
    labels = tuple(str(option).strip() for option in options)
    shares: dict[str, tuple[float, ...]] = {}
    for name, given in selections.items():
        country = _country(path, place, str(name))
        if (
            country is not None
            and (checked := _shares(path, place, str(name), given, len(labels))) is not None
        ):
            shares[country] = checked
    survey = str(row.get("source") or "").strip()
    return Opinion(
        id=f"opinion-{hashlib.sha256('|'.join((question, *labels)).encode()).hexdigest()[:12]}",
        question=question,
        options=labels,
        source=f"GlobalOpinionQA ({_SOURCES.get(survey, survey) or 'survey not named'})",
        shares=shares if len(labels) > 1 else {},
    )


def _literal(path: Path, place: str, name: str, cell: object, opening: str) -> object:
    """A Python literal from a cell; nothing in it is run. ``defaultdict(...)`` around it is cut off."""
    if not isinstance(cell, str):
        return cell
    closing = {"[": "]", "{": "}"}[opening]
    start, end = cell.find(opening), cell.rfind(closing)
    wrapped = cell[:start].strip() in ("", "defaultdict(<class 'list'>,") and cell[end + 1 :].strip() in (
        "",
        ")",
    )
    if start < 0 or end < start or not wrapped or len(cell) > _LONGEST_CELL:
        raise CultureError(
            f"survey {path}, {place}, column {name!r}: {cell[:40]!a} is no literal from {opening} to {closing}; download"
            " the file again"
        )
    try:
        parsed: object = ast.literal_eval(cell[start : end + 1])
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise CultureError(
            f"survey {path}, {place}, column {name!r}: malformed literal ({error}); download the file again"
        ) from error
    return parsed


def _country(path: Path, place: str, name: str) -> str | None:
    """Alpha-3 code; None for a sample that does not stand for a country."""
    plain = name.strip()
    if plain.casefold().endswith(_SAME_COUNTRY):
        plain = plain[: -len(_SAME_COUNTRY)]
    elif plain.casefold().endswith("sample)"):
        return None  # "(Non-national sample)", "(Old national sample)"
    country = find_country(plain)
    if country is None:
        raise CultureError(
            f"survey {path}, {place}, column 'selections': {name[:40]!r} is no country known here; use its English name"
        )
    return country


def _shares(path: Path, place: str, country: str, given: object, options: int) -> tuple[float, ...] | None:
    if not isinstance(given, list | tuple) or not all(
        isinstance(share, int | float)
        and not isinstance(share, bool)
        and math.isfinite(share)
        and 0 <= share <= 1
        for share in given
    ):
        raise CultureError(
            f"survey {path}, {place}, column 'selections': shares of {country[:40]!r} must be numbers from 0 to 1"
        )
    total = math.fsum(given)
    if len(given) != options or total == 0:
        return None
    if abs(total - 1) > LARGEST_GAP:
        raise CultureError(
            f"survey {path}, {place}, column 'selections': shares of {country[:40]!r} sum to {total:g}; they must sum to 1"
        )
    return tuple(share / total for share in given)


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                if None in row or None in row.values():
                    raise CultureError(
                        f"survey {path}, line {line + 1:,}: {sum(cell is not None for cell in row.values())} cells under"
                        f" {len(reader.fieldnames or ())} columns; if it is the last, the file ends early: download it again"
                    )
                yield f"line {line + 1:,}", row
                line = reader.line_num
    except UnicodeDecodeError as error:
        raise CultureError(
            f"survey {path}, after line {line:,}: byte 0x{error.object[error.start]:02x} is no UTF-8; save the file as UTF-8"
        ) from error
    except csv.Error as error:
        raise CultureError(
            f"survey {path}, line {line + 1:,}: malformed CSV ({error}); a quote is not closed, or the file ends early"
        ) from error


def _folder_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    if not path.is_dir():
        raise CultureError(
            f"survey {path}: no such file or folder; give the CSV file or a data set saved to disk"
        )
    try:
        import datasets
    except ImportError as error:
        raise CultureError(
            f"survey {path}: reading a folder needs datasets; run pip install datasets, or give the CSV file"
        ) from error
    try:
        tables = datasets.load_from_disk(str(path))
    except (OSError, ValueError) as error:
        raise CultureError(
            f"survey {path}: not a data set saved to disk ({error}); give the folder that save_to_disk wrote"
        ) from error
    parts = tables.values() if isinstance(tables, datasets.DatasetDict) else [tables]
    for row, entry in enumerate((entry for part in parts for entry in part), start=1):
        yield f"row {row:,}", entry
