"""Counters of a run for Ray's metrics endpoint; on a scrape they appear as ``ray_concordat_...``."""

from __future__ import annotations

from typing import Protocol

BATCH_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
"""Bounds of the histogram of batch sizes, in requests."""


class Meters(Protocol):
    """Where a run counts."""

    def finished(self, converged: bool | None, method: str = "psro") -> None:
        """A negotiation by a method has its record; ``converged`` is None if the method has no criterion."""

    def failed(self, error: str) -> None:
        """A negotiation ended with an error of this kind."""

    def round(self, nash_conv: float) -> None:
        """A round was played."""

    def running(self, negotiations: int) -> None:
        """So many negotiations are under way."""

    def batch(self, model: str, requests: int, tokens: int, seconds: float) -> None:
        """A batch came back from a model."""


class NoMeters:
    """Counts nothing; for runs without Ray."""

    def finished(self, converged: bool | None, method: str = "psro") -> None:
        """Nothing."""

    def failed(self, error: str) -> None:
        """Nothing."""

    def round(self, nash_conv: float) -> None:
        """Nothing."""

    def running(self, negotiations: int) -> None:
        """Nothing."""

    def batch(self, model: str, requests: int, tokens: int, seconds: float) -> None:
        """Nothing."""


class RayMeters:
    """Counts in ``ray.util.metrics``; Ray must be connected.

    Args:
        run: name of the run, a tag of every series.
    """

    def __init__(self, run: str) -> None:
        from ray.util.metrics import Counter, Gauge, Histogram

        self._tags = {"run": run}
        self._finished = Counter(
            "concordat_negotiations_finished", "Negotiations with a record.", ("run", "method", "converged")
        )
        self._failed = Counter(
            "concordat_negotiations_failed", "Negotiations that ended with an error.", ("run", "error")
        )
        self._running = Gauge("concordat_negotiations_running", "Negotiations under way.", ("run",))
        self._rounds = Counter("concordat_rounds", "Rounds played.", ("run",))
        self._nash_conv = Gauge("concordat_nash_conv", "NashConv of the latest round.", ("run",))
        self._tokens = Counter("concordat_tokens", "Tokens generated.", ("run", "model"))
        self._batches = Histogram(
            "concordat_batch_size",
            "Requests in a batch.",
            boundaries=list(BATCH_SIZES),
            tag_keys=("run", "model"),
        )
        self._seconds = Counter("concordat_batch_seconds", "Seconds spent in batches.", ("run", "model"))

    def finished(self, converged: bool | None, method: str = "psro") -> None:
        """A negotiation by a method has its record; ``converged`` is None if the method has no criterion."""
        self._finished.inc(1, self._tags | {"method": method, "converged": str(converged).lower()})

    def failed(self, error: str) -> None:
        """A negotiation ended with an error of this kind."""
        self._failed.inc(1, self._tags | {"error": error})

    def round(self, nash_conv: float) -> None:
        """A round was played."""
        self._rounds.inc(1, self._tags)
        self._nash_conv.set(nash_conv, self._tags)

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
