"""``concordat bargain``: bodies parse and call one function, which is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cluster import flags
from cluster.chat.cli import ApiKey

_Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN [RUN ...]", help="Run folders with finished negotiations.", show_default=False
    ),
]
_Negotiations = Annotated[
    int | None,
    typer.Option("--negotiations", metavar="N", help="Bargain over N of them, spread evenly (default all)."),
]
_Offers = Annotated[
    int | None,
    typer.Option("--offers", metavar="K", help="Guidelines that can be offered, at most (default 5)."),
]
_Turns = Annotated[
    int | None,
    typer.Option(
        "--turns", metavar="T", help="Offers made at most (default 3; fewer if the game grows too large)."
    ),
]
_Discount = Annotated[
    float | None,
    typer.Option("--discount", metavar="D", help="What a turn's delay multiplies payoffs by (default 0.95)."),
]
_WalkAway = Annotated[
    float | None,
    typer.Option(
        "--walk-away",
        metavar="W",
        help="What a side gets without agreement, as a share of its mean utility of the offers (default 0.5).",
    ),
]
_Detector = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="Reads the offers' values: 'bundled' (default), a folder, or model:MODEL; 'none' goes by nearness alone.",
    ),
]
_Oracle = Annotated[
    str | None,
    typer.Option(
        "--oracle",
        metavar="KIND",
        help="Finds best responses: 'exact' (default), or 'rllib', which learns them on Ray.",
    ),
]
_Solver = Annotated[
    str | None,
    typer.Option(
        "--solver",
        metavar="KIND",
        help="Meta-solver of the game of policies: exact (default), prd, regret-matching, logit, ce or cce.",
    ),
]
_Iterations = Annotated[
    int | None, typer.Option("--iterations", metavar="N", help="Iterations at most (default 30).")
]
_Tolerance = Annotated[
    float | None,
    typer.Option("--tolerance", metavar="X", help="NashConv at which the loop ends (default 0.001)."),
]
_Out = Annotated[
    str | None,
    typer.Option(
        "--out", metavar="DIR", help="Everything goes here (default RUN/bargaining of the first run)."
    ),
]
_Resume = Annotated[bool, typer.Option("--resume", help="Go on in a folder where this command was stopped.")]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the settings and what would be done, and stop.")
]


def bargain_command(
    context: typer.Context,
    runs: _Runs,
    negotiations: _Negotiations = None,
    offers: _Offers = None,
    turns: _Turns = None,
    discount: _Discount = None,
    walk_away: _WalkAway = None,
    detector: _Detector = None,
    oracle: _Oracle = None,
    solver: _Solver = None,
    iterations: _Iterations = None,
    tolerance: _Tolerance = None,
    seed: flags.Seed = None,
    out: _Out = None,
    resume: _Resume = False,
    dry_run: _DryRun = False,
    address: flags.Address = None,
    json: flags.Json = False,
) -> None:
    """Let the cultures of finished negotiations bargain over their guidelines, offer by offer.

    The guidelines become offers; how much each side values one is its own secret. Policies are found by policy-space response \
oracles and compared with the Nash and Kalai-Smorodinsky solutions and with the one-shot consensus. Policies are kept, and can \
be played against: concordat play.

    [bold]Example[/bold]: concordat bargain runs/first --offers 4
    """
    from cluster.bargaining.command import Way, bargain_runs

    given = {
        "runs": runs, "negotiations": negotiations, "offers": offers, "turns": turns, "discount": discount,
        "walk_away": walk_away, "oracle": oracle, "solver": solver, "iterations": iterations, "tolerance": tolerance,
        "seed": seed, "out": out,
    }  # fmt: skip
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if detector is not None:
        settings["detector"] = None if detector == "none" else detector
    raise typer.Exit(bargain_runs(settings, Way(resume, dry_run, address), context.obj))


def play_command(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|NEGOTIATION",
            help="A run that was bargained over, or the folder of --out. With --server, the negotiation.",
            show_default=False,
        ),
    ] = None,
    negotiation: Annotated[
        str | None,
        typer.Option(
            "--negotiation",
            metavar="NAME",
            help="Which one, by the beginning of its policy's name (default the first).",
        ),
    ] = None,
    side: Annotated[
        str | None,
        typer.Option("--side", metavar="CULTURE", help="Whom you speak for (default the first side)."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, help="Of types and of the others' moves.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            metavar="URL",
            help="Play with the policies that 'concordat serve' has there.",
            show_default=False,
        ),
    ] = None,
    api_key: ApiKey = None,
    json: flags.Json = False,
) -> None:
    """Bargain yourself, against the policies that 'concordat bargain' found.

    You are told what the offers are worth to you, and not what they are worth to the others. At the end stands what each side \
got, and what the Nash and Kalai-Smorodinsky solutions would have given it.

    [bold]Examples[/bold]

      concordat play runs/first --side confucian

      concordat play --server http://127.0.0.1:8000 should-voting
    """
    from cluster.bargaining.play import PlayAsked, play_policy

    asked = PlayAsked(run, negotiation, side, seed, server, api_key or None)
    raise typer.Exit(play_policy(asked, context.obj))
