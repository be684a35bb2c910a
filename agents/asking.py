"""Asking a language model for something of a stated form: in batches, again where a reply is malformed, within a bound."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from agents.models.protocol import Generation, GenerationRequest, Message, Score, ScoringRequest
from agents.parsing import parse_statement
from negotiation.errors import MalformedReplyError, OracleError

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_CHARS = 500
"""How much of a dropped reply is kept, in characters."""


class ModelSession(Protocol):
    """What an agent needs of a language model: batches of requests, answered in order."""

    async def generate(self, model: str, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One generation for each request, in the order of the requests."""
        ...

    async def score(self, model: str, requests: Sequence[ScoringRequest]) -> list[Score]:
        """One score for each request, in the order of the requests."""
        ...


class SpeakingConfig(BaseModel):
    """How a cultural agent speaks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(default=0.8, ge=0.0, le=2.0, description="sampling temperature; 0 is greedy")
    top_p: float = Field(
        default=1.0,
        gt=0.0,
        le=1.0,
        description="sample from the likeliest tokens of this mass; below 1 replies repeat common phrases more often",
    )
    statement_words: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="most words asked for in any statement: positions, turns, weights, critiques, consensus",
    )
    position_tokens: int = Field(default=256, ge=1, description="most new tokens of an opening statement")
    guideline_tokens: int = Field(default=384, ge=1, description="most new tokens of a guideline")
    weights_tokens: int = Field(default=256, ge=1, description="most new tokens of the weights in words")
    consensus_tokens: int = Field(default=256, ge=1, description="most new tokens of a consensus statement")
    retries: int = Field(default=3, ge=0, le=20, description="how often a malformed reply is asked for again")


@dataclass(frozen=True, slots=True)
class DroppedReply:
    """A reply that was not used.

    Attributes:
        topic: id of the topic.
        round: of the negotiation, 0 for the opening.
        call: what was asked for, e.g. "position", "initial", a candidate kind, "weights" or "consensus".
        attempt: 0 for the first reply, 1 for the first retry, ...
        problem: what is wrong with it.
        text: its first ``KEPT_CHARS`` characters.
    """

    topic: str
    round: int
    call: str
    attempt: int
    problem: str
    text: str


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One thing wanted from the model and how to read it.

    ``call`` and ``index`` tell it from the others of its step.
    """

    call: str
    index: int
    messages: tuple[Message, ...]
    max_new_tokens: int
    parse: Callable[[str], T]


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What came of a step: for each ask its reading or None, and the replies that were dropped."""

    readings: list[T | None]
    dropped: list[DroppedReply]


class Asker:
    """Asks one model, with one adapter or none, in the name of somebody.

    All requests of one step go out together, and so do the retries of those that came back malformed, each with a seed of
    its own. There is no random state: what comes back depends on the seeds given, the model and the prompts.

    Attributes:
        name: whose words these are, for messages.
        model: name of the model in the session.
        adapter: name of the adapter to speak with, if any.
        speaking: sampling, lengths and retries.
        replies: number of replies that the model gave so far.
        malformed: how many of these were dropped.
        dropped: what was dropped, in order.
    """

    def __init__(
        self, name: str, session: ModelSession, model: str, adapter: str | None, speaking: SpeakingConfig
    ) -> None:
        self.name = name
        self.model = model
        self.adapter = adapter
        self.speaking = speaking
        self.replies = 0
        self.malformed = 0
        self.dropped: list[DroppedReply] = []
        self._session = session

    async def one(self, topic: str, round_number: int, seed: int, ask: Ask[T]) -> tuple[T, int]:
        """Ask for one thing that is needed; also the number of replies dropped on the way.

        Raises:
            MalformedReplyError: if the reply stays malformed through all retries.
        """
        answers = await self.all(topic, round_number, seed, [ask])
        reading = answers.readings[0]
        if reading is None:
            raise self.gave_up(topic, round_number, ask, answers)
        return reading, len(answers.dropped)

    async def all(self, topic: str, round_number: int, seed: int, asks: Sequence[Ask[T]]) -> Answers[T]:
        """Ask for all at once, and again for those that came back malformed, as often as allowed."""
        answers: Answers[T] = Answers([None] * len(asks), [])
        pending = list(range(len(asks)))
        for attempt in range(self.speaking.retries + 1):
            replies = await self._generate([asks[k] for k in pending], seed, attempt)
            again = []
            for k, reply in zip(pending, replies, strict=True):
                try:
                    answers.readings[k] = _read(asks[k], reply)
                except MalformedReplyError as error:
                    again.append(k)
                    text = reply.text[:KEPT_CHARS]
                    dropped = DroppedReply(topic, round_number, asks[k].call, attempt, str(error), text)
                    answers.dropped.append(dropped)
                    self._drop(dropped)
            pending = again
            if not pending:
                break
        return answers

    async def score(self, messages: tuple[Message, ...], texts: Sequence[str]) -> list[Score]:
        """How probable each text is as the answer to the same dialogue."""
        requests = [ScoringRequest(messages, text, self.adapter) for text in texts]
        scores = await self._session.score(self.model, requests)
        if len(scores) != len(requests):
            raise OracleError(f"model {self.model!r} gave {len(scores)} scores to {len(requests)} requests")
        return scores

    def gave_up(self, topic: str, round_number: int, ask: Ask[T], answers: Answers[T]) -> MalformedReplyError:
        """What to raise when nothing that was needed came of a step."""
        last = answers.dropped[-1]
        return MalformedReplyError(
            f"{self.name} on topic {topic!r}, round {round_number}: the {ask.call} stayed"
            f" malformed in {len(answers.dropped)} replies of model {self.model!r}; the last: {last.problem}"
            f" ({last.text[:80]!r}); use a model that follows the prompts, or allow more retries"
        )

    def _drop(self, reply: DroppedReply) -> None:
        self.malformed += 1
        self.dropped.append(reply)
        logger.info("%s: %s", self.name, reply)

    async def _generate(self, asks: Sequence[Ask[T]], seed: int, attempt: int) -> list[Generation]:
        requests = [
            GenerationRequest(
                messages=ask.messages,
                max_new_tokens=ask.max_new_tokens,
                temperature=self.speaking.temperature,
                top_p=self.speaking.top_p,
                seed=reply_seed(seed, ask.call, ask.index, attempt),
                adapter=self.adapter,
            )
            for ask in asks
        ]
        replies = await self._session.generate(self.model, requests)
        if len(replies) != len(requests):
            raise OracleError(f"model {self.model!r} gave {len(replies)} replies to {len(requests)} requests")
        self.replies += len(replies)
        return replies


def reply_seed(seed: int, call: str, index: int, attempt: int) -> int:
    """The seed of one reply, in [0, 2^63): a hash of the four, so that no two replies of a table share one.

    >>> reply_seed(1, "innovative", 0, 0) == reply_seed(1, "innovative", 0, 1)
    False
    """
    key = json.dumps([int(seed), call, index, attempt]).encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "little") >> 1


def statement_of(max_words: int) -> Callable[[str], str]:
    """How to read a statement of about so many words; see ``agents.parsing.parse_statement``."""
    return partial(parse_statement, max_words=max_words)


def _read(ask: Ask[T], reply: Generation) -> T:
    if reply.finish == "length":
        raise MalformedReplyError(f"{ask.call} was cut off at {reply.generated_tokens} tokens")
    return ask.parse(reply.text)
