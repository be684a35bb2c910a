"""``concordat rewrite``: the body parses and calls one function, which is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster import flags

_WHAT, _AIM, _WHO, _RUN = "What is rewritten", "Where to", "Who rewrites, reads and compares", "The run"

REWRITE_HELP = """
Move a text to other values and keep what it says.

A detector reads ten values in the text, the rewriter writes it anew for the values asked for, and the result is read \
again and compared with the source both ways.
"""

REWRITE_EXAMPLES = """
[bold]Examples[/bold]

  concordat rewrite --text "Everyone should vote as they like." --toward "more tradition, a little less power"

The values of a culture's people, or of what a negotiation came to:

  concordat rewrite --text "..." --culture confucian
  concordat rewrite --text "..." --policy runs/first --negotiation duty

Many texts; each line has text, and target (ten numbers) or toward (words); stopped, the same command goes on:

  concordat rewrite --input texts.jsonl --output rewritten.jsonl

No aim: what does the text allow, and what does it cost?

  concordat rewrite --text "..." --search --out runs/search
"""

_Text = Annotated[str | None, typer.Option("--text", metavar="TEXT", help="A text.", rich_help_panel=_WHAT)]
_Input = Annotated[
    Path | None,
    typer.Option(
        "--input",
        metavar="FILE",
        help="Texts in JSONL, keys text and target or toward.",
        rich_help_panel=_WHAT,
    ),
]
_Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="The same lines with rewritten, values_before, values_after, consistency.",
        rich_help_panel=_WHAT,
    ),
]
_Toward = Annotated[
    str | None,
    typer.Option(
        "--toward",
        metavar="WORDS",
        help="Plain words, e.g. 'more tradition, less power'.",
        rich_help_panel=_AIM,
    ),
]
_Culture = Annotated[
    str | None,
    typer.Option(
        "--culture",
        metavar="NAME",
        help="The values of a region's or country's people.",
        rich_help_panel=_AIM,
    ),
]
_Contrast = Annotated[
    bool,
    typer.Option(
        "--contrast", help="Only what sets that culture apart from the others.", rich_help_panel=_AIM
    ),
]
_Policy = Annotated[
    Path | None,
    typer.Option(
        "--policy", metavar="FILE", help="A consensus policy: its JSON file, or a run.", rich_help_panel=_AIM
    ),
]
_Negotiation = Annotated[
    str | None,
    typer.Option(
        "--negotiation", metavar="ID", help="Which negotiation or topic of that run.", rich_help_panel=_AIM
    ),
]
_Side = Annotated[
    str | None,
    typer.Option("--side", metavar="CULTURE", help="Only this side of the policy.", rich_help_panel=_AIM),
]
_Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="V1,...,V10",
        help="Ten numbers from -1 to 1, in the order of 'values' in the output.",
        rich_help_panel=_AIM,
    ),
]
_Search = Annotated[
    bool,
    typer.Option(
        "--search", help="No aim: find the best trade-offs of gain and consistency.", rich_help_panel=_AIM
    ),
]
_Budget = Annotated[
    int | None, typer.Option("--budget", help="Rewritings of a search (default 96).", rich_help_panel=_AIM)
]
_Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Keep what a search found, with a picture.", rich_help_panel=_AIM
    ),
]
_Strength = Annotated[
    float | None,
    typer.Option(
        "--strength", help="Share of the way to go, above 0 and at most 1 (default 1).", rich_help_panel=_AIM
    ),
]
_Translator = Annotated[
    str | None,
    typer.Option(
        "--translator",
        metavar="NAME",
        help="Who reads plain words: bundled (default) or a model as for --model.",
        rich_help_panel=_WHO,
    ),
]
_Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="'bundled' (default), a folder, a hub name, vllm:NAME, or openai:NAME@URL.",
        rich_help_panel=_WHO,
    ),
]
_Adapter = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        metavar="DIR",
        help="Rewriter adapter of that model (default: the one that ships, for the bundled model), or none.",
        rich_help_panel=_WHO,
    ),
]
_Detector = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="bundled (default), a folder, or model:MODEL.",
        rich_help_panel=_WHO,
    ),
]
_Consistency = Annotated[
    str | None,
    typer.Option(
        "--consistency", metavar="NAME", help="bundled (default) or nli:MODEL.", rich_help_panel=_WHO
    ),
]
_Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature", help="Of sampling; 0 is greedy (default: that of the adapter).", rich_help_panel=_WHO
    ),
]
_Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        help="Rewritings of each text (default 1); the nearest to the aim that keeps what the text says is taken.",
        rich_help_panel=_WHO,
    ),
]
_Seed = Annotated[
    int | None, typer.Option("--seed", help="Same seed, same rewritings (default 0).", rich_help_panel=_RUN)
]
_Serial = Annotated[
    bool, typer.Option("--serial", help="In this process, without Ray; same texts.", rich_help_panel=_RUN)
]
_DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show the aim and the settings; rewrite nothing.", rich_help_panel=_RUN),
]


def rewrite(
    context: typer.Context,
    text: _Text = None,
    input: _Input = None,
    output: _Output = None,
    toward: _Toward = None,
    culture: _Culture = None,
    contrast: _Contrast = False,
    policy: _Policy = None,
    negotiation: _Negotiation = None,
    side: _Side = None,
    target: _Target = None,
    search: _Search = False,
    budget: _Budget = None,
    out: _Out = None,
    strength: _Strength = None,
    translator: _Translator = None,
    model: _Model = None,
    adapter: _Adapter = None,
    detector: _Detector = None,
    consistency: _Consistency = None,
    temperature: _Temperature = None,
    samples: _Samples = None,
    seed: _Seed = None,
    serial: _Serial = False,
    address: flags.Address = None,
    dry_run: _DryRun = False,
    json: flags.Json = False,
) -> None:
    """The command ``concordat rewrite``."""
    from cluster.rewriting.rewrite_run import run_rewrite

    given = {name: value for name, value in context.params.items() if name not in ("json", "dry_run")}
    raise typer.Exit(run_rewrite(given, dry_run, context.obj))
