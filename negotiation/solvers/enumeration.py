"""All equilibria of small games.

Two players: the vertices of the best-response polytopes (Mangasarian 1964; von Stengel 2002),

    P = {x >= 0 : B^T x <= 1},   Q = {y >= 0 : A y <= 1}      (payoffs scaled to be positive)

a pair of vertices that together carry every label is an equilibrium, and every extreme equilibrium is such a
pair, in degenerate games too. Three and more players: the indifference equations of every combination of
supports, which are linear in a polymatrix game; this finds every equilibrium that is isolated on its support.
"""

from __future__ import annotations

import itertools
from math import comb, prod

import numpy as np
from numpy.typing import NDArray

from negotiation.metagame import PolymatrixGame
from negotiation.solvers.refinement import indifference_systems
from negotiation.solvers.selection import Profile

FEASIBLE = 1e-9
"""Rounding allowed in the inequalities of a game scaled to a range of 1; NashConv is measured afterwards."""

SINGULAR = 1e-10
"""Volume of a matrix relative to its rows' lengths below which it counts as singular."""

BATCH = 4096
"""Linear systems solved at once, to bound memory."""


def count_systems(game: PolymatrixGame) -> int:
    """How many linear systems ``all_equilibria`` would solve.

    Example:
        >>> count_systems(PolymatrixGame.from_bimatrix(np.eye(3), np.eye(3)))
        40
    """
    if game.n_players == 2:
        return 2 * comb(sum(game.sizes), game.sizes[0])
    return prod(2**size - 1 for size in game.sizes)


def all_equilibria(game: PolymatrixGame) -> list[Profile]:
    """Candidates for all equilibria: all extreme ones of two players, all isolated ones of more.

    They are not yet checked by NashConv; least-squares solutions may leave impostors among them.
    """
    if set(game.sizes) == {1}:
        return [tuple(np.ones(1) for _ in game.sizes)]
    return _two_player(game) if game.n_players == 2 else _many_player(game)


def _two_player(game: PolymatrixGame) -> list[Profile]:
    sizes = game.sizes
    payoffs = [
        game.pairs.get((i, 1 - i), np.zeros((sizes[i], sizes[1 - i]))) + game.own[i][:, None]
        for i in range(2)
    ]
    scaled = [(block - block.min()) / (np.ptp(block) or 1.0) + 1.0 for block in payoffs]
    # Player 0's mixtures are bounded by what player 1 gets from them, and the other way round.
    first, first_labels = _vertices(scaled[1], own_first=True)
    second, second_labels = _vertices(scaled[0], own_first=False)
    complete = np.logical_or(first_labels[:, None, :], second_labels[None, :, :]).all(axis=2)
    return [(first[k], second[m]) for k, m in np.argwhere(complete)]


