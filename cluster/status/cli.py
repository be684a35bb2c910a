"""``concordat status``: the body parses and calls one function, which is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster import flags


def status_command(
    context: typer.Context,
    run: flags.RunArgument,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Again and again, until the run ends.")
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, metavar="SECONDS", help="Between looks with --watch.")
    ] = 2.0,
    json: flags.Json = False,
) -> None:
    """Say where a run stands: what is done, under way and failed, how fast it goes, and how long it will take.

    Reads the run folder only, so it works while the run goes on, from any machine that sees the folder, and afterwards.

    [bold]Example[/bold]: concordat status runs/first --watch
    """
    from cluster.status.show import status

    raise typer.Exit(status(run, interval if watch else None, context.obj))
