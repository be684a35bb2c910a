"""The flags of ``concordat train rewriter``; one not given is None."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_HOW, _WHO, _WHERE = "How it learns", "Who works", "Files"

Data = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", help="Folder with value_labels.parquet.", rich_help_panel=_WHERE),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings in YAML; flags go over them, --dry-run shows all.",
        rich_help_panel=_WHERE,
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        "--method", metavar="METHOD", help="grpo (default), sft, dpo or simpo.", rich_help_panel=_HOW
    ),
]
Start = Annotated[
    Path | None,
    typer.Option(
        "--start",
        metavar="ADAPTER",
        help="Adapter of the same model to begin with, and the reference (default: a fresh one).",
        rich_help_panel=_HOW,
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", help="Steps (default 100).", rich_help_panel=_HOW)]
Budget = Annotated[
    int | None,
    typer.Option("--budget", help="End when so many tokens were trained.", rich_help_panel=_HOW),
]
Group = Annotated[
    int | None,
    typer.Option("--group", help="GRPO: completions of a prompt (default 8).", rich_help_panel=_HOW),
]
Prompts = Annotated[
    int | None,
    typer.Option("--prompts-per-step", help="GRPO: prompts in a step (default 8).", rich_help_panel=_HOW),
]
MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", help="GRPO: bound on a completion (default 160).", rich_help_panel=_HOW),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch", help="SFT, DPO, SimPO: rows in a step (default 32, else 16).", rich_help_panel=_HOW
    ),
]
Rank = Annotated[
    int | None,
    typer.Option("--rank", help="Rank of a fresh adapter (default 16).", rich_help_panel=_HOW),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--lr", help="Peak learning rate (default 1e-4; SFT of the bundled model 1e-3).", rich_help_panel=_HOW
    ),
]
Beta = Annotated[
    float | None,
    typer.Option(
        "--beta",
        help="GRPO: weight of the KL divergence; DPO, SimPO: of the margin.",
        rich_help_panel=_HOW,
    ),
]
Stale = Annotated[
    int | None,
    typer.Option(
        "--stale",
        help="GRPO: 1 (default) writes the next step's completions while this one is learned; 0 is on-policy.",
        rich_help_panel=_HOW,
    ),
]
Detector = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="Who reads values: bundled (default), a folder, or model:MODEL.",
        rich_help_panel=_HOW,
    ),
]
Consistency = Annotated[
    str | None,
    typer.Option(
        "--consistency",
        metavar="NAME",
        help="Who compares texts: bundled (default) or nli:MODEL.",
        rich_help_panel=_HOW,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="Processes that learn together (default 1).", rich_help_panel=_WHO),
]
Rollouts = Annotated[
    int | None,
    typer.Option("--rollouts", help="Actors that write completions (default 1).", rich_help_panel=_WHO),
]
Judges = Annotated[
    int | None,
    typer.Option("--judges", help="Actors that reward them (default 1).", rich_help_panel=_WHO),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto (default: GPUs, or parts of them, where there are some), cpu or cuda.",
        rich_help_panel=_WHO,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", help="CPU threads of each process (default 1).", rich_help_panel=_WHO),
]
Work = Annotated[
    Path | None,
    typer.Option(
        "--work",
        metavar="DIR",
        help="Checkpoints and curves; the same folder goes on (default runs/rewriter/<method>).",
        rich_help_panel=_WHERE,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="The finished adapter (default: in the work folder).",
        rich_help_panel=_WHERE,
    ),
]
MaterialFolder = Annotated[
    Path | None,
    typer.Option(
        "--material",
        metavar="DIR",
        help="Keeps what is read from the data; trainings can share it (default: in the work folder).",
        rich_help_panel=_WHERE,
    ),
]
