"""Files that are whole or absent."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from negotiation.errors import RunError


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file that is whole or absent: into a neighbour first, flushed to disk, then renamed.

    Args:
        path: the file.
        content: of it, at once or in pieces.

    Raises:
        RunError: if the disk is full or the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with part.open("wb") as file:
            for piece in (content,) if isinstance(content, bytes) else content:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise cannot_write(path, error) from error


def cannot_write(path: Path | str, error: OSError) -> RunError:
    """What to say of a file that could not be written."""
    return RunError(
        f"cannot write {path}: {error.strerror or error}; free space or permissions, then --resume"
    )
