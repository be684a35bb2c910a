"""Gauges that stay on Ray's metrics endpoint for as long as somebody holds them.

Ray exports a gauge's value once after it was set, and its endpoint forgets what was not exported again for two intervals
(20 seconds). So what changes rarely, such as the number of planned negotiations, must be said again and again.
"""

from __future__ import annotations

import atexit
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

AGAIN_S = 5.0
"""Half of Ray's export interval."""


class LastingGauge:
    """A gauge of ``ray.util.metrics`` whose values last; Ray must be connected.

    Args:
        name: of the series, without Ray's prefix.
        description: for the endpoint.
        tag_keys: names of its tags.
    """

    def __init__(self, name: str, description: str, tag_keys: Sequence[str]) -> None:
        from ray.util.metrics import Gauge

        self._gauge = Gauge(name, description, tuple(tag_keys))
        self._values: dict[tuple[tuple[str, str], ...], float] = {}
        _keeper.hold(self)

    def set(self, value: float, tags: Mapping[str, str]) -> None:
        """The value of a series from now on."""
        self._values[tuple(sorted(tags.items()))] = value
        self._gauge.set(value, dict(tags))

    def say_again(self) -> None:
        """All values, as they are."""
        for tags, value in list(self._values.items()):
            self._gauge.set(value, dict(tags))


class _Keeper:
    """A thread that has all gauges say their values again, from the first gauge to the end of the process."""

    def __init__(self) -> None:
        self._held: weakref.WeakSet[LastingGauge] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, gauge: LastingGauge) -> None:
        with self._lock:
            self._held.add(gauge)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="gauges", daemon=True)
                self._thread.start()
                atexit.register(self._over.set)

    def _work(self) -> None:
        while not self._over.wait(AGAIN_S):
            ray: Any = sys.modules.get("ray")
            if ray is not None and ray.is_initialized():
                self._say()

    def _say(self) -> None:
        """Apart, so that no name holds a gauge while the thread waits."""
        with self._lock:
            held = list(self._held)
        for gauge in held:
            gauge.say_again()


_keeper = _Keeper()
