"""The reliability diagram: expected labels against answers, for each value and for all, and what the confidence is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.culture.palette import LIGHT
from cluster.culture.picture import new_figure, png_bytes
from cluster.report.picture import light_theme


def reliability_picture(held_out: Mapping[str, Any]) -> bytes:
    """Twelve small panels as PNG bytes: ten values, all together, and the confidence.

    Args:
        held_out: the figures of the held-out topics.

    Raises:
        ConfigurationError: if matplotlib is not installed.
    """
    theme = light_theme()
    figure = new_figure((10.4, 8.4), theme)
    panels = figure.subplots(3, 4).ravel()
    reliability = held_out["reliability"]
    for axis, (name, row) in zip(panels, reliability.items(), strict=False):
        title = "all values" if name == "all" else name
        _panel(axis, row, title, (-1.0, 1.0), theme, LIGHT[1 if name == "all" else 0])
    for axis in panels[len(reliability) : -1]:
        axis.set_visible(False)
    _panel(panels[-1], held_out["confidence"], "confidence", (0.4, 1.0), theme, LIGHT[2])
    panels[-1].set_ylabel("signs shared", color=theme["soft"])
    figure.supxlabel("answer (bins of equal size; line: answer = label)", color=theme["ink"], size=11)
    figure.supylabel("mean label of the judge, topics never seen", color=theme["ink"], size=11)
    figure.tight_layout()
    return png_bytes(figure, theme)


def _panel(
    axis: Any,
    row: Mapping[str, Any],
    title: str,
    ends: tuple[float, float],
    theme: Mapping[str, str],
    colour: str,
) -> None:
    axis.plot(ends, ends, color=theme["soft"], linewidth=0.9, zorder=1)
    axis.plot(row["answer"], row["outcome"], "o-", color=colour, markersize=4, linewidth=1.4, zorder=2)
    axis.set_xlim(*ends)
    axis.set_ylim(*ends)
    axis.set_title(title, size=11, color=theme["ink"])
    axis.set_facecolor(theme["paper"])
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
