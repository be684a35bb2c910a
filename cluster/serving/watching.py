"""A folder of files that are served: read when they are new or changed, kept for a while when they are gone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Generic, Protocol, TypeVar

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

_Mark = tuple[tuple[int, int, int], ...]


class Item(Protocol):
    """What was read of a file."""

    @property
    def id(self) -> str:
        """By which it is served; of letters, digits, ``.``, ``_`` and ``-``."""
        ...

    @property
    def digest(self) -> str:
        """Of the file's content."""
        ...


T = TypeVar("T", bound=Item)


def checked_id(name: str) -> str:
    """An id that can stand in a URL and is no path.

    Raises:
        ValueError: if it holds anything else.
    """
    if not _ID.fullmatch(name):
        raise ValueError("its id holds other characters than letters, digits, '.', '_' and '-'")
    return name


class FolderWatch(Generic[T]):
    """The files of one folder, ``NAME.json``, each perhaps with another one beside it.

    Args:
        folder: may be away.
        read: reads a file by its path; None if it cannot be served.
        beside: ending of the file that belongs to each, e.g. ``.safetensors``; None if each stands alone.
        chosen: ids that are kept; all if None.
        grace_s: how long a file that is gone is kept, so that it can be replaced.

    Attributes:
        held: what was read, by id.
    """

    def __init__(
        self,
        folder: Path,
        read: Callable[[Path], T | None],
        *,
        beside: str | None = None,
        chosen: Collection[str] | None = None,
        grace_s: float = 10.0,
    ) -> None:
        self._folder, self._suffix, self._read_file = folder, beside, read
        self._chosen = None if chosen is None else frozenset(chosen)
        self._grace_s = grace_s
        self._marks: dict[str, _Mark] = {}
        self._ids: dict[str, str] = {}  # file name to the id that was last read in it
        self._gone: dict[str, float] = {}  # id to when its file was first missed, monotonic seconds
        self.held: dict[str, T] = {}

    def refresh(self, now: float | None = None) -> bool:
        """Look for files that are new, changed or gone; whether ``held`` is another mapping now.

        A file that cannot be read (say, while it is being written) leaves what it held before.
        """
        now = time.monotonic() if now is None else now
        found = self._scan()
        held = dict(self.held)
        seen = set()
        for name, mark in found.items():
            if self._marks.get(name) != mark:
                self._take(name, mark, held)
            if name in self._ids:
                seen.add(self._ids[name])
        for name in [name for name in self._marks if name not in found]:
            del self._marks[name]
        for key in list(held):
            if key in seen:
                self._gone.pop(key, None)
            elif key not in self._gone:
                self._gone[key] = now
            elif now - self._gone[key] >= self._grace_s:
                del held[key], self._gone[key]
        if held == self.held:
            return False
        self.held = held
        return True

    def _take(self, name: str, mark: _Mark, held: dict[str, T]) -> None:
        """Read a file that is new or changed; one that cannot be read is tried again next time."""
        read = self._read_file(self._folder / name)
        if read is None:
            return
        self._marks[name], self._ids[name] = mark, read.id
        old = held.get(read.id)
        if (self._chosen is None or read.id in self._chosen) and (old is None or old.digest != read.digest):
            held[read.id] = read

    def _scan(self) -> dict[str, _Mark]:
        """Files by name, with what changes when they do; none while the folder is away."""
        found: dict[str, _Mark] = {}
        try:
            root = self._folder.resolve(strict=True)
            for path in sorted(root.glob("*.json")):
                parts = [path] if self._suffix is None else [path, path.with_suffix(self._suffix)]
                if path.name.startswith(".") or not all(_within(part, root) for part in parts):
                    continue  # a temporary file, one without the other, or a link that leads out of the run
                stats = [part.stat() for part in parts]
                found[path.name] = tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)
        except OSError:
            return found
        return found


def _within(path: Path, root: Path) -> bool:
    return path.exists() and path.resolve().is_relative_to(root)
