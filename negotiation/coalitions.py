"""A consensus of many parties looked at: who accepts whose part, who blocks what, and whether it stands without one of them.

Acceptance is as in the game: the cosine of guideline embeddings, here of a party's own first guideline with what another one
ended at. Nothing of this enters the negotiation; it is read off its record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np
from numpy.typing import NDArray

from negotiation.config import SolverConfig
from negotiation.errors import GameError, SolverError
from negotiation.guideline import Pool
from negotiation.metagame import build_metagame
from negotiation.record import NegotiationRecord
from negotiation.solvers import solve
from negotiation.utility import Utility

Array = NDArray[np.float64]

MOST_ORDERS = 24
"""Orders of the players that are tried: all for up to four players, of more so many drawn by a fixed seed."""

SAME = 1e-6
"""Weights that differ by less, and regrets below this, count as none."""


@dataclass(frozen=True, slots=True)
class Block:
    """A guideline with weight in the consensus that some parties accept less than what they were offered at the start.

    Attributes:
        guideline_id: the guideline.
        owner: its player.
        weight: in the owner's part of the equilibrium, in (0, 1].
        against: the players whose acceptance of it lies below their mean acceptance of the others' first guidelines.
    """

    guideline_id: str
    owner: int
    weight: float
    against: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Departure:
    """The consensus without one party, over the pools as they ended.

    Attributes:
        player: who leaves.
        nash_conv: of the others' weights as they were, in the game without it, >= 0: what they could gain by other weights.
        stands: whether that is nothing, so that the consensus survives as it is.
        shift: greatest total variation distance of a remaining player's weights from those of the game solved anew, in [0, 1];
            None if the solver has no answer to it.
        payoffs: (N - 1,) of the others with their weights as they were.
    """

    player: int
    nash_conv: float
    stands: bool
    shift: float | None
    payoffs: Array


@dataclass(frozen=True, slots=True, eq=False)
class Coalitions:
    """What a consensus of many parties rests on.

    Attributes:
        acceptance: (N, N) entry [i, j]: acceptance by player i of what j ended at, in [-1, 1]; the diagonal is what i kept of its
            own first guideline.
        before: (N, N) the same of j's first guideline.
        blocks: guidelines with weight that somebody accepts less than the openings, heaviest first.
        payoffs: (N,) at the equilibrium.
        gains: (N,) over the game of first guidelines alone.
        departures: one a player; empty for two players.
        orders: how many orders of the players were solved.
        order_shift: greatest total variation distance of any player's weights between them; None if an order could not be solved.
    """

    acceptance: Array
    before: Array
    blocks: tuple[Block, ...]
    payoffs: Array
    gains: Array
    departures: tuple[Departure, ...]
    orders: int
    order_shift: float | None

    @property
    def worst_off(self) -> int:
        """The player of least payoff."""
        return int(self.payoffs.argmin())

    @property
    def minimum_utility(self) -> float:
        """Its payoff."""
        return float(self.payoffs.min())

    @property
    def order_independent(self) -> bool | None:
        """Whether the consensus is the same whichever order the players sit in; None if not known."""
        return None if self.order_shift is None else self.order_shift <= SAME


def coalitions_of(record: NegotiationRecord) -> Coalitions:
    """The view of a finished negotiation.

    Raises:
        GameError: if the record was played under a user's own utility terms, which it does not hold.
    """
    config = record.game_config()
    utility = Utility.standard(config.alpha, config.beta, config.gamma)
    if {term.name for term in utility.terms} != set(record.terms):
        raise GameError(
            f"record {record.negotiation_id!r} has the utility terms {sorted(record.terms)}; give coalitions() that utility"
        )
    return coalitions(record.pools, record.weights, utility, config.solver)


def coalitions(
    pools: Sequence[Pool], weights: Sequence[Array], utility: Utility, solver: SolverConfig
) -> Coalitions:
    """The view of some pools and weights.

    Args:
        pools: (N,) in player order.
        weights: (N,) arrays (K_i,), an equilibrium or not.
        utility: of the game.
        solver: that answers the games without a player and in other orders.
    """
    firsts = np.stack([pool.embeddings[0] for pool in pools])
    ends = np.stack([w @ pool.embeddings for pool, w in zip(pools, weights, strict=True)])
    opening = build_metagame([_first(pool) for pool in pools], utility)
    start = opening.expected_payoffs([np.ones(1) for _ in pools])
    payoffs = build_metagame(pools, utility).expected_payoffs(weights)
    orders, shift = _orders(pools, utility, solver)
    return Coalitions(
        acceptance=firsts @ ends.T,
        before=firsts @ firsts.T,
        blocks=_blocks(pools, weights, firsts),
        payoffs=payoffs,
        gains=payoffs - start,
        departures=_departures(pools, weights, utility, solver) if len(pools) > 2 else (),
        orders=orders,
        order_shift=shift,
    )


def _first(pool: Pool) -> Pool:
    return Pool(pool.player, pool.guidelines[:1], pool.embeddings[:1])


def _blocks(pools: Sequence[Pool], weights: Sequence[Array], firsts: Array) -> tuple[Block, ...]:
    start = firsts @ firsts.T
    offered = (start.sum(axis=1) - np.diag(start)) / (len(pools) - 1)
    found = []
    for owner, (pool, mixture) in enumerate(zip(pools, weights, strict=True)):
        accepted = firsts @ pool.embeddings.T  # (N, K)
        for k in np.flatnonzero(mixture > SAME):
            against = tuple(
                i for i in range(len(pools)) if i != owner and accepted[i, k] < offered[i] - 1e-12
            )
            if against:
                found.append(Block(pool.guidelines[k].id, owner, float(mixture[k]), against))
    return tuple(sorted(found, key=lambda block: (-block.weight * len(block.against), block.guideline_id)))


def _departures(
    pools: Sequence[Pool], weights: Sequence[Array], utility: Utility, solver: SolverConfig
) -> tuple[Departure, ...]:
    found = []
    for leaver in range(len(pools)):
        kept = [i for i in range(len(pools)) if i != leaver]
        game = build_metagame([pools[i] for i in kept], utility)
        held = [weights[i] for i in kept]
        nash_conv = game.nash_conv(held)
        try:
            shift = _variation(held, solve(game, solver).weights)
        except SolverError:
            shift = None
        found.append(Departure(leaver, nash_conv, nash_conv <= SAME, shift, game.expected_payoffs(held)))
    return tuple(found)


def _orders(pools: Sequence[Pool], utility: Utility, solver: SolverConfig) -> tuple[int, float | None]:
    """How many orders were solved, and how far apart the answers are."""
    found = []
    for order in _some_orders(len(pools)):
        try:
            answer = solve(build_metagame([pools[i] for i in order], utility), solver).weights
        except SolverError:
            return 0, None
        back = sorted(range(len(order)), key=order.__getitem__)
        found.append([answer[place] for place in back])
    return len(found), max(_variation(found[0], other) for other in found)


def _some_orders(count: int) -> list[tuple[int, ...]]:
    if count <= 4:
        return list(islice(permutations(range(count)), MOST_ORDERS))
    rng = np.random.default_rng(0)
    drawn = [tuple(int(i) for i in rng.permutation(count)) for _ in range(MOST_ORDERS - 2)]
    return [tuple(range(count)), tuple(reversed(range(count))), *drawn]


def _variation(left: Sequence[Array], right: Sequence[Array]) -> float:
    """Greatest total variation distance between two mixtures of a player, in [0, 1]."""
    return max(float(np.abs(a - b).sum()) / 2 for a, b in zip(left, right, strict=True))
