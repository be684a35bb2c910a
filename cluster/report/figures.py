"""The figures of the report, as plotly specifications.

A figure here is a dictionary of plain values with ``data`` and ``layout`` as plotly.js takes them, and three keys of our
own: ``alt`` (what it shows, in a sentence), ``height`` (pixels on a wide and on a narrow page) and ``narrow`` (layout
values, by dotted path, that replace others on a narrow page). Colours are names of CSS custom properties, with an opacity
after a slash if need be (``"--p0/0.5"``); the page puts in those of the light or the dark theme.

Texts by a model pass through ``label``: plotly reads markup in every text it draws.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from cluster.report.views import Clause, Negotiation, PairPayoffs

Figure = dict[str, Any]

HUES = 8
"""Number of player colours that the stylesheet names, ``--p0`` to ``--p7``; more players use them again."""

SHADES = (0.95, 0.5, 0.75, 0.32, 0.86, 0.42, 0.64, 0.25)
"""Opacities of the guidelines of one pool; neighbours differ clearly."""

NARROW_CELLS = 6
"""Columns up to which a heat map has room for numbers in its cells on a narrow page."""

SHOWN_PROBABILITY = 0.005
"""Cells of a heat map that the equilibrium gives at least this probability are outlined."""


def label(text: str, width: int = 200, lines: int = 1) -> str:
    """A text as plotly may draw it: no markup, no control characters, wrapped to ``width`` and cut after ``lines``.

    >>> label("<b>Keep</b> the peace among neighbours", width=14, lines=2)
    '&lt;b&gt;Keep&lt;/b&gt;<br>the peace ...'
    """
    words = "".join(c if c.isprintable() else " " for c in text)
    wrapped = textwrap.wrap(words, width=width, max_lines=lines, placeholder=" ...") or [""]
    return "<br>".join(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in wrapped)


def hue(player: int) -> str:
    """The CSS custom property that holds a player's colour.

    >>> hue(9)
    '--p1'
    """
    return f"--p{player % HUES}"


def shade(position: int) -> float:
    """Opacity of the guideline at a position of its pool."""
    return SHADES[position % len(SHADES)]


def percent(weight: float) -> str:
    """A weight for people; what is not nothing is never shown as 0%.

    >>> [percent(w) for w in (0.0, 0.0004, 0.62, 0.9996, 1.0)]
    ['0%', '<1%', '62%', '>99%', '100%']
    """
    if 0 < weight < 0.005:
        return "<1%"
    if 0.995 <= weight < 1 - 1e-9:
        return ">99%"
    return f"{weight:.0%}"


def pool_figure(item: Negotiation, player: int) -> Figure:
    """Weights of a player's guidelines by round, as areas that add up to 1."""
    pool, side = item.pools[player], item.sides[player]
    data: list[Figure] = []
    notes: list[Figure] = []
    base = [0.0] * len(item.stages)
    for position, clause in enumerate(pool):
        if not any(clause.weights):
            continue
        heading = f"{clause.code} {label(clause.content, 44, 3)}"
        data.append({
            "type": "scatter", "mode": "lines", "stackgroup": "pool", "name": clause.code,
            "x": list(range(len(item.stages))), "y": _rounded(clause.weights),
            "line": {"width": 1.5, "color": "--surface"}, "fillcolor": f"{hue(player)}/{shade(position)}",
            "text": [f"{heading}<br>{label(percent(weight))}" for weight in clause.weights],
            "hoverinfo": "text",
        })  # fmt: skip
        notes.extend(_band_label(clause, base))
        base = [low + weight for low, weight in zip(base, clause.weights, strict=True)]
    return {
        "alt": f"Weights of {side.name}'s {len(pool)} guidelines at the start of each round and at the end. At the end: "
        + ", ".join(f"{clause.code} {percent(clause.final)}" for clause in pool if clause.final > 0) + ".",
        "height": [260, 240],
        "data": data,
        "layout": {
            "xaxis": {
                "tickvals": list(range(len(item.stages))), "ticktext": list(item.stages), "title": {"text": "round"},
                "range": [0, len(item.stages) - 1], "showgrid": False,
            },
            "yaxis": {"range": [0, 1], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]},
            "margin": {"l": 48, "r": 76, "t": 8, "b": 44}, "annotations": notes,
        },
        "narrow": {},
    }  # fmt: skip


