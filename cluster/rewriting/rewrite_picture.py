"""The Pareto set of a search as a picture: value gain against consistency."""

from __future__ import annotations

from cluster.culture.palette import LIGHT
from cluster.culture.picture import new_figure, png_bytes
from cluster.report.picture import light_theme
from rewriter.search import Found


def search_picture(found: Found) -> bytes:
    """All points, the front joined by a staircase, as PNG bytes.

    Raises:
        ConfigurationError: if matplotlib is not installed.
    """
    theme = light_theme()
    figure = new_figure((7.0, 4.8), theme)
    axes = figure.subplots()
    axes.set_facecolor(theme["surface"])
    axes.grid(color=theme["grid"], lw=0.8)
    axes.set_axisbelow(True)
    rest, front = found.dominated, found.front
    axes.plot(
        [point.gain for point in rest],
        [point.consistency for point in rest],
        "o",
        ms=5,
        color=theme["rule"],
        label=f"dominated ({len(rest)})",
    )
    gains, consistencies = [point.gain for point in front], [point.consistency for point in front]
    axes.step(gains, consistencies, where="pre", color=LIGHT[0], lw=1.4, zorder=2)
    axes.plot(
        gains, consistencies, "o", ms=7, color=LIGHT[0], zorder=3, label=f"dominated by none ({len(front)})"
    )
    axes.axvline(0, color=theme["rule"], lw=1.2, zorder=1)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("value gain: movement in the direction asked")
    axes.set_ylabel("consistency, mean of both ways")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
    figure.tight_layout()
    return png_bytes(figure, theme)
