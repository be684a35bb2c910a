"""``concordat export``: the body parses and calls one function, which is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster import flags

_Format = Annotated[
    str,
    typer.Option("--format", metavar="NAME", help="sft, dpo, kto or messages.", show_default=False),
]
_Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="FILE|DIR", help="A file that ends in .jsonl, or a folder.", show_default=False
    ),
]
_Family = Annotated[
    str | None,
    typer.Option("--family", metavar="NAME", help="Whose columns: trl (default) or llama-factory."),
]
_Against = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="NAME",
        help="What consensus is preferred to: opening, candidate (not taken); repeat for more (default: both).",
    ),
]
_Methods = Annotated[
    list[str] | None,
    typer.Option("--method", metavar="NAME", help="Only this method; repeat for more (default: all)."),
]
_Unconverged = Annotated[bool, typer.Option("--unconverged", help="With negotiations that did not converge.")]


def export_command(
    context: typer.Context,
    run: flags.RunArgument,
    form: _Format,
    out: _Out,
    family: _Family = None,
    against: _Against = None,
    method: _Methods = None,
    unconverged: _Unconverged = False,
    json: flags.Json = False,
) -> None:
    """Write a run's statements as training data: consensus, and what it is preferred to.

    sft and messages hold each side's consensus statement as the answer to the question. dpo and kto set it against the side's \
first statement, and against candidates that were not taken. Every row says where it came from.

    [bold]Example[/bold]: concordat export runs/first --format dpo --out preferences.jsonl
    """
    from cluster.comparison.export_command import export_run

    given = {
        "run": run,
        "form": form,
        "out": out,
        "family": family,
        "against": against,
        "methods": method,
        "unconverged": unconverged,
    }
    raise typer.Exit(export_run(given, context.obj))
