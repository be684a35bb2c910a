"""Which equilibrium is taken where several are known.

The default is the greatest Nash product of gains,

    prod over i of (u_i(w) - d_i),   d_i = lowest payoff that player i has anywhere in the game

(d is the disagreement point: what a player gets if everything goes wrong for it). The choice does not change
if a constant is added to a player's payoffs, if a player's payoffs are scaled, or if a guideline is
duplicated. Ties (within 1e-9, relative) are broken in turn by the sum of gains, by the smallest gain, and by
weight on earlier guidelines, comparing first the player whose payoffs come first in a fixed order of payoff
tables. A player's seat never decides: where equilibria differ only by exchanging players with the same payoff
tables, all of them are passed over for one that treats those players alike. Only if there is no such
equilibrium among the candidates, seat order decides, and the caller is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negotiation.config import Selection
from negotiation.errors import SolverError
from negotiation.metagame import PolymatrixGame, Potential

Profile = tuple[NDArray[np.float64], ...]

TIE = 1e-9
"""Values closer than this, relative to their size, are tied."""

SAME = 1e-7
"""Profiles whose weights differ by no more than this are one profile."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The profile taken, and whether only the order of seats told it from another."""

    weights: Profile
    by_seat: bool


def select(
    game: PolymatrixGame,
    candidates: Sequence[Profile],
    rule: Selection,
    worst: NDArray[np.float64] | None = None,
) -> Choice:
    """Take one of the candidates, all of them equilibria of ``game``.

    Args:
        game: the payoffs; merge duplicates before, so that they do not change how ties are broken.
        candidates: equilibria to choose from.
        rule: what is maximised first.
        worst: (N,) disagreement point; none: the lowest payoffs of ``game``.

    Raises:
        SolverError: if there is no candidate, or the rule is ``"potential"`` and the game has none.
    """
    if not candidates:
        raise SolverError("no equilibrium to choose from; raise the solver's limits")
    criteria = _criteria(game, rule, game.worst_payoffs() if worst is None else worst)
    ranks = _seat_ranks(game)
    remaining = _distinct(candidates)
    first: Profile | None = None
    while remaining:
        tied = remaining
        for criterion in criteria:
            values = np.array([criterion(profile) for profile in tied])
            best = values.max()
            if np.isfinite(best):
                tied = [tied[k] for k in np.flatnonzero(values >= best - TIE * max(1.0, abs(best)))]
        keys = [_key(profile, ranks) for profile in tied]
        order = sorted(range(len(tied)), key=lambda k: keys[k], reverse=True)
        for k in order:
            first = tied[k] if first is None else first
            if keys.count(keys[k]) == 1:
                return Choice(tied[k], by_seat=False)
        remaining = [profile for profile in remaining if not any(profile is other for other in tied)]
    assert first is not None
    return Choice(first, by_seat=True)


def _criteria(
    game: PolymatrixGame, rule: Selection, worst: NDArray[np.float64]
) -> list[Callable[[Profile], float]]:
    """What is maximised, in order; each criterion only tells what the ones before it left tied."""
    scale = game.payoff_range() or 1.0

    def gains(profile: Profile) -> NDArray[np.float64]:
        difference: NDArray[np.float64] = np.maximum((game.expected_payoffs(profile) - worst) / scale, 0.0)
        return difference

    def log_product(profile: Profile) -> float:
        values = gains(profile)
        # A gain that is rounding is no gain: its product is 0, not a number that depends on the platform.
        return float(np.log(values).sum()) if values.min() > TIE else -np.inf

    def welfare(profile: Profile) -> float:
        return float(gains(profile).sum())

    def minimum_gain(profile: Profile) -> float:
        return float(gains(profile).min())

    first: dict[Selection, list[Callable[[Profile], float]]] = {
        "nash_product": [log_product],
        "welfare": [welfare, log_product],
        "minimum_gain": [minimum_gain, log_product],
        "potential": [],
    }
    if rule == "potential":
        potential = game.potential()
        if potential is None:
            raise SolverError(
                "selection 'potential' needs a potential game and this is none; use 'nash_product'"
            )
        found = potential
        first["potential"] = [lambda profile: expected_potential(found, profile) / scale, log_product]
    return [*first[rule], welfare, minimum_gain]


def expected_potential(potential: Potential, profile: Profile) -> float:
    """The potential of independent mixtures."""
    total = sum(float(own @ weights) for own, weights in zip(potential.own, profile, strict=True))
    return total + sum(float(profile[i] @ pair @ profile[j]) for (i, j), pair in potential.pairs.items())


def _distinct(candidates: Sequence[Profile]) -> list[Profile]:
    kept: list[Profile] = []
    rows = np.empty((0, sum(len(vector) for vector in candidates[0])))
    for profile in candidates:
        flat = np.concatenate(profile)
        if not (np.abs(rows - flat).max(axis=1, initial=0.0) <= SAME).any():
            kept.append(profile)
            rows = np.vstack([rows, flat])
    return kept


def _key(profile: Profile, ranks: Sequence[int]) -> tuple[tuple[int, tuple[float, ...]], ...]:
    """A profile as seen without seats: players with equal payoff tables are exchangeable in it."""
    return tuple(sorted((rank, tuple(np.round(w, 7) + 0.0)) for rank, w in zip(ranks, profile, strict=True)))


def _seat_ranks(game: PolymatrixGame) -> list[int]:
    """Number players by their payoff tables instead of their seats; equal tables share a number."""
    signatures = [_signature(game, player) for player in range(game.n_players)]
    ordered = sorted(set(signatures))
    return [ordered.index(signature) for signature in signatures]


def _signature(game: PolymatrixGame, player: int) -> tuple[object, ...]:
    """Everything about a player's place in the game that does not name a seat nor move with a constant."""
    scale = game.payoff_range() or 1.0

    def rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
        return tuple((np.round(values / scale, 9) + 0.0).ravel())

    own = game.own[player].copy()
    opponents = []
    for other in range(game.n_players):
        if other == player:
            continue
        shape = (game.sizes[player], game.sizes[other])
        ours = game.pairs.get((player, other), np.zeros(shape))
        theirs = game.pairs.get((other, player), np.zeros(shape[::-1])).T
        own += ours.mean(axis=1)
        opponents.append((
            shape[1], rounded(ours - ours.mean(axis=1, keepdims=True)), rounded(theirs - theirs.mean()),
        ))  # fmt: skip
    return (game.sizes[player], rounded(own - own.mean()), tuple(sorted(opponents)))