def _band_label(clause: Clause, base: Sequence[float]) -> list[Figure]:
    """The code of a guideline: beside its band at the end, or on it where it was widest if it ended at nothing."""
    last = len(base) - 1
    if clause.final >= 0.045:
        return [{
            "x": last, "y": base[last] + clause.final / 2, "xanchor": "left", "xshift": 6, "showarrow": False,
            "text": f"<b>{clause.code}</b> {label(percent(clause.final))}",
        }]  # fmt: skip
    peak = max(range(len(base)), key=lambda stage: clause.weights[stage])
    if clause.final > 0 or clause.weights[peak] < 0.12:
        return []
    return [{
        "x": peak, "y": base[peak] + clause.weights[peak] / 2, "showarrow": False, "text": f"<b>{clause.code}</b>",
        "xanchor": "left" if peak == 0 else "center", "xshift": 6 if peak == 0 else 0,
        "bgcolor": "--surface/0.8", "borderpad": 2,
    }]  # fmt: skip


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
    likely = max(held, key=lambda cell: cell[2])
    wide, narrow = _ticks(rows, columns, narrow=False), _ticks(rows, columns, narrow=True)
    left, bottom = (196, 96) if len(columns) <= 9 and len(rows) <= 16 else (52, 44)
    height = max(210, 46 * len(rows)) + bottom
    return {
        "alt": f"Payoffs to {payee.name}: {len(rows)} guidelines of {item.sides[pair.row].name} by {len(columns)} of "
        f"{item.sides[pair.column].name}. The equilibrium most often picks {rows[likely[0]].code} with "
        f"{columns[likely[1]].code}, which pays {pair.values[likely[0], likely[1]]:.3f}.",
        "height": [height, max(200, 40 * len(rows)) + 104],
        "data": [_heat(item, pair, low, high, {(r, c): p for r, c, p in held})],
        "layout": {
            "xaxis": {"tickvals": list(range(len(columns))), "ticktext": wide[1], "tickangle": 0, "showgrid": False,
                      "ticks": "", "showline": False, "zeroline": False},
            "yaxis": {"tickvals": list(range(len(rows))), "ticktext": wide[0], "autorange": "reversed",
                      "showgrid": False, "ticks": "", "showline": False, "zeroline": False},
            "margin": {"l": left, "r": 8, "t": 8, "b": bottom},
            "shapes": [_outline(r, c, p) for r, c, p in held],
        },
        "narrow": {
            "xaxis.ticktext": narrow[1], "xaxis.tickangle": -90, "yaxis.ticktext": narrow[0],
            "margin.l": 104 if left > 52 else 44, "margin.b": 104 if left > 52 else 44,
            **({"texts": False} if len(columns) > NARROW_CELLS else {}),
        },
    }  # fmt: skip


def _heat(
    item: Negotiation, pair: PairPayoffs, low: float, high: float, held: dict[tuple[int, int], float]
) -> Figure:
    rows, columns = item.pools[pair.row], item.pools[pair.column]
    numbered = len(columns) <= 9 and len(rows) <= 16

    def hover(r: int, c: int) -> str:
        mine, theirs = rows[r], columns[c]
        return (
            f"<b>{pair.values[r, c]:.3f}</b> to {label(item.sides[pair.payee].name)}<br>"
            f"{mine.code} {label(mine.content, 44, 3)}<br>{theirs.code} {label(theirs.content, 44, 3)}<br>"
            f"picked with probability {label(percent(mine.final * theirs.final))}"
        )

    def cell(r: int, c: int) -> str:
        chance = held.get((r, c))
        return f"{pair.values[r, c]:.2f}" + (f"<br><b>{label(percent(chance))}</b>" if chance is not None else "")

    return {
        "type": "heatmap", "z": [_rounded(row) for row in pair.values], "zmin": low, "zmax": high, "xgap": 2, "ygap": 2,
        "colorscale": [[0, "--seq0"], [0.5, "--seq1"], [1, "--seq2"]], "showscale": False,
        "text": [[cell(r, c) for c in range(len(columns))] for r in range(len(rows))],
        **({"texttemplate": "%{text}"} if numbered else {}),
        "hovertext": [[hover(r, c) for c in range(len(columns))] for r in range(len(rows))], "hoverinfo": "text",
    }  # fmt: skip


