"""``concordat evaluate``: bodies parse and call one function, which is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster import flags

evaluate_app = typer.Typer(
    no_args_is_help=True, help="Measure agents against their people.", rich_markup_mode="rich"
)

_Items = Annotated[
    list[str] | None,
    typer.Option(
        "--items",
        metavar="ID [ID ...]",
        help="Survey items to ask, e.g. those held out of training (default: all that the people were asked).",
    ),
]
_Profiles = Annotated[
    Path | None,
    typer.Option(
        "--profiles",
        metavar="FILE",
        help="The people, as 'concordat culture profile' makes them (default: those that ship, which have values but no"
        " answers).",
    ),
]
_Cultures = Annotated[
    list[str] | None,
    typer.Option("--cultures", metavar="A [B ...]", help="Whose agents (default: all that have an adapter)."),
]
_Orders = Annotated[
    int | None, typer.Option("--orders", help="Orders of the options tried with each wording (default 4).")
]
_AgainstPrior = Annotated[
    bool,
    typer.Option(
        "--against-prior",
        help="Set each option against its probability without the question; helps small models.",
    ),
]
_Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Keep evaluation.json and a picture in this folder."),
]
_Actors = Annotated[
    int | None,
    typer.Option("--actors", help="Ray actors that share the questions (default: one a GPU, else one)."),
]


@evaluate_app.command("culture")
def _evaluate_culture(
    context: typer.Context,
    cultures: _Cultures = None,
    model: flags.Model = None,
    adapter: flags.Adapters = None,
    profiles: _Profiles = None,
    items: _Items = None,
    orders: _Orders = None,
    against_prior: _AgainstPrior = False,
    seed: flags.Seed = None,
    out: _Out = None,
    serial: flags.Serial = False,
    actors: _Actors = None,
    address: flags.Address = None,
    json: flags.Json = False,
) -> None:
    """Ask agents the survey, and tell how near they come to their people.

    Every agent is asked with its own adapter, with none, and with those of the others: distance of its answers from its \
people's (Wasserstein, 0 to 1, lower is nearer), how much farther the other voices are, and how its values correlate with \
theirs. Answers are read from probabilities, in several wordings and orders.

    [bold]Example[/bold]: concordat evaluate culture --cultures confucian --profiles mine.json --out runs/confucian
    """
    from cluster.evaluation import evaluate_cultures, settings_of_evaluation

    raise typer.Exit(evaluate_cultures(settings_of_evaluation(context.params), context.obj))
