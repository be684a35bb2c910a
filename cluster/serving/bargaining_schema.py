"""Bargaining as it is asked for and told: the game of a policy, what a policy does in it, and plays against it.

Actions are numbers: an offer's place, or the number of offers and 0 to accept, 1 to reject, 2 to walk away. Payoffs and worth are
in [0, 1], higher is better.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from cluster.serving.schema import CultureId, Reply, Request, TopicReply

MOST_SAID = 1_024
"""Actions of one history; no game here is as long."""

Action = Annotated[int, Field(ge=0, le=1_000, description="number of an action")]


class OfferReply(Reply):
    """An offer: a guideline that all would live by."""

    action: int = Field(ge=0, description="that makes it")
    id: str
    side: str = Field(description="whose guideline it is")
    content: str = Field(description="its heading")
    reason: str
    description: str


class Seat(Reply):
    """A side at the table."""

    side: str
    prior: list[float] = Field(
        description="probabilities of its private types; the others know no more of it"
    )


class OwnWorth(Reply):
    """What is worth how much to one side, for each of its private types."""

    side: str
    worth: list[list[float]] = Field(
        description="a row a type: worth of each offer when it is agreed at once"
    )
    walk_away: list[float] = Field(description="for each type what it gets without agreement")


class BargainingReply(Reply):
    """The game that a policy bargains in."""

    policy: str
    topic: TopicReply
    offers: list[OfferReply]
    sides: list[Seat] = Field(
        description="in the order in which they move; turn t is begun by side t modulo their number"
    )
    answers: list[str] = Field(description="in words; their actions follow the offers'")
    turns: int = Field(ge=1, description="offers that are made at most")
    discount: float = Field(gt=0, le=1, description="what each turn's delay multiplies all payoffs by")
    nash_conv: float = Field(
        ge=0, description="what the sides could gain together by deviating from the policies; lower is better"
    )
    own: OwnWorth | None = Field(description="of the side that was asked for; null if none was")


# --- What a policy does


class ActRequest(Request):
    """What does a side's policy do, given its private type and what was said?"""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"side": "english-speaking", "kind": 0, "said": [], "seed": 7}]},
    )

    side: CultureId = Field(description="whose policy; it must be its turn", examples=["english-speaking"])
    kind: int = Field(ge=0, lt=1_000, description="its private type, from 0")
    said: list[Action] = Field(
        default=[], max_length=MOST_SAID, description="all offers and answers so far, in order"
    )
    seed: int | None = Field(
        None, ge=0, lt=2**53, description="same seed, same action drawn; without it, any"
    )


class ChoiceReply(Reply):
    """A legal action."""

    action: int = Field(ge=0)
    says: str = Field(description="in words: the offer's heading, or the answer")


class ActionChance(ChoiceReply):
    """A legal action with its probability under a policy."""

    probability: float = Field(ge=0, le=1)


class ActReply(Reply):
    """What a policy does."""

    policy: str
    side: str
    kind: int
    turn: int = Field(ge=1, description="the turn that this action is in")
    choices: list[ActionChance] = Field(description="every legal action")
    drawn: ActionChance = Field(description="one of them, as likely as it says")
    next: str | None = Field(
        description="whose turn it is after the drawn action; null if that ends the talks"
    )
    finished: bool = Field(description="whether the drawn action ends the talks")
    agreement: int | None = Field(
        description="the offer that all have agreed on by then; null if there is none"
    )
    payoff: float | None = Field(
        description="what this side, of this type, gets by then; null if the talks go on"
    )


# --- Plays: one side is the client's, policies move the others


class PlayRequest(Request):
    """Sit down at a table; the server deals the private types."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"side": "confucian"}]}
    )

    side: CultureId = Field(description="that the client speaks for", examples=["confucian"])


class MoveRequest(Request):
    """The client's next action."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"action": 0, "after": 0}]}
    )

    action: Action
    after: int | None = Field(
        None,
        ge=0,
        le=MOST_SAID,
        description="how many moves were said before it; a request that is sent twice then moves once",
    )


class Said(Reply):
    """A move that was made."""

    side: str
    turn: int = Field(ge=1)
    action: int = Field(ge=0)
    says: str


class SolutionReply(Reply):
    """What an axiomatic solution gives, as a lottery over the offers, without delay."""

    payoffs: list[float] = Field(description="in the order of the sides")
    product: float = Field(ge=0, description="of the gains over the walk-away values")


class OutcomeReply(Reply):
    """How a play ended; now that it is over, everybody's type is told. Lists are in the order of the sides."""

    agreement: int | None = Field(description="the offer that all agreed on; null if there was no agreement")
    payoffs: list[float] = Field(description="what each side gets, with the delay")
    kinds: list[int] = Field(description="the private types that were dealt")
    worth: list[list[float]] = Field(
        description="a row an offer: its worth to each side of these types, at once"
    )
    walk_away: list[float] = Field(description="what each gets without agreement, at once")
    nash: SolutionReply | None = Field(
        description="the Nash solution at these types; null if it was not found"
    )
    kalai_smorodinsky: SolutionReply | None = Field(
        description="the solution of Kalai and Smorodinsky at these types; null if it was not found"
    )


class PlayReply(Reply):
    """A play as its client sees it: nothing here tells another side's private type before the end."""

    id: str = Field(description="names the play in further requests")
    policy: str
    topic: str
    offers: list[OfferReply]
    sides: list[str] = Field(description="in the order in which they move")
    side: str = Field(description="the client's")
    kind: int = Field(ge=0, description="the private type that it was dealt")
    worth: list[float] = Field(description="of each offer to it, when it is agreed at once")
    walk_away: float = Field(description="what it gets without agreement, at once")
    turns: int = Field(ge=1)
    discount: float = Field(gt=0, le=1)
    turn: int = Field(ge=1, description="the present one; after the end the last one")
    said: list[Said] = Field(description="everything so far")
    pending: int | None = Field(description="the offer on the table; null if none is")
    next: str | None = Field(description="whose turn it is: the client's side, or null after the end")
    choices: list[ChoiceReply] = Field(description="the client's legal actions; none after the end")
    finished: bool
    outcome: OutcomeReply | None = Field(description="null before the end")
