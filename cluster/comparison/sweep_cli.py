"""``concordat sweep``: the body parses and calls one function, which is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster import flags
from cluster.arguments import settings_of_flags

_Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="A:B:G [A:B:G ...]",
        help="Ratios of alpha, beta and gamma, scaled to the sum of the default weights (default 5:5:2 8:2:2 2:8:2 5:5:0 5:5:5).",
    ),
]
_Out = Annotated[
    str | None,
    typer.Option("--out", metavar="DIR", help="A run folder each setting goes here (default runs/sweep)."),
]


def sweep_command(
    context: typer.Context,
    cultures: flags.Cultures = None,
    topic: flags.TopicTexts = None,
    topics: flags.TopicsFile = None,
    weights: _Weights = None,
    model: flags.Model = None,
    adapter: flags.Adapters = None,
    embedder: flags.Embedder = None,
    seed: flags.Seed = None,
    solver: flags.Solver = None,
    epsilon: flags.Epsilon = None,
    rounds: flags.Rounds = None,
    config: flags.ConfigFile = None,
    out: _Out = None,
    serial: flags.Serial = False,
    concurrency: flags.Concurrency = None,
    address: flags.Address = None,
    json: flags.Json = False,
) -> None:
    """Negotiate the same questions under several weights of the utility, and compare rounds and movement.

    Each setting is a run of its own; the openings are the same in all. Given again, the command goes on where it was stopped.

    [bold]Example[/bold]: concordat sweep --cultures confucian latin-america --topics examples --weights 5:5:2 5:5:0
    """
    from cluster.commands import Way
    from cluster.comparison.sweep import run_sweep

    way = Way(config, serial=serial, address=address)
    raise typer.Exit(run_sweep(settings_of_flags(context.params), weights or (), way, context.obj))
