"""``concordat replay``: the body parses and calls one function, which is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster import flags

_Path = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="A Parquet file of published negotiations, its folder, or the released repository.",
        show_default=False,
    ),
]
_Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", help="Replay only N of the runs, spread evenly over them."),
]
_First = Annotated[
    str | None,
    typer.Option(
        "--first-guideline",
        metavar="TEXT",
        help="What stands for first guidelines, whose texts were not released: 'heading', 'opening' (statement), or 'both'"
        " (default).",
    ),
]
_Algorithms = Annotated[
    Path | None,
    typer.Option(
        "--algorithms",
        metavar="FILE",
        help="Python file whose ALGORITHMS are measured on the same games (default: benchmarks/published_replay.py of a source"
        " checkout, which has the published one).",
    ),
]
_Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Keep replay.json in this folder.")]


def replay_command(
    context: typer.Context,
    path: _Path,
    limit: _Limit = None,
    first_guideline: _First = None,
    algorithms: _Algorithms = None,
    out: _Out = None,
    json: flags.Json = False,
) -> None:
    """Replay published negotiations: how far their weights are from equilibrium, and ours.

    Rebuilds the game of every round from the published guidelines, and measures on it the published weights (NashConv: what \
the sides could gain in all; 0 is an equilibrium), the published algorithm with and without its faults, and our solutions; and \
how often a run was stopped while somebody could still gain. Runs that cannot be used are named and counted.

    [bold]Example[/bold]: concordat replay negotiations.parquet --limit 200
    """
    from cluster.replay.command import replay_published

    given = {
        "path": path,
        "limit": limit,
        "first_guideline": first_guideline,
        "algorithms": algorithms,
        "out": out,
    }
    raise typer.Exit(replay_published(given, context.obj))
