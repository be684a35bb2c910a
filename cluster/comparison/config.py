"""The settings of ``concordat evaluate run``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agents.cultures import get_culture
from agents.metrics.comparison import PERMUTATIONS, RESAMPLES
from agents.metrics.perplexity import Variant
from agents.models.config import ModelConfig, parse_model_argument
from negotiation.outcome import Method
from rewriter.detector.loading import BUNDLED


class CompareConfig(BaseModel):
    """What is measured of which runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: tuple[Path, ...] = Field(min_length=1, description="run folders, or published negotiations")
    methods: tuple[Method, ...] = Field(default=(), description="these only; all if left out")
    topics: int | None = Field(
        default=None, ge=1, description="measure this many topics, spread evenly; all if left out"
    )
    judges: tuple[str, ...] = Field(
        default=(BUNDLED,),
        min_length=1,
        description="read values: bundled, a folder of a detector, or model:MODEL; the first counts, others are compared with it",
    )
    perplexity: bool = Field(default=True, description="score statements under the agents' models")
    variant: Variant = Field(
        default="teacher-forced", description="of perplexity; 'echo' reproduces published figures"
    )
    model: ModelConfig | None = Field(
        default=None, description="scores statements; the runs' own if left out (bundled for published ones)"
    )
    adapters: dict[str, str] = Field(default_factory=dict, description="adapter folder by culture")
    fresh: int | None = Field(
        default=None,
        ge=1,
        description="candidates that each side is asked for against the final equilibrium of the game; none if left out",
    )
    embedder: str = Field(default="minilm", min_length=1, description="sentence embedder")
    threads: int = Field(default=1, ge=1, le=256, description="threads of the models' arithmetic")
    seed: int = Field(default=0, ge=0, description="of resampling and permutations")
    resamples: int = Field(default=RESAMPLES, ge=1, description="of each interval")
    permutations: int = Field(default=PERMUTATIONS, ge=1, description="most sign patterns of a test")
    out: Path | None = Field(default=None, description="folder for tables, pictures and the page")

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any) -> Any:
        return parse_model_argument(value) if isinstance(value, str) else value

    @field_validator("adapters", mode="after")
    @classmethod
    def _known(cls, adapters: dict[str, str]) -> dict[str, str]:
        return {get_culture(name).id: path for name, path in adapters.items()}

    @field_validator("judges", mode="after")
    @classmethod
    def _once(cls, judges: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(judges)) < len(judges):
            raise ValueError(f"a judge is named twice in {', '.join(judges)}; name each once")
        return judges
