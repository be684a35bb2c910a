"""All negotiations of a bargaining together: means with intervals over topics, bargaining against the one-shot consensus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents.intervals import Interval, bootstrap
from cluster.bargaining.config import BargainConfig

MEASURES = {
    "agreement": ("Agreement", "probability that all sides agree", True),
    "efficiency": ("Efficiency", "expected total gain over walk-away values, as a share of the greatest feasible", True),
    "nash_product": ("Nash product", "product of the sides' gains, as a share of the Nash solution's", True),
    "least_gain": ("Least gain", "the worse-off side's expected payoff less its walk-away value", True),
    "gini": ("Gini of gains", "how unevenly the gains fall; 0 is even", False),
    "nash_distance": ("Distance to Nash", "Euclidean distance to the Nash solution", False),
    "ks_distance": (
        "Distance to Kalai-Smorodinsky",
        "Euclidean distance to the solution of Kalai and Smorodinsky",
        False,
    ),
}  # fmt: skip
"""By name: heading, meaning, and whether more is better."""

WAYS = {"bargaining": "bargaining", "one_shot": "one-shot consensus"}


def measures_of(game: Mapping[str, Any], way: str) -> dict[str, float | None]:
    """The measures of one game by one way; None where one is not defined."""
    outcome = game[way]
    outside = np.array(
        [
            sum(s["probability"] * s["disagreement"][i] for s in game["solutions"])
            for i in range(len(game["players"]))
        ]
    )
    gains = np.array(outcome["payoffs"]) - outside
    return {
        **{name: outcome[name] for name in MEASURES if name in outcome},
        "least_gain": float(gains.min()),
        "gini": gini(gains),
    }


def gini(gains: np.ndarray[Any, Any]) -> float | None:
    """Gini coefficient of gains, in [0, 1 - 1/N]; None if nobody gains. A loss counts as no gain.

    >>> gini(np.array([1.0, 1.0])), gini(np.array([1.0, 0.0])), gini(np.array([0.0, -1.0]))
    (0.0, 0.5, None)
    """
    held = np.maximum(gains, 0.0)
    if held.sum() <= 1e-12:
        return None
    return float(np.abs(held[:, None] - held[None, :]).sum() / (2 * len(held) * held.sum()))


def summary_of(
    games: Sequence[Mapping[str, Any]], config: BargainConfig, failures: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """Means over topics with 95% bootstrap intervals, differences between the ways, and how well games were solved."""
    rng = np.random.default_rng(config.seed)
    read = {way: [measures_of(game, way) for game in games] for way in WAYS}
    topics = [str(game["topic"]["id"]) for game in games]
    figures = {
        way: {name: _tree(_mean([one[name] for one in rows], topics, rng)) for name in MEASURES}
        for way, rows in read.items()
    }
    differences = {
        name: _tree(
            _mean(
                [
                    None if (b := left[name]) is None or (o := right[name]) is None else b - o
                    for left, right in zip(read["bargaining"], read["one_shot"], strict=True)
                ],
                topics,
                rng,
            )
        )
        for name in MEASURES
    }
    convs = [float(game["nash_conv"]) for game in games]
    return {
        "negotiations": len(games),
        "topics": len(set(topics)),
        "failures": list(failures),
        "oracle": config.oracle,
        "solver": config.solver,
        "tolerance": config.tolerance,
        "converged": sum(bool(game["converged"]) for game in games),
        "nash_conv": {
            "median": float(np.median(convs)) if convs else None,
            "largest": max(convs, default=None),
        },
        "iterations": {
            "median": float(np.median([len(game["iterations"]) for game in games])) if games else None
        },
        "seconds": sum(float(game["seconds"]) for game in games),
        "measures": figures,
        "differences": differences,
    }


def _mean(values: Sequence[float | None], topics: Sequence[str], rng: np.random.Generator) -> Interval | None:
    """Over topics, each the mean of its negotiations; None if there is no value."""
    groups: dict[str, list[float]] = {}
    for value, topic in zip(values, topics, strict=True):
        if value is not None:
            groups.setdefault(topic, []).append(value)
    if not groups:
        return None
    return bootstrap(np.array([np.mean(group) for group in groups.values()]), rng)


def _tree(interval: Interval | None) -> dict[str, float | int] | None:
    if interval is None:
        return None
    return {
        "mean": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "topics": interval.units,
    }
