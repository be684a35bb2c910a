"""Situations: what a player saw when it was asked for a candidate in some round of a finished negotiation.

A situation is a request of ``rewriter.learning``. Its dialogue is the one that the culture's agent was sent, so that what is
learned on it is what the agent will be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agents.culture_agent import CANDIDATE_KINDS, candidate_dialogue
from agents.cultures import Culture
from agents.models.protocol import Message
from agents.prompts import CandidateKind, PromptSet
from negotiation.errors import ConfigurationError, RecordError
from negotiation.guideline import Pool
from negotiation.oracle import TableView, call_seed
from negotiation.record import ByContent, NegotiationRecord


@dataclass(frozen=True, slots=True, eq=False)
class Situation(ByContent):
    """A player that is to propose.

    Attributes:
        negotiation_id: of the negotiation.
        culture: who is to propose, with what its agent was shown of its people.
        view: from its seat: the question, all pools with embeddings, everybody's weights.
        kind: of candidate that is asked for.
    """

    negotiation_id: str
    culture: Culture
    view: TableView
    kind: CandidateKind

    @property
    def own(self) -> Pool:
        """What the player holds."""
        return self.view.pools[self.view.player]

    @property
    def opponents(self) -> tuple[int, ...]:
        """The other players, in player order."""
        return tuple(player for player in range(len(self.view.players)) if player != self.view.player)


@dataclass(frozen=True, slots=True)
class SituationPrompts:
    """Turns situations into dialogues; ``Prompts`` of ``rewriter.learning``.

    Attributes:
        prompts: the set that agents are asked with.
    """

    prompts: PromptSet

    def messages(self, request: Situation) -> tuple[Message, ...]:
        """What the culture's agent is asked."""
        return candidate_dialogue(self.prompts, request.culture, request.view, request.kind)

    def too_long(self, request: Situation, tokens: int, room: int, window: int) -> str:
        """What to say of a dialogue of so many tokens that leaves no ``room`` for an answer in the model's window."""
        return (
            f"what {request.culture.id} sees in round {request.view.round} on topic {request.view.topic.id!r} makes {tokens}"
            f" tokens; with {room} for the answer the model takes {window}: take a model with a longer window, or a run with"
            " fewer rounds"
        )


def situations_of(record: NegotiationRecord, cultures: Mapping[str, Culture]) -> list[Situation]:
    """The situations of a negotiation, by round, player and kind.

    Args:
        record: of the negotiation.
        cultures: those whose situations are wanted, by id, with what their agents were shown; others are left out.

    Raises:
        RecordError: if the record's pools and weights do not fit each other.
    """
    config = record.game_config()
    found = []
    for played in record.rounds:
        for player, name in enumerate(record.players):
            if name not in cultures:
                continue
            weights = played.faced(player).weights
            moved = player if config.update == "alternating" else 0
            view = TableView(
                topic=record.topic,
                player=player,
                players=record.players,
                round=played.round,
                pools=tuple(_before(pool, played.round, moved) for pool in record.pools),
                weights=weights,
                statement=record.openings[player].statement,
                seed=call_seed(record.seed, record.topic.id, record.players, name, played.round, "propose"),
            )
            sizes = [len(pool) for pool in view.pools]
            if sizes != [len(mixture) for mixture in weights]:
                raise RecordError(
                    f"record {record.negotiation_id!r}, round {played.round}: pools of {sizes} guidelines have weights for"
                    f" {[len(mixture) for mixture in weights]}; negotiate it again"
                )
            found += [
                Situation(record.negotiation_id, cultures[name], view, kind) for kind in CANDIDATE_KINDS
            ]
    return found


def split_topics(topics: Iterable[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Topics to learn from, and topics held out, both sorted.

    Args:
        topics: ids; one may come several times.
        share: held out, in [0, 1); rounded, at least one topic if it is above 0.
        seed: of the choice.

    Raises:
        ConfigurationError: if nothing is left to learn from.

    >>> split_topics(["d", "a", "b", "c"], 0.25, 0)
    (['a', 'b', 'd'], ['c'])
    """
    known = sorted(set(topics))
    count = max(1, round(share * len(known))) if share else 0
    if count >= len(known):
        raise ConfigurationError(
            f"{len(known)} topics with {count} held out leave none to learn from; give a run of more topics, or a smaller"
            " --held-out"
        )
    order = np.random.default_rng([seed, len(known)]).permutation(len(known))
    held_out = {known[place] for place in order[:count]}
    return [topic for topic in known if topic not in held_out], sorted(held_out)


def of_topics(situations: Sequence[Situation], topics: Iterable[str]) -> list[Situation]:
    """Those situations that are of one of these topics, in order."""
    wanted = set(topics)
    return [situation for situation in situations if situation.view.topic.id in wanted]


def _before(pool: Pool, number: int, movers: int) -> Pool:
    """A pool as it was in a round, when the first ``movers`` players had moved."""
    kept = [
        place
        for place, guideline in enumerate(pool.guidelines)
        if guideline.round < number or (guideline.round == number and guideline.player < movers)
    ]
    return Pool(pool.player, tuple(pool.guidelines[place] for place in kept), pool.embeddings[np.array(kept)])
