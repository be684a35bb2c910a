"""What the server takes and gives on its own endpoints: what all share, policies, cultures.

Negotiations are in ``negotiation_schema``, texts in ``text_schema``, bargaining in ``bargaining_schema``, and what has OpenAI's
form in ``openai_schema``.

Every value vector is an object from name to number, names as in ``agents.values.SCHWARTZ_VALUES`` (``Self-Direction`` ...
``Universalism``). Requests refuse unknown fields. Bounds on lengths here are the largest that any server takes; a server may
be set to less.

Errors have OpenAI's form, ``{"error": {"message", "type", "param", "code"}}``, on all paths below ``/v1``.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

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


class Request(BaseModel):
    """What clients send; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reply(BaseModel):
    """What they get."""

    model_config = ConfigDict(frozen=True)


class ErrorBody(Reply):
    """What went wrong."""

    message: str = Field(description="what was wrong, where, and what to do")
    type: str = Field(description="kind of error, e.g. invalid_request_error, rate_limit_error, server_error")
    param: str | None = Field(None, description="the field that is wrong")
    code: str | None = Field(None, description="for programs, e.g. model_not_found, overloaded, replica_lost")


class ErrorReply(Reply):
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


class DrawnGuideline(Reply):
    """The guideline that was drawn for one answer."""

    culture: str = Field(description="whose it is")
    id: str
    content: str = Field(description="its heading")
    weight: float = Field(ge=0, le=1, description="its weight in its culture's equilibrium strategy")


class ConsistencyReading(Reply):
    """How well a rewriting keeps what its source says; both in [0, 1], higher is better."""

    forward: float = Field(description="how far the source supports the rewriting: 1 if nothing is invented")
    backward: float = Field(description="how far the rewriting supports the source: 1 if nothing is lost")


class PolicyAnswer(Reply):
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


class ModelNote(Reply):
    """What a model of ``/v1/models`` is."""

    kind: Literal["policy", "alias", "culture", "base", "embedder"] = Field(
        description="policy: one negotiation's result; alias: all policies between some cultures, the one whose topic is nearest"
        " to the question answers; culture: one side alone; base: the model alone; embedder: for /v1/embeddings"
    )
    name: str = Field(description="for people")


# --- Policies and cultures


class TopicReply(Reply):
    """A question."""

    id: str
    text: str
    category: str | None = None


class PolicyRow(Reply):
    """One line of the list of policies."""

    id: str
    topic: TopicReply
    cultures: list[str]
    converged: bool
    nash_conv: float = Field(
        ge=0, description="what the sides could gain together by deviating; lower is better"
    )
    rounds: int = Field(ge=0)
    bargaining: bool = Field(
        False, description="whether its sides have bargaining policies: /v1/policies/{policy}/bargaining"
    )


class PoolEntry(Reply):
    """A guideline that a side holds."""

    id: str
    weight: float = Field(ge=0, le=1)
    content: str
    reason: str
    description: str
    kind: str = Field(description="initial, adversarial, complementary or innovative")
    round: int = Field(ge=0, description="in which it was added; 0 for the first")


class PolicySide(Reply):
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


class PolicyList(Reply):
    """All policies of the run."""

    object: Literal["list"] = "list"
    data: list[PolicyRow]


class MapPlace(Reply):
    """Place on the Inglehart-Welzel map."""

    x: float = Field(description="survival to self-expression; higher is more self-expressive")
    y: float = Field(description="traditional to secular-rational; higher is more secular")


class CultureReply(Reply):
    """A culture that can be asked, or that can negotiate."""

    id: str
    name: str
    values: Values | None = Field(description="what its people hold important, by surveys, in [-1, 1]")
    map: MapPlace | None


class CultureList(Reply):
    """All cultures."""

    object: Literal["list"] = "list"
    data: list[CultureReply]


class Health(Reply):
    """``/healthz`` and ``/readyz``."""

    status: Literal["ok", "starting", "draining"]
    detail: str = ""
