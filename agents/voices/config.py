"""How training text is made, as configuration. Importing this loads neither torch nor transformers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agents.models.config import BundledConfig, OpenAIConfig, TransformersConfig, parse_model_argument


class TemplateConfig(BaseModel):
    """No language model: plain sentences made of the item's question and the option's label."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["template"] = "template"


class NoJudgeConfig(BaseModel):
    """Nobody judges: every pair of the asked form is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["none"] = "none"


WriterConfig = Annotated[
    TemplateConfig | BundledConfig | TransformersConfig | OpenAIConfig, Field(discriminator="kind")
]
"""Who writes the pairs."""

JudgeConfig = Annotated[
    NoJudgeConfig | BundledConfig | TransformersConfig | OpenAIConfig, Field(discriminator="kind")
]
"""Who judges them."""


class VoicesConfig(BaseModel):
    """Everything that the training text of a culture depends on, besides its survey answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pairs: int = Field(
        10, ge=1, le=10_000, description="question-answer pairs an item (K of NCN section 4.1)"
    )
    model: WriterConfig = Field(
        default_factory=TemplateConfig, description="who writes: 'template', or a model as --model takes it"
    )
    judge: JudgeConfig | None = Field(
        None,
        description="who tells which option a reply expresses: 'none' or a model; left out: the model that writes",
    )
    least_probability: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="least probability that the judge must give the intended option, besides preferring it",
    )
    tolerance: int = Field(
        0, ge=0, le=10, description="how many places from the intended option the judge's reading may lie"
    )
    retries: int = Field(3, ge=0, le=50, description="how often a pair that was dropped is asked for again")
    answer_words: int = Field(60, ge=5, le=1000, description="most words asked for in an answer")
    temperature: float = Field(0.9, gt=0.0, le=2.0, description="sampling temperature of the writer")
    top_p: float = Field(0.95, gt=0.0, le=1.0, description="sample from the likeliest tokens of this mass")
    max_new_tokens: int = Field(256, ge=8, description="most new tokens of a pair")
    chunk_items: int = Field(
        8, ge=1, description="items whose pairs are made together and become one Parquet file"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="same seed, same text")

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any) -> Any:
        return TemplateConfig() if value == "template" else _parsed(value)

    @field_validator("judge", mode="before")
    @classmethod
    def _read_judge(cls, value: Any) -> Any:
        return NoJudgeConfig() if value == "none" else _parsed(value)

    @property
    def judging(self) -> BundledConfig | TransformersConfig | OpenAIConfig | None:
        """The model that judges, or None."""
        judge = self.model if self.judge is None else self.judge
        return None if isinstance(judge, (TemplateConfig, NoJudgeConfig)) else judge


def _parsed(value: Any) -> Any:
    """A model given as text, without the adapters of the bundled one: the base writes for all cultures."""
    if not isinstance(value, str):
        return value
    return parse_model_argument(value, **({"adapters": ()} if value.strip() == "bundled" else {}))
