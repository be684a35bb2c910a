"""The training of a rewriter's adapter, as configuration. Importing this loads neither Ray nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agents.models.config import BundledConfig, TransformersConfig, parse_model_argument
from cluster.settings import merge, read_yaml, validate
from negotiation.errors import ConfigurationError
from rewriter.learning.config import (
    DPOConfig,
    GRPOConfig,
    GRPOSettings,
    LearningConfig,
    PairConfig,
    RewardConfig,
    SFTConfig,
    SimPOConfig,
)
from rewriter.pairs.config import RequestConfig, SupervisedConfig

WORK = Path("runs/rewriter")
"""Where the work folders of methods go if none is named."""

METHODS: dict[str, type[BaseModel]] = {
    "grpo": GRPOConfig,
    "sft": SFTConfig,
    "dpo": DPOConfig,
    "simpo": SimPOConfig,
}

BUNDLED_RATE = 1e-3
"""Learning rate of supervised fine-tuning for the bundled model if none is given; it is small and wants more than large ones."""


class LimitsConfig(BaseModel):
    """What fails the check of a training, over its last steps. The adapter is kept all the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: int = Field(20, ge=1, description="number of last steps that are looked at")
    copies: float = Field(
        0.2, ge=0.0, le=1.0, description="largest share of completions that repeat their source"
    )
    collapses: float = Field(
        0.2,
        ge=0.0,
        le=1.0,
        description="largest share of completions that are blank, degenerate or far from their source's length",
    )
    skipped: float = Field(
        0.1,
        ge=0.0,
        le=1.0,
        description="largest share of steps that were skipped for rewards that are no numbers",
    )


class FlowConfig(BaseModel):
    """How completions and rewards come to be while the workers learn (GRPO only)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rollouts: int = Field(1, ge=1, le=4096, description="actors that write completions")
    judges: int = Field(1, ge=1, le=4096, description="actors that reward them")
    stale: int = Field(
        1,
        ge=0,
        le=1,
        description="steps by which the weights that write a step's completions are behind; 0 waits for the newest,"
        " 1 writes while the workers learn",
    )
    call_prompts: int = Field(4, ge=1, description="prompts in a call of a rollout actor")
    judge_batch: int = Field(64, ge=1, description="most completions in a batch of a reward actor")


class SamplesConfig(BaseModel):
    """The samples that preference pairs are made of (DPO and SimPO only): written by the adapter that training begins with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompts: int = Field(400, ge=1, description="requests that are sampled")
    size: int = Field(8, ge=2, description="samples for each request")
    max_tokens: int = Field(160, ge=1, description="bound on a sample")
    temperature: float = Field(1.0, gt=0.0, description="of sampling")
    margin: float = Field(0.1, gt=0.0, description="least difference of weighted rewards within a pair")
    pairs: int = Field(1, ge=1, description="most pairs of a request")
    reward: RewardConfig = Field(default_factory=RewardConfig, description="what samples are ranked by")


class AdapterTraining(Protocol):
    """What workers and actors of a training want to know of its configuration, whatever adapter it is for."""

    @property
    def model(self) -> BundledConfig | TransformersConfig:
        """The model that the adapter is for."""
        ...

    @property
    def start(self) -> Path | None:
        """Adapter to begin with, and the reference; None for a fresh one."""
        ...

    @property
    def work(self) -> Path:
        """Folder for checkpoints and curves."""
        ...

    @property
    def out(self) -> Path:
        """Folder that receives the adapter."""
        ...

    @property
    def workers(self) -> int:
        """Processes that learn together."""
        ...

    @property
    def device(self) -> str:
        """Where workers and actors compute: auto, cpu or cuda."""
        ...

    @property
    def threads(self) -> int:
        """CPU threads of a worker or actor."""
        ...

    @property
    def failures(self) -> int:
        """How often workers, and each actor, are started again."""
        ...

    @property
    def learning(self) -> GRPOSettings | PairConfig:
        """How to train."""
        ...

    @property
    def flow(self) -> FlowConfig:
        """How completions come to be."""
        ...

    @property
    def limits(self) -> LimitsConfig:
        """What fails the check."""
        ...


