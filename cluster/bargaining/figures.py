"""The figures of a bargaining, in the form that ``cluster.report.figures`` describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cluster.bargaining.summary import MEASURES, WAYS
from cluster.bargaining.terminal import interval_words
from cluster.culture.palette import SYMBOLS
from cluster.report.figures import Figure, hue, label, rounded

FLOOR = 1e-6
"""Smaller NashConvs are drawn here: the axis is logarithmic."""

MOST_LINES = 60
"""Curves drawn; of more negotiations every so-manieth."""

SHARES = ("agreement", "efficiency", "nash_product")
"""Measures in [0, 1] that are drawn by iteration."""

Game = Mapping[str, Any]


def curves(games: Sequence[Game], name: str) -> np.ndarray[Any, Any]:
    """(games, iterations) of a figure by iteration; a loop that ended keeps its best or last value. NaN where undefined."""
    longest = max((len(game["iterations"]) for game in games), default=0)
    rows = []
    for game in games:
        values = [one[name] for one in game["iterations"]]
        end = game["nash_conv"] if name == "nash_conv" else values[-1]
        values += [end] * (longest - len(values))
        rows.append([np.nan if value is None else float(value) for value in values])
    return np.array(rows).reshape(len(games), longest)


def nash_conv_figure(games: Sequence[Game]) -> Figure:
    """NashConv of the mixture by iteration: a line a negotiation, and the median."""
    rows = curves(games, "nash_conv")
    numbers = list(range(rows.shape[1]))
    step = max(1, -(-len(games) // MOST_LINES))
    middle = np.median(rows, axis=0) if len(rows) else np.zeros(0)
    data: list[Figure] = [
        {"type": "scatter", "mode": "lines", "x": numbers, "y": rounded(np.maximum(row, FLOOR)),
         "line": {"width": 1, "color": "--p0/0.3"}, "hoverinfo": "skip"}
        for row in rows[::step]
    ]  # fmt: skip
    data.append({
        "type": "scatter", "mode": "lines+markers", "x": numbers, "y": rounded(np.maximum(middle, FLOOR)),
        "line": {"width": 2.5, "color": "--mark"}, "marker": {"size": 6, "color": "--mark"},
        "hoverinfo": "text", "hovertext": [f"iteration {k}: median {v:.2e}" for k, v in enumerate(middle)],
    })  # fmt: skip
    return {
        "alt": "NashConv by iteration; median "
        + ", ".join(f"{value:.2g}" for value in middle[:12])
        + ("." if len(middle) <= 12 else " and so on."),
        "height": [320, 280],
        "data": data,
        "layout": {
            "xaxis": {"title": {"text": "iteration"}, "showgrid": False},
            "yaxis": {"type": "log", "title": {"text": "NashConv"}},
            "margin": {"l": 64, "r": 12, "t": 8, "b": 44},
        },
        "narrow": {},
    }  # fmt: skip


def shares_figure(games: Sequence[Game]) -> Figure:
    """Agreement, efficiency and Nash product by iteration, means over negotiations."""
    data: list[Figure] = []
    said = []
    for place, name in enumerate(SHARES):
        rows = curves(games, name)
        means = [
            float(column[~np.isnan(column)].mean()) if (~np.isnan(column)).any() else None
            for column in rows.T
        ]
        if not means or all(mean is None for mean in means):
            continue
        said.append(f"{MEASURES[name][0].lower()} {means[-1]:.2f}" if means[-1] is not None else name)
        data.append({
            "type": "scatter", "mode": "lines+markers", "name": MEASURES[name][0], "x": list(range(len(means))),
            "y": [None if mean is None else round(mean, 6) for mean in means],
            "line": {"width": 2, "color": hue(place)},
            "marker": {"size": 6, "color": hue(place), "symbol": SYMBOLS[place]},
            "hovertemplate": f"{MEASURES[name][0]} %{{y:.3f}}<extra></extra>",
        })  # fmt: skip
    return {
        "alt": "At the last iteration: " + ", ".join(said) + ".",
        "height": [320, 300],
        "data": data,
        "layout": {
            "xaxis": {"title": {"text": "iteration"}, "showgrid": False},
            "yaxis": {"rangemode": "tozero"}, "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "margin": {"l": 48, "r": 12, "t": 8, "b": 44},
        },
        "narrow": {},
    }  # fmt: skip


def turn_shares(games: Sequence[Game]) -> tuple[list[float], list[float], float]:
    """By turn, the mean probability of agreeing on the proposer's own guideline, and on another's; and of no agreement."""
    turns = max((len(game["bargaining"]["offers"]) for game in games), default=0)
    own, other = np.zeros(turns), np.zeros(turns)
    for game in games:
        for turn, row in enumerate(game["bargaining"]["offers"]):
            proposer = turn % len(game["players"])
            for offer, share in zip(game["offers"], row, strict=True):
                (own if offer["player"] == proposer else other)[turn] += share / len(games)
    return own.tolist(), other.tolist(), max(0.0, 1.0 - float(own.sum() + other.sum()))


def turns_figure(games: Sequence[Game]) -> Figure:
    """When agreement comes, and on whose guideline."""
    own, other, none = turn_shares(games)
    names = [f"turn {turn + 1}" for turn in range(len(own))] + ["never"]
    return {
        "alt": "Probability of agreement by turn: "
        + ", ".join(f"{name} {a + b:.2f}" for name, a, b in zip(names, own, other, strict=False))
        + f"; no agreement {none:.2f}.",
        "height": [320, 300],
        "data": [
            {"type": "bar", "name": "on the proposer's own guideline", "x": names, "y": rounded([*own, 0]),
             "marker": {"color": "--p0/0.85"}, "hovertemplate": "%{y:.1%}<extra></extra>"},
            {"type": "bar", "name": "on another side's", "x": names, "y": rounded([*other, 0]),
             "marker": {"color": "--p1/0.85"}, "hovertemplate": "%{y:.1%}<extra></extra>"},
            {"type": "bar", "name": "no agreement", "x": names, "y": rounded([0] * len(own) + [none]),
             "marker": {"color": "--p3/0.6"}, "hovertemplate": "%{y:.1%}<extra></extra>"},
        ],
        "layout": {
            "barmode": "stack", "yaxis": {"tickformat": ".0%", "rangemode": "tozero"},
            "xaxis": {"showgrid": False, "type": "category"}, "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "margin": {"l": 48, "r": 12, "t": 8, "b": 44},
        },
        "narrow": {},
    }  # fmt: skip


def ways_figure(result: Mapping[str, Any], name: str) -> Figure:
    """One measure by both ways, with intervals."""
    there = [(way, text, figure) for way, text in WAYS.items() if (figure := result["measures"][way][name])]
    data: list[Figure] = [
        {
            "type": "scatter", "mode": "markers", "x": rounded([figure["mean"]]), "y": [text],
            "error_x": {"type": "data", "symmetric": False, "color": hue(place), "thickness": 2, "width": 5,
                        "array": rounded([figure["high"] - figure["mean"]]),
                        "arrayminus": rounded([figure["mean"] - figure["low"]])},
            "marker": {"size": 10, "color": hue(place), "symbol": SYMBOLS[place]}, "hoverinfo": "text",
            "hovertext": [f"{label(text)} {interval_words(figure)}"],
        }
        for place, (_, text, figure) in enumerate(there)
    ]  # fmt: skip
    return {
        "alt": f"{MEASURES[name][0]}: "
        + ", ".join(f"{text} {interval_words(figure)}" for _, text, figure in there)
        + ".",
        "height": [120, 120],
        "data": data,
        "layout": {
            "xaxis": {"title": {"text": f"{MEASURES[name][0]} {'↑' if MEASURES[name][2] else '↓'}"}},
            "yaxis": {"autorange": "reversed", "showgrid": False, "ticks": "", "type": "category"},
            "margin": {"l": 148, "r": 16, "t": 6, "b": 44},
        },
        "narrow": {"margin.l": 132},
    }  # fmt: skip
