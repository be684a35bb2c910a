"""How a learned oracle is trained, as configuration. Importing this loads neither torch nor transformers."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rewriter.learning.config import GRPOSettings


class ProposalRewardConfig(BaseModel):
    """What proposals are rewarded for: the terms of the game's utility, each normalised within its group and then weighted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    consistency_weight: float = Field(
        0.5, ge=0.0, description="weight of closeness to one's own first guideline: alpha of the game"
    )
    acceptance_weight: float = Field(
        0.5, ge=0.0, description="weight of closeness to the opponents' mixtures: beta of the game"
    )
    novelty_weight: float = Field(
        0.2, ge=0.0, description="weight of distance from one's own guidelines: gamma of the game"
    )
    copy_floor: bool = Field(
        False,
        description="near-verbatim copies of a guideline in view get the least rewards there are; the game itself takes them",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(self.weights.values()):
            raise ValueError("all weights are 0; give one of them a weight")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Weight by part, under the names of the utility's terms."""
        return {
            "consistency": self.consistency_weight,
            "acceptance": self.acceptance_weight,
            "novelty": self.novelty_weight,
        }


class ProposalGRPOConfig(GRPOSettings):
    """GRPO of a learned oracle.

    The reference of the divergence is the adapter that the training begins with: the culture's own.
    """

    max_tokens: int = Field(
        384, ge=1, description="bound on a completion; what is cut there gets the least rewards"
    )
    reward: ProposalRewardConfig = Field(
        default_factory=ProposalRewardConfig, description="what proposals are rewarded for"
    )

    @property
    def weights(self) -> dict[str, float]:
        """Weight by part of the reward."""
        return self.reward.weights
