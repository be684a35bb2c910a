"""Files that are whole or absent."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

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


def json_pieces(tree: Mapping[str, Any]) -> Iterator[bytes]:
    """A mapping as indented JSON, piece by piece; iterators in it become lists of their items."""
    mark = "{"
    for key, value in tree.items():
        yield f"{mark}\n  {json.dumps(key)}: ".encode()
        if isinstance(value, Iterator):
            yield from _items(value)
        else:
            yield _indented(value, "  ")
        mark = ","
    yield b"{}\n" if mark == "{" else b"\n}\n"


def _items(values: Iterable[Any]) -> Iterator[bytes]:
    mark = "["
    for value in values:
        yield f"{mark}\n    ".encode() + _indented(value, "    ")
        mark = ","
    yield b"[]" if mark == "[" else b"\n  ]"


def _indented(value: Any, indent: str) -> bytes:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return text.replace("\n", f"\n{indent}").encode()
