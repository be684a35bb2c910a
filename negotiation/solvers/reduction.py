"""Make a game smaller without losing an equilibrium that matters.

Two guidelines with the same payoffs to everybody are one choice: they are merged, and the weight found is
shared equally between them, so that a duplicate never changes what the players get. A strictly dominated
action is in no equilibrium.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negotiation.metagame import PolymatrixGame

EQUAL = 1e-12
"""Payoffs closer than this, relative to the game's range, are the same payoff seen through rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Reduction:
    """A smaller game and the way back.

    Attributes:
        game: the reduced game.
        groups: for each player and each reduced action, the original actions it stands for.
        sizes: (K_1, ..., K_N) of the original game.
    """

    game: PolymatrixGame
    groups: tuple[tuple[NDArray[np.intp], ...], ...]
    sizes: tuple[int, ...]

    def lift(self, weights: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], ...]:
        """Weights on the original game: equal shares within a group, 0 on what was dominated."""
        lifted = []
        for vector, groups, size in zip(weights, self.groups, self.sizes, strict=True):
            full = np.zeros(size)
            for weight, group in zip(vector, groups, strict=True):
                full[group] = weight / len(group)
            lifted.append(full)
        return tuple(lifted)


def reduce_game(game: PolymatrixGame) -> Reduction:
    """Merge duplicates and drop strictly dominated actions until neither is left.

    Example:
        >>> game = PolymatrixGame.from_bimatrix([[3, 0], [5, 1], [5, 1]], [[3, 5], [0, 1], [0, 1]])
        >>> reduced = reduce_game(game)
        >>> reduced.game.sizes, [weights.tolist() for weights in reduced.lift([np.ones(1), np.ones(1)])]
        ((1, 1), [[0.0, 0.5, 0.5], [0.0, 1.0]])
    """
    tolerance = EQUAL * game.payoff_range()
    groups = [[np.array([action], dtype=np.intp) for action in range(size)] for size in game.sizes]
    reduced, changed = game, True
    while changed:
        changed = False
        for player in range(game.n_players):
            kept = _undominated(reduced, player, tolerance)
            labels = _duplicate_labels(reduced, player, tolerance)
            firsts = [int(action) for action in np.flatnonzero(kept) if labels[action] == action]
            if len(firsts) == reduced.sizes[player]:
                continue
            groups[player] = [
                np.concatenate([groups[player][other] for other in np.flatnonzero(labels == first)])
                for first in firsts
            ]
            actions = [np.arange(size, dtype=np.intp) for size in reduced.sizes]
            actions[player] = np.array(firsts, dtype=np.intp)
            reduced, changed = reduced.restrict(actions), True
    return Reduction(reduced, tuple(tuple(player_groups) for player_groups in groups), game.sizes)


def _undominated(game: PolymatrixGame, player: int, tolerance: float) -> NDArray[np.bool_]:
    """(K_i,) whether no other single action is better against everything the others can do."""
    size = game.sizes[player]
    blocks = [game.pairs[player, other] for other in range(game.n_players) if (player, other) in game.pairs]
    kept = np.ones(size, dtype=bool)
    for action in range(size):
        # Against independent choices of the others the least margin is the sum of the least margins.
        margin = game.own[player][action] - game.own[player]
        for block in blocks:
            margin = margin + (block[action] - block).min(axis=1)
        kept &= margin <= tolerance
    return kept


def _duplicate_labels(game: PolymatrixGame, player: int, tolerance: float) -> NDArray[np.intp]:
    """(K_i,) the first action with the same payoffs to everybody; that is itself without a duplicate."""
    columns = [game.own[player][:, None]]
    for other in range(game.n_players):
        if (player, other) in game.pairs:
            columns.append(game.pairs[player, other])
        if (other, player) in game.pairs:
            columns.append(game.pairs[other, player].T)
    features = np.hstack(columns)
    labels = np.arange(len(features), dtype=np.intp)
    sums = features.sum(axis=1)
    for action in range(1, len(features)):
        # Sums first: comparing all features of all pairs would cost more than solving the game.
        near = np.flatnonzero(np.abs(sums[:action] - sums[action]) <= tolerance * features.shape[1])
        same = near[np.abs(features[near] - features[action]).max(axis=1, initial=0.0) <= tolerance]
        if same.size:
            labels[action] = labels[same[0]]
    return labels
