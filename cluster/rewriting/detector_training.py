"""``concordat train detector``: trains, writes the card, and draws how reliable the answers are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster import flags
from cluster.console import OK, Output
from negotiation.errors import ConfigurationError

DEFAULT_OUT = Path("runs/detector")

_Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder that holds value_labels.parquet.")]
_Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The detector, its figures and card (default runs/detector)."),
]
_Seed = Annotated[
    int | None, typer.Option("--seed", help="Of the held-out topics and the training (default 0).")
]
_Threads = Annotated[int | None, typer.Option("--threads", help="CPU threads (default 1).")]


def train_detector(
    context: typer.Context,
    data: _Data,
    out: _Out = None,
    seed: _Seed = None,
    threads: _Threads = None,
    json: flags.Json = False,
) -> None:
    """Train the detector of values on labelled texts, and measure it on topics that it never saw.

    Minutes on one core. The folder holds the weights, figures.json, a card and a reliability diagram (the diagram needs the \
extra 'plot'); 'concordat values --detector DIR' takes it.

    [bold]Example[/bold]: concordat train detector --data published --out runs/detector
    """
    given = {name: value for name, value in context.params.items() if name != "json"}
    raise typer.Exit(train(given, context.obj))


def train(given: Mapping[str, Any], output: Output) -> int:
    """Train the detector; progress goes to standard error, the figures are the result."""
    from cluster.settings import validate
    from rewriter.detector.config import DetectorConfig

    tree = {"out": DEFAULT_OUT} | {name: value for name, value in given.items() if value is not None}
    config = validate(DetectorConfig, tree, "settings (flags)")
    from rewriter.detector.train import train_detector as fit_detector

    console = output.side_console
    figures = fit_detector(config, lambda line: console.print(line, highlight=False, soft_wrap=True))
    try:
        from cluster.rewriting.reliability_picture import reliability_picture

        (config.out / "reliability.png").write_bytes(reliability_picture(figures["held_out"]))
    except ConfigurationError as error:  # the weights are what was asked for
        console.print(f"No reliability diagram: {error}", highlight=False, soft_wrap=True)
    if output.as_json:
        output.result({"out": str(config.out), "figures": figures})
        return OK
    found = figures["held_out"]["detector"]
    output.table_console.print(
        f"Detector: {config.out}; on {found['texts']} texts of unseen topics centred cosine"
        f" {found['cosine_centred']:.3f}, macro-F1 {found['macro_f1']:.3f}; all figures:"
        f" {config.out / 'README.md'}",
        soft_wrap=True,
        highlight=False,
    )
    return OK
