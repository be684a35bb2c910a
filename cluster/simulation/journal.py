"""A file of JSON lines that is only added to. Each line is whole or absent, and can be read again by its place."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from negotiation.errors import RecordError

BLOCK = 1 << 16


class Journal:
    """One such file; it is made with its first line.

    Args:
        path: the file. A last line that a dying process left unfinished is cut off before the first line is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._end = 0

    def append(self, line: Mapping[str, Any]) -> int:
        """Add a line; its place in the file, bytes from the start.

        Raises:
            OSError: if it could not be written whole; what was written of it is taken back.
        """
        data = json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        if self._file is None:
            drop_partial_line(self.path)
            self._file = self.path.open("ab", buffering=0)
            self._end = self._file.seek(0, os.SEEK_END)
        place = self._end
        try:
            written = self._file.write(data)
            if written != len(data):
                raise OSError(28, "No space left on device")
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), place)
            raise
        self._end += len(data)
        return place

    def lines(self, without: bytes = b"") -> Iterator[tuple[int, dict[str, Any]]]:
        """Places and contents of the lines, in order.

        Args:
            without: lines that hold this are passed over; empty for none.

        Raises:
            RecordError: naming a damaged line.
        """
        if not self.path.exists():
            return
        place = 0
        with self.path.open("rb") as file:
            for number, data in enumerate(file, start=1):
                if not (without and without in data):
                    yield place, self._parsed(data, f"line {number}")
                place += len(data)

    def at(self, place: int) -> dict[str, Any]:
        """The line at a place that ``append`` or ``lines`` gave; errors as there."""
        with self.path.open("rb") as file:
            file.seek(place)
            return self._parsed(file.readline(), f"byte {place}")

    def close(self) -> None:
        """Let the file go; a further line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _parsed(self, data: bytes, where: str) -> dict[str, Any]:
        try:
            line = json.loads(data)
        except ValueError as error:
            raise RecordError(f"{self.path}, {where} is damaged ({error}); delete that line") from error
        if not isinstance(line, dict):
            raise RecordError(f"{self.path}, {where} is damaged: it holds no mapping; delete that line")
        return line


def drop_partial_line(path: Path) -> None:
    """Cut off the last line of a file if the process that wrote it died in the middle."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        keep = end
        while keep > 0:
            start = max(0, keep - BLOCK)
            file.seek(start)
            block = file.read(keep - start)
            found = block.rfind(b"\n")
            if found >= 0:
                keep = start + found + 1
                break
            keep = start
        if keep < end:
            file.truncate(keep)
