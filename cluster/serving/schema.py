"""What the server takes and gives on its own endpoints; ``openai_schema`` holds those in OpenAI's form.

Every value vector is an object from name to number, names as in ``agents.values.SCHWARTZ_VALUES`` (``Self-Direction`` ...
``Universalism``). Requests refuse unknown fields. Bounds on lengths here are the largest that any server takes; a server may
be set to less.

Errors have OpenAI's form, ``{"error": {"message", "type", "param", "code"}}``, on all paths below ``/v1``.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.values import SCHWARTZ_VALUES

MOST_TEXT = 20_000
"""Characters of one text."""

MOST_TEXTS = 256
"""Texts of one request."""

MOST_TOPIC = 1_000
"""Characters of a question to negotiate."""

Values: TypeAlias = dict[str, float]
"""Value name to number in [-1, 1]; above 0 for it, below 0 against it."""

Text = Annotated[str, Field(min_length=1, max_length=MOST_TEXT, pattern=r"\S")]
CultureId = Annotated[str, Field(min_length=1, max_length=64, examples=["confucian"])]
PolicyId = Annotated[str, Field(min_length=1, max_length=200, examples=["duty-a4274e6445"])]

EXAMPLE_VALUES = dict(
    zip(SCHWARTZ_VALUES, (0.31, -0.02, -0.1, 0.12, -0.2, 0.24, 0.17, 0.2, 0.41, 0.36), strict=True)
)


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


class ErrorBody(_Reply):
    """What went wrong."""

    message: str = Field(description="what was wrong, where, and what to do")
    type: str = Field(description="kind of error, e.g. invalid_request_error, rate_limit_error, server_error")
    param: str | None = Field(None, description="the field that is wrong")
    code: str | None = Field(None, description="for programs, e.g. model_not_found, overloaded, replica_lost")


class ErrorReply(_Reply):
    """An error, in OpenAI's form."""

    error: ErrorBody

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "message": "model 'consensus/none' is not served; GET /v1/models lists those that are",
                        "type": "invalid_request_error",
                        "param": "model",
                        "code": "model_not_found",
                    }
                }
            ]
        },
    )


# --- What a consensus policy's answer says of itself (the field ``concordat`` of OpenAI's replies)


class DrawnGuideline(_Reply):
    """The guideline that was drawn for one answer."""

    culture: str = Field(description="whose it is")
    id: str
    content: str = Field(description="its heading")
    weight: float = Field(ge=0, le=1, description="its weight in its culture's equilibrium strategy")


class ConsistencyReading(_Reply):
    """How well a rewriting keeps what its source says; both in [0, 1], higher is better."""

    forward: float = Field(description="how far the source supports the rewriting: 1 if nothing is invented")
    backward: float = Field(description="how far the rewriting supports the source: 1 if nothing is lost")


class PolicyAnswer(_Reply):
    """How a consensus policy came to its answer.

    ``values_after`` and ``consistency`` are null and ``fault`` says why where the base answer could not be rewritten; the answer
    is the base answer then.
    """

    policy: str = Field(description="id of the policy that answered; for an alias the one that was chosen")
    guideline: DrawnGuideline
    base: str = Field(description="the base model's answer with that guideline in view, before rewriting")
    values_before: Values | None = Field(description="read in the base answer")
    values_target: Values = Field(description="of the policy")
    values_after: Values | None = Field(description="read in the answer")
    consistency: ConsistencyReading | None
    fault: str | None = Field(None, description="why the base answer was not rewritten; null if it was")


class ModelNote(_Reply):
    """What a model of ``/v1/models`` is."""

    kind: Literal["policy", "alias", "culture", "base", "embedder"] = Field(
        description="policy: one negotiation's result; alias: all policies between some cultures, the one whose topic is nearest"
        " to the question answers; culture: one side alone; base: the model alone; embedder: for /v1/embeddings"
    )
    name: str = Field(description="for people")


# --- Policies and cultures


class TopicReply(_Reply):
    """A question."""

    id: str
    text: str
    category: str | None = None


