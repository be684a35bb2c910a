"""The fairness plane as a picture (NCN, figure 4): how far the consensus is from each side's opening, and the diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.metrics.measured import Measured
from cluster.comparison.comparison import Comparison
from cluster.culture.palette import LIGHT, MARKS
from cluster.culture.picture import new_figure, png_bytes
from cluster.report.picture import light_theme
from negotiation.outcome import METHODS


def plane_points(measured: Sequence[Measured], method: str) -> list[Measured]:
    """The negotiations of two sides by a method; more than two have no such plane."""
    return [one for one in measured if one.method == method and len(one.plane) == 2]


def plane_limit(measured: Sequence[Measured]) -> float:
    """Where both axes end, the same for all methods."""
    farthest = max((max(one.plane) for one in measured if len(one.plane) == 2), default=1.0)
    return 1.05 * farthest or 1.0


def fairness_picture(found: Comparison) -> bytes | None:
    """One panel a method, a dot a negotiation, a cross at the mean; dots on the diagonal are fair. None without pairs.

    Raises:
        ConfigurationError: if matplotlib is not installed.
    """
    methods = [method for method in found.methods if plane_points(found.measured, method)]
    if not methods:
        return None
    theme = light_theme()
    figure = new_figure((4.3 * len(methods), 4.9), theme)
    panels = figure.subplots(1, len(methods), squeeze=False)[0]
    limit = plane_limit(found.measured)
    for axes, method in zip(panels, methods, strict=True):
        points = np.array([one.plane for one in plane_points(found.measured, method)])
        _panel(axes, points, METHODS.index(method), limit, theme)
        off = float(np.abs(points[:, 0] - points[:, 1]).mean())
        axes.set_title(f"{method}: {len(points)} negotiations, mean difference {off:.3f}", size=10)
    panels[0].set_ylabel("distance from the second side's opening")
    figure.supxlabel("distance of the consensus from the first side's opening, on the plane", size=10)
    figure.tight_layout()
    return png_bytes(figure, theme)


def _panel(axes: Any, points: Any, place: int, limit: float, theme: dict[str, str]) -> None:
    hue = LIGHT[place % len(LIGHT)]
    axes.plot([0, limit], [0, limit], color=theme["soft"], linewidth=1, linestyle="--", zorder=1)
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=16,
        color=hue,
        alpha=0.55,
        marker=MARKS[place % len(MARKS)],
        linewidths=0,
    )
    mean = points.mean(axis=0)
    axes.plot(mean[0], mean[1], "+", color=theme["ink"], markersize=16, markeredgewidth=2.2, zorder=4)
    axes.set_xlim(0, limit)
    axes.set_ylim(0, limit)
    axes.set_aspect("equal")
    axes.set_facecolor(theme["paper"])
    axes.spines[["top", "right"]].set_visible(False)
