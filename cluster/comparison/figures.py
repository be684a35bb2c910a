"""The figures of a comparison, in the form that ``cluster.report.figures`` describes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.metrics.catalogue import Measure
from agents.metrics.comparison import Row
from agents.metrics.measured import Measured
from agents.survey.shipped import shipped_profiles
from agents.values import SCHWARTZ_VALUES
from cluster.comparison.comparison import Comparison
from cluster.comparison.picture import plane_limit, plane_points
from cluster.comparison.tables import heading, number
from cluster.culture.figures import movement_figure
from cluster.culture.palette import SYMBOLS
from cluster.culture.subjects import find_subjects
from cluster.report.figures import Figure, hue, label, rounded
from cluster.report.source import culture_name
from negotiation.outcome import METHODS

MOST_POINTS = 1500
"""Points of a method on the plane; of more, every so-manieth is drawn."""


def method_place(method: str) -> int:
    """The colour of a method, the same in every figure."""
    return METHODS.index(method)


def plane_figure(found: Comparison, method: str) -> Figure:
    """Fairness plane of one method: a dot a negotiation, the diagonal, the mean."""
    points = plane_points(found.measured, method)
    step = max(1, -(-len(points) // MOST_POINTS))
    drawn = points[::step]
    limit, place = plane_limit(found.measured), method_place(method)
    mean = np.mean([one.plane for one in points], axis=0)
    off = float(np.mean([abs(one.plane[0] - one.plane[1]) for one in points]))
    return {
        "alt": f"{method}: distance of the consensus from the first and from the second side's opening;"
        f" mean {mean[0]:.3f} and {mean[1]:.3f}, mean difference {off:.3f}.",
        "height": [360, 320],
        "data": [
            {"type": "scatter", "mode": "lines", "x": [0, limit], "y": [0, limit], "hoverinfo": "skip",
             "line": {"color": "--soft", "width": 1, "dash": "dash"}},
            {"type": "scatter", "mode": "markers", "x": rounded([one.plane[0] for one in drawn]),
             "y": rounded([one.plane[1] for one in drawn]), "hoverinfo": "text",
             "hovertext": [f"{label(one.topic_id, 40)}<br>{label(culture_name(one.players[0]))} {one.plane[0]:.3f}"
                           f"<br>{label(culture_name(one.players[1]))} {one.plane[1]:.3f}" for one in drawn],
             "marker": {"size": 7, "color": f"{hue(place)}/0.5", "symbol": SYMBOLS[place]}},
            {"type": "scatter", "mode": "markers", "x": rounded(mean[:1]), "y": rounded(mean[1:]),
             "hoverinfo": "text", "hovertext": [f"mean {mean[0]:.3f}, {mean[1]:.3f}"],
             "marker": {"size": 18, "symbol": "cross-thin", "line": {"width": 3, "color": "--mark"},
                        "color": "--mark"}},
        ],
        "layout": {
            "xaxis": {"range": [0, limit], "title": {"text": "from the first side's opening"}},
            "yaxis": {"range": [0, limit], "title": {"text": "from the second side's"}},
            "margin": {"l": 56, "r": 12, "t": 8, "b": 46},
        },
        "narrow": {},
    }  # fmt: skip


def interval_figure(rows: Sequence[Row], measure: Measure) -> Figure:
    """One measure: a mark and a line a method."""
    there = [row for row in rows if measure.name in row.figures]
    data: list[Figure] = []
    for row in there:
        interval, place = row.figures[measure.name], method_place(row.method)
        data.append({
            "type": "scatter", "mode": "markers", "x": rounded([interval.estimate]), "y": [row.method],
            "error_x": {"type": "data", "symmetric": False, "color": hue(place), "thickness": 2, "width": 5,
                        "array": rounded([interval.high - interval.estimate]),
                        "arrayminus": rounded([interval.estimate - interval.low])},
            "marker": {"size": 10, "color": hue(place), "symbol": SYMBOLS[place]}, "hoverinfo": "text",
            "hovertext": [f"{row.method} {interval}"],
        })  # fmt: skip
    return {
        "alt": f"{measure.title}: "
        + ", ".join(f"{row.method} {row.figures[measure.name]}" for row in there) + ".",
        "height": [78 + 30 * len(there)] * 2,
        "data": data,
        "layout": {
            "xaxis": {"title": {"text": heading(measure)}},
            "yaxis": {"autorange": "reversed", "showgrid": False, "ticks": "", "type": "category"},
            "margin": {"l": 92, "r": 16, "t": 6, "b": 44},
        },
        "narrow": {},
    }  # fmt: skip


def value_means(measured: Sequence[Measured], culture: str) -> dict[str, np.ndarray]:
    """(10,) mean readings of a culture's openings, and of its consensus statements by method.

    Openings of all methods are taken together: where methods share them, each counts once a method.
    """
    openings: list[np.ndarray] = []
    consensus: dict[str, list[np.ndarray]] = {}
    for one in measured:
        if one.values is not None and culture in one.players:
            side = one.players.index(culture)
            openings.append(one.values[0, side])
            consensus.setdefault(one.method, []).append(one.values[1, side])
    found = {"openings": np.mean(openings, axis=0)} if openings else {}
    return found | {method: np.mean(consensus[method], axis=0) for method in METHODS if method in consensus}


def radar_figure(measured: Sequence[Measured], culture: str) -> Figure:
    """What a culture's statements speak for, at the start and in the consensus of each method."""
    data: list[Figure] = []
    means = value_means(measured, culture)
    for name, values in means.items():
        start = name == "openings"
        place = 5 if start else method_place(name)
        data.append({
            "type": "scatterpolar", "mode": "lines+markers", "name": name,
            "r": rounded([*values, values[0]]), "theta": [*SCHWARTZ_VALUES, SCHWARTZ_VALUES[0]],
            "line": {"color": hue(place), "width": 3 if start else 1.8, "dash": "dot" if start else "solid"},
            "marker": {"color": hue(place), "size": 6, "symbol": SYMBOLS[place]},
            "hovertemplate": f"{name}<br>%{{theta}} %{{r:+.2f}}<extra></extra>",
        })  # fmt: skip
    low = min(min(trace["r"]) for trace in data)
    high = max(max(trace["r"]) for trace in data)
    axis = {"color": "--soft", "gridcolor": "--grid", "linecolor": "--grid"}
    return {
        "alt": f"{culture_name(culture)}: mean values of "
        + "; ".join(f"{name} {_listed(values)}" for name, values in means.items()) + ".",
        "height": [420, 400],
        "data": data,
        "layout": {
            "polar": {
                "bgcolor": "rgba(0,0,0,0)",
                "radialaxis": {**axis, "range": [low - 0.15, high + 0.05], "angle": 72, "tickangle": 72,
                               "tickfont": {"size": 10}, "nticks": 4},
                "angularaxis": {**axis, "direction": "clockwise", "rotation": 90, "tickcolor": "--grid"},
            },
            "xaxis": {"visible": False}, "yaxis": {"visible": False}, "showlegend": True,
            "legend": {"orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.12, "yanchor": "top"},
            "margin": {"l": 84, "r": 84, "t": 30, "b": 70},
        },
        "narrow": {"margin.l": 78, "margin.r": 78, "polar.angularaxis.tickfont": {"size": 10}},
    }  # fmt: skip


def map_figure(found: Comparison) -> Figure:
    """Where the movement of each culture's statements points on the map."""
    regions = find_subjects(
        list(dict.fromkeys(movement.culture for movement in found.movements)), shipped_profiles()
    )
    ways: dict[str, tuple[int, dict[str, tuple[float, float]]]] = {}
    for movement in found.movements:
        right, up = (movement.axes[axis].estimate for axis in ("self_expression", "secular_rational"))
        ways.setdefault(movement.method, (method_place(movement.method), {}))[1][movement.culture] = right, up
    return movement_figure(regions, ways)


def _listed(values: np.ndarray) -> str:
    return ", ".join(
        f"{name} {number(float(value))}" for name, value in zip(SCHWARTZ_VALUES, values, strict=True)
    )


def concessions(measured: Sequence[Measured], method: str) -> list[tuple[str, str, float, int]]:
    """Mean way that each culture came toward each other's opening by a method, with the number of negotiations."""
    ways: dict[tuple[str, str], list[float]] = {}
    for one in measured:
        if one.method == method and one.conceded is not None:
            for i, who in enumerate(one.players):
                for j, whom in enumerate(one.players):
                    if i != j:
                        ways.setdefault((who, whom), []).append(float(one.conceded[i, j]))
    return [(who, whom, float(np.mean(found)), len(found)) for (who, whom), found in sorted(ways.items())]
