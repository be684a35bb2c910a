"""The record of a negotiation that is no game: a debate, a consultancy, or a mediator's vote.

These are the methods that the game is compared with (NCN section 5.1; Tessler et al. 2024). Their records begin with
the same openings as the game's and end with the same kind of statements; ``negotiation/dialogue_storage.py`` keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import RecordError
from negotiation.oracle import Opening
from negotiation.outcome import Outcome
from negotiation.record import ByContent, Timing, content_digest
from negotiation.topic import Topic

DIALOGUE_VERSION = 1
"""Raised whenever a field of the record changes its name, type or meaning."""

DialogueMethod = Literal["debate", "consultancy", "mediator"]
"""How a consensus was sought, other than by the game."""

DIALOGUE_METHODS: tuple[DialogueMethod, ...] = get_args(DialogueMethod)

_CONVERGED = {"agreement": True, "round-limit": False, "answered": None, "vote": None}

STOP_REASONS = tuple(_CONVERGED)
"""Why a dialogue ended.

``agreement``: the latest turn of every side says that it agrees (a debate that converged).
``round-limit``: a debate had its last allowed round without that.
``answered``: every side has answered once (a consultancy, which has no criterion of consensus).
``vote``: the last vote has been held (a mediator, which has none either: a vote always has a winner).
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said.

    Attributes:
        round: from 1.
        player: index, from 0.
        text: its words; in a debate they may begin with the line that says that it agrees.
        agreed: whether it said that it agrees.
    """

    round: int
    player: int
    text: str
    agreed: bool = False


@dataclass(frozen=True, slots=True)
class Election:
    """One vote over a mediator's candidate statements.

    Attributes:
        round: 1 for the first candidates, 2 after the first critiques, and so on.
        candidates: (K,) different texts, in the order in which they were written.
        scores: (N, K) how near each is to each side, higher is nearer; nats a token, at most 0.
        ranks: (N, K) each side's ranking, from 0, lower is better, equal numbers are ties.
        defeats: (K, K) how many sides rank the row's candidate before the column's.
        tied: indices of the candidates that the Schulze method leaves unbeaten, ascending.
        winner: index of the one that was chosen among these.
        critiques: (N,) what each side says against the winner; empty after the last vote.
    """

    round: int
    candidates: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    ranks: tuple[tuple[int, ...], ...]
    defeats: tuple[tuple[int, ...], ...]
    tied: tuple[int, ...]
    winner: int
    critiques: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class DialogueRecord(ByContent):
    """A finished dialogue.

    Attributes:
        negotiation_id: ``negotiation.oracle.negotiation_id`` of topic, players and seed: the same for all methods.
        method: one of ``DIALOGUE_METHODS``.
        topic: the question.
        players: (N,) names, in player order.
        seed: of the run; ``negotiation.oracle.call_seed`` derives the seed of each call.
        config: the method's settings as JSON.
        embedder: name of the embedder.
        provenance: what else it takes to repeat this: model names, adapters, versions.
        openings: (N,) first statements and guidelines, the same for all methods. Dialogues do not use the guidelines.
        turns: what was said between openings and consensus, in order.
        elections: of a mediator, in order; none otherwise.
        consensus: (N,) the consensus in each player's words; a mediator's is one text for all.
        opening_embeddings: (N, D) of the opening statements, rows of unit length.
        consensus_embeddings: (N, D) of the consensus statements, rows of unit length.
        stop_reason: one of ``STOP_REASONS``.
        malformed: replies thrown away on the way, those of the openings left out, >= 0.
        timings: not part of equality or digest.
        schema_version: of this layout.

    Raises:
        RecordError: if the parts do not fit together.
    """

    negotiation_id: str
    method: DialogueMethod
    topic: Topic
    players: tuple[str, ...]
    seed: int
    config: str
    embedder: str
    provenance: Mapping[str, str]
    openings: tuple[Opening, ...]
    turns: tuple[Turn, ...]
    elections: tuple[Election, ...]
    consensus: tuple[str, ...]
    opening_embeddings: NDArray[np.float64]
    consensus_embeddings: NDArray[np.float64]
    stop_reason: str
    malformed: int
    timings: tuple[Timing, ...] = field(default=(), compare=False)
    schema_version: int = DIALOGUE_VERSION

    def __post_init__(self) -> None:
        what, n = f"{self.method} {self.negotiation_id!r}", len(self.players)
        if self.stop_reason not in STOP_REASONS:
            raise RecordError(
                f"{what}: stop_reason is {self.stop_reason!r}; known are {', '.join(STOP_REASONS)}"
            )
        for name in ("openings", "consensus", "opening_embeddings", "consensus_embeddings"):
            if len(getattr(self, name)) != n:
                raise RecordError(f"{what}: {len(getattr(self, name))} {name} of {n} players; each needs one")
        if any(not 0 <= turn.player < n for turn in self.turns):
            raise RecordError(f"{what}: a turn is of no player; players are 0 to {n - 1}")
        if (self.method == "mediator") != bool(self.elections):
            raise RecordError(
                f"{what}: it has {len(self.elections)} elections; a mediator needs one, others have none"
            )
        if self.elections and set(self.consensus) != {self.winner}:
            raise RecordError(f"{what}: the consensus is not the last winner; the record is of no vote")

    @property
    def winner(self) -> str | None:
        """The statement that won the last vote; None if there was none."""
        last = self.elections[-1] if self.elections else None
        return None if last is None else last.candidates[last.winner]

    @property
    def rounds(self) -> int | None:
        """Rounds of a debate, elections of a mediator; None for a consultancy, which has none."""
        if self.method == "consultancy":
            return None
        return len(self.elections) if self.elections else max((turn.round for turn in self.turns), default=0)

    @property
    def converged(self) -> bool | None:
        """Whether a debate ended in agreement; None for methods that have no criterion."""
        return _CONVERGED[self.stop_reason]

    @property
    def seconds(self) -> float:
        """Wall clock from opening to consensus."""
        return sum(timing.seconds for timing in self.timings)

    def digest(self) -> str:
        """SHA-256 of everything but the timings; equal for two runs of the same plan and seed."""
        return content_digest(self)

    def statement_distances(self) -> NDArray[np.float64]:
        """Who moved how far: entry [i, j] is 1 - cos(consensus statement of i, opening statement of j); (N, N)."""
        return 1.0 - self.consensus_embeddings @ self.opening_embeddings.T

    def outcome(self) -> Outcome:
        """The view that metrics and comparisons have of it."""
        return Outcome(
            id=self.negotiation_id,
            method=self.method,
            topic=self.topic,
            players=self.players,
            seed=self.seed,
            openings=tuple(opening.statement for opening in self.openings),
            consensus=self.consensus,
            rounds=self.rounds,
            converged=self.converged,
        )
