"""A published negotiation, checked as it is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from negotiation.errors import GameError
from negotiation.replay import restored_weights

Side = Literal["a", "b"]
SIDES: tuple[Side, ...] = get_args(Side)

FirstText = Literal["both", "heading", "opening"]
"""What stands for a side's first guideline, whose text was not released: its heading, its side's opening statement, or both."""

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Text = Annotated[StrictStr, Field(min_length=1, pattern=r"\S")]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedWeight(_Row):
    """A heading with its weight."""

    content: _Text
    weight: _Number


class PublishedTurn(_Row):
    """What one side did in one round."""

    round: Annotated[StrictInt, Field(ge=1)]
    side: Side
    content: _Text = Field(description="heading of the guideline that the side added")
    reason: StrictStr
    description: StrictStr
    utility: _Number | None = Field(default=None, description="of the new guideline, as logged")
    weights: tuple[PublishedWeight, ...] = Field(min_length=1, description="of the side's pool afterwards")

    @property
    def by_heading(self) -> dict[str, float]:
        """The published weights; the last one of a heading counts."""
        return {entry.content: entry.weight for entry in self.weights}


class PublishedRun(_Row):
    """One negotiation of two sides as it was published.

    The statements are for measures over texts: the consensus statements of a run are None where none was published.
    """

    where: str = Field(description="row or file, for messages")
    culture_a: _Text
    culture_b: _Text
    topic_id: StrictInt
    topic: StrictStr
    category: StrictStr | None = None
    initial_a: _Text
    initial_b: _Text
    consensus_a: StrictStr | None = None
    consensus_b: StrictStr | None = None
    rounds_run: StrictInt
    consensus_reached: StrictBool
    turns: tuple[PublishedTurn, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        played = sorted((turn.round, turn.side) for turn in self.turns)
        wanted = [(number, side) for number in range(1, self.rounds_run + 1) for side in SIDES]
        if played != wanted:
            raise ValueError(
                f"turns are {played}; with rounds_run {self.rounds_run} every round from 1 needs one of each side"
            )
        for side in SIDES:
            headings = self.headings(side)
            for turn in self.turns_of(side):
                try:
                    restored_weights(headings[: turn.round + 1], turn.by_heading)
                except GameError as error:
                    raise ValueError(f"turns: side {side}, round {turn.round}: {error}") from error
        return self

    def turns_of(self, side: Side) -> list[PublishedTurn]:
        """The side's turns by round."""
        return sorted((turn for turn in self.turns if turn.side == side), key=lambda turn: turn.round)

    def headings(self, side: Side) -> list[str]:
        """The headings of the side's pool after the last round; the first is the first key of its first weights."""
        turns = self.turns_of(side)
        return [turns[0].weights[0].content, *(turn.content for turn in turns)]

    def opening(self, side: Side) -> str:
        """The side's first statement."""
        return self.initial_a if side == "a" else self.initial_b


@dataclass(frozen=True, slots=True)
class Fault:
    """A run that could not be used.

    Attributes:
        where: row or file.
        what: field, value and what was expected.
    """

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found at a path.

    Attributes:
        source: the file or folder that was read.
        layout: of the source.
        runs: usable runs, in the order of the source.
        faults: runs that could not be used.
        others: runs of methods that have no meta-game.
    """

    source: Path
    layout: Literal["parquet", "released"]
    runs: tuple[PublishedRun, ...]
    faults: tuple[Fault, ...]
    others: int