class PolicyRow(_Reply):
    """One line of the list of policies."""

    id: str
    topic: TopicReply
    cultures: list[str]
    converged: bool
    nash_conv: float = Field(
        ge=0, description="what the sides could gain together by deviating; lower is better"
    )
    rounds: int = Field(ge=0)


class PoolEntry(_Reply):
    """A guideline that a side holds."""

    id: str
    weight: float = Field(ge=0, le=1)
    content: str
    reason: str
    description: str
    kind: str = Field(description="initial, adversarial, complementary or innovative")
    round: int = Field(ge=0, description="in which it was added; 0 for the first")


class PolicySide(_Reply):
    """One culture's part in a policy."""

    culture: str
    statement: str = Field(description="the consensus in its words")
    opening: str = Field(description="its first statement")
    payoff: float
    pool: list[PoolEntry]


class PolicyReply(PolicyRow):
    """A policy with everything that is served of it."""

    sides: list[PolicySide]
    values: Values | None = Field(
        description="as the detector reads it; null if it is the result of /v1/negotiate and was not read"
    )


class PolicyList(_Reply):
    """All policies of the run."""

    object: Literal["list"] = "list"
    data: list[PolicyRow]


class MapPlace(_Reply):
    """Place on the Inglehart-Welzel map."""

    x: float = Field(description="survival to self-expression; higher is more self-expressive")
    y: float = Field(description="traditional to secular-rational; higher is more secular")


class CultureReply(_Reply):
    """A culture that can be asked, or that can negotiate."""

    id: str
    name: str
    values: Values | None = Field(description="what its people hold important, by surveys, in [-1, 1]")
    map: MapPlace | None


class CultureList(_Reply):
    """All cultures."""

    object: Literal["list"] = "list"
    data: list[CultureReply]


# --- Negotiations, as server-sent events: ``event: NAME`` and ``data: JSON``


class NegotiateRequest(_Request):
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


class FirstGuideline(_Reply):
    """The guideline that a side begins with."""

    id: str
    content: str
    reason: str
    description: str


class OpenedSide(_Reply):
    """How a side begins."""

    culture: str
    statement: str
    guideline: FirstGuideline


class Started(_Reply):
    """Event ``started``: the first; the id cancels the negotiation."""

    negotiation_id: str
    cultures: list[str]
    topic: str


class OpenedEvent(_Reply):
    """Event ``opened``: all sides have stated their positions."""

    sides: list[OpenedSide]


class AddedGuideline(_Reply):
    """A guideline that a side added in a round."""

    id: str
    content: str
    reason: str
    description: str
    kind: str


class RoundEvent(_Reply):
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


class FinishedEvent(_Reply):
    """Event ``finished``: the last of a negotiation that came to its end."""

    policy: PolicyReply


class FailedEvent(_Reply):
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


class Cancelled(_Reply):
    """Answer to ``DELETE /v1/negotiate/{negotiation_id}``."""

    negotiation_id: str
    cancelled: bool = True


# --- Values, translation, rewriting


class ValuesRequest(_Request):
    """Read values in texts."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"texts": ["We honour our elders and keep their ways."]}]},
    )

    texts: list[Text] = Field(
        min_length=1, max_length=MOST_TEXTS, examples=[["We honour our elders and keep their ways."]]
    )


class ReadValues(_Reply):
    """What the detector reads in one text."""

    values: Values
    confidence: float = Field(ge=0, le=1)


class ValuesReply(_Reply):
    """One reading a text, in order."""

    object: Literal["list"] = "list"
    data: list[ReadValues]


class TranslateRequest(_Request):
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


class TranslateReply(_Reply):
    """What was read."""

    kind: Literal["shift", "place"] = Field(
        description="shift: to be added to what a text has (words); place: where any text is to be moved (culture, policy)"
    )
    shift: Values = Field(description="ten numbers; from -2 to 2 for a shift, from -1 to 1 for a place")
    explanation: list[str]


class RewriteTextRequest(_Request):
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


class RewriteTextReply(_Reply):
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


class Health(_Reply):
    """``/healthz`` and ``/readyz``."""

    status: Literal["ok", "starting", "draining"]
    detail: str = ""
