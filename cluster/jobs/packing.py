"""What of a working directory goes along with a job, and its archive.

Patterns are those of ``.gitignore``. For each path the first of these that says anything decides: ``--exclude``, the
``.rayignore`` and ``.gitignore`` files from the path's own folder upwards, and what is always left out.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pathspec import GitIgnoreSpec

from negotiation.errors import ConfigurationError

IGNORE_FILES = (".rayignore", ".gitignore")
"""Files of patterns; the first goes over the second."""

LEFT_OUT = (
    ".git/",
    ".venv/",
    "venv/",
    "node_modules/",
    "__pycache__/",
    "*.py[cod]",
    "*.egg-info/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".hypothesis/",
    ".ipynb_checkpoints/",
    "/runs/",
    ".env",
    ".DS_Store",
)
"""Left out unless a ``.rayignore`` asks for it by ``!pattern``: history, environments, caches, results, secrets."""

LIMIT_MB = 100.0
"""Largest working directory by default, megabytes of its files; Ray takes no more than 500."""

MOST_FILES = 20_000
"""Largest number of files; more are a folder of data, which belongs on storage that the cluster reads."""

_SHOWN = 5
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal contents make equal archives, which are sent once


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the working directory.

    Attributes:
        name: path in the directory, with slashes.
        size: in bytes.
    """

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class _Layer:
    """Patterns of one folder; ``base`` is its path in the working directory, empty or ending in a slash."""

    base: str
    spec: GitIgnoreSpec

    def says(self, name: str) -> bool | None:
        """Whether a path is left out; None if no pattern is of it."""
        return self.spec.check_file(name.removeprefix(self.base)).include


@dataclass(frozen=True, slots=True)
class WorkingDirectory:
    """A folder whose files go along with a job.

    Links to files are followed, links to folders are not.

    Attributes:
        path: the folder.
        excludes: patterns of what else is left out.
        limit_mb: most megabytes (10^6 bytes) of all files together.

    Raises:
        ConfigurationError: if the folder is none.
    """

    path: Path
    excludes: tuple[str, ...] = ()
    limit_mb: float = LIMIT_MB
    _layers: tuple[_Layer, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            raise ConfigurationError(
                f"working directory {self.path} is no folder; name one, or use --no-working-dir"
            )
        try:
            layers = (_Layer("", GitIgnoreSpec.from_lines(lines)) for lines in (self.excludes, LEFT_OUT))
            object.__setattr__(self, "_layers", tuple(layers))
        except ValueError as error:
            raise ConfigurationError(f"--exclude: {error}; write patterns as in a .gitignore") from error

    def members(self) -> tuple[Member, ...]:
        """The files, by name.

        Raises:
            ConfigurationError: if they are too many or too large, naming the largest; or one cannot be looked at.
        """
        found: list[Member] = []
        for member in self._walk("", ()):
            found.append(member)
            if len(found) > MOST_FILES:
                raise ConfigurationError(
                    f"working directory {self.path} has more than {MOST_FILES:,} files ({_largest(found, 'files')});"
                    f" {_MEND}"
                )
        total = sum(member.size for member in found)
        if total > self.limit_mb * 1e6:
            raise ConfigurationError(
                f"working directory {self.path} has {total / 1e6:,.1f} MB, more than {self.limit_mb:,.0f} (largest:"
                f" {_largest(found, 'MB')}); {_MEND}, or raise --max-mb"
            )
        return tuple(sorted(found, key=lambda member: member.name))

    def _walk(self, base: str, above: tuple[_Layer, ...]) -> Iterator[Member]:
        folder = self.path / base
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise ConfigurationError(
                f"working directory: {folder} cannot be read ({error.strerror}); --exclude it"
            ) from error
        layers = (*self._read_ignored(base), *above)
        for entry in entries:
            name = base + entry.name
            if entry.is_dir(follow_symlinks=False):
                if not self._left_out(f"{name}/", layers):
                    yield from self._walk(f"{name}/", layers)
            elif entry.is_file() and not self._left_out(name, layers):
                yield Member(name, entry.stat().st_size)

    def _read_ignored(self, base: str) -> Iterator[_Layer]:
        for file in IGNORE_FILES:
            path = self.path / base / file
            if path.is_file():
                try:
                    yield _Layer(
                        base, GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8").splitlines())
                    )
                except (OSError, ValueError) as error:
                    raise ConfigurationError(f"{path} cannot be used ({error}); mend it") from error

    def _left_out(self, name: str, layers: Sequence[_Layer]) -> bool:
        excludes, always = self._layers
        said = (layer.says(name) for layer in (excludes, *layers, always))
        return bool(next((out for out in said if out is not None), False))

    def pack(self, archive: Path) -> tuple[Member, ...]:
        """Write the files into a zip archive; the same files make the same bytes.

        Returns:
            The files.

        Raises:
            ConfigurationError: as ``members``, or if a file cannot be read.
        """
        members = self.members()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as into:
            for member in members:
                source = self.path / member.name
                try:
                    content, mode = source.read_bytes(), source.stat().st_mode
                except OSError as error:
                    raise ConfigurationError(
                        f"working directory: {source} cannot be read ({error.strerror}); --exclude it"
                    ) from error
                told = zipfile.ZipInfo(member.name, _EPOCH)
                told.compress_type = zipfile.ZIP_DEFLATED
                told.external_attr = (stat.S_IFREG | (0o755 if mode & stat.S_IXUSR else 0o644)) << 16
                into.writestr(told, content)
        return members


_MEND = "leave them out with --exclude PATTERN or a .rayignore file, use --working-dir on a smaller folder"


def _largest(members: Sequence[Member], unit: str) -> str:
    """The entries of the working directory itself that hold most, largest first."""
    totals: dict[str, list[float]] = {}
    for member in members:
        top, slash, _ = member.name.partition("/")
        sums = totals.setdefault(top + slash, [0, 0.0])
        sums[0] += 1
        sums[1] += member.size / 1e6
    place = 0 if unit == "files" else 1
    ranked = sorted(totals.items(), key=lambda item: -item[1][place])[:_SHOWN]
    digits = 0 if unit == "files" else 1
    return ", ".join(f"{name} {sums[place]:,.{digits}f} {unit}" for name, sums in ranked)
