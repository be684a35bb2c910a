"""How best responses are learned; one pydantic model, without torch or Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SolverKind = Literal["exact", "prd", "regret-matching", "logit", "ce", "cce"]
"""Meta-solvers; ``logit`` is for two players."""


class LearningConfig(BaseModel):
    """Proximal policy optimisation of one best response."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    updates: int = Field(
        default=6, ge=1, description="Training iterations of a response, all players together."
    )
    batch: int = Field(default=2048, ge=8, description="Learners' moves an iteration, all players together.")
    minibatch: int = Field(default=256, ge=4, description="Moves a gradient step.")
    epochs: int = Field(default=10, ge=1, description="Passes over the moves of an iteration.")
    lr: float = Field(default=5e-3, gt=0, description="Learning rate of Adam.")
    clip: float = Field(default=0.3, gt=0, description="Range of the ratio of new to old probabilities.")
    entropy: float = Field(default=0.01, ge=0, description="Weight of the policy's entropy in the objective.")
    width: int = Field(default=32, ge=1, description="Units of each hidden layer.")
    tremble: float = Field(
        default=0.02, ge=0, lt=1, description="Share of plays in which an opponent plays uniformly."
    )
    env_runners: int = Field(
        default=1, ge=0, description="Actors that play; 0: the training process plays by itself."
    )
    envs: int = Field(default=64, ge=1, description="Plays at a time in each of them.")
    cpus_per_runner: float = Field(default=0.5, gt=0, description="CPUs that an actor reserves.")
    patience: int = Field(
        default=3, ge=1, description="Iterations of the loop in a row that may bring no better policy."
    )


class BargainConfig(BaseModel):
    """What is bargained about, and how it is solved."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    runs: tuple[Path, ...] = Field(min_length=1, description="Run folders with finished negotiations.")
    negotiations: int | None = Field(
        default=None, ge=1, description="Negotiations bargained over, spread evenly; all if left out."
    )
    offers: int = Field(default=5, ge=2, le=64, description="Guidelines that can be offered, at most.")
    turns: int = Field(default=3, ge=1, description="Offers made at most; fewer if the game grows too large.")
    discount: float = Field(
        default=0.95, gt=0, le=1, description="What one turn's delay multiplies all payoffs by."
    )
    walk_away: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="What a side gets without agreement, as a share of its mean utility of the offers.",
    )
    detector: str | None = Field(
        default="bundled",
        description="Detector that reads the offers' values, for sides whose people's values are known; none: nearness alone.",
    )
    oracle: Literal["exact", "rllib"] = Field(default="exact", description="What finds best responses.")
    solver: SolverKind = Field(default="exact", description="Meta-solver of the game of policies.")
    iterations: int = Field(default=30, ge=1, description="Iterations of the loop at most.")
    tolerance: float = Field(default=1e-3, ge=0, description="NashConv at which the loop ends.")
    most_histories: int = Field(default=20_000, ge=10, description="Size up to which games are built.")
    seed: int = Field(default=0, ge=0, description="Of learning and of intervals.")
    learning: LearningConfig = Field(
        default_factory=LearningConfig, description="How the oracle 'rllib' learns."
    )
    out: Path | None = Field(default=None, description="Folder; RUN/bargaining of the first run if left out.")

    @property
    def folder(self) -> Path:
        """Where everything is kept."""
        return self.out or self.runs[0] / "bargaining"
