"""What ``concordat evaluate rewriter`` does: adapters, and the model without one, on the same held-out requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agents.bundled import bundled_transformers_config
from agents.models.config import BundledConfig, OpenAIConfig, TransformersConfig, parse_model_argument
from cluster.console import OK, Output
from cluster.settings import validate
from negotiation.errors import ConfigurationError
from rewriter.pairs.config import RequestConfig

if TYPE_CHECKING:
    from agents.models.protocol import LanguageModel
    from rewriter.evaluation.measures import Measured, Reply
    from rewriter.evaluation.summary import Difference, Row
    from rewriter.pairs.requests import AskedUnit
    from rewriter.vocabulary import Rewriter

FILE, TABLE, LATEX, PICTURE, REPLIES = (
    "evaluation.json",
    "evaluation.csv",
    "evaluation.tex",
    "evaluation.png",
    "replies.jsonl",
)
"""What is kept in the folder that ``--out`` names."""

PROMPTING = "prompting"
"""The method without adapter."""

REFERENCES = ("copy", "retrieve")
"""Not methods: what copying the source and handing out a stored text would score."""

STORED = 2000
"""About so many stored texts retrieval looks at; each is embedded."""


class EvaluateRewriterConfig(BaseModel):
    """Which adapters are measured, and on what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = Field(description="folder that holds value_labels.parquet; its held-out topics are used")
    model: Annotated[BundledConfig | TransformersConfig | OpenAIConfig, Field(discriminator="kind")] = Field(
        default_factory=BundledConfig, description="the model that rewrites"
    )
    adapters: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="method to the folders of its adapters; several trainings of one method are averaged",
    )
    requests: int = Field(200, ge=1, description="rewritings asked of each adapter")
    asked: RequestConfig = Field(default_factory=RequestConfig, description="which movements are asked for")
    temperature: float = Field(0.0, ge=0.0, le=10.0, description="of sampling; 0 takes the likeliest token")
    max_tokens: int = Field(160, ge=1, description="bound on a reply")
    detector: str = Field("bundled", description="reads values: bundled, a folder, or model:MODEL")
    judge: str = Field("bundled", description="compares with the source: bundled, or nli:NAME")
    second: bool = Field(True, description="measure by a second detector too, fitted on the training topics")
    references: bool = Field(True, description="measure copying and retrieval too")
    seed: int = Field(0, ge=0, description="of requests, replies and resampling")
    work: Path = Field(Path("runs/rewriter"), description="folder that keeps readings of the data")
    out: Path | None = Field(None, description="folder for tables, picture and replies; none: not kept")
    actors: int | None = Field(None, ge=1, description="actors that share the requests; none: one a GPU")
    serial: bool = Field(False, description="in this process, without Ray")
    address: str | None = Field(None, description="of a running Ray cluster; none: a local one")

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any) -> Any:
        return parse_model_argument(value) if isinstance(value, str) else value

    @field_validator("adapters", mode="after")
    @classmethod
    def _free_names(cls, adapters: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name in adapters:
            if name in (PROMPTING, *REFERENCES):
                raise ValueError(f"{name} is measured anyway; give the adapter another name")
        return adapters

    def voices(self) -> dict[str, tuple[str | None, ...]]:
        """Method to the names that its adapters are loaded under; None for no adapter."""
        named = {
            method: tuple(f"{method}-{number}" for number in range(len(paths)))
            for method, paths in self.adapters.items()
        }
        return {PROMPTING: (None,), **named}

    def loadable(self) -> BundledConfig | TransformersConfig | OpenAIConfig:
        """The model with every adapter."""
        paths = {
            f"{method}-{number}": path
            for method, found in self.adapters.items()
            for number, path in enumerate(found)
        }
        model = self.model
        if isinstance(model, BundledConfig):
            model = bundled_transformers_config(model.model_copy(update={"adapters": ()}))
        return model.model_copy(update={"adapters": paths})


@dataclass(frozen=True, slots=True)
class RewriterEvaluation:
    """What was found.

    Attributes:
        rows: one a method, over all requests and by size.
        runs: by method, the plain means of each of its trainings.
        differences: between methods, paired.
        asked: the requests.
        replies: by method, those of each training, in the order of requests.
        detectors: names of the first and the second.
        judge: name of the consistency judge.
    """

    rows: tuple[Row, ...]
    runs: Mapping[str, Sequence[Mapping[str, float]]]
    differences: tuple[Difference, ...]
    asked: tuple[AskedUnit, ...]
    replies: Mapping[str, Sequence[Sequence[Reply]]]
    detectors: tuple[str, ...]
    judge: str

    def tree(self) -> dict[str, Any]:
        """Everything but texts, as plain JSON values."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "runs": {method: list(runs) for method, runs in self.runs.items()},
            "differences": [asdict(difference) for difference in self.differences],
            "requests": len(self.asked),
            "topics": len({one.topic_id for one in self.asked}),
            "detectors": list(self.detectors),
            "judge": self.judge,
        }


def settings_of_evaluation(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that flags of ``concordat evaluate rewriter`` ask for; those not given are not in them.

    Raises:
        ConfigurationError: if an --adapter is no NAME=PATH.

    >>> settings_of_evaluation({"adapter": ["grpo=a", "grpo=b"], "seed": None, "serial": True})
    {'serial': True, 'adapters': {'grpo': ('a', 'b')}}
    """
    known = EvaluateRewriterConfig.model_fields
    tree: dict[str, Any] = {
        name: value for name, value in flags.items() if name in known and value not in (None, False)
    }
    adapters: dict[str, tuple[str, ...]] = {}
    for text in flags.get("adapter") or ():
        name, sign, path = text.partition("=")
        if not (sign and name and path):
            raise ConfigurationError(
                f"--adapter {text!r} is no NAME=PATH; write e.g. --adapter grpo=adapters/grpo"
            )
        adapters[name] = (*adapters.get(name, ()), path)
    return tree | ({"adapters": adapters} if adapters else {})


def evaluate_rewriters(flags: Mapping[str, Any], output: Output) -> int:
    """Evaluate, keep, and print."""
    from cluster.rewriting.evaluation_tables import rich_tables

    config = validate(EvaluateRewriterConfig, dict(flags), "settings (flags)")
    if config.out is not None:
        from cluster.rewriting.evaluation_picture import evaluation_picture  # noqa: F401 - asks for matplotlib now

    def told(what: str) -> None:
        output.side_console.print(what, highlight=False)

    found = run_evaluation(config, told)
    if config.out is not None:
        keep(found, config.out)
    if output.as_json:
        output.result(found.tree())
        return OK
    for table in rich_tables(found):
        output.table_console.print(table, highlight=False)
    if config.out is not None:
        output.table_console.print(f"Kept: {config.out}", soft_wrap=True, highlight=False, markup=False)
    return OK


def run_evaluation(
    config: EvaluateRewriterConfig, told: Callable[[str], None] = lambda what: None
) -> RewriterEvaluation:
    """Have every method write for the same requests, and measure."""

    from agents.embedding import load_embedder
    from rewriter.consistency import load_consistency_judge
    from rewriter.detector import load_detector
    from rewriter.evaluation.measures import measure
    from rewriter.evaluation.runs import average
    from rewriter.evaluation.second_reading import fit_embedding_detector
    from rewriter.evaluation.summary import differences, summarise
    from rewriter.pairs.requests import make_requests
    from rewriter.pairs.units import read_units

    detector, judge = load_detector(config.detector), load_consistency_judge(config.judge)
    units = read_units(config.data, detector, config.work)
    asked = make_requests(units.held_out, config.requests, config.seed, config.asked)
    told(f"{len(asked)} requests on {len({one.topic_id for one in asked})} held-out topics")
    embedder = load_embedder() if config.second or config.references else None
    second = (
        fit_embedding_detector(config.data, embedder, config.work) if embedder and config.second else None
    )
    replies: dict[str, list[list[Reply]]] = {}
    if config.references and embedder is not None:
        replies |= _reference_replies(asked, units.training, embedder)
    with _model(config) as model:
        for method, voices in config.voices().items():
            replies[method] = [write(model, asked, voice, config) for voice in voices]
            told(f"{method}: written")
    measured: dict[str, list[list[Measured]]] = {}
    for method, runs in replies.items():
        measured[method] = [measure(asked, run, detector, judge, second) for run in runs]
        told(f"{method}: measured")
    means = {method: average(runs) for method, runs in measured.items()}
    methods = [method for method in means if method not in REFERENCES]
    pairs = [(one, other) for place, one in enumerate(methods) for other in methods[:place]]
    names = (detector.name,) if second is None else (detector.name, second.name)
    return RewriterEvaluation(
        rows=tuple(summarise(means, config.asked.sizes, config.seed)),
        runs={method: [plain_means(run) for run in runs] for method, runs in measured.items()},
        differences=tuple(differences(means, pairs, seed=config.seed)),
        asked=tuple(asked),
        replies=replies,
        detectors=names,
        judge=judge.name,
    )


def write(
    model: LanguageModel, asked: Sequence[AskedUnit], adapter: str | None, config: EvaluateRewriterConfig
) -> list[Reply]:
    """One reply a request, asked in the rewriter's prompt."""
    from agents.models.protocol import GenerationRequest
    from rewriter.evaluation.measures import Reply
    from rewriter.prompts import RewritePrompts

    prompts = RewritePrompts.load()
    generations = model.generate(
        [
            GenerationRequest(
                prompts.messages(one.request),
                max_new_tokens=config.max_tokens,
                temperature=config.temperature,
                top_p=1.0,
                seed=config.seed + place,
                adapter=adapter,
            )
            for place, one in enumerate(asked)
        ]
    )
    return [Reply(generation.text.strip(), generation.finish == "length") for generation in generations]


def plain_means(run: Sequence[Measured]) -> dict[str, float]:
    """Mean of each measure over the requests that have it."""
    found: dict[str, list[float]] = {}
    for one in run:
        for name, figure in one.figures.items():
            found.setdefault(name, []).append(figure)
    return {name: sum(figures) / len(figures) for name, figures in found.items()}


def keep(found: RewriterEvaluation, out: Path) -> None:
    """Write the figures, the table twice, the picture and the replies."""
    from cluster.rewriting.evaluation_picture import evaluation_picture
    from cluster.rewriting.evaluation_tables import csv_table, latex_table

    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_text(json.dumps(found.tree(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (out / TABLE).write_text(csv_table(found.rows), encoding="utf-8")
    (out / LATEX).write_text(latex_table(found.rows), encoding="utf-8")
    (out / PICTURE).write_bytes(evaluation_picture(found.rows))
    with (out / REPLIES).open("w", encoding="utf-8") as file:
        for method, runs in found.replies.items():
            for number, run in enumerate(runs):
                for one, reply in zip(found.asked, run, strict=True):
                    line = {"method": method, "run": number, **asdict(one.request), **asdict(reply)}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _reference_replies(
    asked: Sequence[AskedUnit], stored: Sequence[Any], embedder: Any
) -> dict[str, list[list[Reply]]]:
    from rewriter.evaluation.measures import Reply
    from rewriter.evaluation.references import CopyingRewriter, RetrievingRewriter

    requests = [one.request for one in asked]
    stored = stored[:: max(1, len(stored) // STORED)]  # of all topics alike: they are in order of topics
    rewriters: tuple[Rewriter, ...] = (CopyingRewriter(), RetrievingRewriter(stored, embedder))
    return {one.name: [[Reply(text) for text in one.rewrite(requests)]] for one in rewriters}


@contextmanager
def _model(config: EvaluateRewriterConfig) -> Iterator[LanguageModel]:
    """The model in this process, or in actors."""
    if config.serial:
        from agents.models.config import load_model

        yield load_model(config.loadable())
        return
    from cluster.ray_environment import prepare_ray

    prepare_ray(config.address)
    from cluster.voices import actor_models

    with actor_models([config.loadable()], config.actors, config.address) as [model]:
        yield model
