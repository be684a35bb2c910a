"""What ``concordat train`` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.console import OK, Output
from cluster.settings import validate

if TYPE_CHECKING:
    from agents.bundle.optimise import Progress

DEFAULT_WORK = Path("runs/bundle")
"""Where checkpoints go if no folder is named."""


def train_bundle(flags: Mapping[str, Any], output: Output) -> int:
    """Train the bundled model; progress goes to standard error, the measured figures are the result."""
    from agents.bundle.config import BundleConfig

    given = {"work": DEFAULT_WORK} | {name: value for name, value in flags.items() if value is not None}
    given.setdefault("out", Path(given["work"]) / "model")
    config = validate(BundleConfig, given, "settings (flags)")
    from agents.bundle import train

    console = output.side_console

    def told(stage: str, progress: Progress) -> None:
        checked = "" if progress.validation_loss is None else f", validation {progress.validation_loss:.3f}"
        console.print(
            f"{stage}: step {progress.step}/{progress.steps}, loss {progress.loss:.3f} nats a token{checked},"
            f" {progress.tokens_per_s:,.0f} tokens/s",
            highlight=False,
            soft_wrap=True,
        )

    figures = train.train_bundle(config, told)
    if output.as_json:
        output.result({"out": str(config.out), "figures": figures})
    else:
        output.table_console.print(
            f"Model: {config.out}; what it can do: {config.out / 'README.md'}",
            soft_wrap=True,
            highlight=False,
        )
    return OK
