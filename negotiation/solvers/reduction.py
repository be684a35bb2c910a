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


@dataclass(frozen=True, slots=True, eq=False)
class Reduction:
    """A smaller game and the way back.

    Attributes:
        game: the reduced game.
        shares: for each player (reduced actions, K_i): how the weight of a reduced action is shared between the
            original actions it stands for; rows sum to 1.
    """

    game: PolymatrixGame
    shares: tuple[NDArray[np.float64], ...]

    def lift(self, weights: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], ...]:
        """Weights on the original game: equal shares between duplicates, 0 on what was dominated."""
        return tuple(vector @ shares for vector, shares in zip(weights, self.shares, strict=True))


def reduce_game(game: PolymatrixGame) -> Reduction:
    """Merge duplicates and drop strictly dominated actions until neither is left.

    All players' actions are looked at in the same game before any is taken out, so that seats do not matter.

    Example:
        >>> game = PolymatrixGame.from_bimatrix([[3, 0], [5, 1], [5, 1]], [[3, 5], [0, 1], [0, 1]])
        >>> reduced = reduce_game(game)
        >>> reduced.game.sizes, [weights.tolist() for weights in reduced.lift([np.ones(1), np.ones(1)])]
        ((1, 1), [[0.0, 0.5, 0.5], [0.0, 1.0]])
    """
    tolerance = game.payoff_resolution()
    players = range(game.n_players)
    shares = [np.eye(size) for size in game.sizes]
    while True:
        before = game.sizes
        labels = [_duplicate_labels(game, player, tolerance) for player in players]
        for player in players:
            firsts = np.unique(labels[player])
            shares[player] = np.stack(
                [shares[player][labels[player] == first].mean(axis=0) for first in firsts]
            )
        game = game.restrict([np.unique(labels[player]) for player in players])
        kept = [np.flatnonzero(_undominated(game, player, tolerance)) for player in players]
        shares = [shares[player][kept[player]] for player in players]
        game = game.restrict(kept)
        if game.sizes == before:
            return Reduction(game, tuple(shares))


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
