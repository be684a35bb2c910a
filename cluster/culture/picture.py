"""Cultures as pictures: a radar of their values beside their places on the map; the whole map.

Needs matplotlib, the extra ``plot``. Texts are drawn as they are: mathematical markup in them is not read.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.cultures import load_cultures
from agents.values import SCHWARTZ_VALUES
from cluster.culture.labels import Box, place_labels
from cluster.culture.palette import LIGHT, MARK_SCALE, MARKS, MOST_FILLED
from cluster.culture.subjects import Subject, cited
from cluster.report.figures import wrapped
from cluster.report.picture import light_theme
from negotiation.errors import ConfigurationError

DOTS_PER_INCH = 150

AXIS_RIGHT = "survival values  ←   →  self-expression values"
AXIS_UP = "traditional values  ←   →  secular-rational values"


def subjects_picture(subjects: Sequence[Subject], regions: Sequence[Subject]) -> bytes:
    """Radar of values and map of some cultures (at most ``palette.MOST``) as PNG bytes, with the regions behind.

    Raises:
        ConfigurationError: if matplotlib is not installed.
    """
    theme = light_theme()
    valued, placed = any(s.valued for s in subjects), any(s.placed for s in subjects)
    wide = 14.4 if valued and placed else 8.6
    figure = new_figure((wide, 8.2), theme)
    _head(figure, _title(subjects, int(5.6 * wide)), theme)
    if valued:
        # A circle of 5 inches, with room for its labels.
        _radar(figure.add_axes((1.75 / wide, 0.215, 5.0 / wide, 0.61), projection="polar"), subjects, theme)
    if placed:
        left = 8.9 if valued else 0.9
        _places(
            figure.add_axes((left / wide, 0.215, 1 - (left + 0.3) / wide, 0.61)), subjects, regions, theme
        )
    parts = {(True, True): "", (True, False): " (values only)", (False, True): " (map only)"}
    entries = [
        (k, subject.name + parts.get((subject.valued, subject.placed), " (no figures)"))
        for k, subject in enumerate(subjects)
    ]
    _legend(figure, entries, theme)
    known = any(any(subject.errors()) for subject in subjects if subject.valued) or any(
        any(_errors(subject)) for subject in subjects if subject.placed
    )
    lines = " Lines through marks: one standard error." if known else ""
    _foot(figure, cited(subjects) + lines, theme)
    return png_bytes(figure, theme)


def map_picture(placed: Sequence[Subject]) -> bytes:
    """The Inglehart-Welzel map of all cultures that have a place on it, as PNG bytes.

    Raises:
        ConfigurationError: if matplotlib is not installed.
    """
    theme = light_theme()
    figure = new_figure((13.6, 11.2), theme)
    _head(figure, "The Inglehart-Welzel cultural map", theme)
    axes = figure.add_axes((0.06, 0.1, 0.92, 0.805))
    regions = [subject for subject in placed if subject.is_region]
    others = [subject for subject in placed if not subject.is_region]
    _map_axes(axes, placed, theme)
    for region in regions:
        _mark(axes, region, region.region_number, 17, theme, alpha=0.4, edge=theme["ink"])
    for subject in others:
        _mark(axes, subject, subject.region_number, 6.2, theme)
    points = [_around(axes, subject, 8.0) for subject in others]
    colours = [LIGHT[region.region_number or 0] for region in regions]
    names = _name_points(axes, regions, points, _Lettering(11, 19.0, colours, True), theme)
    large = [_around(axes, region, 16.0) for region in regions]
    _name_points(axes, others, [*names, *large], _Lettering(7.4, 6.5, [theme["ink"]] * len(others)), theme)
    found = {subject.region_number for subject in placed}
    legend = [(k, region.name) for k, region in enumerate(load_cultures()) if k in found]
    _legend(figure, legend, theme, (0.052, 0.948))
    large_marks = (
        f"{len(others)} countries; large marks: regions, with one standard error. " if regions else ""
    )
    _foot(figure, large_marks + cited(placed), theme)
    return png_bytes(figure, theme)


def new_figure(size_inches: tuple[float, float], theme: dict[str, str]) -> Any:
    """An empty figure; raises ``ConfigurationError`` if matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError("a picture needs matplotlib; do: pip install concordat[plot]") from error
    figure = Figure(figsize=size_inches, dpi=DOTS_PER_INCH, facecolor=theme["paper"])
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Any, theme: dict[str, str]) -> bytes:
    """The figure as PNG."""
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box; that is no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(drawn, format="png", facecolor=theme["paper"])
    return drawn.getvalue()


