"""Regret matching+ on the polymatrix form, refined to exactness on the supports that it finds.

Regret matching+ (Tammelin 2014) with linear averaging need not converge to a Nash equilibrium in a
general-sum game, but the supports of its iterates are good guesses, and the indifference equations on a right
guess give the equilibrium.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from negotiation.metagame import PolymatrixGame
from negotiation.solvers.refinement import refine
from negotiation.solvers.selection import Profile

THRESHOLDS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 1e-4)
"""Weights above which an action counts as played; each gives a support to try."""


def refined_regret_matching(
    game: PolymatrixGame, max_iterations: int, tolerance: float
) -> tuple[Profile, int]:
    """The best profile by NashConv that regret matching+ and refinement find.

    All players move at once from uniform play, so that seats do not matter. The average and the last iterate
    are refined after 64, 128, 256, ... iterations; it ends as soon as a refined profile has NashConv of at
    most ``tolerance``.

    Args:
        game: the game.
        max_iterations: bound on the iterations.
        tolerance: NashConv that is good enough.

    Returns:
        The profile and the iterations made.

    Example:
        >>> pennies = PolymatrixGame.from_bimatrix([[2, -1], [-1, 1]], [[-2, 1], [1, -1]])
        >>> profile, _ = refined_regret_matching(pennies, 1000, 1e-9)
        >>> [weights.round(12).tolist() for weights in profile]
        [[0.4, 0.6], [0.4, 0.6]]
    """
    own, matrix, offsets = game.stacked
    starts, repeats = offsets[:-1], np.array(game.sizes)
    uniform = np.concatenate([np.full(size, 1.0 / size) for size in game.sizes])
    regrets = np.zeros(len(own))
    average = np.zeros(len(own))
    flat = uniform
    best = _profile(game, uniform)
    best_conv = game.nash_conv(best)
    checkpoint = 64
    for iteration in range(1, max_iterations + 1):
        values = own + matrix @ flat
        expected = np.add.reduceat(flat * values, starts)
        regrets = np.maximum(regrets + values - np.repeat(expected, repeats), 0.0)
        sums = np.repeat(np.add.reduceat(regrets, starts), repeats)
        flat = np.where(sums > 0, regrets / np.where(sums > 0, sums, 1.0), uniform)
        average += iteration * flat
        if iteration in (checkpoint, max_iterations):
            checkpoint *= 2
            for candidate in (average, flat):
                refined = refine(game, _profile(game, candidate), THRESHOLDS)
                if (conv := game.nash_conv(refined)) < best_conv:
                    best, best_conv = refined, conv
            if best_conv <= tolerance:
                return best, iteration
    return best, max_iterations


def _profile(game: PolymatrixGame, flat: NDArray[np.float64]) -> Profile:
    return tuple(vector / vector.sum() for vector in game.split(flat))
