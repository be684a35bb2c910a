"""The flags of ``concordat train voices`` and ``concordat train culture``; one not given is None."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CultureName = Annotated[
    str,
    typer.Option("--culture", metavar="CULTURE", help="Whose; 'concordat culture list' names them."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Same seed, same result (default 0).")]
Address = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST:PORT", help="A running Ray cluster (default: one of its own)."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")]

Profiles = Annotated[
    Path | None,
    typer.Option(
        "--profiles", metavar="FILE", help="Profiles with answers to survey items (default: those that ship)."
    ),
]
VoicesOut = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="The text; the same folder goes on (default runs/voices/<culture>)."
    ),
]
Writer = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Who writes: 'template' (default, plain sentences without a language model), a folder, a hub name, or "
        "openai:NAME@URL.",
    ),
]
Judge = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="MODEL",
        help="Who tells whether an answer kept its option: a model, or 'none' (default: the model that writes).",
    ),
]
Pairs = Annotated[int | None, typer.Option("--pairs", help="Question-answer pairs an item (default 10).")]
Retries = Annotated[
    int | None, typer.Option("--retries", help="How often a dropped pair is asked for again (default 3).")
]
Tolerance = Annotated[
    int | None,
    typer.Option("--tolerance", help="Places that the judge's reading may be off, on scales (default 0)."),
]
Serial = Annotated[bool, typer.Option("--serial", help="In this process, without Ray; same text.")]
Actors = Annotated[
    int | None,
    typer.Option("--actors", help="Ray actors that hold the model (default: one a GPU, else one)."),
]

VoicesData = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Training text, made by 'concordat train voices'.")
]
BaseModel = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="For whom: 'bundled' (default), a folder or a hub name."),
]
AdapterWork = Annotated[
    Path | None,
    typer.Option(
        "--work",
        metavar="DIR",
        help="Checkpoints and learning curves; the same folder goes on (default runs/adapters/<culture>).",
    ),
]
AdapterOut = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The finished adapter (default: in the work folder)."),
]
Workers = Annotated[int | None, typer.Option("--workers", help="Processes that train together (default 1).")]
Epochs = Annotated[float | None, typer.Option("--epochs", help="How often each pair is seen (default 3).")]
Steps = Annotated[int | None, typer.Option("--steps", help="Steps, in place of --epochs.")]
Rank = Annotated[int | None, typer.Option("--rank", help="Rank of the adapter (default 16).")]
LearningRate = Annotated[
    float | None,
    typer.Option("--lr", help="Peak learning rate (default 2e-4; 5e-4 for the bundled model)."),
]
BatchRows = Annotated[
    int | None, typer.Option("--batch", help="Pairs in a step, of all workers together (default 16).")
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="DEVICE", help="auto (default: a GPU a worker if there are), cpu or cuda."
    ),
]
Threads = Annotated[int | None, typer.Option("--threads", help="CPU threads of a worker (default 1).")]
