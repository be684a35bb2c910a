"""The evaluation of rewriters as a picture: consistency against distance to the target, and joint success by size of movement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.intervals import Interval
from cluster.culture.palette import LIGHT, MARK_SCALE, MARKS
from cluster.culture.picture import new_figure, png_bytes
from cluster.report.picture import light_theme
from rewriter.evaluation.measures import SUCCESS_CONSISTENCY, SUCCESS_L2
from rewriter.evaluation.summary import Row

SIZE_INCHES = (12.8, 5.6)
REFERENCES = frozenset({"copy", "retrieve"})
"""Drawn in grey: they are no methods."""


def evaluation_picture(rows: Sequence[Row]) -> bytes:
    """A PNG: on the left a line a method through its bins of size, the mark growing with the size; on the right its success.

    Raises:
        ConfigurationError: if matplotlib is not installed.
    """
    theme = light_theme()
    figure = new_figure(SIZE_INCHES, theme)
    left, right = figure.subplots(1, 2)
    methods = list(dict.fromkeys(row.method for row in rows))
    bins = list(dict.fromkeys(row.sizes for row in rows if row.sizes is not None))
    _region(left, theme)
    colours = [method for method in methods if method not in REFERENCES]
    handles = []
    for number, method in enumerate(methods):
        place = colours.index(method) if method in colours else number
        style = {
            "color": theme["soft"] if method in REFERENCES else LIGHT[place % len(LIGHT)],
            "linestyle": ":" if method in REFERENCES else "-",
            "marker": MARKS[number % len(MARKS)],
        }
        scale = MARK_SCALE[number % len(MARKS)]
        found = {row.sizes: row for row in rows if row.method == method}
        parts = [found[sizes] for sizes in bins if sizes in found] or [found[None]]
        handles.append(_path(left, parts, style, scale))
        shift = 0.11 * (number - (len(methods) - 1) / 2)
        _success(right, parts, bins, shift, style, scale)
    left.set_xlabel("distance to the target, L2  (lower is better)")
    left.set_ylabel("consistency with the source  (higher is better)")
    left.set_ylim(-0.02, 1.03)
    left.set_xlim(left=0)
    right.set_xticks(range(len(bins)), [f"{low:g} to {high:g}" for low, high in bins])
    right.set_xlabel("movement that is asked for, |target - before|")
    right.set_ylabel("joint success rate, with 95% intervals over topics")
    right.set_ylim(-0.02, 1.02)
    for axis in (left, right):
        axis.set_facecolor(theme["paper"])
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(handles, methods, loc="upper center", ncols=len(methods), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.93))
    return png_bytes(figure, theme)


def _region(axis: Any, theme: dict[str, str]) -> None:
    """Where a rewriting counts as success."""
    axis.fill_between([0, SUCCESS_L2], SUCCESS_CONSISTENCY, 1.03, color=theme["soft"], alpha=0.1, linewidth=0)
    axis.text(0.02, 1.0, "success", color=theme["soft"], va="top", fontsize=9)


def _path(axis: Any, parts: Sequence[Row], style: dict[str, Any], scale: float) -> Any:
    shown = [row for row in parts if "l2" in row.figures and "consistency" in row.figures]
    x = [row.figures["l2"].estimate for row in shown]
    y = [row.figures["consistency"].estimate for row in shown]
    axis.plot(x, y, color=style["color"], linestyle=style["linestyle"], linewidth=1.2)
    for number, (across, up) in enumerate(zip(x, y, strict=True)):
        axis.plot(across, up, style["marker"], color=style["color"], markersize=(5 + 2 * number) * scale)
    return axis.plot([], [], markersize=7 * scale, **style)[0]


def _success(
    axis: Any,
    parts: Sequence[Row],
    bins: Sequence[tuple[float, float] | None],
    shift: float,
    style: dict[str, Any],
    scale: float,
) -> None:
    shown: list[tuple[float, Interval]] = [
        (bins.index(row.sizes) + shift, row.figures["success"])
        for row in parts
        if row.sizes is not None and "success" in row.figures
    ]
    if not shown:
        return
    estimates = [interval.estimate for _, interval in shown]
    axis.errorbar(
        [place for place, _ in shown],
        estimates,
        yerr=[
            [max(0.0, interval.estimate - interval.low) for _, interval in shown],
            [max(0.0, interval.high - interval.estimate) for _, interval in shown],
        ],
        fmt=style["marker"],
        color=style["color"],
        markersize=6 * scale,
        linewidth=1,
    )
