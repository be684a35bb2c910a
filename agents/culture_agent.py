"""A cultural agent: one culture at the negotiation table, speaking through a language model."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from agents.cultures import Culture, get_culture
from agents.models.protocol import Generation, GenerationRequest, Message
from agents.parsing import parse_guideline, parse_statement
from agents.prompts import CandidateKind, PromptSet, WeightedGuideline
from negotiation.errors import MalformedReplyError, OracleError
from negotiation.oracle import Draft, Opening, Proposals, TableView
from negotiation.topic import Topic

logger = logging.getLogger(__name__)

T = TypeVar("T")

CANDIDATE_KINDS: tuple[CandidateKind, ...] = ("adversarial", "complementary", "innovative")
"""Asked for in this order."""

KEPT_CHARS = 500
"""How much of a dropped reply is kept, in characters."""


class ModelSession(Protocol):
    """What an agent needs of a language model: a batch of requests, answered in order."""

    async def generate(self, model: str, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One generation for each request, in the order of the requests."""
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
        description="most words asked for in a position, weights or consensus statement",
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
        call: what was asked for: "position", "initial", a candidate kind, "weights" or "consensus".
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
class _Ask(Generic[T]):
    """One thing wanted from the model and how to read it.

    ``call`` and ``index`` tell it from the others of its step.
    """

    call: str
    index: int
    messages: tuple[Message, ...]
    max_new_tokens: int
    parse: Callable[[str], T]


@dataclass(frozen=True, slots=True)
class _Answers(Generic[T]):
    """What came of a step: for each ask its reading or None, and the replies that were dropped."""

    readings: list[T | None]
    dropped: list[DroppedReply]


