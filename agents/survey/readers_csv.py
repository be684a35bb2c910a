"""Survey files as text: any of three delimiters, with or without a byte order mark, streamed with pyarrow."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from agents.survey.readers import Batch, Text
from negotiation.errors import CultureError

DELIMITERS = (",", ";", "\t")
EMPTY = ("", " ", "NA", "N/A", "NaN", "nan", ".", "#NULL!")
"""Cells that statistics programs write for a missing number."""

_LONGEST_LINE = 1 << 22
_PACKED = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7z", b"$FL2": "SPSS (.sav)"}


class CsvTable:
    """A text file with a header line.

    Raises:
        CultureError: if the file is missing, empty, packed, or its header is no UTF-8.
    """

    def __init__(self, path: Path, batch_bytes: int) -> None:
        self._path = path
        self._batch_bytes = batch_bytes
        header, first = _head(path)
        self._delimiter = max(DELIMITERS, key=lambda mark: len(_cells(header, mark)))
        self._names = tuple(_cells(header, self._delimiter))
        # Some national files write 0,95 for 0.95, which only a delimiter other than the comma allows.
        commas = self._delimiter != "," and any(
            re.fullmatch(r"-?\d+,\d+", cell) for cell in _cells(first, self._delimiter)
        )
        self._decimal_point = "," if commas else "."

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, in file order."""
        return self._names

    def place(self, row: int) -> str:
        """The line of a row (from 0), counting no empty lines."""
        return f"line {row + 2:,}"

    def batches(self, numbers: Sequence[str], texts: Sequence[str]) -> Iterator[Batch]:
        """The rows of these columns, in file order.

        Raises:
            CultureError: naming the line, if a line has too few or too many cells, the file ends in the middle of one,
                a number is none, or a text is no UTF-8.
        """
        size = max(self._path.stat().st_size, 1)
        rows = 0
        try:
            with pa.OSFile(str(self._path), "rb") as file:
                for record in self._stream(file, numbers, texts):
                    rows += record.num_rows
                    yield Batch(
                        numbers={name: _numbers(record.column(name)) for name in numbers},
                        texts={name: text_column(record.column(name)) for name in texts},
                        done=min(1.0, file.tell() / size) if not file.closed else 1.0,
                    )
        except pa.ArrowInvalid as error:
            raise self._fault(numbers, texts, str(error)) from error
        if _ends_in_quotes(self._path):  # which pyarrow takes for a whole row
            raise CultureError(
                f"survey {self._path}, {self.place(rows - 1)}: a quote is not closed; the file ends in the middle of a row:"
                " download it again"
            )

    def _stream(
        self, file: pa.NativeFile, numbers: Sequence[str], texts: Sequence[str]
    ) -> pa.RecordBatchReader:
        # Columns that are not read may bear names twice or none; they are numbered so that pyarrow can tell them apart.
        wanted = {*numbers, *texts}
        names = [name if name in wanted else f"column {place}" for place, name in enumerate(self._names)]
        return pa_csv.open_csv(
            file,
            read_options=pa_csv.ReadOptions(
                block_size=self._batch_bytes, column_names=names, skip_rows=1, use_threads=True
            ),
            parse_options=pa_csv.ParseOptions(delimiter=self._delimiter),
            convert_options=pa_csv.ConvertOptions(
                include_columns=[*numbers, *texts],
                column_types={
                    **{name: pa.float64() for name in numbers},
                    **{name: pa.string() for name in texts},
                },
                null_values=list(EMPTY),
                strings_can_be_null=True,
                decimal_point=self._decimal_point,
            ),
        )

    def _fault(self, numbers: Sequence[str], texts: Sequence[str], told: str) -> CultureError:
        """Find what pyarrow stumbled over, line by line: slow, exact, and only done once."""
        column = {name: place for place, name in enumerate(self._names)}
        line = 1
        try:
            with self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                reader = csv.reader(file, delimiter=self._delimiter)
                next(reader)
                line = reader.line_num + 1
                for cells in reader:
                    if cells and (what := self._wrong(cells, numbers, texts, column)) is not None:
                        ends = next((True for rest in reader if rest), False)
                        return self._at(line, what, last=not ends)
                    line = reader.line_num + 1
        except csv.Error as error:
            return self._at(line, f"{error}; a quote is not closed", last=False)
        if "straddl" in told:
            told = f"a line is longer than batch_bytes ({self._batch_bytes:,}); raise that setting"
        return CultureError(f"survey {self._path}: {told}")

    def _wrong(
        self, cells: Sequence[str], numbers: Sequence[str], texts: Sequence[str], column: dict[str, int]
    ) -> str | None:
        if len(cells) != len(self._names):
            return f"{len(cells)} cells under {len(self._names)} columns"
        for name in texts:
            cell = cells[column[name]]
            if any("\udc80" <= letter <= "\udcff" for letter in cell):
                return f"column {name!r} is no UTF-8; save the file as UTF-8"
        for name in numbers:
            cell = cells[column[name]].strip()
            if cell not in EMPTY:
                try:
                    float(cell.replace(self._decimal_point, "."))
                except ValueError:
                    return f"column {name!r}: {cell[:40]!a} is no number; give the file with codes, not with labels"
        return None

    def _at(self, line: int, what: str, *, last: bool) -> CultureError:
        short = last and "cells under" in what
        mend = "; the file ends in the middle of a row: download it again" if short else ""
        if not last and "cells under" in what:
            mend = "; put cells that hold the delimiter in double quotes"
        return CultureError(f"survey {self._path}, line {line:,}: {what}{mend}")


def text_column(array: pa.Array) -> Text:
    """A pyarrow column of strings as distinct words and their index."""
    coded = array.dictionary_encode()
    index = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.intp)
    return Text(index, tuple(coded.dictionary.to_pylist()))


def _numbers(array: pa.Array) -> NDArray[np.float64]:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)  # nulls become NaN


def _head(path: Path) -> tuple[str, str]:
    """Header line and the line after it, without byte order mark."""
    try:
        with path.open("rb") as file:
            raw, first = file.readline(_LONGEST_LINE), file.readline(_LONGEST_LINE)
    except OSError as error:
        raise CultureError(f"survey {path}: {error.strerror}; give a readable file") from error
    if not raw.strip():
        raise CultureError(f"survey {path}, line 1: empty; the first line must name the columns")
    for magic, kind in _PACKED.items():
        if raw.startswith(magic):
            raise CultureError(f"survey {path}: a {kind} file under another name; unpack or rename it")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in raw:
        raise CultureError(f"survey {path}, line 1: UTF-16 or no text; save the file as UTF-8")
    if b"\r" in raw.rstrip(b"\r\n"):
        raise CultureError(
            f"survey {path}, line 1: lines end with a carriage return alone; save the file with line feeds"
        )
    try:
        return raw.decode("utf-8-sig").rstrip("\r\n"), first.decode("utf-8", "replace").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise CultureError(
            f"survey {path}, line 1: byte 0x{raw[error.start]:02x} is no UTF-8; save the file as UTF-8"
        ) from error


def _ends_in_quotes(path: Path) -> bool:
    """Whether the last line has an opening quote without a closing one."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_LINE))
        last = file.read().rstrip(b"\r\n").rpartition(b"\n")[2]
    return last.count(b'"') % 2 == 1


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])
