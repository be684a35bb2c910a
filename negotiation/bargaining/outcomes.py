"""What bargaining comes to, exactly: agreement, efficiency and fairness, beside the solutions and the one-shot consensus.

All figures are expectations over types. Gains are over walk-away values. *Efficiency* is the expected total gain over the
greatest feasible one; the *Nash product* that of the players' expected gains at a type profile, as a share of the Nash
solution's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negotiation.bargaining.solutions import kalai_smorodinsky, most_welfare, nash_solution
from negotiation.bargaining.stakes import Stakes
from negotiation.bargaining.tree import GameTree
from negotiation.errors import GameError
from negotiation.record import NegotiationRecord

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One way of coming to an end.

    Attributes:
        agreement: probability that all agree, in [0, 1].
        payoffs: (N,) expected.
        efficiency: expected total gain over the greatest feasible one, at most 1; None where nobody can gain.
        nash_product: share of the Nash solution's, in [0, 1]; None where not all can gain.
        nash_distance: mean over types of the Euclidean distance to the Nash solution.
        ks_distance: the same to the solution of Kalai and Smorodinsky.
        offers: (turns, K) probability that an offer is agreed on in a turn.
    """

    agreement: float
    payoffs: Array
    efficiency: float | None
    nash_product: float | None
    nash_distance: float
    ks_distance: float
    offers: Array


def bargained(tree: GameTree, stakes: Stakes, mixtures: Sequence[Array]) -> Outcome:
    """The outcome of policies in the bargaining game of ``stakes``."""
    probabilities = tree.probabilities(mixtures)
    offers = np.zeros((stakes.turns, stakes.offers))
    payoffs: dict[tuple[int, ...], Array] = {
        types: np.zeros(stakes.players) for types, _ in stakes.profiles()
    }
    for end, probability, returns in zip(tree.ends, probabilities, tree.returns, strict=True):
        types, said = end[: stakes.players], end[stakes.players :]
        payoffs[types] = payoffs[types] + probability * returns
        made = [action for action in said if action < stakes.offers]
        answers = said[-(stakes.players - 1) :]
        if all(action == stakes.offers for action in answers) and len(answers) == stakes.players - 1:
            offers[len(made) - 1, made[-1]] += probability
    expected = {types: payoffs[types] / chance for types, chance in stakes.profiles()}
    return _measured(stakes, expected, float(offers.sum()), offers)


def one_shot(stakes: Stakes, lottery: Array) -> Outcome:
    """The outcome of putting one lottery over the offers to everybody, to be taken or left at once.

    Args:
        stakes: of the game.
        lottery: (K,) probabilities. Each player takes it if it gives its type at least the walk-away value.

    Raises:
        GameError: if it is no distribution over the offers.
    """
    if lottery.shape != (stakes.offers,) or (lottery < 0).any() or abs(lottery.sum() - 1) > 1e-9:
        raise GameError(f"the lottery is {lottery}; expected probabilities of {stakes.offers} offers")
    offers = np.zeros((stakes.turns, stakes.offers))
    expected = {}
    for types, chance in stakes.profiles():
        values, outside = lottery @ stakes.points(types), stakes.disagreement(types)
        taken = bool((values >= outside - 1e-12).all())
        expected[types] = values if taken else outside
        if taken:
            offers[0] += chance * lottery
    return _measured(stakes, expected, float(offers.sum()), offers)


def consensus_lottery(record: NegotiationRecord, ids: Sequence[str]) -> Array:
    """The equilibrium of a negotiation as a lottery over offers: a side by lot, then its guideline by weight.

    Args:
        record: the finished negotiation.
        ids: (K,) guideline ids of the offers; weight on guidelines that are none is shared out in proportion.

    Raises:
        GameError: if no offer has any weight.
    """
    place = {name: k for k, name in enumerate(ids)}
    lottery = np.zeros(len(ids))
    for pool, weights in zip(record.pools, record.weights, strict=True):
        for guideline, weight in zip(pool.guidelines, weights, strict=True):
            if guideline.id in place:
                lottery[place[guideline.id]] += float(weight)
    if lottery.sum() <= 0:
        raise GameError("none of the offers has weight in the equilibrium; take more offers")
    shares: Array = lottery / lottery.sum()
    return shares


def _measured(
    stakes: Stakes, expected: dict[tuple[int, ...], Array], agreement: float, offers: Array
) -> Outcome:
    payoffs = np.zeros(stakes.players)
    total, most, product, best, to_nash, to_ks = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for types, chance in stakes.profiles():
        points, outside = stakes.points(types), stakes.disagreement(types)
        value = expected[types]
        nash, ks = nash_solution(points, outside), kalai_smorodinsky(points, outside)
        payoffs += chance * value
        total += chance * float((value - outside).sum())
        most += chance * float(most_welfare(points, outside).gains.sum())
        product += chance * float(np.prod(np.maximum(value - outside, 0.0)))
        best += chance * nash.product
        to_nash += chance * float(np.linalg.norm(value - nash.point))
        to_ks += chance * float(np.linalg.norm(value - ks.point))
    return Outcome(
        agreement=min(1.0, agreement),
        payoffs=payoffs,
        efficiency=total / most if most > 1e-12 else None,
        nash_product=product / best if best > 1e-15 else None,
        nash_distance=to_nash,
        ks_distance=to_ks,
        offers=offers,
    )
