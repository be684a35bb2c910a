"""What a run counts for Ray's metrics endpoint; on a scrape the names begin with ``ray_concordat_``.

The run's own process tells of negotiations, rounds and batches (``RayMeters``); each agent's actor tells of its memory
(``ActorMeter``). ``cluster/dashboard/panels.py`` draws what stands here.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from cluster.lasting_gauge import LastingGauge

BATCH_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
"""Bounds of the histogram of batch sizes, in requests."""

RECENT_ROUNDS = 50
"""NashConv and gains are means over so many latest rounds, since single ones jump."""

MEMORY_PAUSE_S = 5.0
"""Least time between two measurements of an actor's memory."""


class Meters(Protocol):
    """Where a run counts."""

    def standing(self, *, planned: int, finished: int, failed: int) -> None:
        """So many of the run's negotiations, each method counted by itself, earlier sessions included."""

    def finished(self, converged: bool | None, method: str = "psro") -> None:
        """A negotiation by a method has its record; ``converged`` is None if the method has no criterion."""

    def failed(self, error: str) -> None:
        """A negotiation ended with an error of this kind."""

    def round(self, nash_conv: float, gains: Mapping[str, float | None] | None = None) -> None:
        """A round was played; ``gains`` are the players' best ones, None where a player proposed nothing."""

    def running(self, negotiations: int) -> None:
        """So many negotiations are under way."""

    def batch(self, model: str, requests: int, tokens: int, seconds: float) -> None:
        """A batch came back from a model."""

    def queue(self, model: str, requests: int) -> None:
        """So many requests are at a model now, computed or waiting for it."""


class NoMeters:
    """Counts nothing; for runs without Ray."""

    def standing(self, *, planned: int, finished: int, failed: int) -> None:
        """Nothing."""

    def finished(self, converged: bool | None, method: str = "psro") -> None:
        """Nothing."""

    def failed(self, error: str) -> None:
        """Nothing."""

    def round(self, nash_conv: float, gains: Mapping[str, float | None] | None = None) -> None:
        """Nothing."""

    def running(self, negotiations: int) -> None:
        """Nothing."""

    def batch(self, model: str, requests: int, tokens: int, seconds: float) -> None:
        """Nothing."""

    def queue(self, model: str, requests: int) -> None:
        """Nothing."""


class RayMeters:
    """Counts in ``ray.util.metrics``; Ray must be connected.

    Args:
        run: name of the run, a tag of every series.
    """

    def __init__(self, run: str) -> None:
        from ray.util.metrics import Counter, Histogram

        self._tags = {"run": run}
        self._standing = LastingGauge(
            "concordat_negotiations",
            "Negotiations of the run by state: planned, finished or failed; earlier sessions included.",
            ("run", "state"),
        )
        self._finished = Counter(
            "concordat_negotiations_finished", "Negotiations with a record.", ("run", "method", "converged")
        )
        self._failed = Counter(
            "concordat_negotiations_failed", "Negotiations that ended with an error.", ("run", "error")
        )
        self._running = LastingGauge("concordat_negotiations_running", "Negotiations under way.", ("run",))
        self._rounds = Counter("concordat_rounds", "Rounds played.", ("run",))
        self._nash_conv = LastingGauge(
            "concordat_nash_conv", f"Mean NashConv of the last {RECENT_ROUNDS} rounds.", ("run",)
        )
        self._gain = LastingGauge(
            "concordat_gain",
            f"Mean of a player's best gains by a new guideline in its last {RECENT_ROUNDS} rounds.",
            ("run", "player"),
        )
        self._tokens = Counter("concordat_tokens", "Tokens generated.", ("run", "model"))
        self._batches = Histogram(
            "concordat_batch_size",
            "Requests in a batch.",
            boundaries=list(BATCH_SIZES),
            tag_keys=("run", "model"),
        )
        self._seconds = Counter("concordat_batch_seconds", "Seconds spent in batches.", ("run", "model"))
        self._queue = LastingGauge(
            "concordat_queue_requests", "Requests at a model, computed or waiting.", ("run", "model")
        )
        self._nash_convs = _Recent()
        self._gains: dict[str, _Recent] = {}

    def standing(self, *, planned: int, finished: int, failed: int) -> None:
        """So many of the run's negotiations, each method counted by itself, earlier sessions included."""
        for state, count in (("planned", planned), ("finished", finished), ("failed", failed)):
            self._standing.set(count, self._tags | {"state": state})

    def finished(self, converged: bool | None, method: str = "psro") -> None:
        """A negotiation by a method has its record; ``converged`` is None if the method has no criterion."""
        self._finished.inc(1, self._tags | {"method": method, "converged": str(converged).lower()})

    def failed(self, error: str) -> None:
        """A negotiation ended with an error of this kind."""
        self._failed.inc(1, self._tags | {"error": error})

    def round(self, nash_conv: float, gains: Mapping[str, float | None] | None = None) -> None:
        """A round was played; ``gains`` are the players' best ones, None where a player proposed nothing."""
        self._rounds.inc(1, self._tags)
        self._nash_conv.set(self._nash_convs.add(nash_conv), self._tags)
        for player, gain in (gains or {}).items():
            if gain is not None:
                mean = self._gains.setdefault(player, _Recent()).add(gain)
                self._gain.set(mean, self._tags | {"player": player})

    def running(self, negotiations: int) -> None:
        """So many negotiations are under way."""
        self._running.set(negotiations, self._tags)

    def batch(self, model: str, requests: int, tokens: int, seconds: float) -> None:
        """A batch came back from a model."""
        tags = self._tags | {"model": model}
        self._batches.observe(requests, tags)
        if tokens:
            self._tokens.inc(tokens, tags)
        if seconds > 0:
            self._seconds.inc(seconds, tags)

    def queue(self, model: str, requests: int) -> None:
        """So many requests are at a model now, computed or waiting for it."""
        self._queue.set(requests, self._tags | {"model": model})


class _Recent:
    """The mean of the latest numbers."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=RECENT_ROUNDS)

    def add(self, value: float) -> float:
        self._values.append(value)
        return sum(self._values) / len(self._values)


class ActorMeter:
    """Tells of an actor's memory as ``concordat_memory_bytes``, from the actor's own process; nothing outside of one."""

    def __init__(self) -> None:
        self._agent = ""
        self._gauge: Any = None
        self._last = -MEMORY_PAUSE_S

    def show(self) -> None:
        """Measure now, unless that was done a moment ago."""
        if time.monotonic() - self._last < MEMORY_PAUSE_S:
            return
        self._last = time.monotonic()
        ray: Any = sys.modules.get("ray")
        if ray is None or not ray.is_initialized() or ray.get_runtime_context().get_actor_id() is None:
            return
        if self._gauge is None:
            self._agent = ray.get_runtime_context().get_actor_name() or "unnamed"
            self._gauge = LastingGauge(
                "concordat_memory_bytes",
                "Memory of an agent's process: host (resident) and, on a GPU, gpu (taken by its allocator).",
                ("agent", "kind"),
            )
        for kind, size in memory().items():
            self._gauge.set(size, {"agent": self._agent, "kind": kind})


def memory() -> dict[str, int]:
    """Bytes that this process has resident (``host``), and on GPUs, if it uses any (``gpu``)."""
    sizes = {"host": _resident()}
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        sizes["gpu"] = sum(
            int(torch.cuda.memory_reserved(device)) for device in range(torch.cuda.device_count())
        )
    return sizes


def _resident() -> int:
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # the most it had; other systems tell no more
