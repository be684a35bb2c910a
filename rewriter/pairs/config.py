"""How units, requests and pairs are made, as configuration. Importing this loads neither torch nor transformers."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class UnitConfig(BaseModel):
    """How texts are cut into units and which are taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sentences: int = Field(3, ge=1, description="most sentences in a unit")
    characters: int = Field(
        500, ge=20, description="most characters in a unit (about 90 tokens of the bundled model)"
    )
    least_characters: int = Field(120, ge=1, description="shorter units are left out")
    text_characters: int = Field(
        900, ge=20, description="longer texts are left out: short statements are wanted"
    )
    per_topic: int = Field(24, ge=2, description="most units of a topic; each is read by the detector")
    held_out_share: float = Field(
        0.1, gt=0.0, lt=1.0, description="share of the topics that nothing is trained on"
    )
    split_seed: int = Field(0, ge=0, description="of the choice of these topics; as for the bundled model")
    seed: int = Field(0, ge=0, description="of the choice of units")


class RequestConfig(BaseModel):
    """Which movements are asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sizes: tuple[float, ...] = Field(
        (0.8, 1.2, 1.6, 2.0),
        min_length=2,
        description="bounds of the bins of |target - before|; a bin is drawn first, all alike",
    )
    sparse_share: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="share of requests that ask a few values to move and the others to stay",
    )
    most_asked: int = Field(3, ge=1, le=10, description="most values that such a request asks to move")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(low >= high for low, high in pairwise(self.sizes)) or self.sizes[0] < 0.0:
            raise ValueError("sizes: bounds must rise, the first being at least 0")
        return self


class SupervisedConfig(BaseModel):
    """How supervised pairs are made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    real: int = Field(500, ge=0, description="most pairs of two texts on one topic")
    real_per_topic: int = Field(
        8, ge=2, description="units of a topic among which real pairs are looked for; each is embedded"
    )
    constructed: int = Field(
        6500, ge=0, description="searches for a text that comes nearer to a target by exchanges"
    )
    edits: int = Field(2, ge=1, description="exchanges in a search")
    draws: int = Field(10, ge=1, description="texts tried for each exchange; all are read by the detector")
    asked: RequestConfig = Field(
        default_factory=RequestConfig, description="the targets that searches set out for"
    )
    turned_share: float = Field(
        0.3, ge=0.0, le=1.0, description="share of constructed pairs whose answer is the text it began with"
    )
    identity_share: float = Field(
        0.08, ge=0.0, lt=1.0, description="share of all pairs that ask for no movement and repeat the source"
    )
    similarity: float = Field(
        0.75, ge=-1.0, le=1.0, description="least cosine of the embeddings of a real pair"
    )
    least_movement: float = Field(
        0.5, ge=0.0, description="least |values after - values before| of a real or constructed pair"
    )
    consistency: float = Field(
        0.35, ge=0.0, le=1.0, description="least mean consistency of a real or constructed pair"
    )
    seed: int = Field(0, ge=0, description="of the choice of pairs")
