"""Survey files of SPSS (.sav, .zsav), read in pieces with pyreadstat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.survey.readers import Batch
from agents.survey.readers_csv import text_column
from negotiation.errors import CultureError

_BYTES_A_CELL = 64
"""What pyreadstat's lists take for one cell, about."""


class SavTable:
    """An SPSS file. Values that it declares missing are empty.

    Raises:
        CultureError: if the file is missing or no SPSS file, or the extra ``survey`` is not installed.
    """

    def __init__(self, path: Path, batch_bytes: int) -> None:
        self._path = path
        self._batch_bytes = batch_bytes
        if not path.is_file():
            raise CultureError(f"survey {path}: no such file; give a readable file")
        _, header = self._read(0, metadataonly=True)
        self._names = tuple(header.column_names)
        self._rows = header.number_rows  # None where the program that wrote the file did not say

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, in file order."""
        return self._names

    def place(self, row: int) -> str:
        """The number of a row (from 0), as SPSS shows it."""
        return f"row {row + 1:,}"

    def batches(self, numbers: Sequence[str], texts: Sequence[str]) -> Iterator[Batch]:
        """The rows of these columns, in file order.

        Raises:
            CultureError: naming the row up to which it could be read, if the file is damaged or ends early, or a number
                is a text.
        """
        wanted = [*dict.fromkeys([*numbers, *texts])]
        size = max(1000, 32 * self._batch_bytes // (_BYTES_A_CELL * len(wanted)))
        start = 0
        while True:
            columns, _ = self._read(start, usecols=wanted, row_offset=start, row_limit=size)
            count = len(columns[wanted[0]])
            if count:
                yield Batch(
                    numbers={name: self._numbers(name, columns[name], start) for name in numbers},
                    texts={name: text_column(_strings(columns[name])) for name in texts},
                    done=min(1.0, (start + count) / self._rows) if self._rows else 0.0,
                )
            start += count
            if count < size or start == self._rows:
                return

    def _read(self, row: int, **options: Any) -> tuple[dict[str, list[Any]], Any]:
        try:
            import pyreadstat
        except ImportError as error:
            raise CultureError(
                f"survey {self._path}: reading SPSS files needs pyreadstat; run pip install 'concordat[survey]', or"
                " give the CSV file"
            ) from error
        try:
            columns, header = pyreadstat.read_sav(
                str(self._path), output_format="dict", disable_datetime_conversion=True, **options
            )
        except pyreadstat.ReadstatError as error:
            raise CultureError(
                f"survey {self._path}, after row {row:,}: {error}; the file is damaged or ends early: download it again"
            ) from error
        except UnicodeDecodeError as error:
            raise CultureError(
                f"survey {self._path}, after row {row:,}: a text is not in the encoding that the file declares"
                f" ({error.encoding}); save it again from SPSS as Unicode"
            ) from error
        return columns, header

    def _numbers(self, name: str, cells: Sequence[Any], start: int) -> NDArray[np.float64]:
        try:
            return np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
        except (TypeError, ValueError) as error:
            for row, cell in enumerate(cells, start):
                if isinstance(cell, str):
                    raise CultureError(
                        f"survey {self._path}, {self.place(row)}, column {name!r}: {cell[:40]!a} is no number; give the"
                        " file with codes, not with labels"
                    ) from error
            raise


def _strings(cells: Sequence[Any]) -> pa.Array:
    """Cells as text; whole numbers without a decimal part, empty ones as null."""
    texts: list[str | None] = []
    for cell in cells:
        if cell is None or cell != cell or (isinstance(cell, str) and not cell.strip()):
            texts.append(None)
        elif isinstance(cell, float) and cell.is_integer():
            texts.append(str(int(cell)))
        else:
            texts.append(str(cell).strip())
    return pa.array(texts, type=pa.string())
