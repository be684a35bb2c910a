"""Metrics of a server for Ray's metrics endpoint; on a scrape they appear as ``ray_concordat_serve_...``."""

from __future__ import annotations

from cluster.lasting_gauge import LastingGauge
from cluster.metrics import BATCH_SIZES

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Bounds of the histograms of time."""


class Meters:
    """Counts of one part. Ray must be connected.

    Args:
        part: api, model or rewriter.
    """

    def __init__(self, part: str) -> None:
        from ray.util.metrics import Counter, Histogram

        self._tags = {"part": part}
        self._requests = Counter("concordat_serve_requests", "Requests that are over.", ("route", "status"))
        self._seconds = Histogram(
            "concordat_serve_seconds", "Time of requests.", boundaries=list(SECONDS), tag_keys=("route",)
        )
        self._in_flight = LastingGauge("concordat_serve_in_flight", "Requests at work.", ("part",))
        self._batches = Histogram(
            "concordat_serve_batch_size",
            "Requests in a batch.",
            boundaries=list(BATCH_SIZES),
            tag_keys=("part",),
        )
        self._batch_seconds = Histogram(
            "concordat_serve_batch_seconds", "Time of a batch.", boundaries=list(SECONDS), tag_keys=("part",)
        )
        self._tokens = Counter("concordat_serve_tokens", "Tokens generated.", ("part",))

    def request(self, route: str, status: int, seconds: float) -> None:
        """A request is over."""
        self._requests.inc(1, {"route": route, "status": str(status)})
        self._seconds.observe(seconds, {"route": route})

    def in_flight(self, count: int) -> None:
        """So many are at work."""
        self._in_flight.set(count, self._tags)

    def batch(self, count: int, seconds: float) -> None:
        """A batch came back."""
        self._batches.observe(count, self._tags)
        self._batch_seconds.observe(seconds, self._tags)

    def tokens(self, count: int) -> None:
        """So many were generated."""
        if count:
            self._tokens.inc(count, self._tags)
