"""Cultures as plotly figures, in the form that ``cluster.report.figures`` describes.

Names of a profiles file of the user's own pass through ``label``: plotly reads markup in every text it draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agents.cultures import load_cultures
from agents.values import SCHWARTZ_VALUES
from cluster.culture.labels import Box, place_labels
from cluster.culture.palette import MOST, MOST_FILLED, SYMBOLS
from cluster.culture.subjects import Subject
from cluster.report.figures import Figure, hue, label, rounded
from cluster.report.page import number

PLOT_PIXELS = (1060, 290)
"""Width of the plot on a wide and on a narrow page, for which names on maps are placed."""

FARTHEST_PIXELS = 32.0
"""How far from its mark a name may begin."""

AXIS_RIGHT = "survival \u2190 \u2192 self-expression"
AXIS_UP = "traditional \u2190 \u2192 secular-rational"


def radar_figure(subjects: Sequence[Subject]) -> Figure:
    """Scores round Schwartz's circle, in which neighbouring values go together and opposite ones conflict."""
    data: list[Figure] = []
    few = sum(subject.valued for subject in subjects) <= MOST_FILLED
    for index, subject in enumerate(subjects):
        if subject.valued:
            data.append({
                "type": "scatterpolar", "mode": "lines+markers", "name": label(subject.name),
                "r": rounded([*subject.scores(), subject.scores()[0]]),
                "theta": [*SCHWARTZ_VALUES, SCHWARTZ_VALUES[0]],
                "line": {"color": hue(index), "width": 2, "dash": "solid" if index % 2 == 0 else "dash"},
                "marker": {"color": hue(index), "size": 8, "symbol": SYMBOLS[index % MOST]},
                "fill": "toself" if few else "none", "fillcolor": f"{hue(index)}/0.06",
                "hovertemplate": f"{label(subject.name)}<br>%{{theta}} %{{r:+.2f}}<extra></extra>",
            })  # fmt: skip
    low = min(min(trace["r"]) for trace in data)
    high = max(max(trace["r"]) for trace in data)
    axis = {"color": "--soft", "gridcolor": "--grid", "linecolor": "--grid"}
    feet = [_legend_height(data, width) for width in (500, 300)]
    return {
        "alt": _values_alt(subjects),
        "height": [430 + feet[0], 350 + feet[1]],
        "data": data,
        "layout": {
            "polar": {
                "bgcolor": "rgba(0,0,0,0)",
                "radialaxis": {**axis, "range": [low - 0.3, high + 0.2], "dtick": 0.5, "angle": 72,
                               "tickangle": 72, "tickfont": {"size": 10}},
                "angularaxis": {**axis, "direction": "clockwise", "rotation": 90, "tickcolor": "--grid"},
            },
            "xaxis": {"visible": False}, "yaxis": {"visible": False},
            "margin": {"l": 84, "r": 84, "t": 36, "b": 36 + feet[0]}, **_legend(),
        },
        "narrow": {"margin.l": 78, "margin.r": 78, "margin.b": 36 + feet[1],
                   "polar.angularaxis.tickfont": {"size": 10}},
    }  # fmt: skip


def scores_figure(subjects: Sequence[Subject]) -> Figure:
    """The same scores in rows, with their standard errors."""
    valued = [(index, subject) for index, subject in enumerate(subjects) if subject.valued]
    step = 0.56 / max(1, len(valued))
    data: list[Figure] = []
    for place, (index, subject) in enumerate(valued):
        aside = (place - (len(valued) - 1) / 2) * step
        data.append({
            "type": "scatter", "mode": "markers", "name": label(subject.name),
            "x": rounded(subject.scores()), "y": rounded([row + aside for row in range(len(SCHWARTZ_VALUES))]),
            "marker": {"color": hue(index), "size": 9, "symbol": SYMBOLS[index % MOST]},
            "error_x": {"type": "data", "array": rounded(subject.errors()), "color": hue(index),
                        "thickness": 1.6, "width": 0},
            "hovertext": [f"{label(subject.name)}<br>{name} {number(score, 2)}{_within(error)}"
                          for name, score, error in zip(SCHWARTZ_VALUES, subject.scores(), subject.errors(),
                                                        strict=True)],
            "hoverinfo": "text",
        })  # fmt: skip
    feet = [_legend_height(data, width) for width in (500, 300)]
    rows = len(SCHWARTZ_VALUES) * max(37, 6 * len(valued) + 8)
    return {
        "alt": _values_alt(subjects),
        "height": [rows + 58 + foot for foot in feet],
        "data": data,
        "layout": {
            "xaxis": {"title": {"text": "points of the scale, around each person\u2019s mean"}, "zeroline": True},
            "yaxis": {"tickvals": list(range(len(SCHWARTZ_VALUES))), "ticktext": list(SCHWARTZ_VALUES),
                      "range": [len(SCHWARTZ_VALUES) - 0.5, -0.5], "ticks": "", "zeroline": False},
            "margin": {"l": 104, "r": 12, "t": 8, "b": 50 + feet[0]}, **_legend(),
        },
        "narrow": {"margin.l": 92, "margin.b": 50 + feet[1]},
    }  # fmt: skip


