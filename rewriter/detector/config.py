"""How the bundled detector is trained, as configuration. Importing this loads no torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from rewriter.detector.weights import ScoringConfig


class DetectorConfig(BaseModel):
    """One training of the detector."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = Field(description="folder that holds value_labels.parquet")
    out: Path = Field(description="folder that receives the detector, its figures and its card")
    scoring: ScoringConfig = Field(default=ScoringConfig(), description="the form of the model")
    min_texts: int = Field(default=5, ge=1, description="texts that a gram must stand in")
    pair_topics: int = Field(
        default=2, ge=1, description="topics that a pair of words must stand in to be known"
    )
    limit: float = Field(default=5.0, gt=0, description="bound on a gram's weight times its idf, in logits")
    epochs: int = Field(default=6, ge=1, description="times that each text is seen")
    batch: int = Field(default=256, ge=1, description="texts in a step")
    learning_rate: float = Field(
        default=0.05, gt=0, description="of Adam; falls to 0 in the last seven tenths"
    )
    decay: float = Field(default=3e-7, ge=0, description="weight of the squared weights in the loss")
    dropout: float = Field(default=0.2, ge=0, lt=1, description="share of grams left out of each sentence")
    folds: int = Field(
        default=5, ge=3, description="parts of the topics; one is held out of the shipped detector"
    )
    threads: int = Field(default=1, ge=1, description="CPU threads")
    seed: int = Field(default=0, ge=0, description="of the folds, the order of texts and the dropout")
