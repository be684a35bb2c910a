"""``concordat dashboard``: the body parses and calls one function, which is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster import flags


def dashboard_command(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it here, a file or a folder.")
    ] = None,
    temp_dir: Annotated[
        Path | None,
        typer.Option("--temp-dir", metavar="DIR", help="That 'ray start' was given (default: /tmp/ray)."),
    ] = None,
    json: flags.Json = False,
) -> None:
    """Add Concordat's Grafana dashboard to those that Ray's head node on this machine has.

    Grafana, started with the files that Ray writes, shows it within a minute. A head node that starts anew writes these
    files anew: run this again then.

    [bold]Example[/bold]: concordat dashboard
    """
    from cluster.dashboard.command import install

    raise typer.Exit(install(out, temp_dir, context.obj))
