"""The flags of the command line, with their help; one not given is None, so that other sources count."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_QUESTIONS, _GAME, _MODEL, _RUN = "What is negotiated", "The game", "Who speaks", "The run"

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else there.")
]
Version = Annotated[bool, typer.Option("--version", help="Print the version and stop.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]

Cultures = Annotated[
    list[str] | None,
    typer.Option(
        "--cultures",
        metavar="A B [C ...]",
        help="Two or more; 'concordat culture list' names them.",
        rich_help_panel=_QUESTIONS,
    ),
]
TopicTexts = Annotated[
    list[str] | None,
    typer.Option("--topic", metavar="TEXT", help="A question; repeat for more.", rich_help_panel=_QUESTIONS),
]
TopicsFile = Annotated[
    str | None,
    typer.Option(
        "--topics",
        metavar="FILE",
        help="YAML, JSONL or CSV with id, text and category; 'examples' for the thirty that ship with it.",
        rich_help_panel=_QUESTIONS,
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="METHOD",
        help="psro (the game, default), debate, consultancy, mediator, or all; repeat for more. They start from the same"
        " first statements.",
        rich_help_panel=_QUESTIONS,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="'bundled' (default), a folder, a hub name, vllm:NAME, or openai:NAME@URL.",
        rich_help_panel=_MODEL,
    ),
]
Adapters = Annotated[
    list[str] | None,
    typer.Option(
        "--adapter",
        metavar="CULTURE=PATH",
        help="LoRA adapter of a culture; repeat for more.",
        rich_help_panel=_MODEL,
    ),
]
Proposers = Annotated[
    list[str] | None,
    typer.Option(
        "--proposer",
        metavar="CULTURE=PATH",
        help="Adapter of a culture's learned oracle, made by 'concordat train oracle'; it writes the candidates.",
        rich_help_panel=_MODEL,
    ),
]
ProposingWay = Annotated[
    str | None,
    typer.Option(
        "--proposing",
        metavar="HOW",
        help="replace (default): learned oracles write all candidates of their cultures; join: about half of each kind.",
        rich_help_panel=_MODEL,
    ),
]
Embedder = Annotated[
    str | None,
    typer.Option(
        "--embedder", metavar="NAME", help="Sentence embedder (default minilm).", rich_help_panel=_MODEL
    ),
]
Pairs = Annotated[
    str | None,
    typer.Option(
        "--pairs",
        metavar="all",
        help="'all': a table for each pair of the cultures, and of all eight if none are named.",
        rich_help_panel=_QUESTIONS,
    ),
]
Seeds = Annotated[
    list[int] | None,
    typer.Option(
        "--seeds",
        metavar="N [N ...]",
        help="Several seeds, each for every table and question; in place of --seed.",
        rich_help_panel=_GAME,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", help="Same seed, same negotiations (default 0).", rich_help_panel=_GAME),
]
Solver = Annotated[
    str | None,
    typer.Option(
        "--solver",
        metavar="KIND",
        help="exact (default), potential, prd, regret-matching, alpha-rank, ce, cce or logit.",
        rich_help_panel=_GAME,
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        "--alpha", help="Weight of closeness to one's first guideline (default 0.5).", rich_help_panel=_GAME
    ),
]
Beta = Annotated[
    float | None,
    typer.Option("--beta", help="Weight of acceptance by the others (default 0.5).", rich_help_panel=_GAME),
]
Gamma = Annotated[
    float | None, typer.Option("--gamma", help="Weight of novelty (default 0.2).", rich_help_panel=_GAME)
]
Epsilon = Annotated[
    float | None,
    typer.Option(
        "--epsilon", help="Least gain for which a guideline is added (default 0.01).", rich_help_panel=_GAME
    ),
]
Rounds = Annotated[
    int | None, typer.Option("--rounds", help="Round limit (default 8).", rich_help_panel=_GAME)
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings in YAML.", rich_help_panel=_RUN)
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="RUN",
        help="The run folder (default runs/<date>-<hash>), or where records go: s3://..., gs://..., file://...",
        rich_help_panel=_RUN,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with a stopped run: the one of --out, else the latest with these settings.",
        rich_help_panel=_RUN,
    ),
]
RetryQuarantined = Annotated[
    bool,
    typer.Option(
        "--retry-quarantined",
        help="With --resume: try again also what failed in all its tries (resources.tries, default 3).",
        rich_help_panel=_RUN,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Show plan, settings and number of model calls; run nothing.", rich_help_panel=_RUN
    ),
]
Serial = Annotated[
    bool, typer.Option("--serial", help="In this process, without Ray; same records.", rich_help_panel=_RUN)
]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", help="Negotiations at once (default 32).", rich_help_panel=_RUN)
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="A running Ray cluster (default: one of its own).",
        rich_help_panel=_RUN,
    ),
]
Dashboard = Annotated[
    bool,
    typer.Option(
        "--dashboard", help="Start Ray's dashboard with the run's own cluster.", rich_help_panel=_RUN
    ),
]

CultureNames = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME", help="Regions ('concordat culture list' names them) or countries, e.g. JPN."
    ),
]
PictureOut = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Draw it too: .png for a picture, .html for a page."),
]
Profiles = Annotated[
    Path | None,
    typer.Option("--profiles", metavar="FILE", help="Profiles of your own (default: those that ship)."),
]

ShownProfiles = Annotated[
    str | None,
    typer.Option(
        "--profiles",
        metavar="FILE",
        help="Agents see their people's answers near the question; 'concordat culture profile' makes the file.",
        rich_help_panel="Who speaks",
    ),
]
SurveyFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Survey file, or a folder of GlobalOpinionQA.")
]
ProfilesOut = Annotated[Path, typer.Option("--out", metavar="FILE", help="The profiles, as JSON.")]
Countries = Annotated[
    list[str] | None,
    typer.Option(
        "--countries", metavar="A [B ...]", help="Only these, by ISO code or English name (default: all)."
    ),
]
Unweighted = Annotated[bool, typer.Option("--unweighted", help="Count each respondent once.")]
VsmConstants = Annotated[
    list[str] | None,
    typer.Option(
        "--vsm-constants",
        metavar="PDI=N [IDV=N ...]",
        help="Constants to add to Hofstede's dimensions of a VSM 2013 file, whose manual leaves them to you (default: 0);"
        " they are kept with the profiles.",
    ),
]

TrainingData = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", help="Folder with negotiations.parquet (published negotiations)."),
]
TrainingWork = Annotated[
    Path | None,
    typer.Option("--work", metavar="DIR", help="Checkpoints; the same folder goes on (default runs/bundle)."),
]
TrainingOut = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The finished model (default: in the work folder)."),
]
TrainingSize = Annotated[
    str | None,
    typer.Option("--size", metavar="SIZE", help="small (3.7 million parameters, default) or large."),
]
TrainingTokens = Annotated[
    int | None, typer.Option("--tokens", help="Tokens that the base is trained on (default 62 million).")
]
AdapterTokens = Annotated[
    int | None,
    typer.Option("--adapter-tokens", help="Tokens that each adapter is trained on (default 1 million)."),
]
TrainingDevice = Annotated[
    str | None, typer.Option("--device", metavar="DEVICE", help="auto (default), cpu or cuda.")
]
TrainingThreads = Annotated[
    int | None, typer.Option("--threads", help="CPU threads (default: torch's choice).")
]
TrainingSeed = Annotated[int | None, typer.Option("--seed", help="Of data order and samples (default 0).")]
Compile = Annotated[
    bool | None, typer.Option("--compile/--no-compile", help="Compile the decoder (default).")
]
