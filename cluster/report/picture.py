"""One negotiation as a picture: the pools by round, the payoffs with the equilibrium, the gains.

Needs matplotlib, the extra ``plot``. Texts are drawn as they are: mathematical markup in them is not read.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster.report.figures import hue, percent, shade, wrapped
from cluster.report.heatmap import SHOWN_PROBABILITY, UPRIGHT_COLUMNS
from cluster.report.page import TEMPLATES, number
from cluster.report.source import read_run
from cluster.report.views import Clause, Negotiation
from negotiation.errors import ConfigurationError, RunError

SIZE_INCHES = (12.8, 9.6)
DOTS_PER_INCH = 150


def draw_run(run: Path, png: Path) -> Path:
    """Draw the negotiation of a run with the most rounds (the first of those with the most guidelines).

    Raises:
        RunError: if the run holds no finished negotiation.
        ConfigurationError: if matplotlib is not installed.
    """
    items = read_run(run).negotiations
    if not items:
        raise RunError(f"{run} holds no finished negotiation to draw; let one finish first")
    return draw(max(items, key=lambda item: (len(item.rounds), sum(map(len, item.pools)))), png)


def draw(item: Negotiation, png: Path) -> Path:
    """Draw one negotiation to a PNG file; of more than two players, the first two.

    Raises:
        ConfigurationError: if matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError("a picture needs matplotlib; do: pip install concordat[plot]") from error
    theme = light_theme()
    turned = bool(item.payoffs) and len(item.pools[1]) > UPRIGHT_COLUMNS
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, facecolor=theme["paper"])
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2,
        2,
        left=0.075,
        right=0.975,
        top=0.83,
        bottom=0.225 if turned else 0.15,
        hspace=0.4,
        wspace=0.22,
        height_ratios=(1, 1.15),
    )
    _title(figure, item, theme)
    for player in (0, 1):
        _pool(figure.add_subplot(grid[0, player]), item, player, theme)
    lower = grid[1, 0].subgridspec(1, 2, width_ratios=(0.34, 0.66), wspace=0) if item.payoffs else None
    if lower is not None:
        _payoffs(figure.add_subplot(lower[0, 1]), item, theme)
    _gains(figure.add_subplot(grid[1, 1] if item.payoffs else grid[1, :]), item, theme)
    with warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box; that is no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(png, facecolor=theme["paper"])
    return png


def light_theme() -> dict[str, str]:
    """The colours of the page's light theme by name, as hex; one palette for page and picture."""
    root = (TEMPLATES / "style.css").read_text(encoding="utf-8").split("@media", 1)[0]
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", root))


def _title(figure: Any, item: Negotiation, theme: dict[str, str]) -> None:
    serif = {"family": "serif", "color": theme["ink"], "parse_math": False}
    question = "\n".join(wrapped(item.question, 84, 2))
    figure.text(0.03, 0.965, question, size=17, weight="bold", va="top", linespacing=1.25, **serif)
    rounds = len(item.rounds)
    line = (
        f"{item.cultures}   ·   {'converged' if item.converged else 'not converged'} after {rounds}"
        f" round{'' if rounds == 1 else 's'}   ·   distance between the statements"
        f" {number(item.gap_opening)} at the opening, {number(item.gap_consensus)} at the consensus"
    )
    below = 0.965 - 0.034 * (1 + question.count("\n")) - 0.006
    figure.text(0.03, below, line, size=10.5, va="top", color=theme["soft"], parse_math=False)


def _axes(axes: Any, title: str, theme: dict[str, str]) -> None:
    axes.set_facecolor(theme["surface"])
    axes.set_title(title, loc="left", size=11.5, weight="bold", color=theme["ink"], pad=9, parse_math=False)
    axes.tick_params(colors=theme["soft"], labelsize=9, length=3, color=theme["rule"])
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(theme["rule"])


def _pool(axes: Any, item: Negotiation, player: int, theme: dict[str, str]) -> None:
    """Stacked areas of a player's weights, with the heading of what holds weight at the end beside them."""
    pool, stages = item.pools[player], range(len(item.stages))
    colour = theme[hue(player)[2:]]
    _axes(axes, f"Weights of {item.sides[player].name} by round", theme)
    base = [0.0] * len(stages)
    for position, clause in enumerate(pool):
        top = [low + weight for low, weight in zip(base, clause.weights, strict=True)]
        axes.fill_between(stages, base, top, color=theme["surface"], lw=0)
        axes.fill_between(
            stages, base, top, facecolor=colour, alpha=shade(position), edgecolor=theme["surface"], lw=1.4
        )
        if clause.final >= 0.06:
            text = _heads([clause], 24, 2 if clause.final < 0.3 else 3)[0]
            middle = (base[-1] + top[-1]) / 2
            if clause.final < 0.16:
                text = text.split("\n")[0]
            axes.text(stages[-1] * 1.02, middle, text, va="center",
                      size=8.5, color=theme["ink"], linespacing=1.2, parse_math=False)  # fmt: skip
        base = top
    axes.set(xlim=(0, stages[-1]), ylim=(0, 1))
    axes.set_xticks(list(stages), labels=list(item.stages))
    axes.set_yticks([0, 0.5, 1], labels=["0%", "50%", "100%"])
    axes.set_xlabel("round", size=9, color=theme["soft"])
    # The headings stand to the right of the areas, within the panel.
    box = axes.get_position()
    axes.set_position((box.x0, box.y0, box.width * 0.66, box.height))


