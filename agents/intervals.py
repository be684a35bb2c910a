"""Bootstrap intervals and paired comparisons over items, topics or whatever else was sampled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import GameError

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From (B resamples, n units, ...) to (B,) values."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its bootstrap interval.

    Attributes:
        estimate: on the units as they are.
        low: lower end.
        high: upper end, >= low.
        units: number of units resampled.
        level: nominal coverage, in (0, 1).
    """

    estimate: float
    low: float
    high: float
    units: int
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean_of_units(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over units: (B, n) to (B,)."""
    means: NDArray[np.float64] = resampled.mean(axis=1)
    return means


def bootstrap(
    units: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    statistic: Statistic = mean_of_units,
    resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Percentile bootstrap interval (Efron and Tibshirani 1993, section 13.3): units are drawn with replacement.

    For a paired comparison give the differences as units.

    Args:
        units: (n, ...) one row a unit, finite, n >= 1. One unit gives an interval of no width.
        rng: of the resampling.
        statistic: of resampled units; the mean by default.
        resamples: number B of resamples, >= 1.
        level: nominal coverage, in (0, 1).

    Raises:
        GameError: if there are no units, one is not finite, or ``level`` is outside (0, 1).

    >>> bootstrap(np.array([1.0, 1.0, 1.0]), np.random.default_rng(0))
    Interval(estimate=1.0, low=1.0, high=1.0, units=3, level=0.95)
    """
    units = np.asarray(units, dtype=np.float64)
    if len(units) == 0:
        raise GameError("there are no units to resample; give at least one")
    if not np.isfinite(units).all():
        place = int(np.argwhere(~np.isfinite(units.reshape(len(units), -1)).all(axis=1))[0, 0])
        raise GameError(f"unit {place} is {units[place]}; missing units are to be left out and counted")
    if not 0.0 < level < 1.0:
        raise GameError(f"level is {level}; it must lie between 0 and 1")
    drawn = rng.integers(len(units), size=(resamples, len(units)))
    values = statistic(units[drawn])
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return Interval(float(statistic(units[None])[0]), float(low), float(high), len(units), level)


def sign_flip_p_value(
    differences: NDArray[np.float64], rng: np.random.Generator, permutations: int = 10_000
) -> float:
    """Two-sided permutation test of paired differences being symmetric round 0, in (0, 1].

    All sign patterns are counted if there are at most ``permutations`` of them, else that many are drawn and the observed one
    is counted in (Phipson and Smyth 2010, section 3).

    Args:
        differences: (n,) finite, one a pair.
        rng: of the signs.
        permutations: most sign patterns to try.

    Raises:
        GameError: if there are no differences or one is not finite.

    >>> sign_flip_p_value(np.array([1.0, 2.0, 3.0]), np.random.default_rng(0))
    0.25
    """
    differences = np.asarray(differences, dtype=np.float64)
    if differences.ndim != 1 or len(differences) == 0 or not np.isfinite(differences).all():
        raise GameError("differences must be a row of one or more finite numbers, one a pair")
    count = len(differences)
    observed = abs(float(differences.mean()))
    slack = 1e-12 * max(1.0, float(np.abs(differences).max()))  # equal sums may differ in the last bit
    if 2**count <= permutations:
        patterns = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        means = np.abs(((2 * patterns - 1) * differences).mean(axis=1))
        return float((means >= observed - slack).mean())
    extreme = 1
    for start in range(0, permutations, 1000):
        signs = rng.integers(2, size=(min(1000, permutations - start), count)) * 2 - 1
        extreme += int((np.abs((signs * differences).mean(axis=1)) >= observed - slack).sum())
    return extreme / (permutations + 1)


def correlation(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Pearson correlation of two rows of equal length >= 2, in [-1, 1].

    Raises:
        GameError: if the lengths differ or are below 2, or a row is constant: it has no correlation then.

    >>> correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    1.0
    """
    left, right = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if left.shape != right.shape or left.ndim != 1 or len(left) < 2:
        raise GameError(f"rows of shapes {left.shape} and {right.shape}; give two of one length, 2 or more")
    a, b = left - left.mean(), right - right.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    if scale == 0.0:
        raise GameError("one of the rows is constant and has no correlation")
    return max(-1.0, min(1.0, float(a @ b) / scale))