def places_figure(subjects: Sequence[Subject], regions: Sequence[Subject]) -> Figure:
    """Some cultures on the map, before the regions that are not among them."""
    behind = [region for region in regions if all(region.id != subject.id for subject in subjects)]
    shown = [(index, subject) for index, subject in enumerate(subjects) if subject.placed]
    data = [_points(behind, "the other regions", "--soft/0.45", "circle", 8)] if behind else []
    for index, subject in shown:
        mark = _points([subject], subject.name, hue(index), SYMBOLS[index % MOST], 13)
        data.append({**mark, **_crosshair(subject, index)})
    names = [(subject, True) for _, subject in shown] + [(region, False) for region in behind]
    return _map(data, names, "Places on the map", (480, 440))


def map_figure(placed: Sequence[Subject]) -> Figure:
    """All cultures on the map: countries as small marks, regions as large ones with their names."""
    regions = [subject for subject in placed if subject.is_region]
    data: list[Figure] = []
    for region in regions:
        index = region.region_number or 0
        mark = _points([region], region.name, f"{hue(index)}/0.45", SYMBOLS[index], 20)
        mark["marker"]["line"] = {"color": "--ink", "width": 1.5}
        data.append({**mark, **_crosshair(region, index)})
    named = {region.id for region in regions}
    for index, culture in enumerate(load_cultures()):
        countries = [subject for subject in placed if subject.region == culture.id and not subject.is_region]
        if countries:
            marks = _points(countries, culture.name, hue(index), SYMBOLS[index], 8)
            data.append({**marks, "showlegend": culture.id not in named})
    rest = [subject for subject in placed if not subject.region]
    if rest:
        data.append(_points(rest, "other cultures", "--soft", "circle", 8))
    names = [(region, True) for region in regions]
    others = [subject for subject in placed if not subject.is_region]
    names += [(subject, False) for subject in others] if len(others) <= 2 * MOST else []
    return _map(data, names, f"The Inglehart-Welzel map with {len(placed)} cultures", (760, 560))


def movement_figure(
    regions: Sequence[Subject], ways: Mapping[str, tuple[int, Mapping[str, tuple[float, float]]]]
) -> Figure:
    """Arrows from where regions stand.

    Args:
        regions: with a place.
        ways: by name in the legend: number of its colour, and by region id the movement rightward and upward.
    """
    data = [_points(regions, "by surveys", "--soft/0.6", "circle", 8)]
    for name, (index, moved) in ways.items():
        xs: list[float | None] = []
        ys: list[float | None] = []
        for region in regions:
            if region.id in moved:
                (x, y), (right, up) = region.place(), moved[region.id]
                xs += [*rounded([x, x + right]), None]
                ys += [*rounded([y, y + up]), None]
        data.append({
            "type": "scatter", "mode": "lines+markers", "name": label(name), "x": xs, "y": ys, "hoverinfo": "skip",
            "line": {"color": hue(index), "width": 2}, "cliponaxis": False,
            "marker": {"color": hue(index), "symbol": "arrow", "angleref": "previous", "size": [0, 11, 0] * len(moved)},
        })  # fmt: skip
    alt = f"Movement of {len(regions)} cultures' statements on the map from their places by surveys, by {', '.join(ways)}"
    return _map(data, [(region, True) for region in regions], alt, (620, 520))


def _points(subjects: Sequence[Subject], name: str, colour: str, symbol: str, size: int) -> Figure:
    """Marks of one kind."""
    places = [subject.place() for subject in subjects]
    return {
        "type": "scatter", "mode": "markers", "name": label(name),
        "x": rounded([right for right, _ in places]), "y": rounded([upward for _, upward in places]),
        "marker": {"color": colour, "size": size, "symbol": symbol},
        "hovertext": [f"{label(s.name)}<br>self-expression {number(right, 2)}<br>secular-rational {number(up, 2)}"
                      for s, (right, up) in zip(subjects, places, strict=True)],
        "hoverinfo": "text", "cliponaxis": False,
    }  # fmt: skip


