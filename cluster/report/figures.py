"""The figures of the report, as plotly specifications.

A figure here is a dictionary of plain values with ``data`` and ``layout`` as plotly.js takes them, and
three keys of our own: ``alt`` (what it shows, in a sentence), ``height`` (pixels on a wide and on a narrow
page) and ``narrow`` (layout values, by dotted path, that replace others on a narrow page); a heat map also
``cells`` (what its cells say when pointed at). Colours are names of CSS custom properties, with an opacity
after a slash if need be (``"--p0/0.5"``); the page puts in those of the light or the dark theme.

Texts by a model pass through ``label``: plotly reads markup in every text it draws.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cluster.report.views import Clause, Negotiation

Figure = dict[str, Any]

HUES = 8
"""Number of player colours that the stylesheet names, ``--p0`` to ``--p7``; more players use them again."""

SHADES = (0.95, 0.5, 0.75, 0.32, 0.86, 0.42, 0.64, 0.25)
"""Opacities of the guidelines of one pool; neighbours differ clearly."""


@lru_cache(maxsize=4096)
def label(text: str, width: int = 200, lines: int = 1) -> str:
    """A text as plotly may draw it: without markup or control characters, wrapped, and cut after some lines.

    >>> label("<b>Keep</b> the peace among neighbours", width=14, lines=2)
    '&lt;b&gt;Keep&lt;/b&gt;<br>the peace amo\u2026'
    """
    return "<br>".join(
        line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        for line in wrapped(text, width, lines)
    )


def wrapped(text: str, width: int, lines: int) -> list[str]:
    """Lines of at most ``width`` characters; the last of ``lines`` ends with an ellipsis if there is more."""
    # Far more than can be shown, so that a text of any length costs little.
    start = "".join(c if c.isprintable() else " " for c in text[: 4 * width * lines])
    found = textwrap.wrap(start, width=width) or [""]
    if len(found) <= lines:
        return found
    last = " ".join(found[lines - 1 :])[: width - 1].rstrip()
    return [*found[: lines - 1], f"{last}\u2026"]


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
        data.append({
            "type": "scatter", "mode": "lines", "stackgroup": "pool", "name": clause.code,
            "x": list(range(len(item.stages))), "y": rounded(clause.weights),
            "line": {"width": 1.5, "color": "--surface"}, "fillcolor": f"{hue(player)}/{shade(position)}",
            "text": full_heading(clause), "hovertemplate": "%{text}<br>%{y:.1%}<extra></extra>",
        })  # fmt: skip
        notes.extend(_band_label(clause, base))
        base = [low + weight for low, weight in zip(base, clause.weights, strict=True)]
    return {
        "alt": f"Weights of {side.name}'s {len(pool)} guidelines at the start of each round and at the end."
        " At the end: "
        + ", ".join(f"{clause.code} {percent(clause.final)}" for clause in pool if clause.final > 0) + ".",
        "height": [260, 240],
        "data": data,
        "layout": {
            "xaxis": {
                "tickvals": list(range(len(item.stages))), "ticktext": list(item.stages),
                "title": {"text": "round"},
                "range": [0, len(item.stages) - 1], "showgrid": False,
            },
            "yaxis": {"range": [0, 1], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]},
            "margin": {"l": 48, "r": 76, "t": 8, "b": 44}, "annotations": notes,
        },
        "narrow": {},
    }  # fmt: skip


def full_heading(clause: Clause) -> str:
    """Code and heading, for what shows when pointed at."""
    return f"{clause.code} {label(clause.content, 44, 4)}"


def _band_label(clause: Clause, base: Sequence[float]) -> list[Figure]:
    """The code of a guideline: beside its band at the end, or on its widest place if it ended at nothing."""
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
        "x": peak, "y": base[peak] + clause.weights[peak] / 2, "showarrow": False,
        "text": f"<b>{clause.code}</b>", "xanchor": "left" if peak == 0 else "center",
        "xshift": 6 if peak == 0 else 0, "bgcolor": "--surface/0.8", "borderpad": 2,
    }]  # fmt: skip


def gains_figure(item: Negotiation) -> Figure:
    """Gain of each side's best candidate by round, against the least gain that adds a guideline."""
    data: list[Figure] = []
    for side in item.sides:
        others = [(r.number, p) for r in item.rounds for p in r.proposals if p.player == side.index]
        best = [(r.number, r.best_gain(side.index)) for r in item.rounds]
        taken = {r.number for r in item.rounds for p in r.proposals if p.player == side.index and p.code}
        data.append({
            "type": "scatter", "mode": "markers", "x": [number for number, _ in others],
            "y": rounded([p.gain for _, p in others]),
            "marker": {"size": 5, "color": f"{hue(side.index)}/0.45"},
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
    span = [0.6, (numbers[-1] if numbers else 1) + 0.4]
    data.append({
        "type": "scatter", "mode": "lines", "name": f"epsilon {item.epsilon:g}", "x": span,
        "y": [item.epsilon] * 2,
        "line": {"color": "--mark", "width": 1.5, "dash": "dash"}, "hoverinfo": "skip",
    })  # fmt: skip
    return {
        "alt": "Gain of the best candidate of each side by round; a guideline is added at"
        f" {item.epsilon:g} or more.",
        "height": [280, 280],
        "data": data,
        "layout": {
            "xaxis": {"tickvals": numbers, "title": {"text": "round"}, "showgrid": False,
                      "range": span},
            "yaxis": {"title": {"text": "gain in utility"}, "zeroline": True},
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
    values = [value for _, _, found in rows for value in found]
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.3 * (high - low) or 0.1  # for the numbers beside the bars
    return {
        "alt": "; ".join(
            f"{side.name} moved {side.moved:.3f} from its opening and came {side.toward:.3f} toward others"
            for side in item.sides
        ) + ".",
        "height": [110 + 62 * len(item.sides)] * 2,
        "data": [
            {
                "type": "bar", "orientation": "h", "name": name, "y": names, "x": rounded(found),
                "marker": {"color": [f"{hue(s.index)}/{opacity}" for s in item.sides],
                           "line": {"color": [hue(s.index) for s in item.sides], "width": 1}},
                "text": [f"{value:.3f}".replace("-", "\u2212") for value in found],
                "textposition": "outside", "hoverinfo": "skip", "cliponaxis": False,
            }
            for name, opacity, found in rows
        ],
        "layout": {
            "barmode": "group", "bargap": 0.3, "bargroupgap": 0.06,
            "xaxis": {"title": {"text": "cosine distance"}, "zeroline": True,
                      "range": [round(low - room, 6) if low < 0 else 0, round(high + room, 6)]},
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
    dots = [
        (row + _spread(k), value, text)
        for row, name in enumerate(names)
        for k, (value, text) in enumerate(members[name])
    ]
    return {
        "alt": f"How far sides came toward the others, by {group}. Means: "
        + ", ".join(f"{name} {mean:.3f}" for name, mean in zip(names, means, strict=True)) + ".",
        "height": [84 + 44 * len(names)] * 2,
        "data": [
            {"type": "scatter", "mode": "markers", "x": rounded([d[1] for d in dots]),
             "y": [round(d[0], 3) for d in dots], "hovertext": [d[2] for d in dots], "hoverinfo": "text",
             "marker": {"size": 7, "color": "--p0/0.45"}},
            {"type": "scatter", "mode": "markers", "x": rounded(means), "y": list(range(len(names))),
             "hovertext": [f"{label(n)}<br>mean {m:+.3f}" for n, m in zip(names, means, strict=True)],
             "hoverinfo": "text",
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


def rounded(values: Sequence[float] | Any) -> list[float]:
    """Six decimals: more than a screen shows, and half the bytes."""
    return [round(float(value), 6) for value in values]
