"""How the bundled model is trained, as configuration. Importing this loads neither torch nor transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ShapeConfig(BaseModel):
    """The decoder: a Qwen3 architecture (grouped queries, query and key norms, SwiGLU, rotary positions, tied embeddings)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocabulary: int = Field(ge=512, description="byte-level BPE tokens")
    layers: int = Field(ge=1, description="decoder layers")
    width: int = Field(ge=64, description="hidden size")
    feed_forward: int = Field(ge=64, description="inner size of the SwiGLU layers")
    heads: int = Field(ge=1, description="query heads of 64 dimensions")
    key_value_heads: int = Field(ge=1, description="key and value heads of 64 dimensions")


SHAPES: dict[str, ShapeConfig] = {
    "small": ShapeConfig(vocabulary=3072, layers=4, width=256, feed_forward=704, heads=4, key_value_heads=2),
    "large": ShapeConfig(vocabulary=4096, layers=8, width=384, feed_forward=1024, heads=6, key_value_heads=3),
}
"""``small`` (3.7 million parameters) trains on two cores in hours, ``large`` (14.6 million) wants a GPU."""


class BundleConfig(BaseModel):
    """One training of the bundled model and its adapters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = Field(description="folder that holds negotiations.parquet")
    work: Path = Field(
        description="folder for checkpoints; the same folder goes on where an earlier run stopped"
    )
    out: Path = Field(description="folder that receives the finished model, its adapters and the model card")
    size: Literal["small", "large"] = Field(default="small", description="shape of the decoder")
    tokens: int = Field(
        default=62_000_000, gt=0, description="tokens the base is trained on, prompts and padding included"
    )
    adapter_tokens: int = Field(default=1_000_000, gt=0, description="tokens each adapter is trained on")
    adapter_rank: int = Field(default=8, ge=1, description="rank of the LoRA adapters")
    batch_tokens: int = Field(default=16_384, gt=0, description="tokens in a step")
    validation_share: float = Field(
        default=0.1, gt=0, lt=1, description="share of the topics that is held out"
    )
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="where to train")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; torch's own choice if left out")
    compile: bool = Field(
        default=True, description="compile the decoder (about 1.4 times as fast, a minute to begin)"
    )
    samples: int = Field(default=256, ge=8, description="guidelines written to measure the finished model")
    seed: int = Field(
        default=0, ge=0, description="of the held-out topics, the order of examples and the samples"
    )

    @property
    def shape(self) -> ShapeConfig:
        """The decoder's shape."""
        return SHAPES[self.size]
