"""How best responses are learned; one pydantic model, without torch or Ray."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LearningConfig(BaseModel):
    """Proximal policy optimisation of one best response."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    updates: int = Field(
        default=6, ge=1, description="Training iterations of a response, all players together."
    )
    batch: int = Field(default=1024, ge=8, description="Learners' moves an iteration, all players together.")
    minibatch: int = Field(default=256, ge=4, description="Moves a gradient step.")
    epochs: int = Field(default=8, ge=1, description="Passes over the moves of an iteration.")
    lr: float = Field(default=3e-3, gt=0, description="Learning rate of Adam.")
    entropy: float = Field(default=0.01, ge=0, description="Weight of the policy's entropy in the objective.")
    width: int = Field(default=32, ge=1, description="Units of each hidden layer.")
    tremble: float = Field(
        default=0.05, ge=0, lt=1, description="Share of plays in which an opponent plays uniformly."
    )
    env_runners: int = Field(
        default=1, ge=0, description="Actors that play; 0: the training process plays by itself."
    )
    envs: int = Field(default=64, ge=1, description="Plays at a time in each of them.")
    cpus_per_runner: float = Field(default=0.5, gt=0, description="CPUs that an actor reserves.")
    patience: int = Field(
        default=3, ge=1, description="Iterations of the loop in a row that may bring no better policy."
    )
