"""Reading a survey file as people download it: only the columns that count, in small pieces, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.survey.codebook import Item
from agents.survey.countries import find_country
from agents.survey.layouts import Columns, Layout, find_layout
from negotiation.errors import CultureError

MISSING = -32768
"""Stands for an empty cell among the codes of an answer."""

STRANGE = 32767
"""Stands for a cell whose number can be no code: not whole, or too large."""

Progress = Callable[[str, float], None]
"""Is told what is being done and how much of it is, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Text:
    """A column of words: ``words[index[row]]``, or an empty cell where the index is -1.

    Attributes:
        index: (n,) into ``words``.
        words: distinct, as the file spells them.
    """

    index: NDArray[np.intp]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some successive rows of a file.

    Attributes:
        numbers: by column (n,) float64; NaN where a cell is empty.
        texts: by column.
        done: share of the file read so far, in [0, 1].
    """

    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, Text]
    done: float


class Table(Protocol):
    """A file of rows and named columns."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, in file order."""

    def batches(self, numbers: Sequence[str], texts: Sequence[str]) -> Iterator[Batch]:
        """The rows of these columns, in file order.

        Raises:
            CultureError: naming line or row, if the file is malformed or ends early.
        """

    def place(self, row: int) -> str:
        """Where a row (from 0) is in the file, for messages: ``"line 2"`` or ``"row 1"``."""


@dataclass(frozen=True, slots=True)
class Responses:
    """The answers of a file, one entry a respondent.

    Attributes:
        path: of the file.
        layout: kind of file.
        countries: alpha-3 codes, sorted.
        country: (n,) index into ``countries``.
        wave: (n,) wave of the World Values Survey, or 100 + wave of the European Values Study; 0 where the file does
            not say or holds only one.
        year: (n,) of the interview, 0 if unknown.
        weight: (n,) non-negative, finite.
        weighted: whether they are the survey's; else all are 1.
        cluster: (n,) number of the primary sampling unit, -1 if unknown.
        answers: by official name of the variable: (n,) codes as in the file, ``MISSING`` or ``STRANGE``.
        place: where the respondent of that number (from 0) is in the file, for messages.
    """

    path: Path
    layout: Layout
    countries: tuple[str, ...]
    country: NDArray[np.intp]
    wave: NDArray[np.int16]
    year: NDArray[np.int16]
    weight: NDArray[np.float64]
    weighted: bool
    cluster: NDArray[np.intp]
    answers: Mapping[str, NDArray[np.int16]]
    place: Callable[[int], str]


def read_responses(
    path: Path,
    items: Iterable[Item],
    *,
    weighted: bool = True,
    batch_bytes: int = 1 << 20,
    progress: Progress | None = None,
) -> Responses:
    """Read a WVS wave 7, WVS wave 6, EVS/WVS joint, time-series or VSM file (.csv, .sav or .zsav).

    Args:
        path: the file as downloaded and unpacked.
        items: of the codebook; only their variables are read, with those of the indices.
        weighted: False counts each respondent once.
        batch_bytes: about how much of the file is in memory at a time, beside the answers (2 bytes each).
        progress: told of the reading.

    Raises:
        CultureError: naming line or row, if the file is missing, of another kind, malformed, wrongly encoded, ends
            early, has no weights or a wrong one, or a respondent's country is not known.
    """
    table = _open(path, batch_bytes)
    layout, columns = find_layout(path, table.names, items)
    if weighted and columns.weight is None and layout.weight_needed:
        raise CultureError(
            f"survey {path}, line 1: no weight column ({' or '.join(layout.weight)}); keep it, or ask for unweighted"
            " figures, which speak for the sample and not for the country"
        )
    rows = _Rows(path, table, columns, weighted)
    numbers = [*columns.answers.values(), *columns.waves]
    numbers += [name for name in (columns.weight if weighted else None, columns.year) if name is not None]
    texts = [name for name in (columns.country, columns.cluster) if name is not None]
    for batch in table.batches(numbers, texts):
        rows.add(batch)
        if progress is not None:
            progress("reading", batch.done)
    return rows.responses(layout)


def _open(path: Path, batch_bytes: int) -> Table:
    suffix = path.suffix.lower()
    if suffix in (".sav", ".zsav"):
        from agents.survey.readers_sav import SavTable

        return SavTable(path, batch_bytes)
    if suffix in (".csv", ".tsv", ".txt"):
        from agents.survey.readers_csv import CsvTable

        return CsvTable(path, batch_bytes)
    raise CultureError(
        f"survey {path}: unknown file extension {suffix!r}; give .csv, .sav or .zsav, unpacked if it came packed"
    )


