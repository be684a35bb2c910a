"""What the command line prints, and its exit status.

Standard output carries results only: a table for people, or with --json one JSON object. Everything else (the
live view, log lines, errors, and whatever libraries print) goes to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from negotiation.errors import ConfigurationError, RunError

if TYPE_CHECKING:
    from rich.console import Console

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: all went well; a negotiation failed; the command, settings or run were wrong; stopped."""


class Output:
    """Standard output of one command.

    With ``as_json``, file descriptor 1 points at standard error for the time, so that only ``result`` and
    ``error`` reach standard output, not even a native library.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._said = False
        self._stream: IO[str] | None = None

    def __enter__(self) -> Self:
        logging.basicConfig(
            level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
        )
        if self.as_json and _is_real(sys.stdout):
            sys.stdout.flush()
            self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
            os.dup2(2, 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            sys.stdout.flush()
            os.dup2(self._stream.fileno(), 1)
            self._stream.close()
            self._stream = None

    @property
    def table_console(self) -> Console:
        """For results that people read."""
        from rich.console import Console

        return Console(file=sys.stdout)

    @property
    def side_console(self) -> Console:
        """For everything that is no result."""
        from rich.console import Console

        return Console(file=sys.stderr)

    @property
    def awaits_result(self) -> bool:
        """Whether a JSON object is owed and has not been written."""
        return self.as_json and not self._said

    def result(self, tree: Mapping[str, Any]) -> None:
        """Write the command's one JSON object."""
        stream = sys.stdout if self._stream is None else self._stream
        if not self._said:
            stream.write(json.dumps(tree, ensure_ascii=False, allow_nan=False) + "\n")
            stream.flush()
            self._said = True

    def error(self, name: str, message: str, status: int) -> int:
        """Tell of an error: one message on standard error and, with --json, an object on standard output.

        Returns:
            ``status``.
        """
        print(f"concordat: {message}", file=sys.stderr)
        if self.as_json:
            self.result({"error": {"type": name, "message": message, "status": status}})
        return status


def status_of(error: Exception) -> int:
    """The exit status that an error asks for.

    >>> status_of(ConfigurationError("seed")), status_of(ConnectionError("server"))
    (2, 1)
    """
    return MISUSED if isinstance(error, (ConfigurationError, RunError)) else FAILED


def _is_real(stream: object) -> bool:
    """Whether a stream is the process's standard output (under a test runner it is not)."""
    try:
        return bool(stream.fileno() == 1)  # type: ignore[attr-defined]  # anything may stand in for sys.stdout
    except (AttributeError, OSError, ValueError):
        return False