def _vertices(payoffs: NDArray[np.float64], own_first: bool) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Vertices of {x >= 0 : payoffs x <= 1}, without the origin, as mixtures.

    Args:
        payoffs: (K_other, K_own) positive payoffs of the other player.
        own_first: whether the labels of the player's own actions come first.

    Returns:
        (V, K_own) mixtures and (V, labels) which labels each carries: own actions not played, best replies of
        the other.
    """
    n_other, n_own = payoffs.shape
    points = []
    for size in range(1, min(n_own, n_other) + 1):
        played = np.array(list(itertools.combinations(range(n_own), size)), dtype=np.intp)
        tight = np.array(list(itertools.combinations(range(n_other), size)), dtype=np.intp)
        pairs = np.indices((len(played), len(tight))).reshape(2, -1)
        for chunk in np.array_split(pairs, -(-pairs.shape[1] // BATCH), axis=1):
            columns, rows = played[chunk[0]], tight[chunk[1]]
            left = payoffs[rows[:, :, None], columns[:, None, :]]
            # A singular system is no vertex; what passes for one nevertheless is sorted out below.
            try:
                values = np.linalg.solve(left, np.ones((*rows.shape, 1)))[..., 0]
            except np.linalg.LinAlgError:
                values = _solve(left, np.ones(rows.shape))
            keep = np.flatnonzero((values >= -FEASIBLE).all(axis=1))
            full = np.zeros((len(keep), n_own))
            np.put_along_axis(full, columns[keep], values[keep], axis=1)
            inside = (full @ payoffs.T <= 1.0 + FEASIBLE).all(axis=1)
            regular = np.linalg.cond(left[keep[inside]]) < 1.0 / SINGULAR
            points.append(full[inside][regular])
    found = np.vstack(points)
    _, first = np.unique(np.round(found, 8), axis=0, return_index=True)
    found = np.maximum(found[np.sort(first)], 0.0)
    own_labels, other_labels = found <= FEASIBLE, found @ payoffs.T >= 1.0 - 1e-8
    ordered = (own_labels, other_labels) if own_first else (other_labels, own_labels)
    return found / found.sum(axis=1, keepdims=True), np.hstack(ordered)


def _many_player(game: PolymatrixGame) -> list[Profile]:
    game = _normalised(game)
    _, _, offsets = game.stacked
    found: list[Profile] = []
    for sizes in itertools.product(*[range(1, size + 1) for size in game.sizes]):
        supports = [
            np.array(list(itertools.combinations(range(n), size)), dtype=np.intp) + offset
            for n, size, offset in zip(game.sizes, sizes, offsets, strict=False)
        ]
        grid = np.indices([len(support) for support in supports]).reshape(game.n_players, -1)
        for chunk in np.array_split(grid, -(-grid.shape[1] // BATCH), axis=1):
            actions = np.hstack([support[row] for support, row in zip(supports, chunk, strict=True)])
            left, right = indifference_systems(game, actions, sizes)
            found.extend(_stable_profiles(game, actions, _solve(left, right)))
    return found


def _normalised(game: PolymatrixGame) -> PolymatrixGame:
    """The same game with payoffs of about the size of probabilities, and not moved by constants added to it."""
    scale = game.payoff_range() or 1.0
    own = []
    for player, vector in enumerate(game.own):
        means = [float(block.mean()) for (mover, _), block in game.pairs.items() if mover == player]
        own.append((vector - vector.mean() - sum(means)) / scale)
    return PolymatrixGame(tuple(own), {key: block / scale for key, block in game.pairs.items()})


def _stable_profiles(
    game: PolymatrixGame,
    actions: NDArray[np.intp],
    values: NDArray[np.float64],
) -> list[Profile]:
    """Those solutions that are mixtures from which nobody gains by leaving the support."""
    own, matrix, offsets = game.stacked
    total = actions.shape[1]
    keep = (values[:, :total] >= -FEASIBLE).all(axis=1)
    flat = np.zeros((int(keep.sum()), len(own)))
    np.put_along_axis(flat, actions[keep], np.maximum(values[keep, :total], 0.0), axis=1)
    payoffs = own + flat @ matrix.T
    best = np.maximum.reduceat(payoffs, offsets[:-1], axis=1)
    stable = (best <= values[keep, total:] + 1e-8).all(axis=1)
    return [
        tuple(vector / vector.sum() for vector in game.split(row))
        for row in flat[stable]
        if np.isfinite(row).all()
    ]


def _solve(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve (B, n, n) systems; those without a single solution get the least one by least squares.

    Least squares treats all players and actions alike, where elimination would pick a solution by their order.
    """
    norms = np.linalg.norm(left, axis=2)
    _, log_volume = np.linalg.slogdet(left)
    singular = np.asarray(log_volume - np.log(np.where(norms > 0, norms, 1.0)).sum(axis=1) < np.log(SINGULAR))
    values = np.empty_like(right)
    values[~singular] = np.linalg.solve(left[~singular], right[~singular, :, None])[..., 0]
    if singular.any():
        inverse = np.linalg.pinv(left[singular], rcond=1e-10)
        values[singular] = (inverse @ right[singular, :, None])[..., 0]
    return values
