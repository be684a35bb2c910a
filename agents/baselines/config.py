"""Settings of debate and mediator. Lengths, sampling and retries are those of the agents (``SpeakingConfig``)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DebateConfig(BaseModel):
    """A debate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: int = Field(
        default=4,
        ge=1,
        le=100,
        description="turns of each side at most; every turn has the whole dialogue in view, so it must fit the model's window",
    )


class ConsultancyConfig(BaseModel):
    """A consultancy, which has nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MediatorConfig(BaseModel):
    """A mediator's votes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidates: int = Field(
        default=8, ge=1, le=100, description="statements that the mediator writes for a vote"
    )
    critiques: int = Field(
        default=1,
        ge=0,
        le=10,
        description="how often the sides criticise the winner, and the mediator writes anew for another vote",
    )


class BaselinesConfig(BaseModel):
    """The methods that the game is compared with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompts: str | None = Field(
        default=None, description="their prompt set in YAML; none: the one that ships"
    )
    debate: DebateConfig = Field(default=DebateConfig(), description="turns with the dialogue in view")
    mediator: MediatorConfig = Field(
        default=MediatorConfig(), description="candidates of a neutral model, and votes"
    )
