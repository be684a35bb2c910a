"""What a server serves and within which bounds, as configuration. Importing this loads neither Ray nor torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agents.grounding import GroundingConfig
from agents.models.config import (
    BundledConfig,
    ModelConfig,
    OpenAIConfig,
    parse_model_argument,
)
from cluster.rewriting.rewrite_parts import NO_ADAPTER, PartsConfig


class LimitsConfig(BaseModel):
    """Bounds that keep one client from hurting the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body_bytes: int = Field(1_000_000, ge=1_000, description="largest body of a request; above it 413")
    tokens: int = Field(1_024, ge=1, description="most new tokens that a request may ask for")
    default_tokens: int = Field(
        256, ge=1, description="most new tokens of a request that does not say how many"
    )
    in_flight: int = Field(
        64, ge=1, description="requests that a replica of the API works on at once; above it 503"
    )
    negotiations: int = Field(4, ge=0, description="negotiations at once; above it 503; 0 for none")
    plays: int = Field(
        1_000,
        ge=1,
        description="bargaining plays that are kept; of more, the one longest without a move goes",
    )
    timeout_s: float = Field(120.0, gt=0, description="longest time until an answer begins; after it 504")
    negotiation_timeout_s: float = Field(3_600.0, gt=0, description="longest time of a negotiation")
    retry_after_s: int = Field(2, ge=1, description="what clients are told to wait when there is no room")
    drain_s: float = Field(
        30.0, ge=0, description="how long requests in flight are waited for when the server stops"
    )
    requests_per_minute: int = Field(
        600, ge=1, description="of one API key that has no number of its own; above it 429"
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.default_tokens > self.tokens:
            raise ValueError(
                f"default_tokens is {self.default_tokens}, above tokens ({self.tokens}); lower it"
            )
        return self


class ScaleConfig(BaseModel):
    """How many replicas a part has, and what each gets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_replicas: int = Field(1, ge=1, description="replicas that are always there")
    max_replicas: int = Field(
        1, ge=1, description="most replicas; more than min lets Ray add some under load"
    )
    target_ongoing: float = Field(
        16.0, gt=0, description="requests at work in a replica at which another one is added"
    )
    cpus: float = Field(0.3, ge=0, description="CPUs that are set aside for a replica")
    gpus: float = Field(0.0, ge=0, description="GPUs of a replica")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas is {self.min_replicas}, above max_replicas ({self.max_replicas}); raise that"
            )
        return self


class BatchingConfig(BaseModel):
    """How requests that wait are put together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(32, ge=1, le=1024, description="most requests in one batch")
    wait_s: float = Field(0.004, ge=0, le=1, description="how long the first of a batch waits for others")


class ServeConfig(BaseModel):
    """Everything about a server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path = Field(description="the run folder whose policies are served")
    policies: tuple[str, ...] | None = Field(
        None, min_length=1, description="ids of the negotiations that are served; none: all of the run"
    )
    model: ModelConfig = Field(
        default_factory=BundledConfig,
        description="the base model: settings by kind, or a text as --model takes it",
    )
    rewriter: PartsConfig | None = Field(
        None,
        description="what rewrites and reads values; none: the base model with the adapter that ships if it is the bundled one,"
        " and with none otherwise",
    )
    embedder: str = Field("minilm", min_length=1, description="sentence embedder")
    translator: str = Field("bundled", min_length=1, description="reads plain words")
    prompts: str | None = Field(None, description="a prompt set in YAML; none: the one that ships")
    grounding: GroundingConfig = Field(
        GroundingConfig(), description="which survey findings cultures are shown in their prompts"
    )
    style: Literal["question", "dialogue"] | None = Field(
        None,
        description="question: a policy or culture sees the last user message as a question in the form that agents are asked"
        " in; dialogue: it sees all messages, under a system message of its own; none: question for the bundled model, dialogue"
        " for others",
    )
    temperature: float = Field(0.8, ge=0, le=2, description="of requests that do not give one")
    words: int = Field(100, ge=10, le=1000, description="words that are asked for in the style 'question'")
    api_keys: Path | None = Field(
        None, description="file of API keys; none: those of CONCORDAT_SERVE_KEYS, or none at all"
    )
    cors: tuple[str, ...] = Field(
        (), description="origins whose pages may call the API, e.g. http://a.example"
    )
    hosts: tuple[str, ...] | None = Field(
        None,
        description="names in the header Host that are answered, against pages that rebind names to this machine; none: all",
    )
    page: bool = Field(True, description="serve the page at /")
    reload_s: float = Field(1.0, gt=0, description="how often the run folder is looked at for changes")
    grace_s: float = Field(
        10.0,
        ge=0,
        description="how long a policy whose file is gone is served on, so that files can be replaced",
    )
    limits: LimitsConfig = Field(LimitsConfig(), description="bounds")
    batching: BatchingConfig = Field(BatchingConfig(), description="how requests are put together")
    api: ScaleConfig = Field(ScaleConfig(cpus=0.1, target_ongoing=32), description="replicas of the HTTP API")
    models: ScaleConfig = Field(ScaleConfig(cpus=1.0), description="replicas of the models")
    readers: ScaleConfig = Field(
        ScaleConfig(), description="replicas of the parts that read values, embed and rewrite"
    )

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any) -> Any:
        return parse_model_argument(value) if isinstance(value, str) else value

    @property
    def asks_questions(self) -> bool:
        """Whether policies and cultures are asked in the style ``question``."""
        return self.style == "question" if self.style is not None else isinstance(self.model, BundledConfig)

    @property
    def model_name(self) -> str:
        """Of the base model, for people."""
        if isinstance(self.model, BundledConfig):
            return "the bundled model"
        return self.model.model if isinstance(self.model, OpenAIConfig) else Path(self.model.path).name

    def parts(self) -> PartsConfig:
        """What rewrites and reads values."""
        if self.rewriter is not None:
            return self.rewriter
        if isinstance(self.model, BundledConfig):
            return PartsConfig(model=self.model)
        return PartsConfig(model=self.model, adapter=NO_ADAPTER)
