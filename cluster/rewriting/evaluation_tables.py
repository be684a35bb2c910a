"""The evaluation of rewriters as tables: on the terminal, as CSV and as LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agents.intervals import Interval
from rewriter.evaluation.measures import MEASURES, SUCCESS_CONSISTENCY, SUCCESS_L2
from rewriter.evaluation.summary import Row

if TYPE_CHECKING:
    from rich.table import Table

    from cluster.rewriting.evaluation import RewriterEvaluation

TITLES = {
    "consistency": "consistency",
    "forward": "forward",
    "backward": "backward",
    "l2": "L2",
    "cosine": "cosine",
    "success": "JSR",
    "approach": "approach",
    "progress": "progress",
    "drift": "drift",
    "copied": "copied",
    "collapsed": "collapsed",
    "cut": "cut",
    "second_l2": "L2 (2nd)",
    "second_approach": "approach (2nd)",
    "second_progress": "progress (2nd)",
    "second_success": "JSR (2nd)",
}
"""Heading of each measure."""

_LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)

_PARTS = (
    ("consistency", "l2", "cosine", "success", "approach"),
    ("forward", "backward", "progress", "drift"),
    ("copied", "collapsed", "cut"),
    ("second_l2", "second_success", "second_approach", "second_progress"),
)
"""Measures of each table on the terminal: so few that 80 columns hold them."""


def rich_tables(found: RewriterEvaluation) -> list[Table | str]:
    """What the terminal shows: all methods over all requests, then by size, and the differences in JSR."""
    overall = [row for row in found.rows if row.sizes is None]
    tables: list[Table | str] = []
    for part in _PARTS:
        shown = [name for name in part if any(name in row.figures for row in overall)]
        tables += [_by_method(overall, shown)] if shown else []
    tables += [_by_size(found.rows, name) for name in ("success", "consistency")]
    lines = [
        f"{one.method} less {one.other}: {one.interval}, p = {one.p_value:.3f}"
        for one in found.differences
        if one.measure == "success"
    ]
    if lines:
        tables.append("Differences in JSR on the same requests:\n" + "\n".join(lines))
    blank = [f"{row.method} {row.blank}" for row in overall if row.blank]
    if blank:
        tables.append(f"Requests without a reply, of {overall[0].requests}: {', '.join(blank)}")
    tables.append(
        f"JSR: share with L2 below {SUCCESS_L2:g} and consistency above {SUCCESS_CONSISTENCY:g}."
        " 95% intervals over topics. 2nd: by a second detector. copy, retrieve: references, no methods."
    )
    return tables


def csv_table(rows: Sequence[Row]) -> str:
    """One line a method, size and measure, with the interval.

    Lower and upper bounds of sizes are blank for all requests.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            "method",
            "size_low",
            "size_high",
            "requests",
            "blank",
            "measure",
            "estimate",
            "low",
            "high",
            "topics",
        ]
    )
    for row in rows:
        low, high = ("", "") if row.sizes is None else row.sizes
        for name, interval in row.figures.items():
            figures = [f"{number:.6g}" for number in (interval.estimate, interval.low, interval.high)]
            writer.writerow([row.method, low, high, row.requests, row.blank, name, *figures, interval.units])
    return text.getvalue()


def latex_table(rows: Sequence[Row]) -> str:
    """A table for the package ``booktabs``: all methods over all requests, intervals small and below."""
    overall = [row for row in rows if row.sizes is None]
    names = [name for name in MEASURES if any(name in row.figures for row in overall)]
    head = " & ".join(["method", *(TITLES[name] for name in names)])
    lines = [rf"\begin{{tabular}}{{l{'r' * len(names)}}}", r"\toprule", rf"{head} \\", r"\midrule"]
    for row in overall:
        method = row.method.translate(_LATEX)
        cells = [_number(row.figures.get(name)) for name in names]
        lines.append(" & ".join([method, *cells]) + r" \\")
        small = [rf"{{\scriptsize {_range(row.figures.get(name))}}}" for name in names]
        lines.append(" & ".join(["", *small]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _by_method(rows: Sequence[Row], names: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table("method", *(TITLES[name] for name in names), box=None, pad_edge=False)
    for row in rows:
        cells = [f"{_number(row.figures.get(name))}\n{_range(row.figures.get(name))}" for name in names]
        table.add_row(row.method, *cells)
    return table


def _by_size(rows: Sequence[Row], name: str) -> Table:
    from rich.table import Table

    bins = list(dict.fromkeys(row.sizes for row in rows if row.sizes is not None))
    heads = [f"movement {low:g}-{high:g}" for low, high in bins]
    table = Table(TITLES[name], *heads, box=None, pad_edge=False)
    for method in dict.fromkeys(row.method for row in rows):
        found = {row.sizes: row.figures for row in rows if row.method == method}
        intervals = [found.get(sizes, {}).get(name) for sizes in bins]
        table.add_row(method, *(f"{_number(interval)}  {_range(interval)}" for interval in intervals))
    return table


def _number(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.estimate:.3f}"


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.2f}..{interval.high:.2f}"