class CultureAgent:
    """Answers for one culture; an ``Oracle`` of ``negotiation``.

    All requests of one step go out together, and so do the retries of those that came back malformed, each
    with a seed of its own. The agent has no random state: what it says depends on the view's seed, the model
    and the prompts.

    Attributes:
        culture: who it speaks for.
        replies: number of replies that the model gave so far.
        malformed: how many of these were dropped.
        dropped: what was dropped, in order.
    """

    def __init__(
        self,
        culture: Culture,
        session: ModelSession,
        model: str,
        *,
        adapter: str | None = None,
        prompts: PromptSet | None = None,
        speaking: SpeakingConfig | None = None,
        cultures: Sequence[Culture] | None = None,
    ) -> None:
        """Seat a culture.

        Args:
            culture: who to speak for.
            session: where model calls go.
            model: name of the model there.
            adapter: name of the adapter to speak with, if any.
            prompts: the shipped set if None.
            speaking: sampling, lengths and retries; the defaults if None.
            cultures: where to look up the opponents' names; the eight regions if None.
        """
        self.culture = culture
        self.replies = 0
        self.malformed = 0
        self.dropped: list[DroppedReply] = []
        self._session = session
        self._model = model
        self._adapter = adapter
        self._prompts = PromptSet.load() if prompts is None else prompts
        self._speaking = SpeakingConfig() if speaking is None else speaking
        self._cultures = cultures

    async def open(self, topic: Topic, player: int, players: tuple[str, ...], seed: int) -> Opening:
        """State the position, then the first guideline that follows from it.

        Raises:
            MalformedReplyError: if one of the two stays malformed through all retries.
            OracleError: if another culture sits in this place.
        """
        self._check_seat(player, players)
        words = self._speaking.statement_words
        position = self._prompts.position(self.culture, topic.text, words)
        statement, lost = await self._one(
            topic, 0, seed, _Ask("position", 0, position, self._speaking.position_tokens, _statement(words))
        )
        first = self._prompts.first_guideline(self.culture, topic.text, statement)
        guideline, lost_too = await self._one(
            topic, 0, seed, _Ask("initial", 0, first, self._speaking.guideline_tokens, _guideline("initial"))
        )
        return Opening(statement=statement, guideline=guideline, malformed=lost + lost_too)

    async def propose(self, view: TableView, per_kind: int) -> Proposals:
        """Propose ``per_kind`` candidates of each kind; a kind that stays malformed throughout is missing.

        Raises:
            OracleError: if another culture sits in this place, or ``per_kind`` is below 1.
        """
        self._check_seat(view.player, view.players)
        if per_kind < 1:
            raise OracleError(f"per_kind is {per_kind}; ask for at least one candidate of each kind")
        opponents, own = self._opponents(view), _weighted(view, view.player)
        asks = []
        for kind in CANDIDATE_KINDS:
            prompt = self._prompts.candidate(self.culture, view.topic.text, opponents, own, kind)
            tokens, parse = self._speaking.guideline_tokens, _guideline(kind)
            asks += [_Ask(kind, index, prompt, tokens, parse) for index in range(per_kind)]
        answers = await self._ask(view.topic, view.round, view.seed, asks)
        drafts = tuple(draft for draft in answers.readings if draft is not None)
        given = {draft.kind for draft in drafts}
        return Proposals(
            drafts=drafts,
            malformed=len(answers.dropped),
            missing=tuple(kind for kind in CANDIDATE_KINDS if kind not in given),
        )

    async def express(self, view: TableView) -> str:
        """Say the own weights in words.

        Raises:
            MalformedReplyError: if the reply stays malformed through all retries.
            OracleError: if another culture sits in this place.
        """
        self._check_seat(view.player, view.players)
        words = self._speaking.statement_words
        prompt = self._prompts.weights(self.culture, view.topic.text, _weighted(view, view.player), words)
        ask = _Ask("weights", 0, prompt, self._speaking.weights_tokens, _statement(words))
        return (await self._one(view.topic, view.round, view.seed, ask))[0]

    async def conclude(self, view: TableView) -> str:
        """State the consensus that follows from everybody's weights.

        Raises:
            MalformedReplyError: if the reply stays malformed through all retries.
            OracleError: if another culture sits in this place.
        """
        self._check_seat(view.player, view.players)
        words = self._speaking.statement_words
        prompt = self._prompts.consensus(
            self.culture,
            view.topic.text,
            view.statement,
            self._opponents(view),
            _weighted(view, view.player),
            words,
        )
        ask = _Ask("consensus", 0, prompt, self._speaking.consensus_tokens, _statement(words))
        return (await self._one(view.topic, view.round, view.seed, ask))[0]

    async def _one(self, topic: Topic, round_number: int, seed: int, ask: _Ask[T]) -> tuple[T, int]:
        """Ask for one thing that is needed; also the number of replies dropped on the way."""
        answers = await self._ask(topic, round_number, seed, [ask])
        reading, dropped = answers.readings[0], len(answers.dropped)
        if reading is None:
            last = answers.dropped[-1]
            raise MalformedReplyError(
                f"{self.culture.id} on topic {topic.id!r}, round {round_number}: the {ask.call} stayed"
                f" malformed in {dropped} replies of model {self._model!r}; the last: {last.problem}"
                f" ({last.text[:80]!r}); use a model that follows the prompts, or allow more retries"
            )
        return reading, dropped

    async def _ask(self, topic: Topic, round_number: int, seed: int, asks: Sequence[_Ask[T]]) -> _Answers[T]:
        """Ask for all at once, and again for those that came back malformed, as often as allowed."""
        answers: _Answers[T] = _Answers([None] * len(asks), [])
        pending = list(range(len(asks)))
        for attempt in range(self._speaking.retries + 1):
            replies = await self._generate([asks[k] for k in pending], seed, attempt)
            again = []
            for k, reply in zip(pending, replies, strict=True):
                try:
                    answers.readings[k] = _read(asks[k], reply)
                except MalformedReplyError as error:
                    again.append(k)
                    text = reply.text[:KEPT_CHARS]
                    dropped = DroppedReply(topic.id, round_number, asks[k].call, attempt, str(error), text)
                    answers.dropped.append(dropped)
                    self._drop(dropped)
            pending = again
            if not pending:
                break
        return answers

    def _drop(self, reply: DroppedReply) -> None:
        self.malformed += 1
        self.dropped.append(reply)
        logger.info("%s: %s", self.culture.id, reply)

    async def _generate(self, asks: Sequence[_Ask[T]], seed: int, attempt: int) -> list[Generation]:
        requests = [
            GenerationRequest(
                messages=ask.messages,
                max_new_tokens=ask.max_new_tokens,
                temperature=self._speaking.temperature,
                top_p=self._speaking.top_p,
                seed=reply_seed(seed, ask.call, ask.index, attempt),
                adapter=self._adapter,
            )
            for ask in asks
        ]
        replies = await self._session.generate(self._model, requests)
        if len(replies) != len(requests):
            raise OracleError(
                f"model {self._model!r} gave {len(replies)} replies to {len(requests)} requests"
            )
        self.replies += len(replies)
        return replies

    def _check_seat(self, player: int, players: tuple[str, ...]) -> None:
        if players[player] != self.culture.id:
            raise OracleError(
                f"player {player} is {players[player]!r}, but its agent speaks for {self.culture.id!r};"
                " give the oracles in the order of the players"
            )

    def _opponents(self, view: TableView) -> list[tuple[str, list[WeightedGuideline]]]:
        """The others in player order: name as shown, and what each holds."""
        return [
            (get_culture(name, self._cultures).name, _weighted(view, player))
            for player, name in enumerate(view.players)
            if player != view.player
        ]


def reply_seed(seed: int, call: str, index: int, attempt: int) -> int:
    """The seed of one reply, in [0, 2^63): a hash of the four, so that no two replies of a table share one.

    >>> reply_seed(1, "innovative", 0, 0) == reply_seed(1, "innovative", 0, 1)
    False
    """
    key = json.dumps([int(seed), call, index, attempt]).encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "little") >> 1


def _read(ask: _Ask[T], reply: Generation) -> T:
    if reply.finish == "length":
        raise MalformedReplyError(f"{ask.call} was cut off at {reply.generated_tokens} tokens")
    return ask.parse(reply.text)


def _statement(max_words: int) -> Callable[[str], str]:
    return partial(parse_statement, max_words=max_words)


def _guideline(kind: str) -> Callable[[str], Draft]:
    return partial(parse_guideline, kind=kind)


def _weighted(view: TableView, player: int) -> list[WeightedGuideline]:
    """A player's pool as prompts show it, in pool order."""
    return [
        WeightedGuideline(float(weight), guideline.content, guideline.reason, guideline.description)
        for weight, guideline in zip(view.weights[player], view.pools[player].guidelines, strict=True)
    ]
