"""From an approximate equilibrium to one exact to rounding: the indifference equations on its support.

In a polymatrix game the value of an action is linear in the others' weights, so on given
supports (S_1, ..., S_N)

    own_i[a] + sum over j of pairs_ij[a, :] w_j = v_i   for a in S_i,      sum over S_i of w_i = 1

is a square linear system in the weights and the values v, for any number of players.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from negotiation.metagame import PolymatrixGame
from negotiation.solvers.selection import Profile


def indifference_systems(
    game: PolymatrixGame, actions: NDArray[np.intp], sizes: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The indifference equations of a batch of supports with the same sizes.

    Args:
        game: the game.
        actions: (B, T) indices into the stacked actions: the players' supports end to end.
        sizes: (s_1, ..., s_N) with sum T.

    Returns:
        (B, T + N, T + N) matrices and (B, T + N) right-hand sides; unknowns are T weights and N values.
    """
    own, matrix, _ = game.stacked
    batch, total = actions.shape
    players = np.repeat(np.arange(len(sizes)), sizes)
    member = (players[:, None] == np.arange(len(sizes))).astype(np.float64)
    left = np.zeros((batch, total + len(sizes), total + len(sizes)))
    left[:, :total, :total] = matrix[actions[:, :, None], actions[:, None, :]]
    left[:, :total, total:] = -member
    left[:, total:, :total] = member.T
    right = np.concatenate([-own[actions], np.ones((batch, len(sizes)))], axis=1)
    return left, right


def on_supports(game: PolymatrixGame, supports: Sequence[NDArray[np.intp]]) -> Profile | None:
    """Weights that make every player indifferent on its support; None if they are no mixtures."""
    _, _, offsets = game.stacked
    actions = np.concatenate([support + offset for support, offset in zip(supports, offsets, strict=False)])
    left, right = indifference_systems(game, actions[None], [len(support) for support in supports])
    try:
        unknowns = np.linalg.lstsq(left[0], right[0], rcond=None)[0]
    except np.linalg.LinAlgError:
        return None
    flat = np.zeros(offsets[-1])
    flat[actions] = np.maximum(unknowns[: len(actions)], 0.0)
    sums = np.add.reduceat(flat, offsets[:-1])
    if not np.isfinite(flat).all() or (sums <= 0).any():
        return None
    return tuple(vector / total for vector, total in zip(game.split(flat), sums, strict=True))


def refine(game: PolymatrixGame, weights: Profile, thresholds: Sequence[float] = (1e-9,)) -> Profile:
    """The best by NashConv of the weights themselves and of the solutions on their supports.

    Weights that are exact to rounding stay as they are: another solution on their supports is no better.

    Args:
        game: the game.
        weights: an approximate equilibrium.
        thresholds: an action is in the support if its weight exceeds the threshold; each is tried.
    """
    best, best_conv = weights, game.nash_conv(weights)
    if best_conv <= game.payoff_resolution():
        return weights
    tried: set[bytes] = set()
    for threshold in thresholds:
        supports = [np.flatnonzero(vector > threshold) for vector in weights]
        mark = b"|".join(support.tobytes() for support in supports)
        if mark in tried or any(not len(support) for support in supports):
            continue
        tried.add(mark)
        refined = on_supports(game, supports)
        if refined is not None and (conv := game.nash_conv(refined)) < best_conv:
            best, best_conv = refined, conv
    return best