def _outline(row: int, column: int, probability: float) -> Figure:
    """A frame just inside a cell, the heavier the likelier the cell."""
    return {
        "type": "rect", "x0": column - 0.46, "x1": column + 0.46, "y0": row - 0.44, "y1": row + 0.44,
        "line": {"color": "--mark", "width": round(1.5 + 3 * probability, 2)}, "fillcolor": "--mark/0",
    }  # fmt: skip


def _ticks(rows: Sequence[Clause], columns: Sequence[Clause], *, narrow: bool) -> tuple[list[str], list[str]]:
    """Tick texts of a heat map: code, weight and, where there is room, the heading."""
    if len(columns) > 9 or len(rows) > 16:
        return [clause.code for clause in rows], [clause.code for clause in columns]
    row_width, row_lines = (15, 2) if narrow else (27, 2)
    column_width = 15 if narrow else max(9, 76 // len(columns))
    column_lines = (2 if len(columns) <= 6 else 1) if narrow else 4
    texts = []
    for pool, width, lines in ((rows, row_width, row_lines), (columns, column_width, column_lines)):
        texts.append([
            f"<b>{clause.code}</b> {label(percent(clause.final))}<br>{label(clause.content, width, lines)}"
            for clause in pool
        ])  # fmt: skip
    return texts[0], texts[1]


def _payoff_range(item: Negotiation) -> tuple[float, float]:
    """One colour range for all heat maps of a negotiation, so that they compare."""
    low = min(float(pair.values.min()) for pair in item.payoffs)
    high = max(float(pair.values.max()) for pair in item.payoffs)
    return (round(low, 6), round(high, 6)) if high - low > 1e-9 else (round(low - 0.5, 6), round(low + 0.5, 6))


def gains_figure(item: Negotiation) -> Figure:
    """Gain of each side's best candidate by round, against the least gain that adds a guideline."""
    data: list[Figure] = []
    for side in item.sides:
        others = [(r.number, p) for r in item.rounds for p in r.proposals if p.player == side.index]
        best = [(r.number, r.best_gain(side.index)) for r in item.rounds]
        taken = {r.number for r in item.rounds for p in r.proposals if p.player == side.index and p.code}
        data.append({
            "type": "scatter", "mode": "markers", "x": [number for number, _ in others],
            "y": _rounded([p.gain for _, p in others]), "marker": {"size": 5, "color": f"{hue(side.index)}/0.45"},
            "hovertext": [f"{label(side.name)}, {p.kind}<br>{label(p.content, 44, 3)}<br>gain {p.gain:.4f}"
                          for _, p in others],
            "hoverinfo": "text", "showlegend": False,
        })  # fmt: skip
        data.append({
            "type": "scatter", "mode": "lines+markers", "name": label(side.name), "x": [n for n, _ in best],
            "y": [None if gain is None else round(gain, 6) for _, gain in best], "connectgaps": False,
            "line": {"width": 2, "color": hue(side.index), "dash": "solid" if side.index % 2 == 0 else "dot"},
            "marker": {
                "size": 11, "symbol": ["circle" if n in taken else "circle-open" for n, _ in best],
                "color": hue(side.index), "line": {"width": 2, "color": hue(side.index)},
            },
            "hoverinfo": "skip",
        })  # fmt: skip
    numbers = [entry.number for entry in item.rounds]
    return {
        "alt": f"Gain of the best candidate of each side by round; a guideline is added at {item.epsilon:g} or more.",
        "height": [280, 280],
        "data": data,
        "layout": {
            "xaxis": {"tickvals": numbers, "title": {"text": "round"}, "showgrid": False,
                      "range": [0.6, (numbers[-1] if numbers else 1) + 0.4]},
            "yaxis": {"title": {"text": "gain in utility"}, "zeroline": True},
            "shapes": [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": item.epsilon, "y1": item.epsilon,
                        "line": {"color": "--mark", "width": 1.5, "dash": "dash"}}],
            "annotations": [{"xref": "paper", "x": 1, "y": item.epsilon, "xanchor": "right", "yanchor": "bottom",
                             "showarrow": False, "text": f"epsilon {item.epsilon:g}", "font": {"color": "--mark"}}],
            "margin": {"l": 60, "r": 8, "t": 8, "b": 44}, "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        },
        "narrow": {},
    }  # fmt: skip


def movement_figure(item: Negotiation) -> Figure:
    """How far each side's statement moved, and how much of it was toward the others' openings."""
    names = [label(side.name, 18, 2) for side in item.sides]
    rows = (("moved from its opening", 0.9, [s.moved for s in item.sides]),
            ("came toward the others", 0.4, [s.toward for s in item.sides]))  # fmt: skip
    return {
        "alt": "; ".join(
            f"{side.name} moved {side.moved:.3f} from its opening and came {side.toward:.3f} toward the others"
            for side in item.sides
        ) + ".",
        "height": [110 + 62 * len(item.sides)] * 2,
        "data": [
            {
                "type": "bar", "orientation": "h", "name": name, "y": names, "x": _rounded(values),
                "marker": {"color": [f"{hue(s.index)}/{opacity}" for s in item.sides],
                           "line": {"color": [hue(s.index) for s in item.sides], "width": 1}},
                "text": [f"{name.split()[0]} {value:.3f}" for value in values], "textposition": "auto",
                "insidetextanchor": "start", "hoverinfo": "skip", "cliponaxis": False,
            }
            for name, opacity, values in rows
        ],
        "layout": {
            "barmode": "group", "bargap": 0.3, "bargroupgap": 0.06,
            "xaxis": {"title": {"text": "cosine distance"}, "zeroline": True},
            "yaxis": {"autorange": "reversed", "showgrid": False, "ticks": ""},
            "margin": {"l": 140, "r": 16, "t": 8, "b": 44},
        },
        "narrow": {"margin.l": 104},
    }  # fmt: skip


def strip_figure(items: Sequence[Negotiation], group: str) -> Figure:
    """One dot a side of a negotiation, at how far it came toward the others; a bar at each group's mean.

    Args:
        items: the negotiations.
        group: ``"culture"`` or ``"category"``.
    """
    members: dict[str, list[tuple[float, str]]] = {}
    for item in items:
        for side in item.sides:
            key = side.name if group == "culture" else item.category
            text = f"{label(item.question, 44, 3)}<br>{label(side.name)} {side.toward:+.3f}"
            members.setdefault(key, []).append((side.toward, text))
    names = sorted(members)
    means = [sum(value for value, _ in members[name]) / len(members[name]) for name in names]
    dots = [(row + _spread(k), value, text) for row, name in enumerate(names) for k, (value, text) in enumerate(members[name])]
    return {
        "alt": f"How far sides came toward the others, by {group}. Means: "
        + ", ".join(f"{name} {mean:.3f}" for name, mean in zip(names, means, strict=True)) + ".",
        "height": [84 + 44 * len(names)] * 2,
        "data": [
            {"type": "scatter", "mode": "markers", "x": _rounded([d[1] for d in dots]), "y": [round(d[0], 3) for d in dots],
             "hovertext": [d[2] for d in dots], "hoverinfo": "text", "marker": {"size": 7, "color": "--p0/0.45"}},
            {"type": "scatter", "mode": "markers", "x": _rounded(means), "y": list(range(len(names))),
             "hovertext": [f"{label(n)}<br>mean {m:+.3f}" for n, m in zip(names, means, strict=True)], "hoverinfo": "text",
             "marker": {"size": 26, "symbol": "line-ns", "line": {"width": 3, "color": "--mark"}}},
        ],
        "layout": {
            "xaxis": {"title": {"text": "came toward the others (cosine distance)"}, "zeroline": True},
            "yaxis": {"tickvals": list(range(len(names))), "ticktext": [label(name, 22, 3) for name in names],
                      "range": [len(names) - 0.5, -0.5], "showgrid": False, "ticks": "", "zeroline": False},
            "margin": {"l": 164, "r": 16, "t": 8, "b": 44},
        },
        "narrow": {"margin.l": 122, "yaxis.ticktext": [label(name, 16, 3) for name in names]},
    }  # fmt: skip


def _spread(position: int) -> float:
    """A fixed small offset in [-0.22, 0.22], so that dots of one group do not hide each other."""
    return ((position * 0.618034) % 1 - 0.5) * 0.44


def _rounded(values: Sequence[float] | Any) -> list[float]:
    """Six decimals: more than a screen shows, and half the bytes."""
    return [round(float(value), 6) for value in values]
