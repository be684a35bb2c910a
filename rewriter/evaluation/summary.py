"""From measured rewritings to tables: means with intervals over topics, by method and size, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agents.intervals import Interval, bootstrap, sign_flip_p_value
from negotiation.errors import ConfigurationError
from rewriter.evaluation.measures import MEASURES, Measured

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """One method over some requests.

    Attributes:
        method: its name.
        sizes: [low, high) of |target - before|; None for all requests.
        requests: number of them.
        blank: of these without any reply.
        figures: by measure; those that no request has are not in it.
    """

    method: str
    sizes: tuple[float, float] | None
    requests: int
    blank: int
    figures: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Difference:
    """One method less another, on the same requests.

    Attributes:
        method: the one.
        other: the other.
        measure: what is compared.
        interval: of the difference, over topics.
        p_value: that differences by topic are symmetric round 0 (sign-flip test), in (0, 1].
    """

    method: str
    other: str
    measure: str
    interval: Interval
    p_value: float


def summarise(measured: Mapping[str, Sequence[Measured]], sizes: Sequence[float], seed: int = 0) -> list[Row]:
    """Rows of all methods: over all requests, then by bins of size.

    Args:
        measured: by method, in the same order of requests.
        sizes: rising bounds of the bins; empty for no bins.
        seed: of the resampling.

    Raises:
        ConfigurationError: if methods have different numbers of requests.
    """
    _check(measured)
    bins: list[tuple[float, float] | None] = [None, *pairwise(sizes)]
    rows = []
    for method, found in measured.items():
        for bounds in bins:
            within = [one for one in found if bounds is None or bounds[0] <= one.size < bounds[1]]
            if not within:
                continue
            figures = {}
            for name in MEASURES:
                interval = mean_over_topics(within, name, np.random.default_rng(seed))
                if interval is not None:
                    figures[name] = interval
            blank = sum(one.after is None for one in within)
            rows.append(Row(method, bounds, len(within), blank, figures))
    return rows


def mean_over_topics(measured: Sequence[Measured], name: str, rng: np.random.Generator) -> Interval | None:
    """Mean of a measure over requests, with a bootstrap interval over topics; None if no request has it."""
    sums: dict[int, list[float]] = {}
    for one in measured:
        if name in one.figures:
            total = sums.setdefault(one.topic_id, [0.0, 0.0])
            total[0] += one.figures[name]
            total[1] += 1.0
    if not sums:
        return None
    return bootstrap(np.array(list(sums.values())), rng, statistic=_ratio, resamples=RESAMPLES)


def differences(
    measured: Mapping[str, Sequence[Measured]],
    pairs: Sequence[tuple[str, str]],
    measures: Sequence[str] = ("success", "consistency", "l2", "approach"),
    seed: int = 0,
) -> list[Difference]:
    """Paired differences; requests that lack the measure for one of the two are left out.

    Args:
        measured: by method, in the same order of requests.
        pairs: (method, other) to compare.
        measures: to compare them in.
        seed: of the resampling.

    Raises:
        ConfigurationError: if methods have different numbers of requests.
    """
    _check(measured)
    found = []
    for method, other in pairs:
        for name in measures:
            sums: dict[int, list[float]] = {}
            for one, two in zip(measured[method], measured[other], strict=True):
                if name in one.figures and name in two.figures:
                    total = sums.setdefault(one.topic_id, [0.0, 0.0])
                    total[0] += one.figures[name] - two.figures[name]
                    total[1] += 1.0
            if not sums:
                continue
            units = np.array(list(sums.values()))
            interval = bootstrap(units, np.random.default_rng(seed), statistic=_ratio, resamples=RESAMPLES)
            by_topic = units[:, 0] / units[:, 1]
            p_value = sign_flip_p_value(by_topic, np.random.default_rng(seed))
            found.append(Difference(method, other, name, interval, p_value))
    return found


def _ratio(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, n, 2) sums and counts by topic to (B,) means over requests."""
    totals = resampled.sum(axis=1)
    means: NDArray[np.float64] = totals[:, 0] / totals[:, 1]
    return means


def _check(measured: Mapping[str, Sequence[Measured]]) -> None:
    counts = {method: len(found) for method, found in measured.items()}
    if len(set(counts.values())) > 1:
        raise ConfigurationError(
            f"methods have different numbers of requests: {counts}; measure all of them on the same ones"
        )
