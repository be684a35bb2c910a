"""The training of a culture's adapter, as configuration. Importing this loads neither Ray nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agents.cultures import get_culture
from agents.models.config import BundledConfig, TransformersConfig, parse_model_argument
from agents.tuning.config import TuningConfig
from cluster.settings import validate

BUNDLED_RATE = 5e-4
"""Learning rate for the bundled model if none is given. It is small and wants more than large ones, but it also forgets soon how
guidelines are written: on text made without a model, 25% of guidelines were malformed after three epochs at this rate (none after
one), and 94% after one at 2e-3."""

WORK = Path("runs/adapters")
"""Where the work folders of cultures go if none is named."""


class CultureTrainingConfig(BaseModel):
    """Everything that ``concordat train culture`` is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    culture: str = Field(description="id of the culture that the adapter is for")
    data: Path = Field(description="training text, as 'concordat train voices' makes it")
    model: Annotated[BundledConfig | TransformersConfig, Field(discriminator="kind")] = Field(
        default_factory=BundledConfig, description="the model that the adapter is for"
    )
    work: Path = Field(description="folder for checkpoints and curves; the same folder goes on")
    out: Path = Field(description="folder that receives the adapter")
    workers: int = Field(1, ge=1, le=4096, description="processes that train together")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda)$", description="where each worker computes")
    threads: int = Field(1, ge=1, le=256, description="CPU threads of a worker")
    failures: int = Field(3, ge=0, description="how often workers are started again after one of them died")
    tuning: TuningConfig = Field(default_factory=TuningConfig, description="how to train")

    @field_validator("culture", mode="after")
    @classmethod
    def _known_culture(cls, name: str) -> str:
        return get_culture(name).id

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any) -> Any:
        return parse_model_argument(value) if isinstance(value, str) else value

    def tree(self) -> dict[str, Any]:
        """What determines the adapter, as plain JSON values."""
        free = {"work", "out", "workers", "device", "threads", "failures"}
        return self.model_dump(mode="json", exclude=free)


_TUNING = ("epochs", "steps", "rank", "batch", "seed")


def culture_training_config(flags: Mapping[str, Any]) -> CultureTrainingConfig:
    """The configuration that flags ask for; those that are None count as not given.

    Raises:
        ConfigurationError: naming the field, the value and the mend.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    tuning = {name: given.pop(name) for name in _TUNING if name in given}
    rate = given.pop("learning_rate", None)
    if rate is None and given.get("model", "bundled") == "bundled":
        rate = BUNDLED_RATE
    culture = get_culture(given["culture"]).id
    given.setdefault("work", WORK / culture)
    given.setdefault("out", Path(given["work"]) / "adapter")
    tree = given | {"tuning": tuning | ({} if rate is None else {"learning_rate": rate})}
    return validate(CultureTrainingConfig, tree, "settings (flags)")
