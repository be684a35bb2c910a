"""One equilibrium of any polymatrix game by complementary pivoting.

Howson (1972) showed that a polymatrix game is a linear complementarity problem that Lemke's algorithm solves.
The path is started as van den Elzen and Talman (1991) do: at t = 0 everybody answers a prior p, and the
others' weights are

    x + (1 - t) p,   sum over a of x_i[a] = t,      t from 0 to 1

With costs C, action costs are C x + (1 - t) C p = v_i + w with w >= 0 complementary to x >= 0. Pivoting
follows the path until t = 1, where x is an equilibrium. This is the linear tracing procedure of Harsanyi and
Selten: from the uniform prior the start and, in a nondegenerate game, the path do not depend on who sits
where. Ties are broken lexicographically, so the path never cycles; the tableau is rebuilt from the basis now
and then against rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from negotiation.metagame import PolymatrixGame, Weights
from negotiation.solvers.selection import Profile

REBUILD = 40
"""Pivots between two rebuilds of the tableau from the basis."""

PIVOT = 1e-10
"""Smallest pivot; entries below it are rounding (payoffs are scaled to a range of 1)."""


def trace(game: PolymatrixGame, prior: Weights, max_pivots: int) -> tuple[Profile | None, int]:
    """Follow the path from the answers to ``prior``.

    Args:
        game: the game.
        prior: one (K_i,) mixture a player.
        max_pivots: bound on the pivots.

    Returns:
        The end of the path and the pivots it took; None if the bound was hit or rounding broke the path.

    Example:
        >>> pennies = PolymatrixGame.from_bimatrix([[1, -1], [-1, 1]], [[-1, 1], [1, -1]])
        >>> profile, pivots = trace(pennies, [np.array([0.9, 0.1]), np.array([0.5, 0.5])], 100)
        >>> [weights.round(12).tolist() for weights in profile]
        [[0.5, 0.5], [0.5, 0.5]]
    """
    return _Path(game, prior).follow(max_pivots)


class _Path:
    """The tableau of one path. Columns: w (S), x (S), t, v (N), right-hand side."""

    def __init__(self, game: PolymatrixGame, prior: Weights) -> None:
        own, matrix, offsets = game.stacked
        self._game = game
        self._size = size = len(own)
        players = np.repeat(np.arange(game.n_players), game.sizes)
        member = (players[:, None] == np.arange(game.n_players)).astype(np.float64)
        # Own terms become payoffs against oneself: x_i sums to t, so they fade in with the rest.
        payoffs = (matrix + own[:, None] * (member @ member.T)) / (game.payoff_range() or 1.0)
        against_prior = payoffs @ game.flat(prior)
        self._full = np.zeros((size + game.n_players, 2 * size + 2 + game.n_players))
        self._full[:size, :size] = np.eye(size)
        self._full[:size, size : 2 * size] = payoffs
        self._full[:size, 2 * size] = -against_prior
        self._full[:size, 2 * size + 1 : -1] = -member
        self._full[:size, -1] = -against_prior
        self._full[size:, size : 2 * size] = member.T
        self._full[size:, 2 * size] = -1.0
        # Payoffs stand in for negative costs: v_i is the best payoff, and who reaches it is basic first.
        best = [
            int(values.argmax()) + start
            for values, start in zip(game.split(against_prior), offsets, strict=False)
        ]
        self._basis = np.arange(size)
        self._basis[best] += size
        self._free = np.arange(2 * size + 1, 2 * size + 1 + game.n_players)
        self._lexicographic = self._basis.copy()
        self._rebuild()

    def _rebuild(self) -> None:
        columns = np.concatenate([self._basis, self._free])
        rows = np.linalg.solve(self._full[:, columns], self._full)[: self._size]
        self._tableau: NDArray[np.float64] = rows.astype(np.float64, copy=False)

    def follow(self, max_pivots: int) -> tuple[Profile | None, int]:
        entering, t = 2 * self._size, 2 * self._size
        for pivots in range(max_pivots):
            if pivots and pivots % REBUILD == 0:
                try:
                    self._rebuild()
                except np.linalg.LinAlgError:
                    return None, pivots
            column = self._tableau[:, entering]
            row = self._leaving_row(column)
            if (step := self._step_to_end(entering, column)) is not None and (
                row is None or step <= self._tableau[row, -1] / column[row]
            ):
                return self._profile(entering, step), pivots + 1
            if row is None or self._basis[row] == t:
                return None, pivots
            leaving = int(self._basis[row])
            self._pivot(row, entering)
            entering = leaving + self._size if leaving < self._size else leaving - self._size
        return None, max_pivots

    def _leaving_row(self, column: NDArray[np.float64]) -> int | None:
        """Lexicographic ratio test."""
        rows = np.flatnonzero(column > PIVOT)
        if not rows.size:
            return None
        ratios = np.maximum(self._tableau[rows, -1], 0.0) / column[rows]
        rows = rows[ratios <= ratios.min() + 1e-12]
        for other in self._lexicographic:
            if rows.size == 1:
                break
            ratios = self._tableau[rows, other] / column[rows]
            rows = rows[ratios <= ratios.min() + 1e-12]
        return int(rows[0])

    def _step_to_end(self, entering: int, column: NDArray[np.float64]) -> float | None:
        """How far the entering variable goes until t = 1, if it goes there."""
        t = 2 * self._size
        if entering == t:
            return 1.0
        rows = np.flatnonzero(self._basis == t)
        if not rows.size or column[rows[0]] >= -PIVOT:
            return None
        return float(max(1.0 - self._tableau[rows[0], -1], 0.0) / -column[rows[0]])

    def _pivot(self, row: int, entering: int) -> None:
        pivot_row = self._tableau[row] / self._tableau[row, entering]
        self._tableau -= np.outer(self._tableau[:, entering], pivot_row)
        self._tableau[row] = pivot_row
        self._basis[row] = entering

    def _profile(self, entering: int, step: float) -> Profile | None:
        values = np.zeros(2 * self._size + 1)
        values[self._basis] = self._tableau[:, -1] - step * self._tableau[:, entering]
        values[entering] = step
        flat = np.maximum(values[self._size : 2 * self._size], 0.0)
        vectors = self._game.split(flat)
        if not np.isfinite(flat).all() or any(vector.sum() <= 0 for vector in vectors):
            return None
        return tuple(vector / vector.sum() for vector in vectors)
