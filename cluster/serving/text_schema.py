"""What is asked and told of texts: their values, what words ask of them, and rewriting."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from agents.values import SCHWARTZ_VALUES
from cluster.serving.schema import (
    MOST_TEXTS,
    ConsistencyReading,
    CultureId,
    PolicyId,
    Reply,
    Request,
    Text,
    Values,
)


class ValuesRequest(Request):
    """Read values in texts."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"texts": ["We honour our elders and keep their ways."]}]},
    )

    texts: list[Text] = Field(
        min_length=1, max_length=MOST_TEXTS, examples=[["We honour our elders and keep their ways."]]
    )


class ReadValues(Reply):
    """What the detector reads in one text."""

    values: Values
    confidence: float = Field(ge=0, le=1)


class ValuesReply(Reply):
    """One reading a text, in order."""

    object: Literal["list"] = "list"
    data: list[ReadValues]


class TranslateRequest(Request):
    """What do words, a culture or a policy ask for? Give one of the three."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"instruction": "more tradition, a little less power"}]},
    )

    instruction: Text | None = Field(None, examples=["more tradition, a little less power"])
    culture: CultureId | None = None
    policy: PolicyId | None = None

    @model_validator(mode="after")
    def _one(self) -> TranslateRequest:
        _only_one(instruction=self.instruction, culture=self.culture, policy=self.policy)
        return self


class TranslateReply(Reply):
    """What was read."""

    kind: Literal["shift", "place"] = Field(
        description="shift: to be added to what a text has (words); place: where any text is to be moved (culture, policy)"
    )
    shift: Values = Field(description="ten numbers; from -2 to 2 for a shift, from -1 to 1 for a place")
    explanation: list[str]


class RewriteTextRequest(Request):
    """Move a text to other values. Give one of ``toward``, ``culture``, ``policy`` and ``target``."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"text": "Everyone should vote as they like.", "toward": "more tradition"}]
        },
    )

    text: Text = Field(examples=["Everyone should vote as they like."])
    toward: Text | None = Field(None, description="plain words", examples=["more tradition"])
    culture: CultureId | None = None
    policy: PolicyId | None = None
    target: dict[str, Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]] | None = Field(
        None, description="all ten values by name"
    )
    strength: float = Field(1.0, gt=0, le=1, description="share of the way to go")
    seed: int = Field(0, ge=0, lt=2**31, description="same seed, same rewriting")

    @model_validator(mode="after")
    def _one(self) -> RewriteTextRequest:
        _only_one(toward=self.toward, culture=self.culture, policy=self.policy, target=self.target)
        if self.target is not None and set(self.target) != set(SCHWARTZ_VALUES):
            raise ValueError(f"target needs exactly these names: {', '.join(SCHWARTZ_VALUES)}")
        return self


class RewriteTextReply(Reply):
    """The text that was written."""

    text: str
    values_before: Values
    values_target: Values
    values_after: Values
    consistency: ConsistencyReading
    faults: list[str] = Field(
        description="what is wrong with it, e.g. that it is a copy; empty if nothing is"
    )


def _only_one(**given: object) -> None:
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise ValueError(
            f"give exactly one of {', '.join(given)}; {' and '.join(named) + ' are' if named else 'none is'} given"
        )
