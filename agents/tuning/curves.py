"""Learning curves: lines of ``events.jsonl``, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agents.tuning.trainer import Progress

EVENTS, BOARD = "events.jsonl", "tensorboard"
"""File and folder of the curves, in the work folder."""


class Curves:
    """Writes the curves of one training; use as a context manager.

    Points after the step that a training goes on from are taken away first: they are computed again.

    Args:
        folder: the work folder.
        step: that the training goes on from.
    """

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / EVENTS
        self._board = _board(folder / BOARD, step)
        kept = [event for event in read_events(folder) if event.get("step", 0) <= step or "loss" not in event]
        part = self._path.with_name(f".{EVENTS}.{os.getpid()}.tmp")
        part.write_text("".join(f"{json.dumps(event)}\n" for event in kept), encoding="utf-8")
        part.replace(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            self._board.close()

    def began(self, step: int, workers: int, device: str) -> None:
        """A group of workers begins or goes on; with the process that writes here, to look for it."""
        self._append(
            "workers_started",
            {
                "step": step,
                "workers": workers,
                "device": device,
                "host": socket.gethostname(),
                "pid": os.getpid(),
            },
        )

    def add(self, progress: Progress) -> None:
        """One point."""
        self.point(asdict(progress), ("loss", "validation_loss", "learning_rate", "tokens_per_s"))

    def point(self, values: Mapping[str, Any], drawn: Iterable[str]) -> None:
        """One point of any numbers, ``step`` and ``loss`` among them; those of ``drawn`` go to TensorBoard, where known."""
        self._append("progress", dict(values))
        if self._board is None:
            return
        for name in drawn:
            if values[name] is not None:
                self._board.add_scalar(name, values[name], values["step"])
        self._board.flush()

    def saved(self, step: int) -> None:
        """A checkpoint of that step is safe."""
        self._append("checkpoint_saved", {"step": step})

    def _append(self, event: str, values: dict[str, Any]) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **values}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")


def read_events(folder: Path) -> list[dict[str, Any]]:
    """The events of a work folder in order; a line that was torn by the end of its process is left out."""
    path = folder / EVENTS
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


def has_board() -> bool:
    """Whether curves can go to TensorBoard: tensorboardX is installed (the extra ``train``)."""
    import importlib.util

    return importlib.util.find_spec("tensorboardX") is not None


def _board(folder: Path, step: int) -> Any:
    if not has_board():
        return None
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