def _crosshair(subject: Subject, index: int) -> Figure:
    """Standard errors through a mark."""
    assert subject.profile is not None
    figures = subject.profile.culture_map
    return {
        key: {"type": "data", "array": [figures[axis].standard_error or 0.0], "color": hue(index), "width": 0,
              "thickness": 1.6}
        for key, axis in (("error_x", "self_expression"), ("error_y", "secular_rational"))
    }  # fmt: skip


def _map(
    data: list[Figure], names: Sequence[tuple[Subject, bool]], alt: str, heights: tuple[int, int]
) -> Figure:
    """A map of some marks, and the names beside those that are to have them (true: in bold)."""
    points = np.array(
        [place for trace in data for place in zip(trace["x"], trace["y"], strict=True) if None not in place]
    )
    low, high = points.min(axis=0) - 0.35, points.max(axis=0) + 0.35
    variants: list[Figure] = []
    for height, width, left in zip(heights, PLOT_PIXELS, (56, 46), strict=True):
        below = 52 + _legend_height(data, width)
        area = np.array([width, height - below - 8]) / (high - low)  # pixels of a unit
        notes = _names(names, (points - low) * area, low, area, (width, height - below - 8))
        variants.append({"margin": {"l": left, "r": 14, "t": 8, "b": below}, "annotations": notes})
    wide, narrow = variants
    return {
        "alt": f"{alt}: survival against self-expression values to the right, traditional against secular-rational"
        " values upward.",
        "height": list(heights),
        "data": data,
        "layout": {
            "xaxis": {"zeroline": True, "title": {"text": AXIS_RIGHT}, "range": rounded([low[0], high[0]])},
            "yaxis": {"zeroline": True, "title": {"text": AXIS_UP}, "range": rounded([low[1], high[1]])},
            **wide, **_legend(),
        },
        "narrow": narrow,
    }  # fmt: skip


def _names(
    names: Sequence[tuple[Subject, bool]], marks: NDArray[np.float64], low: NDArray[np.float64],
    area: NDArray[np.float64], size: tuple[int, int],
) -> list[Figure]:  # fmt: skip
    """Names as annotations, shifted so that they hide neither each other nor a mark on a plot of that size in pixels."""
    if not names:
        return []
    points = (np.array([subject.place() for subject, _ in names]) - low) * area
    letter = 6.6 if size[0] > PLOT_PIXELS[1] else 5.8
    boxes = np.array([(letter * len(subject.name[:40]) + 8, 15.0) for subject, _ in names])
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in marks.tolist()]
    frame = (0.0, 0.0, float(size[0]), float(size[1]))
    shifts = place_labels(points, boxes, taken, frame, radius=10.0) - points
    return [
        {
            "x": round(subject.place()[0], 6), "y": round(subject.place()[1], 6), "showarrow": False,
            "xshift": round(float(shift[0]), 1), "yshift": round(float(shift[1]), 1), "borderpad": 1,
            "text": f"<b>{label(subject.name, 40)}</b>" if bold else label(subject.name, 40),
            "font": {"size": round(letter * 1.8, 1), "color": "--ink" if bold else "--soft"},
            "bgcolor": "--surface/0.7",
        }
        for (subject, bold), shift, box in zip(names, shifts, boxes, strict=True)
        # A name that found no room near its mark would be taken for another's; the legend and the table have it.
        if (np.abs(shift) - box / 2 <= FARTHEST_PIXELS).all()
    ]  # fmt: skip


def _legend() -> Figure:
    """At the foot of the figure. It says what is what and hides nothing, since names on a map would stay."""
    foot = {"orientation": "h", "x": 0, "xref": "container", "xanchor": "left", "y": 0, "yref": "container",
            "yanchor": "bottom", "itemclick": False, "itemdoubleclick": False, "itemsizing": "constant"}  # fmt: skip
    return {"showlegend": True, "legend": foot}


def _legend_height(data: Sequence[Figure], width: int) -> int:
    """Pixels that the legend takes at a width, all columns being as wide as the longest name."""
    names = [trace["name"] for trace in data if trace.get("showlegend", True)]
    columns = max(1, int(width / (44 + 7 * max(map(len, names), default=0))))
    return 20 * math.ceil(len(names) / columns) + 6


def _values_alt(subjects: Sequence[Subject]) -> str:
    """The two highest and lowest values of each culture, in a sentence."""
    said = []
    for subject in subjects:
        if subject.valued:
            ranked = sorted(zip(subject.scores(), SCHWARTZ_VALUES, strict=True), reverse=True)
            (_, first), (_, second), *_, (_, lower), (_, last) = ranked
            said.append(f"{subject.name} highest on {first} and {second}, lowest on {last} and {lower}")
    return f"Scores on the ten values: {'; '.join(said)}."


def _within(error: float) -> str:
    return f" \u00b1 {number(error, 2)}" if error else ""
