"""A cultural agent: one culture at the negotiation table, speaking through a language model.

Its candidates can come from another adapter than its other words: a learned oracle, trained to answer the opponents' mixture
(``rewriter.proposing``). It replaces the agent's own proposals or joins them; both together write as many candidates as one
would alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from agents.asking import Answers, Ask, Asker, DroppedReply, ModelSession, SpeakingConfig, statement_of
from agents.cultures import Culture, get_culture
from agents.models.protocol import Message
from agents.parsing import parse_guideline
from agents.prompts import CandidateKind, PromptSet, WeightedGuideline
from negotiation.errors import OracleError
from negotiation.opening import together
from negotiation.oracle import Draft, Opening, Proposals, TableView
from negotiation.topic import Topic

CANDIDATE_KINDS: tuple[CandidateKind, ...] = ("adversarial", "complementary", "innovative")
"""Asked for in this order."""

Proposing = Literal["replace", "join"]
"""How a learned oracle takes part: it writes all candidates, or about half of them (``asks_learned``)."""


class CultureAgent:
    """Answers for one culture; an ``Oracle`` of ``negotiation``.

    All requests of one step go out together, and so do the retries of those that came back malformed, each
    with a seed of its own. The agent has no random state: what it says depends on the view's seed, the model
    and the prompts.

    Attributes:
        culture: who it speaks for.
        prompts: what it is asked with.
        asker: asks its model.
        proposer: asks it with the learned oracle's adapter; None if there is none.
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
        proposer: str | None = None,
        proposing: Proposing = "replace",
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
            proposer: name of the adapter of a learned oracle, which writes candidates and nothing else.
            proposing: whether it replaces the agent's own proposals or joins them.
        """
        self.culture = culture
        self.prompts = PromptSet.load() if prompts is None else prompts
        self._speaking = SpeakingConfig() if speaking is None else speaking
        self.asker = Asker(culture.id, session, model, adapter, self._speaking)
        self.proposer = (
            None if proposer is None else Asker(culture.id, session, model, proposer, self._speaking)
        )
        self._proposing = proposing
        self._cultures = cultures

    @property
    def replies(self) -> int:
        """Number of replies that the model gave so far."""
        return sum(asker.replies for asker in self._askers)

    @property
    def malformed(self) -> int:
        """How many of these were dropped."""
        return sum(asker.malformed for asker in self._askers)

    @property
    def dropped(self) -> list[DroppedReply]:
        """What was dropped, in order; what a learned oracle wrote comes last."""
        return [reply for asker in self._askers for reply in asker.dropped]

    @property
    def _askers(self) -> list[Asker]:
        return [self.asker] if self.proposer is None else [self.asker, self.proposer]

    async def open(self, topic: Topic, player: int, players: tuple[str, ...], seed: int) -> Opening:
        """State the position, then the first guideline that follows from it.

        Raises:
            MalformedReplyError: if one of the two stays malformed through all retries.
            OracleError: if another culture sits in this place.
        """
        self._check_seat(player, players)
        words = self._speaking.statement_words
        position = self.prompts.position(self.culture, topic.text, words)
        statement, lost = await self.asker.one(
            topic.id,
            0,
            seed,
            Ask("position", 0, position, self._speaking.position_tokens, statement_of(words)),
        )
        first = self.prompts.first_guideline(self.culture, topic.text, statement)
        guideline, lost_too = await self.asker.one(
            topic.id,
            0,
            seed,
            Ask("initial", 0, first, self._speaking.guideline_tokens, _guideline("initial")),
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
        asks = []
        for kind in CANDIDATE_KINDS:
            prompt = candidate_dialogue(self.prompts, self.culture, view, kind, self._cultures)
            tokens, parse = self._speaking.guideline_tokens, _guideline(kind)
            asks += [Ask(kind, index, prompt, tokens, parse) for index in range(per_kind)]
        answers = await self._candidates(view, asks)
        drafts = tuple(draft for draft in answers.readings if draft is not None)
        given = {draft.kind for draft in drafts}
        return Proposals(
            drafts=drafts,
            malformed=len(answers.dropped),
            missing=tuple(kind for kind in CANDIDATE_KINDS if kind not in given),
        )

    async def _candidates(self, view: TableView, asks: Sequence[Ask[Draft]]) -> Answers[Draft]:
        """What comes of all asks, those of the learned oracle at the same time as the others."""
        if self.proposer is None:
            return await self.asker.all(view.topic.id, view.round, view.seed, asks)
        shares: dict[Asker, list[int]] = {}
        for place, ask in enumerate(asks):
            learned = self._proposing == "replace" or asks_learned(ask.call, ask.index, view.round)
            shares.setdefault(self.proposer if learned else self.asker, []).append(place)
        came = await together(
            asker.all(view.topic.id, view.round, view.seed, [asks[place] for place in places])
            for asker, places in shares.items()
        )
        whole: Answers[Draft] = Answers([None] * len(asks), [])
        for places, answers in zip(shares.values(), came, strict=True):
            for place, reading in zip(places, answers.readings, strict=True):
                whole.readings[place] = reading
            whole.dropped.extend(answers.dropped)
        return whole

    async def express(self, view: TableView) -> str:
        """Say the own weights in words.

        Raises:
            MalformedReplyError: if the reply stays malformed through all retries.
            OracleError: if another culture sits in this place.
        """
        self._check_seat(view.player, view.players)
        words = self._speaking.statement_words
        prompt = self.prompts.weights(self.culture, view.topic.text, _weighted(view, view.player), words)
        ask = Ask("weights", 0, prompt, self._speaking.weights_tokens, statement_of(words))
        return (await self.asker.one(view.topic.id, view.round, view.seed, ask))[0]

    async def conclude(self, view: TableView) -> str:
        """State the consensus that follows from everybody's weights.

        Raises:
            MalformedReplyError: if the reply stays malformed through all retries.
            OracleError: if another culture sits in this place.
        """
        self._check_seat(view.player, view.players)
        words = self._speaking.statement_words
        prompt = self.prompts.consensus(
            self.culture,
            view.topic.text,
            view.statement,
            opponents_of(view, self._cultures),
            _weighted(view, view.player),
            words,
        )
        ask = Ask("consensus", 0, prompt, self._speaking.consensus_tokens, statement_of(words))
        return (await self.asker.one(view.topic.id, view.round, view.seed, ask))[0]

    def _check_seat(self, player: int, players: tuple[str, ...]) -> None:
        if players[player] != self.culture.id:
            raise OracleError(
                f"player {player} is {players[player]!r}, but its agent speaks for {self.culture.id!r};"
                " give the oracles in the order of the players"
            )


def candidate_dialogue(
    prompts: PromptSet,
    culture: Culture,
    view: TableView,
    kind: CandidateKind,
    cultures: Sequence[Culture] | None = None,
) -> tuple[Message, Message]:
    """What a culture's agent is asked for a candidate by.

    Args:
        prompts: the set.
        culture: who speaks, with what its agent is shown of its people.
        view: from its seat.
        kind: of candidate.
        cultures: where to look up the opponents' names; the eight regions if None.
    """
    own = _weighted(view, view.player)
    return prompts.candidate(culture, view.topic.text, opponents_of(view, cultures), own, kind)


def opponents_of(
    view: TableView, cultures: Sequence[Culture] | None = None
) -> list[tuple[str, list[WeightedGuideline]]]:
    """The others in player order: name as shown, and what each holds.

    Raises:
        CultureError: if one of them is not known.
    """
    return [
        (get_culture(name, cultures).name, _weighted(view, player))
        for player, name in enumerate(view.players)
        if player != view.player
    ]


def asks_learned(kind: str, index: int, round_number: int) -> bool:
    """Whether a candidate is the learned oracle's where it joins the agent's own proposals.

    Every other candidate of a kind is; a kind begins with the one or the other by turns, from kind to kind and from round to
    round. So of six candidates three are, and of one a kind two in the first round, one in the second, two in the third, ...

    >>> [[asks_learned(kind, 0, number) for kind in CANDIDATE_KINDS] for number in (1, 2)]
    [[True, False, True], [False, True, False]]
    """
    return (CANDIDATE_KINDS.index(kind) + index + round_number) % 2 == 1


def _guideline(kind: str) -> Callable[[str], Draft]:
    return partial(parse_guideline, kind=kind)


def _weighted(view: TableView, player: int) -> list[WeightedGuideline]:
    """A player's pool as prompts show it, in pool order."""
    return [
        WeightedGuideline(float(weight), guideline.content, guideline.reason, guideline.description)
        for weight, guideline in zip(view.weights[player], view.pools[player].guidelines, strict=True)
    ]