def _payoffs(axes: Any, item: Negotiation, theme: dict[str, str]) -> None:
    """Payoffs to the first player; the cells that the equilibrium picks are framed."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    pair = item.payoffs[0]
    rows, columns = item.pools[pair.row], item.pools[pair.column]
    scale = LinearSegmentedColormap.from_list("payoff", [theme["seq0"], theme["seq1"], theme["seq2"]])
    _axes(axes, "", theme)
    box = axes.get_position()
    heading = f"Payoffs to {item.sides[pair.payee].name}, with the equilibrium"
    axes.figure.text(
        0.075, box.y1 + 0.0125, heading, size=11.5, weight="bold", color=theme["ink"], parse_math=False
    )
    axes.imshow(pair.values, cmap=scale, aspect="auto")
    low, high = float(pair.values.min()), float(pair.values.max())
    for r, mine in enumerate(rows):
        for c, theirs in enumerate(columns):
            chance = mine.final * theirs.final
            shown = f"{pair.values[r, c]:.2f}"
            dark = pair.values[r, c] > low + 0.6 * (high - low)
            if len(columns) <= 9 and len(rows) <= 12:
                shown += f"\n{percent(chance)}" if chance >= SHOWN_PROBABILITY else ""
                colour = theme["surface" if dark else "ink"]
                axes.text(c, r, shown, ha="center", va="center", size=8, color=colour)
            if chance >= SHOWN_PROBABILITY:
                axes.add_patch(Rectangle((c - 0.46, r - 0.46), 0.92, 0.92, fill=False,
                                         edgecolor=theme["frame"], lw=1.4 + 2 * chance))  # fmt: skip
    upright = len(columns) <= UPRIGHT_COLUMNS
    row_lines = max(1, min(3, 18 // len(rows) - 1))
    axes.set_yticks(range(len(rows)), labels=_heads(rows, 24, row_lines), size=8, parse_math=False)
    shape = (42 // len(columns), 4) if upright else (22, max(1, 15 // len(columns) - 1))
    axes.set_xticks(
        range(len(columns)), labels=_heads(columns, *shape), size=8, parse_math=False, linespacing=1.1,
        rotation=0 if upright else 90, multialignment="center" if upright else "right",
    )  # fmt: skip
    axes.set_xlabel(item.sides[pair.column].name, size=9, color=theme["soft"], parse_math=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _heads(pool: Sequence[Clause], width: int, lines: int) -> list[str]:
    """Tick texts: code, weight and heading."""
    return [f"{k.code}  {percent(k.final)}\n" + "\n".join(wrapped(k.content, width, lines)) for k in pool]


def _gains(axes: Any, item: Negotiation, theme: dict[str, str]) -> None:
    """Best gain of each side by round, against epsilon."""
    _axes(axes, "Gain of each side's best candidate", theme)
    numbers = [entry.number for entry in item.rounds]
    for side in item.sides:
        colour = theme[hue(side.index)[2:]]
        gains = [(r.number, r.best_gain(side.index), r.added(side.index)) for r in item.rounds]
        known = [(n, gain, code) for n, gain, code in gains if gain is not None]
        axes.plot([n for n, _, _ in known], [gain for _, gain, _ in known], color=colour, lw=2,
                  label=side.name, ls="-" if side.index % 2 == 0 else "--")  # fmt: skip
        for n, gain, code in known:
            axes.plot(n, gain, "o", ms=8, mec=colour, mew=2, mfc=colour if code else theme["surface"])
    axes.axhline(item.epsilon, color=theme["mark"], lw=1.3, ls=(0, (5, 4)))
    axes.annotate(f"epsilon {item.epsilon:g}: added at or above", (1, item.epsilon),
                  xycoords=("axes fraction", "data"), xytext=(0, 4), textcoords="offset points",
                  ha="right", size=8.5, color=theme["mark"])  # fmt: skip
    axes.set_xticks(numbers)
    axes.set_xlim(0.6, (numbers[-1] if numbers else 1) + 0.4)
    axes.grid(axis="y", color=theme["grid"], lw=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("round  (full: added, hollow: not added)", size=9, color=theme["soft"])
    legend = axes.legend(frameon=False, fontsize=9, loc="best", labelcolor=theme["ink"])
    for text in legend.get_texts():
        text.set_parse_math(False)
