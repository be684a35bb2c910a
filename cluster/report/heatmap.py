"""The payoffs of a pair of players as a heat map with the equilibrium on it.

Headings stand at both axes as far as there is room: upright below a few columns, turned below more, none at
the many guidelines of a long negotiation, whose codes lead to the list below the figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cluster.report.figures import Figure, full_heading, label, percent, rounded
from cluster.report.views import Clause, Negotiation, PairPayoffs

NARROW_CELLS = 6
"""Columns up to which a heat map has room for numbers in its cells on a narrow page."""

UPRIGHT_COLUMNS = 3
"""Columns up to which their headings stand upright on a wide page; those of more are turned."""

SHOWN_PROBABILITY = 0.005
"""Cells of a heat map that the equilibrium gives at least this probability are outlined."""


def payoff_figure(item: Negotiation, pair: PairPayoffs) -> Figure:
    """Payoffs to one player by both sides' guidelines, as a heat map with the equilibrium outlined."""
    rows, columns = item.pools[pair.row], item.pools[pair.column]
    low, high = _payoff_range(item)
    held = [
        (r, c, rows[r].final * columns[c].final)
        for r in range(len(rows))
        for c in range(len(columns))
        if rows[r].final * columns[c].final >= SHOWN_PROBABILITY
    ]
    payee = item.sides[pair.payee]
    row = max(range(len(rows)), key=lambda r: rows[r].final)
    column = max(range(len(columns)), key=lambda c: columns[c].final)
    wide, narrow = _ticks(rows, columns, narrow=False), _ticks(rows, columns, narrow=True)
    headed = _headed(rows, columns)
    turned = headed and len(columns) > UPRIGHT_COLUMNS
    upright = 14 + 15 * max(text.count("<br>") + 1 for text in wide[1])
    bottom = round(14 + 6.3 * _longest(wide[1])) if turned else upright
    deep = round(12 + 5.9 * _longest(narrow[1])) if headed else 30
    return {
        "alt": f"Payoffs to {payee.name}: {len(rows)} guidelines of {item.sides[pair.row].name}"
        f" by {len(columns)}"
        f" of {item.sides[pair.column].name}. The equilibrium picks most often {rows[row].code}"
        f" with {columns[column].code}, which pays {pair.values[row, column]:.3f}.",
        "height": [_cell_height(rows, narrow=False) * len(rows) + bottom + 8,
                   _cell_height(rows, narrow=True) * len(rows) + deep + 8],
        "cells": {"name": label(payee.name), "rows": [full_heading(clause) for clause in rows],
                  "columns": [full_heading(clause) for clause in columns]},
        "data": [_heat(item, pair, low, high, {(r, c): p for r, c, p in held})],
        "layout": {
            "xaxis": {"tickvals": list(range(len(columns))), "ticktext": wide[1],
                      "tickangle": -90 if turned else 0, "ticklabeloverflow": "allow",
                      "tickfont": {"size": 11}, "showgrid": False, "ticks": "", "showline": False,
                      "zeroline": False},
            "yaxis": {"tickvals": list(range(len(rows))), "ticktext": wide[0], "autorange": "reversed",
                      "showgrid": False, "ticks": "", "showline": False, "zeroline": False},
            "margin": {"l": 196 if headed else 52, "r": 8, "t": 8, "b": bottom},
            "shapes": [shape for r, c, p in held for shape in _outline(r, c, p)],
        },
        "narrow": {
            "xaxis.ticktext": narrow[1], "xaxis.tickangle": -90, "yaxis.ticktext": narrow[0],
            "margin.l": 104 if headed else 44, "margin.b": deep,
            **({"texts": False} if len(columns) > NARROW_CELLS else {}),
        },
    }  # fmt: skip


def _heat(
    item: Negotiation, pair: PairPayoffs, low: float, high: float, held: dict[tuple[int, int], float]
) -> Figure:
    rows, columns = item.pools[pair.row], item.pools[pair.column]

    def cell(r: int, c: int) -> str:
        chance = held.get((r, c))
        return f"{pair.values[r, c]:.2f}" + (
            f"<br><b>{label(percent(chance))}</b>" if chance is not None else ""
        )

    return {
        "type": "heatmap", "z": [rounded(row) for row in pair.values], "zmin": low, "zmax": high,
        "xgap": 2, "ygap": 2, "colorscale": [[0, "--seq0"], [0.5, "--seq1"], [1, "--seq2"]],
        "showscale": False,
        "text": [[cell(r, c) for c in range(len(columns))] for r in range(len(rows))],
        "textfont": {"size": 11},
        **({"texttemplate": "%{text}"} if _headed(rows, columns) else {}),
        "hoverinfo": "text",
    }  # fmt: skip


def _outline(row: int, column: int, probability: float) -> list[Figure]:
    """A frame just inside a cell, the heavier the likelier the cell; pale lines part it from any colour."""
    width = 1.5 + 2.5 * probability
    place = {"type": "rect", "x0": column - 0.45, "x1": column + 0.45, "y0": row - 0.43, "y1": row + 0.43}
    return [
        {**place, "line": {"color": colour, "width": round(thickness, 2)}, "fillcolor": "--frame/0"}
        for colour, thickness in (("--surface", width + 1.4), ("--frame", width))
    ]


def _ticks(rows: Sequence[Clause], columns: Sequence[Clause], *, narrow: bool) -> tuple[list[str], list[str]]:
    """Tick texts: code, weight and, where there is room, the heading in as many lines as fit."""
    if not _headed(rows, columns):
        return [clause.code for clause in rows], [clause.code for clause in columns]
    # Pixels divided by the height of a line, less the line with code and weight.
    row_lines = min(5, (_cell_height(rows, narrow=narrow) - 4) // (13 if narrow else 15) - 1)
    if narrow:
        shapes = (rows, 15, row_lines), (columns, 17, max(1, min(3, 230 // len(columns) // 13 - 1)))
    elif len(columns) <= UPRIGHT_COLUMNS:
        shapes = (rows, 25, row_lines), (columns, 39 // len(columns), 4)
    else:
        shapes = (rows, 25, row_lines), (columns, 22, max(1, min(3, 286 // len(columns) // 13 - 1)))
    texts = [
        [f"<b>{k.code}</b> {label(percent(k.final))}<br>{label(k.content, width, lines)}" for k in pool]
        for pool, width, lines in shapes
    ]
    return texts[0], texts[1]


def _longest(ticks: Sequence[str]) -> int:
    """Characters of the longest line of some tick texts, markup and entities counted as what they show."""
    lines = [re.sub(r"<[^>]*>", "", line) for text in ticks for line in text.split("<br>")]
    return max(len(re.sub(r"&\w+;", "x", line)) for line in lines)


def _headed(rows: Sequence[Clause], columns: Sequence[Clause]) -> bool:
    """Whether headings and numbers have room in a heat map."""
    return len(columns) <= 9 and len(rows) <= 16


def _cell_height(rows: Sequence[Clause], *, narrow: bool) -> int:
    """Pixels of a row of a heat map."""
    return max(56, 190 // len(rows)) if narrow else max(48, 200 // len(rows))


def _payoff_range(item: Negotiation) -> tuple[float, float]:
    """One colour range for all heat maps of a negotiation, so that they compare."""
    low = min(float(pair.values.min()) for pair in item.payoffs)
    high = max(float(pair.values.max()) for pair in item.payoffs)
    return (
        (round(low, 6), round(high, 6)) if high - low > 1e-9 else (round(low - 0.5, 6), round(low + 0.5, 6))
    )
