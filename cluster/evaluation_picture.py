"""Agents set beside their people, as a picture: one row a culture, one mark a voice, lines for intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agents.evaluation import CultureEvaluation, VoiceEvaluation
from agents.intervals import Interval
from cluster.culture.palette import LIGHT
from cluster.culture.picture import new_figure, png_bytes
from cluster.report.picture import light_theme

Part = Callable[[VoiceEvaluation], Interval | None]

PANELS: tuple[tuple[str, Part], ...] = (
    ("distance of answers from the people's  (0 the same, lower is nearer)", lambda voice: voice.distance),
    ("distance from the people's place on the cultural map", lambda voice: voice.map_distance),
    (
        "correlation of values with the people's  (1 the same, higher is nearer)",
        lambda voice: voice.value_correlation,
    ),
)


def evaluation_picture(found: Sequence[CultureEvaluation]) -> bytes:
    """A dot plot as PNG bytes: own adapter and bare model with their intervals, other adapters as ticks.

    A panel that no voice has figures for is left out.

    Raises:
        ConfigurationError: if matplotlib is not installed.
    """
    theme = light_theme()
    panels = [
        (title, part) for title, part in PANELS if any(part(voice) for one in found for voice in one.voices)
    ]
    height = 1.5 + 0.55 * len(found)
    figure = new_figure((6.6 * max(1, len(panels)), height), theme)
    axes = figure.subplots(1, max(1, len(panels)), squeeze=False)[0]
    for axis, (title, part) in zip(axes, panels, strict=False):
        for row, evaluation in enumerate(found):
            _row(
                axis, len(found) - 1 - row, [(voice.voice, part(voice)) for voice in evaluation.voices], theme
            )
        axis.set_yticks(range(len(found)), [one.culture for one in reversed(found)])
        axis.set_ylim(-0.6, len(found) - 0.4)
        axis.set_xlabel(title)
        axis.set_facecolor(theme["paper"])
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(left=False)
    handles = [
        figure.axes[0].plot([], [], "o", color=LIGHT[0])[0],
        figure.axes[0].plot([], [], "s", color=LIGHT[1])[0],
        figure.axes[0].plot([], [], "|", color=theme["soft"], markersize=9)[0],
    ]
    names = ["own adapter", "bare model", "another culture's adapter"]
    figure.legend(handles, names, loc="upper center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.45 / height))
    return png_bytes(figure, theme)


def _row(
    axis: Any, place: float, marks: Sequence[tuple[str, Interval | None]], theme: dict[str, str]
) -> None:
    for voice, interval in marks:
        if interval is None:
            continue
        if voice not in ("own", "base"):
            axis.plot([interval.estimate], [place], "|", color=theme["soft"], markersize=9, zorder=1)
            continue
        own = voice == "own"
        height, colour = place + (0.14 if own else -0.14), LIGHT[0 if own else 1]
        axis.plot([interval.low, interval.high], [height, height], color=colour, linewidth=1.6, zorder=2)
        axis.plot([interval.estimate], [height], "o" if own else "s", color=colour, markersize=6, zorder=3)
