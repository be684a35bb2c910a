"""Where a movement in values points on the Inglehart-Welzel map.

Texts have no place on the map, which is made of answers to ten questions. But countries have both: ten Schwartz scores and a
place, and the scores tell much of the place (Dobewall and Rudnev 2014, Journal of Cross-Cultural Psychology 45(7)). A linear map
from the one to the other, learned on the countries that ship, turns a movement in values into one on the map. What it leaves
unexplained is told with it (``ValueMap.explained``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.intervals import Interval, bootstrap
from agents.metrics.measured import Measured
from agents.survey.profile import MAP_AXES
from agents.survey.shipped import shipped_profiles
from agents.values import SCHWARTZ_VALUES
from negotiation.outcome import METHODS, Method

PENALTIES = tuple(10.0**k for k in range(-3, 4))
"""Ridge penalties tried, in units of a standardised score's sum of squares over the countries."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ValueMap:
    """A linear map from standardised Schwartz scores to the map's axes.

    Attributes:
        slopes: (10, 2) movement on ``MAP_AXES`` for one standard deviation between countries in each value.
        explained: (2,) share of the variance between countries that is told for a country left out; 1 is all, <= 0 nothing.
        countries: number n of countries that it was learned on.
    """

    slopes: Floats
    explained: Floats
    countries: int


@dataclass(frozen=True, slots=True)
class MapMovement:
    """How far a culture's consensus statements lie from its openings on the map, under one method.

    Attributes:
        culture: whose statements.
        method: that they came of.
        axes: by axis of ``MAP_AXES``, with 95% intervals over topics.
        negotiations: number of negotiations.
    """

    culture: str
    method: Method
    axes: dict[str, Interval]
    negotiations: int


def learn_value_map(scores: Floats, places: Floats) -> ValueMap:
    """Ridge regression of places on standardised scores, its penalty chosen by leaving one out (Hastie et al. 2009, 7.10).

    Args:
        scores: (n, 10) Schwartz scores, n >= 3, no column constant.
        places: (n, 2) on ``MAP_AXES``.
    """
    z = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    centred = places - places.mean(axis=0)
    n = len(z)
    best: tuple[float, Floats, Floats] | None = None
    for penalty in PENALTIES:
        solve = np.linalg.solve(z.T @ z + penalty * n * np.eye(z.shape[1]), z.T)
        # The mean is learned too, which adds 1/n to each leverage.
        leverage = np.einsum("ij,ji->i", z, solve) + 1.0 / n
        left_out = (centred - z @ (solve @ centred)) / (1.0 - leverage)[:, None]
        error = float((left_out**2).sum())
        if best is None or error < best[0]:
            # A mean that is learned without the country misses by n/(n-1) of its distance.
            nothing_known = centred * (n / (n - 1))
            best = error, solve @ centred, 1.0 - (left_out**2).sum(axis=0) / (nothing_known**2).sum(axis=0)
    assert best is not None
    return ValueMap(best[1], best[2], n)


@lru_cache(maxsize=1)
def shipped_value_map() -> ValueMap:
    """The map learned on the countries that ship with both scores and a place (regions, which are their means, left out).

    >>> found = shipped_value_map()
    >>> found.slopes.shape, found.countries > 40
    ((10, 2), True)
    """
    both = [
        profile
        for name, profile in shipped_profiles().items()
        if len(name) == 3 and profile.schwartz and len(profile.culture_map) == len(MAP_AXES)
    ]
    return learn_value_map(
        np.array([[profile.schwartz[value].value for value in SCHWARTZ_VALUES] for profile in both]),
        np.array([[profile.culture_map[axis].value for axis in MAP_AXES] for profile in both]),
    )


def map_movements(
    measured: Sequence[Measured], rng: np.random.Generator, *, resamples: int = 2000
) -> list[MapMovement]:
    """Movement of every culture under every method, from its openings to its consensus statements.

    Readings of texts and scores of people have different units. One standard deviation of all openings' readings counts as
    one standard deviation between countries, value by value; readings are centred within each text first, as scores are
    within each person.

    Args:
        measured: negotiations, those without value readings are left out.
        rng: of the intervals.
        resamples: of the bootstrap.
    """
    read = [(one, _centred(one.values)) for one in measured if one.values is not None]
    if not read:
        return []
    spread = np.concatenate([values[0] for _, values in read]).std(axis=0)
    # A value that no opening speaks of has no unit to move by.
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    slopes = scale[:, None] * shipped_value_map().slopes
    ways: dict[tuple[str, Method], dict[str, list[Floats]]] = {}
    for one, values in read:
        for side, culture in enumerate(one.players):
            way = (values[1, side] - values[0, side]) @ slopes
            ways.setdefault((culture, one.method), {}).setdefault(one.topic_id, []).append(way)
    found = []
    for culture, method in sorted(ways, key=lambda key: (key[0], METHODS.index(key[1]))):
        by_topic = ways[culture, method]
        means = np.array([np.mean(topic, axis=0) for topic in by_topic.values()])
        axes = {axis: bootstrap(means[:, k], rng, resamples=resamples) for k, axis in enumerate(MAP_AXES)}
        found.append(MapMovement(culture, method, axes, sum(map(len, by_topic.values()))))
    return found


def _centred(values: Floats) -> Floats:
    centred: Floats = values - values.mean(axis=-1, keepdims=True)
    return centred