def _title(subjects: Sequence[Subject], width: int) -> str:
    """The cultures' names if they fit on a line; the legend has them in any case."""
    names = ", ".join(subject.name for subject in subjects)
    return names if len(names) <= width else f"{len(subjects)} cultures: values and places on the map"


def _head(figure: Any, title: str, theme: dict[str, str]) -> None:
    figure.text(0.03, 0.972, "\n".join(wrapped(title, int(figure.get_figwidth() * 5.6), 2)), size=17,
                weight="bold", family="serif", va="top", color=theme["ink"], parse_math=False)  # fmt: skip


def _foot(figure: Any, text: str, theme: dict[str, str]) -> None:
    lines = "\n".join(wrapped(text, int(figure.get_figwidth() * 13.5), 4))
    figure.text(0.03, 0.022, lines, size=8.5, va="bottom", color=theme["soft"], linespacing=1.35,
                parse_math=False)  # fmt: skip


def _radar(axes: Any, subjects: Sequence[Subject], theme: dict[str, str]) -> None:
    """Scores round Schwartz's circle, in which neighbouring values go together and opposite ones conflict."""
    turns = [2 * math.pi * k / len(SCHWARTZ_VALUES) for k in range(len(SCHWARTZ_VALUES))]
    shown = [(index, subject) for index, subject in enumerate(subjects) if subject.valued]
    scores = [score for _, subject in shown for score in subject.scores()]
    low, high = math.floor(min(scores) * 2 - 0.4) / 2, math.ceil(max(scores) * 2 + 0.4) / 2
    axes.set_facecolor(theme["surface"])
    axes.set_theta_offset(math.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_ylim(low, high)
    rings = np.arange(low + 0.5, high + 0.01, 0.5)
    axes.set_yticks(rings, labels=["" if k % 2 else f"{r:+.1f}".replace("-", "\u2212").replace("+0.0", "0")
                                   for k, r in enumerate(rings[::-1])][::-1])  # fmt: skip
    axes.set_rlabel_position(180 / len(SCHWARTZ_VALUES))
    axes.set_xticks(turns, labels=SCHWARTZ_VALUES)
    axes.tick_params(axis="x", pad=6, labelsize=10.5, colors=theme["ink"])
    for turn, text in zip(turns, axes.get_xticklabels(), strict=True):
        side = math.sin(turn)
        text.set_horizontalalignment("center" if abs(side) < 0.1 else "left" if side > 0 else "right")
    axes.tick_params(axis="y", labelsize=8, colors=theme["soft"])
    axes.grid(color=theme["grid"], lw=0.8)
    axes.spines["polar"].set_color(theme["rule"])
    axes.plot(
        np.linspace(0, 2 * math.pi, 181), [0.0] * 181, color=theme["soft"], lw=1, ls=(0, (4, 3)), zorder=1
    )
    for index, subject in shown:
        found, colour = subject.scores(), LIGHT[index]
        axes.plot([*turns, turns[0]], [*found, found[0]], color=colour, lw=2, zorder=3,
                  ls="-" if index % 2 == 0 else (0, (5, 1.5)))  # fmt: skip
        if len(shown) <= MOST_FILLED:
            axes.fill(turns, found, color=colour, alpha=0.07, zorder=2)
        axes.plot(turns, found, MARKS[index], color=colour, ms=7 * MARK_SCALE[index], mec=theme["surface"],
                  mew=0.8, zorder=4)  # fmt: skip
        for turn, score, error in zip(turns, found, subject.errors(), strict=True):
            axes.plot([turn] * 2, [score - error, score + error], color=colour, lw=1.3, alpha=0.8, zorder=3)
    _caption(
        axes, "Values, in points of the six-point scale around each person's mean (dashed ring: 0)", theme
    )


def _places(
    axes: Any, subjects: Sequence[Subject], regions: Sequence[Subject], theme: dict[str, str]
) -> None:
    """Some cultures on the map; the regions that are not among them in grey."""
    shown = [(index, subject) for index, subject in enumerate(subjects) if subject.placed]
    behind = [region for region in regions if all(region.id != subject.id for subject in subjects)]
    _map_axes(axes, [*behind, *(subject for _, subject in shown)], theme, room=0.45)
    for region in behind:
        axes.plot(*region.place(), "o", ms=6, color=theme["rule"], zorder=2)
    for index, subject in shown:
        _mark(axes, subject, index, 11, theme)
    lines = [box for _, subject in shown for box in _lines(axes, subject)]
    lines += [_around(axes, subject, 8.0) for subject in behind]
    names = [subject for _, subject in shown]
    taken = _name_points(axes, names, lines, _Lettering(10, 13.0, [LIGHT[k] for k, _ in shown], True), theme)
    taken += lines + [_around(axes, subject, 8.0) for subject in names]
    _name_points(axes, behind, taken, _Lettering(9, 7.0, [theme["soft"]] * len(behind)), theme)
    _caption(
        axes, "Place on the Inglehart-Welzel map" + (" (grey: the other regions)" if behind else ""), theme
    )


def _map_axes(axes: Any, subjects: Sequence[Subject], theme: dict[str, str], room: float = 0.22) -> None:
    places = np.array([subject.place() for subject in subjects])
    low, high = places.min(axis=0) - room, places.max(axis=0) + room
    axes.set_facecolor(theme["surface"])
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.grid(color=theme["grid"], lw=0.8)
    axes.set_axisbelow(True)
    axes.axhline(0, color=theme["rule"], lw=1.2, zorder=1)
    axes.axvline(0, color=theme["rule"], lw=1.2, zorder=1)
    axes.set_xlabel(AXIS_RIGHT, size=10, color=theme["soft"], labelpad=7)
    axes.set_ylabel(AXIS_UP, size=10, color=theme["soft"], labelpad=7)
    axes.tick_params(colors=theme["soft"], labelsize=9, length=3, color=theme["rule"])
    for spine in axes.spines.values():
        spine.set_color(theme["rule"])


def _errors(subject: Subject) -> tuple[float, float]:
    """Standard errors to the right and upward; 0 where unknown."""
    assert subject.profile is not None
    figures = subject.profile.culture_map
    return (figures["self_expression"].standard_error or 0.0,
            figures["secular_rational"].standard_error or 0.0)  # fmt: skip


def _mark(
    axes: Any, subject: Subject, index: int | None, size: float, theme: dict[str, str],
    alpha: float = 1.0, edge: str | None = None,
) -> None:  # fmt: skip
    """A mark at a culture's place, with its standard errors; without ``index``, that of no region."""
    colour = theme["soft"] if index is None else LIGHT[index]
    (right, upward), (sideways, up) = subject.place(), _errors(subject)
    axes.plot([right - sideways, right + sideways], [upward] * 2, color=colour, lw=1.5, zorder=2)
    axes.plot([right] * 2, [upward - up, upward + up], color=colour, lw=1.5, zorder=2)
    fill = f"{colour}{round(255 * alpha):02x}"
    axes.plot(right, upward, "o" if index is None else MARKS[index], ms=size * MARK_SCALE[index or 0], color=fill,
              mec=edge or theme["surface"], mew=1.2 if edge else 0.8, zorder=3)  # fmt: skip


def _around(axes: Any, subject: Subject, radius: float) -> Box:
    """The pixels that a mark takes."""
    x, y = axes.transData.transform(subject.place())
    return (x - radius, y - radius, x + radius, y + radius)


def _lines(axes: Any, subject: Subject) -> list[Box]:
    """The pixels that the lines of the standard errors take."""
    place, errors = np.array(subject.place()), np.array(_errors(subject))
    (x0, y0), (x1, y1) = axes.transData.transform([place - errors, place + errors])
    x, y = axes.transData.transform(place)
    return [(x0, y - 2, x1, y + 2), (x - 2, y0, x + 2, y1)]


@dataclass(frozen=True, slots=True)
class _Lettering:
    """How the names of points are written: points of type, pixels of the mark, a colour each, in bold on a plate or not."""

    size: float
    radius: float
    colours: Sequence[str]
    bold: bool = False


def _name_points(
    axes: Any, subjects: Sequence[Subject], taken: Sequence[Box], lettering: _Lettering, theme: dict[str, str]
) -> list[Box]:
    """Names beside points, with a thin line to those that had to go farther away; returns the pixels they take."""
    if not subjects:
        return []
    renderer = axes.figure.canvas.get_renderer()
    plate = (
        dict(boxstyle="round,pad=0.15", fc=theme["surface"], ec="none", alpha=0.8) if lettering.bold else None
    )
    texts = [
        axes.text(0, 0, "\n".join(wrapped(subject.name, 24, 2)), size=lettering.size, ha="center", va="center",
                  zorder=7, color=colour, parse_math=False, weight="bold" if lettering.bold else "normal", bbox=plate)
        for subject, colour in zip(subjects, lettering.colours, strict=True)
    ]  # fmt: skip
    extents = [text.get_window_extent(renderer) for text in texts]
    sizes = np.array([(extent.width + 3, extent.height + 1) for extent in extents])
    points = axes.transData.transform([subject.place() for subject in subjects])
    frame = axes.get_window_extent(renderer)
    edges = (frame.x0, frame.y0, frame.x1, frame.y1)
    centres = place_labels(points, sizes, taken, edges, lettering.radius)
    back = axes.transData.inverted()
    for text, point, centre, extent in zip(texts, points, centres, sizes, strict=True):
        text.set_position(back.transform(centre))
        edge = centre + np.clip(point - centre, -extent / 2, extent / 2)
        if np.hypot(*(point - edge)) > lettering.radius + 12:
            ends = back.transform([point, edge])
            axes.plot(ends[:, 0], ends[:, 1], color=theme["soft"], lw=0.6, zorder=2)
    return [(*(c - s / 2), *(c + s / 2)) for c, s in zip(centres, sizes, strict=True)]


def _caption(axes: Any, text: str, theme: dict[str, str]) -> None:
    """A line over a panel, at one height for all panels of a picture."""
    box = axes.get_position()
    axes.figure.text((box.x0 + box.x1) / 2, 0.888, text, size=9.5, ha="center", color=theme["soft"])


def _legend(
    figure: Any,
    entries: Sequence[tuple[int, str]],
    theme: dict[str, str],
    corner: tuple[float, float] = (0.02, 0.135),
) -> None:
    """Marks (by number) and names, in as few lines as fit; ``corner`` is the upper left one."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], ls="", marker=MARKS[index], ms=8 * MARK_SCALE[index], color=LIGHT[index], label=name)
        for index, name in entries
    ]
    inches = sum(0.5 + 0.08 * len(name) for _, name in entries)
    rows = math.ceil(inches / figure.get_figwidth()) or 1
    columns = max(1, math.ceil(len(handles) / rows))
    legend = figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, frameon=False, fontsize=9.5,
                           ncols=columns, handletextpad=0.3, columnspacing=1.4, labelcolor=theme["ink"])  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
