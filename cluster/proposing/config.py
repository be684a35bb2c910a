"""The training of a learned oracle, as configuration. Importing this loads neither Ray nor torch.

What the run's agents are, its game, prompts and embedder say most of it; ``oracle_training_config`` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agents.cultures import get_culture
from agents.models.config import BundledConfig, TransformersConfig, parse_model_argument
from cluster.config import RunConfig
from cluster.rewriting.training_config import FlowConfig, LimitsConfig
from cluster.runfolder import check_version, read_settings
from cluster.settings import merge, read_yaml, validate
from cluster.speakers import SHIPPED, speakers
from negotiation.errors import ConfigurationError
from rewriter.proposing.config import ProposalGRPOConfig

WORK, OUT = Path("runs/oracle"), Path("adapters/oracle")
"""Where work folders and adapters of cultures go if none is named."""

BUNDLED_RATE = 2e-3
"""Learning rate for the bundled model if none is given: the one that benchmarks/learned_oracle.py measures."""


class OracleLimitsConfig(LimitsConfig):
    """What fails the check of a training, over its last steps. The adapter is kept all the same."""

    copies: float = Field(
        0.5, ge=0.0, le=1.0, description="largest share of candidates that repeat a guideline in view"
    )
    collapses: float = Field(
        0.3, ge=0.0, le=1.0, description="largest share of candidates that an agent would drop as malformed"
    )


class MeasureConfig(BaseModel):
    """What is proposed on the held-out topics after the training, by the culture's own adapter and by the learned one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    situations: int = Field(
        24, ge=0, description="most situations, spread over the topics; 0 measures nothing"
    )
    candidates: int = Field(8, ge=1, description="candidates of each adapter in each situation")
    temperature: float = Field(0.8, gt=0.0, description="of sampling; the run's agents' if left out")


