"""The flags of ``concordat train oracle`` that no other training has; one not given is None."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_HOW, _WHERE = "How it learns", "Files"

Culture = Annotated[
    str,
    typer.Option("--culture", metavar="CULTURE", help="Whose oracle; it must have taken part in the run."),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="For whom: 'bundled', a folder or a hub name (default: the run's).",
        rich_help_panel=_HOW,
    ),
]
Start = Annotated[
    Path | None,
    typer.Option(
        "--start",
        metavar="ADAPTER",
        help="Adapter to begin with, and the reference (default: the culture's own in the run; with --model a fresh one).",
        rich_help_panel=_HOW,
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", help="Bound on a candidate (default: the run's).", rich_help_panel=_HOW),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--lr", help="Peak learning rate (default 1e-4; 2e-3 for the bundled model).", rich_help_panel=_HOW
    ),
]
Beta = Annotated[
    float | None,
    typer.Option(
        "--beta",
        help="Weight of the KL divergence to the culture's own adapter (default 0.02).",
        rich_help_panel=_HOW,
    ),
]
Stale = Annotated[
    int | None,
    typer.Option(
        "--stale",
        help="1 (default) writes the next step's candidates while this one is learned; 0 is on-policy.",
        rich_help_panel=_HOW,
    ),
]
Group = Annotated[
    int | None,
    typer.Option("--group", help="Candidates of a situation (default 8).", rich_help_panel=_HOW),
]
Prompts = Annotated[
    int | None,
    typer.Option("--prompts-per-step", help="Situations in a step (default 8).", rich_help_panel=_HOW),
]
RefuseCopies = Annotated[
    bool,
    typer.Option(
        "--refuse-copies",
        help="Candidates that repeat a guideline in view get the least rewards; the game itself takes them.",
        rich_help_panel=_HOW,
    ),
]
HeldOut = Annotated[
    float | None,
    typer.Option(
        "--held-out",
        help="Share of the topics that nothing is learned from (default 0.2); both adapters are measured on them.",
        rich_help_panel=_HOW,
    ),
]
Work = Annotated[
    Path | None,
    typer.Option(
        "--work",
        metavar="DIR",
        help="Checkpoints and curves; the same folder goes on (default runs/oracle/<culture>).",
        rich_help_panel=_WHERE,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="The finished adapter (default adapters/oracle/<culture>).",
        rich_help_panel=_WHERE,
    ),
]
