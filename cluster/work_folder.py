"""The work folder of a training on Ray Train: begun once, followed while it grows, and the adapter taken out of it.

Whoever trains holds it (``cluster.runfolder.hold``). It keeps ``settings.json``, Ray Train's own folder and ``events.jsonl``.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents.tuning.curves import read_events
from cluster.runfolder import differences, write_atomically
from negotiation.errors import RunError

Told = Callable[[dict[str, Any]], None]
"""Called with each event of ``events.jsonl`` as it comes."""

QUICK = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2", "RAY_TRAIN_ENABLE_STATE_TRACKING": "1"}
"""Reports wait for a look at the workers, which else comes every two seconds; and the dashboard shows the training."""

START_FAILURES = 3
"""How often Ray Train tries to place the workers before it gives up; else it would try for ever."""

ADAPTER = "adapter"
"""Folder of the finished adapter in the last checkpoint."""


def enter(work: Path, settings: Mapping[str, Any]) -> None:
    """Begin a work folder, or check that it is of this training.

    Args:
        work: the folder; it is there.
        settings: what determines the adapter, as plain JSON values.

    Raises:
        RunError: if it is of another training, or cannot be used.
    """
    file = work / "settings.json"
    try:
        if file.is_file():
            lines = differences(json.loads(file.read_text(encoding="utf-8")), settings)
            if lines:
                shown = "\n  ".join(lines)
                raise RunError(
                    f"{work} was begun with other settings; go on with those, or choose another --work:\n  {shown}"
                )
            return
        write_atomically(file, f"{json.dumps(settings, indent=1)}\n".encode())
    except (OSError, ValueError) as error:
        raise RunError(f"work folder {work} cannot be used ({error}); choose another --work") from error


def put_adapter(source: Path, target: Path) -> None:
    """Copy an adapter to where it is wanted; its configuration last, so that a torn copy is no adapter.

    Raises:
        RunError: if there is none.
    """
    if not (source / "adapter_config.json").is_file():
        raise RunError(f"the last checkpoint {source.parent} holds no adapter; give the command again")
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir(), key=lambda file: file.name == "adapter_config.json"):
        shutil.copyfile(file, target / file.name)


@contextmanager
def following(work: Path, told: Told) -> Iterator[None]:
    """Tell of events as they are written."""
    # By their text and not their number: points that are computed again are taken away.
    known, ended = set(map(json.dumps, read_events(work))), threading.Event()

    def follow() -> None:
        while True:
            last = ended.wait(0.2)
            for event in read_events(work):
                key = json.dumps(event)
                if key not in known:
                    known.add(key)
                    told(event)
            if last:
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
