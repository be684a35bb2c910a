"""The map from how well a sentence's tokens match another text to p(supported), as learned from pairs of known truth."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.faults import faults_of
from negotiation.errors import ConfigurationError

BUNDLED_CALIBRATION = Path(__file__).parent.parent / "data" / "consistency" / "calibration.json"
"""Learned by ``rewriter.consistency.calibrate``; the figures beside it tell how well it does."""

FEATURES = ("support", "weakest", "together")
"""Of a sentence: mean match of its tokens; mean of the least matched quarter; mean match within one sentence."""


class Calibration(BaseModel):
    """``p = sigmoid(intercept + weights . (match - baseline) / (1 - baseline))``; no weight is negative.

    So a better match never lowers p. A text that holds a sentence word for word matches it with 1 throughout.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer: int = Field(ge=0, description="of the embedder's hidden states")
    context_tokens: int = Field(
        ge=0, description="sentences are read together up to so many tokens; 0 for alone"
    )
    baseline: tuple[float, ...] = Field(
        min_length=len(FEATURES),
        max_length=len(FEATURES),
        description="mean of each feature between sentences and texts of other topics",
    )
    weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        min_length=len(FEATURES), max_length=len(FEATURES), description="of each feature; at least 0"
    )
    intercept: float = Field(description="logit where every feature is at its baseline")

    @classmethod
    def load(cls, path: Path | None = None) -> Calibration:
        """Read a calibration; without a path, the one that ships.

        Raises:
            ConfigurationError: if the file is missing or malformed.
        """
        return _load(path or BUNDLED_CALIBRATION)

    def rescaled(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(S, 3) features such that 0 is the baseline and 1 a perfect match (BERTScore's rescaling)."""
        baseline = np.array(self.baseline)
        rescaled: NDArray[np.float64] = (features - baseline) / (1.0 - baseline)
        return rescaled

    def probability(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(S,) p(supported) in (0, 1) of (S, 3) features as they were measured."""
        logits = self.intercept + (self.rescaled(features) * np.array(self.weights)).sum(axis=1)
        probability: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits))
        return probability


@lru_cache(maxsize=8)
def _load(path: Path) -> Calibration:
    try:
        return Calibration.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ConfigurationError(f"calibration {path}: {faults_of(error, 'file')}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"calibration {path} cannot be read: {error}; install Concordat again"
        ) from error