class _Rows:
    """Gathers batches; texts become numbers that hold for the whole file."""

    def __init__(self, path: Path, table: Table, columns: Columns, weighted: bool) -> None:
        self._path = path
        self._table = table
        self._columns = columns
        self._weighted = weighted
        self._count = 0
        self._countries: dict[str, int] = {}
        self._clusters: dict[str, int] = {}
        self._parts: dict[str, list[NDArray[np.float64]]] = {"weight": [], "year": [], "wave": []}
        self._index: dict[str, list[NDArray[np.intp]]] = {"country": [], "cluster": []}
        self._answers: dict[str, list[NDArray[np.int16]]] = {name: [] for name in columns.answers}

    def add(self, batch: Batch) -> None:
        """Check and keep a batch."""
        columns = self._columns
        country = self._country(batch.texts[columns.country])
        size = country.size
        self._index["country"].append(country)
        self._index["cluster"].append(
            np.full(size, -1, dtype=np.intp)
            if columns.cluster is None
            else _renumber(batch.texts[columns.cluster], self._clusters)
        )
        self._parts["weight"].append(self._weight(batch, size))
        year = np.zeros(size) if columns.year is None else batch.numbers[columns.year]
        self._parts["year"].append(np.where((year > 1900) & (year < 2200), year, 0.0))
        wave = np.zeros(size)
        for step, name in enumerate(columns.waves):
            given = batch.numbers[name]
            # Columns are WVS and EVS, in this order; a respondent has one of them.
            wave = np.where((wave == 0) & (given > 0) & (given < 100), given + 100 * step, wave)
        self._parts["wave"].append(wave)
        for name, column in columns.answers.items():
            self._answers[name].append(_codes(batch.numbers[column]))
        self._count += size

    def responses(self, layout: Layout) -> Responses:
        """All that was added.

        Raises:
            CultureError: if that is nothing, or of another wave than the layout's.
        """
        if not self._count:
            raise CultureError(f"survey {self._path}: no respondents; the file has a header only")
        wave = np.concatenate(self._parts["wave"]).astype(np.int16)
        year = np.concatenate(self._parts["year"]).astype(np.int16)
        if layout.only_wave is not None:
            other = ((wave > 0) & (wave < layout.only_wave)) | ((year > 0) & (year < layout.first_year))
            if other.any():
                row = int(np.argmax(other))
                raise CultureError(
                    f"survey {self._path}, {self._table.place(row)}: an interview of an earlier wave than"
                    f" {layout.only_wave} (wave {wave[row] or 'not given'}, year {year[row] or 'not given'}), whose variables"
                    " bear the same names but ask other things; give the time-series file"
                )
            wave[:] = 0
        names = tuple(sorted(self._countries))
        place = np.empty(len(names), dtype=np.intp)
        for position, name in enumerate(names):
            place[self._countries[name]] = position
        return Responses(
            path=self._path,
            layout=layout,
            countries=names,
            country=place[np.concatenate(self._index["country"])],
            wave=wave,
            year=year,
            weight=np.concatenate(self._parts["weight"]),
            weighted=self._weighted and self._columns.weight is not None,
            cluster=np.concatenate(self._index["cluster"]),
            answers={name: np.concatenate(parts) for name, parts in self._answers.items()},
            place=self._table.place,
        )

    def _country(self, text: Text) -> NDArray[np.intp]:
        numbers = np.empty(len(text.words), dtype=np.intp)
        for position, word in enumerate(text.words):
            code = find_country(word)
            if code is None:
                row = self._count + int(np.argmax(text.index == position))
                raise self._fault(
                    row,
                    self._columns.country,
                    f"{word[:40]!r} is no country known here; give ISO numbers, ISO letters or English names",
                )
            numbers[position] = self._countries.setdefault(code, len(self._countries))
        if (empty := text.index < 0).any():
            raise self._fault(
                self._count + int(np.argmax(empty)),
                self._columns.country,
                "empty; every respondent needs a country",
            )
        return numbers[text.index]

    def _weight(self, batch: Batch, size: int) -> NDArray[np.float64]:
        name = self._columns.weight
        if name is None or not self._weighted:
            return np.ones(size)
        weight = batch.numbers[name]
        if (wrong := ~(np.isfinite(weight) & (weight >= 0))).any():
            row = int(np.argmax(wrong))
            value = "empty" if np.isnan(weight[row]) else f"{weight[row]:g}"
            raise self._fault(
                self._count + row,
                name,
                f"{value}; every respondent needs a weight that is finite and not negative",
            )
        return weight

    def _fault(self, row: int, column: str, what: str) -> CultureError:
        return CultureError(f"survey {self._path}, {self._table.place(row)}, column {column!r}: {what}")


def _renumber(text: Text, known: dict[str, int]) -> NDArray[np.intp]:
    """Numbers of a batch's words in the whole file; -1 for an empty cell or a negative code."""
    numbers = np.array(
        [-1 if word.startswith("-") else known.setdefault(word, len(known)) for word in text.words] + [-1],
        dtype=np.intp,
    )
    return numbers[text.index]  # -1, an empty cell, picks the last


def _codes(cells: NDArray[np.float64]) -> NDArray[np.int16]:
    """Cells (n,) as codes."""
    empty = np.isnan(cells)
    whole = np.where(empty, 0.0, cells)
    strange = (whole != np.floor(whole)) | (np.abs(whole) > 9999)
    codes = np.where(strange, float(STRANGE), whole)
    return np.where(empty, float(MISSING), codes).astype(np.int16)
