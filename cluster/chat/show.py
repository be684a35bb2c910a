"""An answer on the terminal: both texts with what changed, the guideline with its weight, the values as bars."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.rewriting.rewrite_show import bar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cluster.chat.client import Served
    from cluster.serving.schema import PolicyAnswer

BESIDE_FROM = 90
"""Columns of a terminal from which two texts stand beside each other."""

BARS_FROM = 76
"""Columns of a terminal from which values have bars beside their numbers."""

WEIGHT_CELLS = 20
"""Characters of a full bar of a weight."""

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and what was answered.

    Attributes:
        model: id of what was asked.
        question: what was asked.
        text: the answer.
        note: how a policy came to it; None for other models.
    """

    model: str
    question: str
    text: str
    note: PolicyAnswer | None


def plain(text: str) -> str:
    r"""A text of a server without what a terminal would take for commands, or that would reorder what stands around it.

    >>> plain("red \x1b[31mtext\x07\nnext")
    'red [31mtext\nnext'
    """
    return "".join(
        c for c in text if c in "\n\t" or not (unicodedata.category(c) in ("Cc", "Cs") or c in _REORDERING)
    )


def weight_bar(weight: float) -> str:
    """A bar for a number in [0, 1].

    >>> weight_bar(0.5), weight_bar(0.01)
    ('━━━━━━━━━━──────────', '━───────────────────')
    """
    full = round(weight * WEIGHT_CELLS) if weight <= 0 else max(1, round(weight * WEIGHT_CELLS))
    return "\u2501" * full + "\u2500" * (WEIGHT_CELLS - full)


def compared(before: str, after: str) -> tuple[Text, Text]:
    """Two texts, in which the words that were left out are struck through, and those put in are underlined."""
    from rich.text import Text

    old, new = (re.findall(r"\S+\s*", text) for text in (before, after))
    left, right = Text(), Text()
    matcher = difflib.SequenceMatcher(
        None, [word.strip() for word in old], [word.strip() for word in new], autojunk=False
    )
    for kind, a, b, c, d in matcher.get_opcodes():
        _append(left, old[a:b], "" if kind == "equal" else "strike red")
        _append(right, new[c:d], "" if kind == "equal" else "underline green")
    return left, right


def _append(text: Text, words: Sequence[str], style: str) -> None:
    """The words; the space behind the last one is not marked."""
    run = "".join(words)
    text.append(run.rstrip(), style)
    text.append(run[len(run.rstrip()) :])


def show_exchange(console: Console, exchange: Exchange) -> None:
    """Print all of an answer."""
    from rich.text import Text

    text, note = plain(exchange.text.strip()), exchange.note
    if note is None:
        console.print(Text(text), soft_wrap=not console.is_terminal)
        return
    base = plain(note.base.strip())
    left, right = compared(base, text) if note.fault is None else (Text(base), Text(text))
    _show_texts(console, left, right)
    if note.fault is not None:
        console.print(Text(f"The base answer was not rewritten: {plain(note.fault)}", style="yellow"))
    drawn = note.guideline
    console.print()
    console.print(
        Text.assemble(
            ("Guideline in view  ", "bold"), plain(drawn.content), (f"  ({plain(drawn.culture)})", "dim")
        )
    )
    console.print(
        Text.assemble(
            ("Its weight         ", "bold"), (weight_bar(drawn.weight), "cyan"), f" {drawn.weight:.0%}"
        )
    )
    console.print()
    console.print(values_table(note, bars=console.width >= BARS_FROM))
    if note.consistency is not None:
        console.print(
            f"\nConsistency: forward {note.consistency.forward:.2f} (nothing invented), backward"
            f" {note.consistency.backward:.2f} (nothing lost).",
            highlight=False,
            soft_wrap=not console.is_terminal,
        )


def _show_texts(console: Console, left: Text, right: Text) -> None:
    from rich.table import Table
    from rich.text import Text

    if console.width >= BESIDE_FROM:
        grid = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), expand=True)
        grid.add_column("Base model", ratio=1, header_style="bold")
        grid.add_column("The policy", ratio=1, header_style="bold")
        grid.add_row(left, right)
        console.print(grid)
        return
    for title, text in (("Base model", left), ("\nThe policy", right)):
        console.print(Text(title, style="bold"))
        console.print(text)


def values_table(note: PolicyAnswer, bars: bool = True) -> Table:
    """One row a value: in the base answer, the policy's, in the answer."""
    from rich.table import Table

    columns = (
        ("before", "dim", note.values_before),
        ("target", "cyan", note.values_target),
        ("after", "green", note.values_after),
    )
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("value", no_wrap=True)
    for name, style, _ in columns:
        if bars:
            table.add_column(name, style=style, no_wrap=True)
        table.add_column("" if bars else name, style=style, justify="right", no_wrap=True)
    for value in note.values_target:
        cells: list[str] = []
        for _, _, values in columns:
            number = None if values is None else values.get(value)
            if bars:
                cells.append("" if number is None else bar(number))
            cells.append("" if number is None else f"{number:+.2f}")
        table.add_row(plain(value), *cells)
    return table


def models_table(models: Sequence[Served]) -> Table:
    """What is served."""
    from rich.table import Table
    from rich.text import Text

    kinds = {"alias": "table", "policy": "policy", "culture": "culture", "base": "base model"}
    table = Table(box=None, pad_edge=False)
    table.add_column("POLICY", no_wrap=True, header_style="bold")
    table.add_column("kind", style="dim", no_wrap=True)
    table.add_column("")
    for model in models:
        table.add_row(plain(model.label), kinds.get(model.kind, plain(model.kind)), Text(plain(model.name)))
    return table
