"""From measured negotiations to tables: means with intervals over topics, and paired differences between methods.

Negotiations on one topic are not independent, whoever holds them: topics are what is resampled, and what signs are flipped of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.intervals import Interval, sign_flip_p_value
from agents.metrics.catalogue import MEASURES, Measure
from agents.metrics.measured import Measured
from negotiation.errors import GameError
from negotiation.outcome import METHODS, Method

RESAMPLES = 2000
PERMUTATIONS = 9_999
LEVEL = 0.95

GroupKind = Literal["overall", "pair", "category"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One method over a group of negotiations.

    Attributes:
        kind: what kind of group: all, those of the same players, those of a category.
        group: its name; empty for all.
        method: of the negotiations.
        negotiations: number of them.
        topics: number of their topics.
        figures: interval of each measure that some of them have.
        missing: of each measure, how many cannot be known. Of measures that make no sense for them nothing is missing.
    """

    kind: GroupKind
    group: str
    method: Method
    negotiations: int
    topics: int
    figures: dict[str, Interval]
    missing: dict[str, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """One method less another, on negotiations that both held.

    Attributes:
        kind: as in ``Row``.
        group: as in ``Row``.
        method: the one.
        other: the other.
        measure: what is compared.
        interval: of the mean difference, over topics.
        p_value: that differences by topic are symmetric round 0 (sign-flip test), in (0, 1].
        adjusted: the same after Holm's correction for all tests of the same kind of group; in (0, 1].
        common: negotiations that both have with this measure.
        left_out: negotiations that one of the two lacks.
    """

    kind: GroupKind
    group: str
    method: Method
    other: Method
    measure: str
    interval: Interval
    p_value: float
    adjusted: float
    common: int
    left_out: int


def pair_name(players: Sequence[str]) -> str:
    """How a pair of players is called in tables.

    >>> pair_name(("confucian", "latin-america"))
    'confucian / latin-america'
    """
    return " / ".join(players)


def groups_of(measured: Sequence[Measured]) -> list[tuple[GroupKind, str, list[Measured]]]:
    """All negotiations; then those of each tuple of players; then those of each category. A sole group is not repeated."""
    found: list[tuple[GroupKind, str, list[Measured]]] = [("overall", "", list(measured))]
    pairs = sorted({one.players for one in measured})
    categories = sorted({one.category for one in measured})
    if len(pairs) > 1:
        found += [("pair", pair_name(p), [one for one in measured if one.players == p]) for p in pairs]
    if len(categories) > 1:
        found += [("category", c, [one for one in measured if one.category == c]) for c in categories]
    return found


def methods_of(measured: Sequence[Measured]) -> list[Method]:
    """The methods there are, in the order of ``METHODS``."""
    there = {one.method for one in measured}
    return [method for method in METHODS if method in there]


def summarise(
    measured: Sequence[Measured], *, seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> list[Row]:
    """Means of every method in every group, with percentile bootstrap intervals over topics.

    A resample draws topics with replacement; a mean is over all negotiations on the drawn topics that have the measure.

    Args:
        measured: of all methods.
        seed: of the resampling, the same for every group and method, so that equal figures have equal intervals.
        resamples: B.
        level: of the intervals.
    """
    rows = []
    for kind, name, group in groups_of(measured):
        for method in methods_of(group):
            mine = [one for one in group if one.method == method]
            figures = _intervals(mine, seed, resamples, level)
            unknown = Counter(name for one in mine for name, value in one.figures.items() if value is None)
            topics = len({one.topic_id for one in mine})
            rows.append(Row(kind, name, method, len(mine), topics, figures, dict(unknown)))
    return rows


def _intervals(measured: Sequence[Measured], seed: int, resamples: int, level: float) -> dict[str, Interval]:
    topics = {topic: place for place, topic in enumerate(dict.fromkeys(one.topic_id for one in measured))}
    names, columns = list(MEASURES), []
    for name in names:
        sums = np.zeros((len(topics), 2))
        for one in measured:
            part = _part(one, MEASURES[name])
            if part is not None:
                sums[topics[one.topic_id]] += part
        columns.append(sums)
    units = np.stack(columns, axis=2)  # (topics, 2, measures)
    totals = _resampled_totals(units, seed, resamples)
    found = {}
    for place, name in enumerate(names):
        total, weight = units[:, :, place].sum(axis=0)
        if weight == 0.0:
            continue
        known = int((units[:, 1, place] != 0).sum())
        found[name] = _interval(total / weight, totals[:, 0, place], totals[:, 1, place], known, level)
    return found


def _part(one: Measured, measure: Measure) -> tuple[float, float] | None:
    """Numerator and denominator that a negotiation adds to a mean."""
    if measure.ratio is None:
        value = one.figures.get(measure.name)
        return None if value is None else (value, 1.0)
    above, below = (one.figures.get(name) for name in measure.ratio)
    return None if above is None or below is None else (above, below)


def _resampled_totals(units: Floats, seed: int, resamples: int) -> Floats:
    """(B, 2, M) sums over B resamples of the n topics of (n, 2, M)."""
    n = len(units)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=resamples).astype(np.float64)
    totals: Floats = (counts @ units.reshape(n, -1)).reshape(resamples, *units.shape[1:])
    return totals


def _interval(estimate: float, totals: Floats, weights: Floats, units: int, level: float) -> Interval:
    means = totals[weights > 0] / weights[weights > 0]
    tail = (1.0 - level) / 2.0
    # Sums in another order may differ in the last bit; an interval holds its estimate where all units are alike.
    low, high = np.quantile(means, [tail, 1.0 - tail])
    if np.ptp(means) <= 1e-12 * max(1.0, abs(estimate)):
        low = high = estimate
    return Interval(float(estimate), float(low), float(high), units, level)


def compare(
    measured: Sequence[Measured],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    level: float = LEVEL,
) -> list[Difference]:
    """Every method less every other, in every tested measure and group, on the negotiations that both held.

    Args:
        measured: of all methods.
        seed: of resampling and permutations.
        resamples: of the intervals.
        permutations: most sign patterns of a test.
        level: of the intervals.

    Raises:
        GameError: if a method held a negotiation twice.
    """
    found: list[Difference] = []
    for kind, name, group in groups_of(measured):
        by_method = {method: _by_key(group, method) for method in methods_of(group)}
        for one, two in combinations(by_method, 2):
            for measure in MEASURES.values():
                if measure.tested:
                    found += _difference(
                        kind,
                        name,
                        (one, two),
                        by_method,
                        measure.name,
                        (seed, resamples, permutations, level),
                    )
    adjusted: list[Difference] = []
    for kind in ("overall", "pair", "category"):
        family = [difference for difference in found if difference.kind == kind]
        for difference, p_value in zip(family, holm([one.p_value for one in family]), strict=True):
            adjusted.append(replace(difference, adjusted=p_value))
    return adjusted


def _by_key(group: Sequence[Measured], method: Method) -> dict[object, Measured]:
    found: dict[object, Measured] = {}
    for one in group:
        if one.method != method:
            continue
        if one.key in found:
            raise GameError(
                f"{method} held the negotiation of {pair_name(one.players)} on topic {one.topic_id!r}, seed {one.seed}, twice;"
                " give each run once"
            )
        found[one.key] = one
    return found


def _difference(
    kind: GroupKind,
    group: str,
    methods: tuple[Method, Method],
    by_method: dict[Method, dict[object, Measured]],
    measure: str,
    settings: tuple[int, int, int, float],
) -> list[Difference]:
    """The difference as a list of one; of none if there is no common negotiation with the measure."""
    seed, resamples, permutations, level = settings
    left, right = (by_method[method] for method in methods)
    sums: dict[str, list[float]] = {}
    for key, one in left.items():
        values = one.figures.get(measure), right[key].figures.get(measure) if key in right else None
        if values[0] is not None and values[1] is not None:
            total = sums.setdefault(one.topic_id, [0.0, 0.0])
            total[0] += values[0] - values[1]
            total[1] += 1.0
    if not sums:
        return []
    units = np.array(list(sums.values()))
    totals = _resampled_totals(units[:, :, None], seed, resamples)
    total, weight = units.sum(axis=0)
    interval = _interval(total / weight, totals[:, 0, 0], totals[:, 1, 0], len(units), level)
    p_value = sign_flip_p_value(units[:, 0] / units[:, 1], np.random.default_rng(seed), permutations)
    there = sum(measure in one.figures for side in (left, right) for one in side.values())
    common = int(weight)
    return [
        Difference(kind, group, *methods, measure, interval, p_value, p_value, common, there - 2 * common)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm 1979): the k-th smallest of m times m - k + 1, made rising, at most 1.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    found = np.empty(len(p_values))
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, float(p_values[place]) * (len(p_values) - rank)))
        found[place] = largest
    return [float(value) for value in found]