class OracleTrainingConfig(BaseModel):
    """Everything that ``concordat train oracle`` is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path = Field(description="run folder whose negotiations the situations are taken from")
    culture: str = Field(description="whose oracle it is")
    model: Annotated[BundledConfig | TransformersConfig, Field(discriminator="kind")] = Field(
        description="the model that the adapter is for; the run's if left out"
    )
    start: Path | None = Field(
        None,
        description="adapter to begin with, and the reference that the divergence is measured to; the culture's own in the run if"
        " left out, a fresh one if it has none",
    )
    embedder: str = Field(description="E of the utility; the run's")
    prompts: str | None = Field(None, description="prompt set of the run's agents; none: the one that ships")
    held_out: float = Field(
        0.2, ge=0.0, lt=1.0, description="share of the topics that nothing is learned from"
    )
    work: Path = Field(description="folder for checkpoints and curves; the same folder goes on")
    out: Path = Field(description="folder that receives the adapter")
    workers: int = Field(1, ge=1, le=4096, description="processes that learn together")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda)$", description="where workers and actors compute")
    threads: int = Field(1, ge=1, le=256, description="CPU threads of a worker or actor")
    failures: int = Field(
        3, ge=0, description="how often workers, and each actor, are started again after they died"
    )
    learning: ProposalGRPOConfig = Field(
        default_factory=ProposalGRPOConfig, description="how to train; the reward's weights are the run's"
    )
    flow: FlowConfig = Field(default_factory=FlowConfig, description="how completions come to be")
    limits: OracleLimitsConfig = Field(default_factory=OracleLimitsConfig, description="what fails the check")
    measure: MeasureConfig = Field(
        default_factory=MeasureConfig, description="what is measured on the held-out topics"
    )

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any) -> Any:
        return parse_model_argument(value) if isinstance(value, str) else value

    @field_validator("model", mode="after")
    @classmethod
    def _bare(cls, model: BundledConfig | TransformersConfig) -> BundledConfig | TransformersConfig:
        bare: dict[str, Any] = {"adapters": () if isinstance(model, BundledConfig) else {}}
        return model.model_copy(update=bare)

    @field_validator("culture", mode="after")
    @classmethod
    def _known(cls, name: str) -> str:
        return get_culture(name).id

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.learning.prompts < self.workers:
            raise ValueError(
                f"learning.prompts is {self.learning.prompts} for {self.workers} workers; each needs one in every step"
            )
        return self

    def tree(self) -> dict[str, Any]:
        """What determines the adapter, as plain JSON values."""
        free = {"run", "work", "out", "workers", "device", "threads", "failures", "limits", "flow", "measure"}
        tree = self.model_dump(mode="json", exclude=free)
        return tree | {"flow": self.flow.model_dump(mode="json", include={"stale"})}


_LEARNING = {
    "steps": "steps",
    "rank": "rank",
    "learning_rate": "learning_rate",
    "beta": "beta",
    "budget": "budget",
    "seed": "seed",
    "group": "group",
    "prompts_per_step": "prompts",
    "max_tokens": "max_tokens",
}
"""Flag to field of ``learning``."""

_FLOW = ("rollouts", "judges", "stale")


def oracle_training_config(flags: Mapping[str, Any], file: Path | None = None) -> OracleTrainingConfig:
    """The configuration that flags, over a file of settings, over the run's settings, ask for.

    Args:
        flags: those that are None count as not given; ``run`` and ``culture`` must be.
        file: settings in YAML.

    Raises:
        ConfigurationError: naming the field, the value and the mend; or if the culture takes no part in the run, or the run's
            model cannot be trained here.
        RunError: if ``run`` is no run folder.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    over: dict[str, Any] = {
        "learning": {field: given.pop(flag) for flag, field in _LEARNING.items() if flag in given},
        "flow": {name: given.pop(name) for name in _FLOW if name in given},
    }
    if given.pop("refuse_copies", False):
        over["learning"]["reward"] = {"copy_floor": True}
    tree = merge({} if file is None else read_yaml(file), over | given)
    run = run_of(Path(tree["run"]))
    culture = get_culture(str(tree["culture"])).id
    if culture not in run.cultures:
        raise ConfigurationError(
            f"--culture {culture} takes no part in {tree['run']}; its cultures are {', '.join(run.cultures)}"
        )
    if tree.get("model") is None:
        tree["model"] = _model(run)
        own = _own_adapter(run, culture)
        if own is not None:
            tree.setdefault("start", own)
    tree.setdefault("embedder", run.embedder)
    tree.setdefault("prompts", run.prompts)
    learning = tree["learning"]
    learning.setdefault("max_tokens", run.speaking.guideline_tokens)
    # A step takes long: a worker that dies is to cost no more than one.
    learning.setdefault("check_every", 1)
    if tree["model"] == "bundled" or isinstance(tree["model"], BundledConfig):
        learning.setdefault("learning_rate", BUNDLED_RATE)
    if run.speaking.temperature:
        tree["measure"] = {"temperature": run.speaking.temperature} | tree.get("measure", {})
    game = run.game
    weights = {
        "consistency_weight": game.alpha,
        "acceptance_weight": game.beta,
        "novelty_weight": game.gamma,
    }
    learning["reward"] = weights | learning.get("reward", {})
    tree.setdefault("work", WORK / culture)
    tree.setdefault("out", OUT / culture)
    source = "settings (flags)" if file is None else f"settings ({file} and flags)"
    return validate(OracleTrainingConfig, tree, source)


def run_of(path: Path) -> RunConfig:
    """The settings of a run.

    Raises:
        RunError: if it is no run folder.
        ConfigurationError: if its settings cannot be used any more.
    """
    check_version(path)
    return validate(RunConfig, read_settings(path), f"{path}/config.yaml")


def _model(run: RunConfig) -> BundledConfig | TransformersConfig:
    """The run's model."""
    if isinstance(run.model, BundledConfig | TransformersConfig):
        return run.model
    raise ConfigurationError(
        f"the run's model is of the kind {run.model.kind}, which is not trained here; give the folder of the same weights with"
        " --model, and the culture's adapter with --start"
    )


def _own_adapter(run: RunConfig, culture: str) -> Path | None:
    """Folder of the adapter that the culture spoke with in the run."""
    adapter = next(voice.adapter for voice in speakers(run) if voice.culture == culture)
    if adapter is None:
        return None
    if adapter == SHIPPED:
        from agents.bundled import bundled_adapter_path

        return bundled_adapter_path(culture)
    return Path(adapter)
