"""``concordat evaluate``: bodies parse and call one function, which is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster import flags

evaluate_app = typer.Typer(
    no_args_is_help=True, help="Measure negotiations, agents and rewriters.", rich_markup_mode="rich"
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


_LabelledData = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Folder that holds value_labels.parquet.")
]
_RewriterAdapters = Annotated[
    list[str] | None,
    typer.Option(
        "--adapter",
        metavar="NAME=PATH",
        help="An adapter under the name of its method; the same name again: another training of it, averaged.",
    ),
]
_Requests = Annotated[
    int | None, typer.Option("--requests", help="Rewritings asked of each adapter (default 200).")
]
_Temperature = Annotated[
    float | None, typer.Option("--temperature", help="Of sampling (default 0: the likeliest token).")
]
_MaxTokens = Annotated[int | None, typer.Option("--max-tokens", help="Bound on a reply (default 160).")]
_Detector = Annotated[
    str | None,
    typer.Option(
        "--detector", metavar="NAME", help="Reads values: bundled (default), a folder, or model:MODEL."
    ),
]
_ConsistencyJudge = Annotated[
    str | None,
    typer.Option(
        "--judge", metavar="NAME", help="Compares with the source: bundled (default), or nli:MODEL."
    ),
]
_Work = Annotated[
    Path | None,
    typer.Option(
        "--work", metavar="DIR", help="Keeps readings of the data for the next time (default runs/rewriter)."
    ),
]
_RewriterOut = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Keep figures, tables, a picture and the replies here."),
]


@evaluate_app.command("rewriter")
def _evaluate_rewriter(
    context: typer.Context,
    data: _LabelledData,
    adapter: _RewriterAdapters = None,
    model: flags.Model = None,
    requests: _Requests = None,
    temperature: _Temperature = None,
    max_tokens: _MaxTokens = None,
    detector: _Detector = None,
    judge: _ConsistencyJudge = None,
    seed: flags.TrainingSeed = None,
    work: _Work = None,
    out: _RewriterOut = None,
    serial: flags.Serial = False,
    actors: _Actors = None,
    address: flags.Address = None,
    json: flags.Json = False,
) -> None:
    """Measure how well adapters move texts to asked values and keep what they say.

    On topics that nothing was trained on: consistency both ways, distance to the target, the share of joint success (JSR), \
drift of values that were to stay, copies and collapses, by size of the movement, with intervals over topics; by a second \
detector too. The model without adapter, copying and retrieval are measured beside.

    [bold]Example[/bold]: concordat evaluate rewriter --data published --adapter sft=runs/sft --adapter grpo=runs/grpo
    """
    from cluster.rewriting.evaluation import evaluate_rewriters, settings_of_evaluation

    raise typer.Exit(evaluate_rewriters(settings_of_evaluation(context.params), context.obj))


_Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN...",
        help="Run folders, or published negotiations (a Parquet file, its folder, or the released repository).",
        show_default=False,
    ),
]
_Methods = Annotated[
    list[str] | None,
    typer.Option("--method", metavar="NAME", help="Only this method; repeat for more (default: all)."),
]
_ValueJudges = Annotated[
    list[str] | None,
    typer.Option(
        "--judge",
        metavar="NAME",
        help="Reads values: bundled (default), a folder, or model:MODEL. Repeat: the first one's readings count, and how far the"
        " judges agree is told.",
    ),
]
_Perplexity = Annotated[
    bool | None,
    typer.Option("--ppl/--no-ppl", help="Score statements under the agents' models (default)."),
]
_Echo = Annotated[
    bool,
    typer.Option(
        "--echo",
        help="Perplexity of repeating a text that is shown, as in published figures; it measures copying.",
    ),
]
_Fresh = Annotated[
    int | None,
    typer.Option(
        "--fresh",
        metavar="N",
        help="Ask each side's agent for N fresh candidates against the game's final equilibrium, and tell what they would gain.",
    ),
]
_Topics = Annotated[
    int | None,
    typer.Option("--topics", metavar="N", help="Measure N topics, spread evenly (default: all)."),
]
_Threads = Annotated[int | None, typer.Option("--threads", help="Threads of the models (default 1).")]
_ComparisonSeed = Annotated[
    int | None, typer.Option("--seed", help="Of resampling and permutations (default 0).")
]
_ComparisonOut = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Keep a page, a picture, and each table as CSV and LaTeX here."
    ),
]


@evaluate_app.command("run")
def _evaluate_run(
    context: typer.Context,
    runs: _Runs,
    method: _Methods = None,
    judge: _ValueJudges = None,
    ppl: _Perplexity = None,
    echo: _Echo = False,
    model: flags.Model = None,
    adapter: flags.Adapters = None,
    embedder: flags.Embedder = None,
    fresh: _Fresh = None,
    topics: _Topics = None,
    threads: _Threads = None,
    seed: _ComparisonSeed = None,
    out: _ComparisonOut = None,
    json: flags.Json = False,
) -> None:
    """Compare what runs came to: movement, fairness, values kept, and how well each side takes the other's words.

    Means have 95% intervals over topics, overall, by pair and by category. Methods are compared on the negotiations that both \
held (same topic, players and seed) by sign flips over topics, with Holm's correction. What cannot be known is counted as missing.

    [bold]Example[/bold]: concordat evaluate run runs/psro runs/debate --out runs/compared
    """
    from cluster.comparison.command import compare_runs, settings_of_comparison

    raise typer.Exit(compare_runs(settings_of_comparison(context.params), context.obj))


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
