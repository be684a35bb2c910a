"""Held-out exploitability: what fresh candidates, which the negotiation never saw, would gain against its last equilibrium.

A negotiation stops when the candidates of its last round gain less than epsilon. Those were few, and drawn from the same seeds
that led there; many fresh ones, drawn from seeds of their own, tell whether the equilibrium holds outside the pools.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from negotiation.best_response import candidate_values
from negotiation.errors import GameError
from negotiation.oracle import CANDIDATE_KINDS, Draft, Embedder, Oracle, TableView, call_seed
from negotiation.record import NegotiationRecord
from negotiation.utility import Utility

CALL = "held-out"
"""Names the call, so that its seed is that of no other."""

STANDARD_TERMS = frozenset({"consistency", "acceptance", "novelty"})


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What fresh candidates would gain.

    Attributes:
        gains: (N,) largest gain of a player's fresh candidates over what its pool gives, in utility units; below 0 if all are
            worse. None for a player that gave no usable candidate.
        fresh: (N,) usable candidates of each player.
    """

    gains: tuple[float | None, ...]
    fresh: tuple[int, ...]

    @property
    def exploitability(self) -> float | None:
        """Sum over players of the gain, at least 0 each: NashConv with fresh candidates as deviations. None if one is unknown.

        >>> HeldOut((0.02, -0.1), (16, 16)).exploitability
        0.02
        """
        if any(gain is None for gain in self.gains):
            return None
        return float(sum(max(0.0, gain) for gain in self.gains if gain is not None))


async def held_out(
    record: NegotiationRecord, oracles: Sequence[Oracle], embedder: Embedder, fresh: int = 16
) -> HeldOut:
    """Ask every player for fresh candidates against the final weights, and value them.

    Args:
        record: a finished negotiation.
        oracles: (N,) of its players, in player order.
        embedder: the one that it was held with.
        fresh: most candidates of a player, at least 1; an equal share of each kind as far as they go.

    Raises:
        GameError: if its utility has terms of the user's own, the embedder is another, or ``fresh`` is below 1.
        OracleError: if an oracle fails.
    """
    if fresh < 1:
        raise GameError(f"fresh is {fresh}; ask for one candidate or more")
    if frozenset(record.terms) != STANDARD_TERMS:
        raise GameError(
            f"negotiation {record.negotiation_id!r} has the terms {', '.join(sorted(record.terms))}; only those of the standard"
            " utility can be valued again"
        )
    if embedder.name != record.embedder:
        raise GameError(
            f"negotiation {record.negotiation_id!r} was held with embedder {record.embedder!r}, this is {embedder.name!r}"
        )
    terms = record.terms
    utility = Utility.standard(terms["consistency"], terms["acceptance"], terms["novelty"])
    gains: list[float | None] = []
    counts: list[int] = []
    number = len(record.rounds) + 1
    for player, oracle in enumerate(oracles):
        view = TableView(
            topic=record.topic,
            player=player,
            players=record.players,
            round=number,
            pools=record.pools,
            weights=record.weights,
            statement=record.openings[player].statement,
            seed=call_seed(
                record.seed, record.topic.id, record.players, record.players[player], number, CALL
            ),
        )
        proposed = await oracle.propose(view, -(-fresh // len(CANDIDATE_KINDS)))
        drafts = _even(proposed.drafts)[:fresh]
        counts.append(len(drafts))
        if not drafts:
            gains.append(None)
            continue
        guidelines = [
            draft.as_guideline(f"p{player}-held-out-{k}", player, number) for k, draft in enumerate(drafts)
        ]
        vectors = await embedder.embed([guideline.text for guideline in guidelines])
        gains.append(
            max(
                candidate_values(record.pools, player, guideline, vector, record.weights, utility)[1]
                for guideline, vector in zip(guidelines, vectors, strict=True)
            )
        )
    return HeldOut(tuple(gains), tuple(counts))


def _even(drafts: Sequence[Draft]) -> list[Draft]:
    """Drafts in turn by kind, so that a cut leaves as many of each."""
    by_kind = [[draft for draft in drafts if draft.kind == kind] for kind in CANDIDATE_KINDS]
    return [draft for row in zip_longest(*by_kind) for draft in row if draft is not None]
