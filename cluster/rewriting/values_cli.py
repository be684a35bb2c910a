"""``concordat values``: the body parses and calls one function, which is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster import flags

VALUES_HELP = """
Read which values a text speaks for: ten numbers from -1 (against) to 1 (for).

The detector that comes with Concordat was trained on statements of language models; what its answers and its confidence \
mean is in the card beside its weights.
"""

VALUES_EXAMPLES = """
[bold]Examples[/bold]

  concordat values --text "We owe our elders respect." --text "Let everyone live as they like."

Many texts, each line with the key text; the same lines come out with values and confidence:

  concordat values --input texts.jsonl --output values.jsonl

A language model as detector:

  concordat values --text "..." --detector model:openai:llama@http://localhost:8000/v1
"""

_Texts = Annotated[list[str] | None, typer.Option("--text", metavar="TEXT", help="A text; repeat for more.")]
_Input = Annotated[Path | None, typer.Option("--input", metavar="FILE", help="Texts in JSONL, key text.")]
_Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="The same lines with values and confidence."),
]
_Detector = Annotated[
    str,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="'bundled', a folder that 'concordat train detector' wrote, or model:MODEL, e.g. model:openai:NAME@URL.",
    ),
]
_Threads = Annotated[int | None, typer.Option("--threads", help="CPU threads of a local language model.")]


def values(
    context: typer.Context,
    text: _Texts = None,
    input: _Input = None,
    output: _Output = None,
    detector: _Detector = "bundled",
    threads: _Threads = None,
    json: flags.Json = False,
) -> None:
    """Body of ``concordat values``."""
    from cluster.rewriting.values_run import read_values

    raise typer.Exit(read_values(text or [], input, output, detector, threads, context.obj))
