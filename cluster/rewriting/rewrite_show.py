"""A rewriting on the terminal: both texts, the ten values as bars, consistency both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agents.values import SCHWARTZ_VALUES
from rewriter.injection import gain
from rewriter.search import Found
from rewriter.vocabulary import Rewriting

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HALF = 5
"""Characters of a bar from 0 to 1."""
_EIGHTHS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588"
_ASKED_FROM = 0.1
"""Movements that count as asked for."""


def bar(value: float) -> str:
    """A bar from the middle, right for a positive and left for a negative number.

    >>> bar(0.4), bar(-1.0)
    ('     │██   ', '█████│     ')
    """
    eighths = min(HALF * 8, round(abs(value) * HALF * 8))
    if value >= 0:
        filled = "\u2588" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
        return " " * HALF + "\u2502" + filled.ljust(HALF)
    filled = "\u2588" * round(eighths / 8)  # blocks that grow from the right have no eighths
    return filled.rjust(HALF) + "\u2502" + " " * HALF


def values_table(rewriting: Rewriting) -> Table:
    """One row a value: before, asked, after. Values that were asked to move are bold."""
    from rich.table import Table

    request = rewriting.request
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("value", no_wrap=True)
    for name, style in (("before", "dim"), ("asked", "cyan"), ("after", "green")):
        table.add_column(name, style=style, no_wrap=True)
        table.add_column("", style=style, justify="right", no_wrap=True)
    for name, *numbers in zip(SCHWARTZ_VALUES, request.before, request.target, rewriting.after, strict=True):
        moved = abs(numbers[1] - numbers[0]) >= _ASKED_FROM
        cells = [cell for number in numbers for cell in (bar(number), f"{number:+.2f}")]
        table.add_row(f"[bold]{name}[/bold]" if moved else name, *cells)
    return table


def show(console: Console, rewriting: Rewriting, explanation: Sequence[str]) -> None:
    """Print all of it."""
    from rich.text import Text

    def say(title: str, *lines: str) -> None:
        console.print(Text(title, style="bold"))
        for line in lines:
            console.print(Text(line), soft_wrap=True)
        console.print()

    say("Asked", *explanation)
    say("Source", rewriting.request.source.strip())
    say("Rewritten", rewriting.text)
    console.print(values_table(rewriting))
    consistency, request = rewriting.consistency, rewriting.request
    moved = gain(request.before, rewriting.after, request.target)
    console.print(
        f"\nMoved {moved:+.2f} of {gain(request.before, request.target, request.target):.2f} asked. Consistency: forward"
        f" {consistency.forward:.2f} (nothing invented), backward {consistency.backward:.2f} (nothing lost), mean"
        f" {consistency.mean:.2f}.",
        soft_wrap=True,
        highlight=False,
    )
    for fault in (*rewriting.faults, *consistency.faults):
        console.print(Text(f"Fault: {fault}", style="yellow"), soft_wrap=True)


def show_search(console: Console, found: Found) -> None:
    """Print the Pareto set, one row a text."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("gain", justify="right")
    table.add_column("consistency", justify="right")
    table.add_column("asked for")
    table.add_column("text")
    for point in found.front:
        request = point.rewriting.request
        asked = [
            f"{name} {after - before:+.1f}"
            for name, before, after in zip(SCHWARTZ_VALUES, request.before, request.target, strict=True)
            if abs(after - before) >= 2 * _ASKED_FROM
        ]
        table.add_row(
            f"{point.gain:+.2f}",
            f"{point.consistency:.2f}",
            Text(", ".join(asked)),
            Text(point.rewriting.text),
        )
    console.print(table)
    tree = found.tree()
    console.print(
        f"\n{len(found.front)} of {tree['tried']} rewritings are dominated by none; {found.failures} failed,"
        f" {found.collapsed} collapsed.",
        highlight=False,
    )
