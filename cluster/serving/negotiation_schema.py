"""Negotiations as they are asked for and told: server-sent events, ``event: NAME`` and ``data: JSON``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cluster.serving.schema import MOST_TOPIC, CultureId, ErrorBody, PolicyReply, Reply, Request


class NegotiateRequest(Request):
    """Start a negotiation and follow it."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "cultures": ["english-speaking", "confucian"],
                    "topic": "Should voting be a duty?",
                    "rounds": 2,
                }
            ]
        },
    )

    cultures: list[CultureId] = Field(
        min_length=2,
        max_length=4,
        description="ids of different cultures",
        examples=[["english-speaking", "confucian"]],
    )
    topic: Annotated[str, Field(min_length=3, max_length=MOST_TOPIC, pattern=r"\S")] = Field(
        description="the question", examples=["Should voting be a duty?"]
    )
    method: Literal["psro"] = "psro"
    seed: int = Field(0, ge=0, lt=2**53, description="same seed, same negotiation")
    rounds: int = Field(3, ge=1, le=20, description="most rounds")


class FirstGuideline(Reply):
    """The guideline that a side begins with."""

    id: str
    content: str
    reason: str
    description: str


class OpenedSide(Reply):
    """How a side begins."""

    culture: str
    statement: str
    guideline: FirstGuideline


class Started(Reply):
    """Event ``started``: the first; the id cancels the negotiation."""

    negotiation_id: str
    cultures: list[str]
    topic: str


class OpenedEvent(Reply):
    """Event ``opened``: all sides have stated their positions."""

    sides: list[OpenedSide]


class AddedGuideline(Reply):
    """A guideline that a side added in a round."""

    id: str
    content: str
    reason: str
    description: str
    kind: str


class RoundEvent(Reply):
    """Event ``round``: one round is over."""

    round: int = Field(ge=1)
    weights: list[list[float]] = Field(
        description="a side each: weights over its pool at the start of the round, in the order in which guidelines were added"
    )
    nash_conv: float
    gains: list[float | None] = Field(
        description="a side each: what its best candidate gains; null if it had none"
    )
    added: list[AddedGuideline | None] = Field(description="a side each: what it added, or null")


class FinishedEvent(Reply):
    """Event ``finished``: the last of a negotiation that came to its end."""

    policy: PolicyReply


class FailedEvent(Reply):
    """Event ``failed``: the last of a negotiation that did not; code ``cancelled`` if somebody cancelled it."""

    error: ErrorBody


NEGOTIATION_EVENTS: dict[str, type[BaseModel]] = {
    "started": Started,
    "opened": OpenedEvent,
    "round": RoundEvent,
    "finished": FinishedEvent,
    "failed": FailedEvent,
}
"""Name to what its data is."""


class Cancelled(Reply):
    """Answer to ``DELETE /v1/negotiate/{negotiation_id}``."""

    negotiation_id: str
    cancelled: bool = True