class RewriterTrainingConfig(BaseModel):
    """Everything that ``concordat train rewriter`` is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = Field(description="folder with value_labels.parquet")
    material: Path = Field(
        description="folder that keeps what was read from the data; several trainings can share it"
    )
    model: Annotated[BundledConfig | TransformersConfig, Field(discriminator="kind")] = Field(
        default_factory=BundledConfig, description="the model that the adapter is for"
    )
    start: Path | None = Field(
        None, description="adapter to begin with, of the same model; none: a fresh one"
    )
    work: Path = Field(description="folder for checkpoints and curves; the same folder goes on")
    out: Path = Field(description="folder that receives the adapter")
    detector: str = Field("bundled", description="reads values: bundled, a folder, or model:MODEL")
    consistency: str = Field("bundled", description="compares texts: bundled, or nli:MODEL")
    workers: int = Field(1, ge=1, le=4096, description="processes that learn together")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda)$", description="where workers and actors compute")
    threads: int = Field(1, ge=1, le=256, description="CPU threads of a worker or actor")
    failures: int = Field(
        3, ge=0, description="how often workers, and each actor, are started again after they died"
    )
    learning: LearningConfig = Field(default_factory=GRPOConfig, description="how to train")
    flow: FlowConfig = Field(default_factory=FlowConfig, description="how completions come to be")
    samples: SamplesConfig = Field(default_factory=SamplesConfig, description="what pairs are made of")
    requests: RequestConfig = Field(
        default_factory=RequestConfig, description="which movements are asked for (not SFT)"
    )
    pairs: SupervisedConfig = Field(default_factory=SupervisedConfig, description="what SFT learns")
    limits: LimitsConfig = Field(default_factory=LimitsConfig, description="what fails the check")

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any) -> Any:
        return parse_model_argument(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        rows = self.learning.prompts if isinstance(self.learning, GRPOConfig) else self.learning.batch
        if rows < self.workers:
            name = "prompts" if isinstance(self.learning, GRPOConfig) else "batch"
            raise ValueError(
                f"learning.{name} is {rows} for {self.workers} workers; each needs one in every step"
            )
        return self

    @property
    def method(self) -> str:
        """How it learns."""
        return self.learning.method

    @property
    def samples_first(self) -> bool:
        """Whether it learns from pairs of samples."""
        return isinstance(self.learning, DPOConfig | SimPOConfig)

    @property
    def reward(self) -> RewardConfig:
        """What completions or samples are rewarded for."""
        return self.learning.reward if isinstance(self.learning, GRPOConfig) else self.samples.reward

    def tree(self) -> dict[str, Any]:
        """What determines the adapter, as plain JSON values."""
        free = {
            "material",
            "work",
            "out",
            "workers",
            "device",
            "threads",
            "failures",
            "limits",
            "flow",
            "samples",
            "requests",
            "pairs",
        }
        tree = self.model_dump(mode="json", exclude=free)
        if isinstance(self.learning, GRPOConfig):
            tree["flow"] = self.flow.model_dump(mode="json", include={"stale"})
        source = "pairs" if isinstance(self.learning, SFTConfig) else "requests"
        tree[source] = getattr(self, source).model_dump(mode="json")
        if self.samples_first:
            tree["samples"] = self.samples.model_dump(mode="json")
        return tree


_LEARNING = {
    "method": "method",
    "steps": "steps",
    "rank": "rank",
    "learning_rate": "learning_rate",
    "beta": "beta",
    "budget": "budget",
    "seed": "seed",
    "check_every": "check_every",
    "group": "group",
    "prompts_per_step": "prompts",
    "max_tokens": "max_tokens",
    "batch": "batch",
}
"""Flag to field of ``learning``."""

_FLOW = ("rollouts", "judges", "stale")


def rewriter_training_config(flags: Mapping[str, Any], file: Path | None = None) -> RewriterTrainingConfig:
    """The configuration that flags, over a file of settings, ask for; flags that are None count as not given.

    Raises:
        ConfigurationError: naming the field, the value and the mend.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    over: dict[str, Any] = {"learning": {}, "flow": {}}
    over["learning"] = {field: given.pop(flag) for flag, field in _LEARNING.items() if flag in given}
    over["flow"] = {name: given.pop(name) for name in _FLOW if name in given}
    read = {} if file is None else read_yaml(file)
    tree = merge(read, over | given)
    learning = tree["learning"]
    learning.setdefault("method", "grpo")
    _refuse_other_methods(learning, flags)
    if learning["method"] == "sft" and tree.get("model", "bundled") == "bundled":
        learning.setdefault("learning_rate", BUNDLED_RATE)
    if learning["method"] == "grpo":
        # A step takes long: a worker that dies is to cost no more than one.
        learning.setdefault("check_every", 1)
    tree.setdefault("work", WORK / str(learning["method"]))
    tree.setdefault("out", Path(tree["work"]) / "adapter")
    tree.setdefault("material", Path(tree["work"]) / "material")
    source = "settings (flags)" if file is None else f"settings ({file} and flags)"
    return validate(RewriterTrainingConfig, tree, source)


def _refuse_other_methods(learning: Mapping[str, Any], flags: Mapping[str, Any]) -> None:
    """Say of a flag that the method does not know it, in the flag's own name."""
    method = learning["method"]
    if method not in METHODS:
        raise ConfigurationError(f"--method is {method!r}; give one of {', '.join(METHODS)}")
    for flag, field in _LEARNING.items():
        if flags.get(flag) is not None and field not in METHODS[method].model_fields:
            raise ConfigurationError(
                f"--{flag.replace('_', '-')} says nothing to method {method}; leave it out"
            )
