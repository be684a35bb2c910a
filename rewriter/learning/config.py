"""How the rewriter is trained, as configuration. Importing this loads neither torch nor transformers."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.tuning.config import Precision

ValuePart = Literal["cosine", "centred_cosine", "distance"]
Normalisation = Literal["dapo", "grpo", "dr_grpo"]


class RewardConfig(BaseModel):
    """What completions are rewarded for (VISA section 3), each part normalised within its group and then weighted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: ValuePart = Field(
        "cosine",
        description="closeness to the target; cosine: cos(D(y1), v*), as in VISA; centred_cosine: of both less their mean,"
        " since all texts speak for much the same values; distance: 1 - |D(y1) - v*| / 2, which is what the joint success"
        " rate counts",
    )
    value_weight: float = Field(1.0, ge=0.0, description="weight of the value part")
    consistency_weight: float = Field(1.0, ge=0.0, description="weight of the consistency part")
    consistency_enough: float = Field(
        1.0,
        gt=0.0,
        le=1.0,
        description="consistency counts up to this, so that completions that keep enough compete by their values alone;"
        " 1: as in VISA, all of it counts",
    )
    copy_floor: bool = Field(
        False, description="completions that repeat their source get the least rewards there are"
    )
    collapse_floor: bool = Field(
        True,
        description="blank and degenerate completions, and those far from their source's length, get the least rewards there are",
    )
    cut_floor: bool = Field(
        True, description="completions that were cut at max_tokens get the least rewards there are"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(self.weights.values()):
            raise ValueError("value_weight and consistency_weight are both 0; give one of them a weight")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Weight by part."""
        return {"value": self.value_weight, "consistency": self.consistency_weight}


class _LearningConfig(BaseModel):
    """What all methods have in common. A step's rows are those of all workers together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(
        16,
        ge=1,
        le=1024,
        description="rank of a fresh adapter; its scale is twice the rank; a given one keeps its own",
    )
    learning_rate: float = Field(1e-4, gt=0.0, le=1.0, description="peak rate of AdamW")
    steps: int = Field(100, ge=1, description="number of steps; the rate falls towards 0 at the last")
    budget: int | None = Field(
        None,
        ge=1,
        description="trained tokens after which the training ends before its last step; none if left out",
    )
    warmup: float = Field(0.05, ge=0.0, lt=1.0, description="share of the steps over which the rate rises")
    weight_decay: float = Field(0.0, ge=0.0, description="decoupled weight decay")
    clip: float = Field(1.0, gt=0.0, description="bound on the gradient's norm")
    pass_tokens: int = Field(
        4096,
        ge=1,
        description="most tokens in a forward pass of a worker, padding included; a longer row goes alone",
    )
    share_prompts: bool = Field(
        True,
        description="answers to one prompt are computed in one row, where the model's attention allows it",
    )
    precision: Precision = Field(
        "auto", description="of matrix products; auto is bfloat16 where the hardware has it"
    )
    check_every: int = Field(20, ge=1, description="steps between checkpoints")
    seed: int = Field(0, ge=0, lt=2**63, description="of first weights, order of rows and sampling")

    def rate(self, step: int) -> float:
        """Learning rate at ``step`` (from 0): rises linearly, then falls linearly towards 0.

        >>> config = SFTConfig(learning_rate=1.0, warmup=0.5, steps=4)
        >>> [round(config.rate(step), 2) for step in range(4)]
        [0.5, 1.0, 0.67, 0.33]
        """
        rising = max(1, math.ceil(self.warmup * self.steps))
        return self.learning_rate * min(
            (step + 1) / rising, (self.steps - step) / max(1, self.steps - rising + 1), 1.0
        )


class GRPOSettings(_LearningConfig):
    """Group relative policy optimisation (Shao et al. 2024, arXiv 2402.03300, section 4.1), but for what it rewards."""

    method: Literal["grpo"] = "grpo"
    prompts: int = Field(8, ge=1, description="prompts in a step, of all workers together")
    group: int = Field(8, ge=1, description="completions sampled for each prompt")
    epochs: int = Field(1, ge=1, description="how often the completions of a step are gone through")
    minibatches: int = Field(1, ge=1, description="optimiser steps in going through them once")
    max_tokens: int = Field(160, ge=1, description="bound on a completion")
    temperature: float = Field(
        1.0, gt=0.0, description="of sampling; the loss is of temperature 1 all the same"
    )
    epsilon_low: float = Field(0.2, gt=0.0, lt=1.0, description="the ratio is clipped below 1 minus this")
    epsilon_high: float = Field(
        0.2,
        gt=0.0,
        description="the ratio is clipped above 1 plus this; 0.28 is DAPO's (arXiv 2503.14476, section 3.1)",
    )
    beta: float = Field(
        0.02, ge=0.0, description="weight of the KL divergence to the reference; 0 leaves it out"
    )
    unbiased_kl: bool = Field(
        True,
        description="the divergence is multiplied by the ratio, which makes its gradient the right one (arXiv 2512.02556);"
        " off as in GRPO's paper",
    )
    importance_bound: float = Field(
        2.0,
        ge=1.0,
        description="tokens of stale completions weigh as much more as the policy likes them more, up to this",
    )
    normalisation: Normalisation = Field(
        "dapo",
        description="dapo: mean over tokens; grpo: mean over completions of the mean over their tokens; dr_grpo: sum over"
        " tokens by max_tokens, mean over completions",
    )
    scale_rewards: bool = Field(
        True, description="advantages are divided by the group's standard deviation, and not only centred"
    )

    @property
    def weights(self) -> dict[str, float]:
        """Weight of the advantages by part of the reward; a part that is not named counts once."""
        return {}


class GRPOConfig(GRPOSettings):
    """GRPO of the rewriter."""

    reward: RewardConfig = Field(
        default_factory=RewardConfig, description="what completions are rewarded for"
    )

    @property
    def weights(self) -> dict[str, float]:
        """Weight by part of the reward."""
        return self.reward.weights


class SFTConfig(_LearningConfig):
    """Supervised fine-tuning on given rewritings."""

    method: Literal["sft"] = "sft"
    batch: int = Field(32, ge=1, description="rows in a step")


class DPOConfig(_LearningConfig):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290)."""

    method: Literal["dpo"] = "dpo"
    batch: int = Field(16, ge=1, description="pairs in a step")
    beta: float = Field(0.1, gt=0.0, description="how closely the policy is held to the reference")


class SimPOConfig(_LearningConfig):
    """Simple preference optimisation (Meng et al. 2024, arXiv 2405.14734)."""

    method: Literal["simpo"] = "simpo"
    batch: int = Field(16, ge=1, description="pairs in a step")
    beta: float = Field(2.0, gt=0.0, description="scale of the difference of mean log-probabilities")
    gamma: float = Field(
        1.0, ge=0.0, description="margin by which the chosen is to win, in units of the scaled difference"
    )


PairConfig = SFTConfig | DPOConfig | SimPOConfig
"""The methods that learn from given texts."""

LearningConfig = Annotated[GRPOConfig | SFTConfig | DPOConfig | SimPOConfig, Field(discriminator="method")]
"""Any of the methods; which one is told by ``method``."""
