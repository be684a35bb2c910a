"""Where a run's records and policies lie: in the run folder, or on any filesystem that pyarrow knows by a URI.

With ``--out s3://bucket/run`` records and policies go there as they are finished. What a session writes little by little
(the lock, events, failures) is kept in a folder of this machine, ``runs/<name>-<hash of the URI>``; settings go to the URI
when the run begins, and the rest when a session ends. So a run can be gone on with from another machine: what a session
that was killed had not copied yet is found again in its records. The lock holds on one machine only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cluster.writing import write_atomically
from negotiation.errors import RunError

BEGUN = ("config.yaml", "run.json")
"""What makes a folder a run; the last makes it whole."""

ENDED = ("events.jsonl", "failures.jsonl", "metrics.json", "report.html")
"""What a session adds to."""


class Storage(Protocol):
    """Folders of files that are whole or absent."""

    def prepare(self, folders: Sequence[str]) -> None:
        """Make folders, and clear away what a process that died left half written."""
        ...

    def place(self, folder: str, name: str) -> str:
        """A file's path or URI, as ``negotiation.parquet`` takes it."""
        ...

    def has(self, folder: str, name: str) -> bool:
        """Whether a file is there."""
        ...

    def names(self, folder: str, suffix: str) -> set[str]:
        """Names of the files of a folder that end so, without that end."""
        ...

    def write(self, folder: str, name: str, content: bytes) -> None:
        """Write a file; ``OSError`` or ``RunError`` if that is not possible."""
        ...


class FolderStorage:
    """In a run folder itself.

    Args:
        root: the run folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self, folders: Sequence[str]) -> None:
        """Make folders, and clear away what a process that died left half written."""
        for name in folders:
            (self._root / name).mkdir(exist_ok=True)
            for part in (self._root / name).glob(".*.tmp"):
                part.unlink()

    def place(self, folder: str, name: str) -> str:
        """A file's path."""
        return str(self._root / folder / name)

    def has(self, folder: str, name: str) -> bool:
        """Whether a file is there."""
        return (self._root / folder / name).exists()

    def names(self, folder: str, suffix: str) -> set[str]:
        """Names of the files of a folder that end so, without that end."""
        return {path.name.removesuffix(suffix) for path in (self._root / folder).glob(f"*{suffix}")}

    def write(self, folder: str, name: str, content: bytes) -> None:
        """Write a file."""
        write_atomically(self._root / folder / name, content)


class UriStorage:
    """On a filesystem that pyarrow knows.

    Args:
        uri: such as ``s3://bucket/run``, ``gs://...``, ``hdfs://...`` or ``file:///shared/run``.

    Raises:
        RunError: if pyarrow knows no such filesystem.
    """

    def __init__(self, uri: str) -> None:
        from pyarrow import ArrowException  # not above: most commands need no records
        from pyarrow.fs import FileSystem

        self.uri = uri.rstrip("/")
        try:
            self._files, self._root = FileSystem.from_uri(self.uri)
        except (ArrowException, OSError, ValueError) as error:
            raise RunError(
                f"--out {uri} is on no filesystem that can be used ({error}); give a folder, or a URI such as"
                " s3://bucket/run"
            ) from error

    def prepare(self, folders: Sequence[str]) -> None:
        """Make folders, and clear away what a process that died left half written."""
        try:
            for folder in folders:
                self._files.create_dir(f"{self._root}/{folder}", recursive=True)
                for path in self._listed(folder):
                    if path.endswith(".tmp"):
                        self._files.delete_file(path)
        except OSError as error:
            raise RunError(f"cannot use {self.uri}: {error}; check the name and your credentials") from error

    def place(self, folder: str, name: str) -> str:
        """A file's URI."""
        return f"{self.uri}/{folder}/{name}"

    def has(self, folder: str, name: str) -> bool:
        """Whether a file is there."""
        return self._is_file(f"{self._root}/{folder}/{name}")

    def names(self, folder: str, suffix: str) -> set[str]:
        """Names of the files of a folder that end so, without that end."""
        paths = (path.rpartition("/")[2] for path in self._listed(folder))
        return {name.removesuffix(suffix) for name in paths if name.endswith(suffix)}

    def write(self, folder: str, name: str, content: bytes) -> None:
        """Write a file: beside its place first, then moved there."""
        whole = "/".join(filter(None, (self._root, folder, name)))
        with self._files.open_output_stream(f"{whole}.tmp") as stream:
            stream.write(content)
        self._files.move(f"{whole}.tmp", whole)

    def read(self, folder: str, name: str) -> bytes:
        """A file's content."""
        with self._files.open_input_stream("/".join(filter(None, (self._root, folder, name)))) as stream:
            content: bytes = stream.readall()
        return content

    def put(self, folder: Path, names: Sequence[str]) -> None:
        """Copy files of a local folder here, as far as they are there.

        Raises:
            RunError: if one cannot be written.
        """
        for name in names:
            if (folder / name).exists():
                try:
                    self.write("", name, (folder / name).read_bytes())
                except OSError as error:
                    raise RunError(
                        f"cannot write {self.uri}/{name}: {error}; everything is in {folder}, --resume copies it"
                    ) from error

    def restore(self, folder: Path) -> bool:
        """Copy a run's files from here to a local folder that lacks them; whether there is a run here.

        Raises:
            RunError: if the filesystem cannot be reached.
        """
        try:
            there = self._is_file(f"{self._root}/{BEGUN[-1]}")
            if there and not (folder / BEGUN[-1]).exists():
                folder.mkdir(parents=True, exist_ok=True)
                for name in (*ENDED[:2], *BEGUN):  # what makes it a run comes last
                    if self._is_file(f"{self._root}/{name}"):
                        write_atomically(folder / name, self.read("", name))
        except OSError as error:
            raise RunError(f"cannot read {self.uri}: {error}; check the name and your credentials") from error
        return there

    def _is_file(self, path: str) -> bool:
        found: bool = self._files.get_file_info(path).is_file
        return found

    def _listed(self, folder: str) -> list[str]:
        from pyarrow.fs import FileSelector

        chosen = FileSelector(f"{self._root}/{folder}", allow_not_found=True)
        return [info.path for info in self._files.get_file_info(chosen) if info.is_file]


def is_uri(out: str) -> bool:
    """Whether ``--out`` names a place on another filesystem.

    >>> is_uri("s3://bucket/run"), is_uri("runs/first")
    (True, False)
    """
    return "://" in out


def storage_of(out: str | None) -> UriStorage | None:
    """The storage that ``--out`` names; None if it is a folder, or not given. ``RunError`` if it cannot be used."""
    return UriStorage(out) if out is not None and is_uri(out) else None


def folder_of(uri: str) -> str:
    """Name of the local folder of a run whose records are at a URI.

    >>> folder_of("s3://bucket/first run/")
    'first-run-d46d0f'
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", uri.rstrip("/").rpartition("/")[2]).strip("-.") or "run"
    return f"{name}-{hashlib.sha256(uri.rstrip('/').encode()).hexdigest()[:6]}"
