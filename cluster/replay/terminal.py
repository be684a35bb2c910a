"""A replay as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from agents.replay.run import Replay


def print_replay(found: Replay, console: Console) -> None:
    """Print all tables."""
    console.print(_solutions(found), highlight=False)
    console.print()
    console.print(_rounds(found), highlight=False)
    console.print()
    console.print(_stopping(found), highlight=False)
    console.print()
    for line in _notes(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(*columns: str, title: str) -> Table:
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def _solutions(found: Replay) -> Table:
    table = _table(
        "weights",
        "last games",
        "games of all rounds",
        title="Mean NashConv (0 is an equilibrium; 95% over topics)",
    )
    table.add_row("published", str(found.published), f"{found.every_round['published']:.3f}")
    table.add_row(
        "published, uniform half taken out", str(found.unmixed), f"{found.every_round['unmixed']:.3f}"
    )
    for entry in found.algorithms:
        table.add_row(f"published algorithm, {entry.name}", str(entry.mean), f"{entry.every_round_mean:.3f}")
    table.add_row("ours", f"{found.ours_mean:.1e}", f"{found.every_round['ours']:.1e}")
    table.add_row("ours, the largest", "", f"{found.ours_max:.1e}")
    return table


def _rounds(found: Replay) -> Table:
    table = _table(
        "round",
        "games",
        "published",
        "uniform taken out",
        "ours, largest",
        "gain of new guidelines",
        "share that gained",
        title="By round",
    )
    for line in found.rounds:
        table.add_row(
            str(line.round),
            str(line.games),
            f"{line.published:.3f}",
            f"{line.unmixed:.3f}",
            f"{line.ours_max:.1e}",
            f"{line.proposal_gain:+.3f}",
            f"{line.proposals_gaining:.1%}",
        )
    return table


def _stopping(found: Replay) -> Table:
    stopping = found.stopping
    table = _table("runs", "", title="The published stopping rule (the sides' utilities did not rise)")
    table.add_row("stopped by it", f"{stopping.fired:,} of {stopping.runs:,}")
    for name, count in (
        ("  at its first chance", stopping.fired_at_first_chance),
        ("  while a side's utility fell", stopping.utility_fell),
        (f"  while a side could gain {stopping.epsilon:g} by other weights", stopping.gain_by_weights),
        ("  the same with the uniform half taken out", stopping.gain_by_weights_unmixed),
        (f"  while a new guideline gained {stopping.epsilon:g}", stopping.gain_by_proposal),
    ):
        table.add_row(name, f"{count:,} of {stopping.fired:,}")
    return table


def _notes(found: Replay) -> list[str]:
    stands = {
        "both": "their headings with the opening statements",
        "heading": "their headings",
        "opening": "the opening statements",
    }
    weights = found.weights
    notes = [
        f"{len(found.runs):,} runs, {found.games:,} games, {found.seconds:.0f} s; {found.embedder}.",
        f"Texts of first guidelines were not released: {stands[found.first]} stand for them.",
        f"Of {weights['all']:,} published distributions {weights['summing_to_one']:,} sum to 1.00; the others are scaled, and"
        f" {weights['with_shared_headings']:,}, in which guidelines share a heading, got the lost weight back.",
    ]
    if found.others:
        notes.append(f"{found.others:,} runs of other methods have no game.")
    if found.faults:
        notes.append(f"Not used: {len(found.faults):,} faulty runs (--json names them).")
    if found.unsolved:
        notes.append(f"Not solved by us: {found.unsolved:,} games.")
    if not found.algorithms:
        notes.append("The published algorithm was not measured: name its file with --algorithms.")
    return notes
