"""A bargaining as a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from cluster.bargaining.summary import MEASURES, WAYS
from cluster.report.page import number

if TYPE_CHECKING:
    from rich.console import Console


def interval_words(figure: Mapping[str, Any] | None) -> str:
    """Mean and 95% interval.

    >>> interval_words({"mean": 0.5, "low": 0.25, "high": 0.75}), interval_words(None)
    ('0.500 [0.250, 0.750]', '')
    """
    if figure is None:
        return ""
    return f"{number(figure['mean'])} [{number(figure['low'])}, {number(figure['high'])}]"


def print_summary(result: Mapping[str, Any], console: Console) -> None:
    """Print what all negotiations come to."""
    table = Table(box=None, pad_edge=False, title="Means over topics, 95%", title_justify="left")
    table.add_column("")
    for heading in (*WAYS.values(), "difference"):
        table.add_column(heading, justify="right")
    for name, (heading, _, better) in MEASURES.items():
        table.add_row(
            f"{heading} {'↑' if better else '↓'}",
            *(interval_words(result["measures"][way][name]) for way in WAYS),
            interval_words(result["differences"][name]),
        )
    console.print(table, highlight=False)
    conv = result["nash_conv"]
    solved = (
        f"{result['negotiations']} negotiations; oracle {result['oracle']}, meta-solver {result['solver']};"
        f" {result['converged']} within NashConv {result['tolerance']:g}"
    )
    if conv["median"] is not None:
        solved += f" (median {conv['median']:.1e}, largest {conv['largest']:.1e})"
    console.print(f"{solved}; {result['seconds']:.0f} s.", highlight=False, markup=False, soft_wrap=True)
    if result["failures"]:
        console.print(f"{len(result['failures'])} failed.", highlight=False)
