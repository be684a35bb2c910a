"""Pure equilibria."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from negotiation.metagame import PolymatrixGame
from negotiation.solvers.selection import Profile

MAX_SCAN_CELLS = 1_000_000
"""Most profiles that are scanned one by one; larger games are searched by best-response dynamics."""

MAX_PURE = 2000
"""Most pure equilibria that are kept; more mean a degenerate game, where one is as good as another."""


def pure_equilibria(game: PolymatrixGame) -> tuple[list[Profile], bool]:
    """Pure equilibria in order of their action indices, and whether the scan was complete.

    Up to ``MAX_SCAN_CELLS`` profiles all are looked at; above, best-response dynamics runs from one start an
    action.

    Example:
        >>> stag_hunt = PolymatrixGame.from_bimatrix([[4, 1], [3, 3]], [[4, 3], [1, 3]])
        >>> profiles, complete = pure_equilibria(stag_hunt)
        >>> [[weights.tolist() for weights in profile] for profile in profiles], complete
        ([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]], True)
    """
    complete = float(np.prod([float(size) for size in game.sizes])) <= MAX_SCAN_CELLS
    actions = _scan(game) if complete else best_response_dynamics(game, _action_starts(game))
    if len(actions) > MAX_PURE:
        actions, complete = actions[:MAX_PURE], False
    return [game.pure_weights(profile) for profile in actions], complete


def _scan(game: PolymatrixGame) -> NDArray[np.intp]:
    """(E, N) action indices of all pure equilibria."""
    tolerance = game.payoff_resolution()
    stable = np.ones(game.sizes, dtype=bool)
    for player, values in enumerate(game.tensor()):
        stable &= values >= values.max(axis=player, keepdims=True) - tolerance
    return np.argwhere(stable)


def _action_starts(game: PolymatrixGame) -> NDArray[np.intp]:
    """(S, N) one start for each action of each player; the others answer uniform play."""
    uniform = [np.full(size, 1.0 / size) for size in game.sizes]
    answer = [int(game.action_values(player, uniform).argmax()) for player in range(game.n_players)]
    starts = np.tile(np.array(answer, dtype=np.intp), (sum(game.sizes), 1))
    _, _, offsets = game.stacked
    for player, size in enumerate(game.sizes):
        starts[offsets[player] + np.arange(size), player] = np.arange(size)
    return starts


def best_response_dynamics(
    game: PolymatrixGame, starts: NDArray[np.intp], max_steps: int = 1000
) -> NDArray[np.intp]:
    """Pure equilibria reached from given profiles, (E, N), without repetitions.

    In each step the player with the largest regret moves to its best action. In a potential game this ends;
    starts that have not ended after ``max_steps`` are dropped.

    Args:
        game: the game.
        starts: (B, N) action indices.
        max_steps: bound on the steps of each start.
    """
    own, matrix, offsets = game.stacked
    tolerance = game.payoff_resolution()
    profiles = np.unique(starts, axis=0)
    found: list[NDArray[np.intp]] = []
    for _ in range(max_steps):
        values = own + matrix[:, profiles + offsets[:-1]].sum(axis=2).T
        best = np.stack([block.argmax(axis=1) for block in np.split(values, offsets[1:-1], axis=1)], axis=1)
        rows = np.arange(len(profiles))
        regrets = values[rows[:, None], best + offsets[:-1]] - values[rows[:, None], profiles + offsets[:-1]]
        mover = regrets.argmax(axis=1)
        moving = regrets[rows, mover] > tolerance
        found.extend(profiles[~moving])
        if not moving.any():
            break
        rows, mover = rows[moving], mover[moving]
        profiles = profiles.copy()
        profiles[rows, mover] = best[rows, mover]
        profiles = np.unique(profiles[moving], axis=0)
    if not found:
        return np.empty((0, game.n_players), dtype=np.intp)
    unique: NDArray[np.intp] = np.unique(np.array(found, dtype=np.intp), axis=0)
    return unique
