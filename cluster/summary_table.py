"""The table at the end of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from cluster.summary import Row, RunSummary

SHOWN_ROWS = 30
"""Longest table of single negotiations; longer runs are shown by category."""


@dataclass(slots=True)
class _Sums:
    """Of the rows of one line of the table.

    Attributes:
        first: the first row.
        count: of rows.
        converged: rows that converged.
        rounds: of all rows together.
        nash_conv: the largest.
        guidelines: of each player, of all rows together.
        moved: of each player, of all rows together.
    """

    first: Row
    count: int = 0
    converged: int = 0
    rounds: int = 0
    nash_conv: float = 0.0
    guidelines: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """One more row."""
        self.count += 1
        self.converged += row.converged
        self.rounds += row.rounds
        self.nash_conv = max(self.nash_conv, row.nash_conv)
        self.guidelines = _added(self.guidelines, row.guidelines)
        self.moved = _added(self.moved, row.moved)

    def cells(self) -> list[str]:
        """Count, converged, and means over rows; NashConv is the largest."""
        single = self.count == 1
        rounds = self.rounds / self.count
        sizes = [size / self.count for size in self.guidelines]
        moved = [distance / self.count for distance in self.moved]
        return [
            str(self.count),
            ("yes" if self.converged else "no") if single else f"{self.converged}/{self.count}",
            f"{rounds:.0f}" if single else f"{rounds:.1f}",
            " ".join(f"{size:.0f}" if single else f"{size:.1f}" for size in sizes),
            f"{self.nash_conv:.1e}",
            " ".join(f"{distance:.2f}" for distance in moved),
        ]


def summary_table(summary: RunSummary) -> Table:
    """A row a negotiation of the game, or a row a category in long runs."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, expand=True)
    long = len(summary.rows) > SHOWN_ROWS
    table.add_column("category" if long else "question", overflow="ellipsis", no_wrap=True, ratio=1)
    headings = ("negotiations", "converged", "rounds", "guidelines", "NashConv", "moved")
    for heading in headings if long else headings[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    groups: dict[str, _Sums] = {}
    for row in summary.rows:
        groups.setdefault(row.category if long else row.id, _Sums(row)).add(row)
    for name, sums in groups.items():
        label = Text(name if long else sums.first.question)
        table.add_row(label, *sums.cells() if long else sums.cells()[1:])
    return table


def _added(sums: list[float], values: tuple[float, ...] | tuple[int, ...]) -> list[float]:
    return [before + value for before, value in zip_longest(sums, values, fillvalue=0.0)]
