"""A bargaining as a PNG file: NashConv, outcome by iteration, offers over time, and both ways beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cluster.bargaining.figures import FLOOR, SHARES, curves, turn_shares
from cluster.bargaining.summary import MEASURES, WAYS
from cluster.culture.palette import LIGHT, MARKS
from cluster.culture.picture import new_figure, png_bytes
from cluster.report.picture import light_theme


def bargaining_picture(result: Mapping[str, Any], games: Sequence[Mapping[str, Any]]) -> bytes | None:
    """PNG bytes, or None if nothing was bargained.

    Raises:
        ConfigurationError: if matplotlib is not installed.
    """
    if not games:
        return None
    theme = light_theme()
    figure = new_figure((12.4, 8.4), theme)
    panels = figure.subplots(2, 2)
    for axes in panels.flat:
        axes.set_facecolor(theme["surface"])
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=theme["soft"], labelsize=9)
    _nash_conv(panels[0, 0], games, theme)
    _shares(panels[0, 1], games)
    _turns(panels[1, 0], games)
    _ways(panels[1, 1], result)
    figure.suptitle(
        f"Bargaining over {result['negotiations']} negotiations, best responses {result['oracle']}",
        size=15,
        weight="bold",
        color=theme["ink"],
        x=0.02,
        ha="left",
    )
    figure.tight_layout(rect=(0, 0, 1, 0.98), h_pad=2.5)
    return png_bytes(figure, theme)


def _nash_conv(axes: Any, games: Sequence[Mapping[str, Any]], theme: dict[str, str]) -> None:
    rows = np.maximum(curves(games, "nash_conv"), FLOOR)
    for row in rows:
        axes.plot(row, color=LIGHT[0], linewidth=0.8, alpha=0.3)
    axes.plot(np.median(rows, axis=0), color=theme["ink"], linewidth=2, marker="o", markersize=4)
    axes.set_yscale("log")
    axes.set_title("NashConv by iteration (thick: median)", loc="left", size=11)
    _iterations(axes)


def _shares(axes: Any, games: Sequence[Mapping[str, Any]]) -> None:
    for place, name in enumerate(SHARES):
        rows = curves(games, name)
        known = ~np.isnan(rows).all(axis=0)
        if known.any():
            means = np.nanmean(rows[:, known], axis=0)
            axes.plot(
                np.flatnonzero(known),
                means,
                color=LIGHT[place],
                marker=MARKS[place],
                markersize=4,
                label=MEASURES[name][0],
            )
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.legend(frameon=False, fontsize=9)
    axes.set_title("Outcome by iteration", loc="left", size=11)
    _iterations(axes)


def _iterations(axes: Any) -> None:
    axes.set_xlabel("iteration", size=9)
    axes.xaxis.get_major_locator().set_params(integer=True)


def _turns(axes: Any, games: Sequence[Mapping[str, Any]]) -> None:
    own, other, none = turn_shares(games)
    names = [f"turn {k + 1}" for k in range(len(own))]
    axes.bar(names, own, color=LIGHT[0], label="on the proposer's own guideline")
    axes.bar(names, other, bottom=own, color=LIGHT[1], label="on another side's")
    axes.bar(["never"], [none], color=LIGHT[3], label="no agreement")
    axes.legend(frameon=False, fontsize=9)
    axes.set_title("Offers over time: when agreement comes", loc="left", size=11)


def _ways(axes: Any, result: Mapping[str, Any]) -> None:
    names = [n for n in MEASURES if all(result["measures"][way][n] for way in WAYS)]
    for place, (way, text) in enumerate(WAYS.items()):
        found = [result["measures"][way][name] for name in names]
        rows = np.arange(len(names)) + 0.16 * (2 * place - 1)
        means = np.array([one["mean"] for one in found])
        ends = (
            np.array([[one["mean"] - one["low"], one["high"] - one["mean"]] for one in found])
            .reshape(-1, 2)
            .T
        )
        axes.errorbar(means, rows, xerr=ends, fmt=MARKS[place], color=LIGHT[place], label=text, markersize=6)
    axes.set_yticks(range(len(names)), [MEASURES[name][0] for name in names])
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=9)
    axes.set_title("Both ways, 95% over topics", loc="left", size=11)
