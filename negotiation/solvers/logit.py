"""Logit quantal response equilibrium (McKelvey and Palfrey 1995) on its principal branch.

    w_i[a] proportional to exp(lambda * u_i(a, w_-i))

At lambda = 0 everybody plays uniformly; the branch from there is followed by its arc length (Turocy 2005),
since it may turn back in lambda before it goes on. The unknowns are log-weights, so that tiny weights do no
harm. As lambda grows, the branch of almost every game ends at one Nash equilibrium. A duplicated guideline
does change this answer: two equal choices draw twice the weight of one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from negotiation.config import LogitConfig
from negotiation.metagame import PolymatrixGame
from negotiation.solvers.solution import Solution, make_solution

NEWTON_STEPS = 12
"""Corrections after which a step counts as too long."""

LONGEST_STEP = 2.0
"""In the length of (log-weights, lambda times the payoff range)."""

GROWTH = 0.1
"""Far out the branch is nearly straight: steps may grow by this share of the distance from the start."""

LEAST_COSINE = 0.9
"""Between the directions at both ends of a step; below it the step was too long."""

SHORTEST_STEP = 1e-8
"""Below it the path is given up."""


def solve_logit(game: PolymatrixGame, config: LogitConfig) -> Solution:
    """The quantal response equilibrium at ``config.rationality``.

    ``converged`` says that the response map moves no weight by more than ``config.tolerance``; it is no Nash
    equilibrium at a finite rationality, and its NashConv says how far from one it is.

    Example:
        >>> prisoners = PolymatrixGame.from_bimatrix([[3, 0], [5, 1]], [[3, 5], [0, 1]])
        >>> [weights.tolist() for weights in solve_logit(prisoners, LogitConfig(rationality=0)).weights]
        [[0.5, 0.5], [0.5, 0.5]]
    """
    branch = _Branch(game)
    reached, steps = branch.follow(config.rationality, config.max_steps)
    weights = game.split(np.exp(branch.logs))
    residual = float(np.abs(branch.response(branch.logs, reached) - branch.logs).max(initial=0.0))
    notes = f"quantal response equilibrium at rationality {reached:g}"
    if reached != config.rationality:
        notes += f", where the branch was lost on the way to {config.rationality:g}"
    converged = reached == config.rationality and residual <= config.tolerance
    return make_solution(game, "logit", weights, iterations=steps, converged=converged, notes=notes)


class _Branch:
    """A point on the principal branch: log-weights (S,) and lambda, in units of the game's payoff range."""

    def __init__(self, game: PolymatrixGame) -> None:
        own, matrix, offsets = game.stacked
        self._scale = game.payoff_range() or 1.0
        self._own, self._matrix = own / self._scale, matrix / self._scale
        self._starts, self._sizes = offsets[:-1], np.array(game.sizes)
        players = np.repeat(np.arange(game.n_players), game.sizes)
        self._same = (players[:, None] == players[None, :]).astype(np.float64)
        self.logs = -np.log(np.repeat(self._sizes, self._sizes).astype(np.float64))
        self._lam = 0.0

    def response(self, logs: NDArray[np.float64], rationality: float) -> NDArray[np.float64]:
        """Log of the logit response to weights exp(logs), (S,); rationality in inverse payoff units."""
        return self._response(logs, rationality * self._scale)

    def _response(self, logs: NDArray[np.float64], lam: float) -> NDArray[np.float64]:
        scores = lam * (self._own + self._matrix @ np.exp(logs))
        scores = scores - np.repeat(np.maximum.reduceat(scores, self._starts), self._sizes)
        sums = np.add.reduceat(np.exp(scores), self._starts)
        logits: NDArray[np.float64] = scores - np.repeat(np.log(sums), self._sizes)
        return logits

    def follow(self, rationality: float, max_steps: int) -> tuple[float, int]:
        """Move along the branch to lambda; returns the rationality reached and the steps made."""
        target = rationality * self._scale
        start = np.zeros(len(self.logs) + 1)
        start[-1] = 1.0
        tangent = self._tangent(self.logs, 0.0, start)
        length, steps = 0.1, 0
        while tangent is not None and self._lam < target and steps < max_steps and length > SHORTEST_STEP:
            steps += 1
            guess = np.append(self.logs, self._lam) + length * tangent
            point = self._correct(guess, tangent)
            turned = None if point is None else self._tangent(*point, tangent)
            if point is None or turned is None or turned @ tangent < LEAST_COSINE:
                # Too long a step can land on another branch; a sharp turn is its sign.
                length /= 2
                continue
            if point[1] >= target:
                # Lambda is passed on this step: correct at lambda itself instead of along the arc.
                share = (target - self._lam) / (point[1] - self._lam)
                within = np.append(self.logs + share * (point[0] - self.logs), target)
                exact = self._correct(within, start)
                if exact is None:
                    length /= 2
                    continue
                self.logs, self._lam = exact[0], target
                return rationality, steps
            self.logs, self._lam = point
            tangent = turned
            longest = LONGEST_STEP + GROWTH * float(np.linalg.norm(np.append(*point)))
            length = min(1.5 * length, longest)
        return rationality if self._lam >= target else self._lam / self._scale, steps

    def _jacobian(self, logs: NDArray[np.float64], lam: float) -> NDArray[np.float64]:
        """(S, S + 1) derivative of logs - response(logs, lambda)."""
        weights = np.exp(logs)
        shares = np.exp(self._response(logs, lam))
        values = self._own + self._matrix @ weights
        effects = np.column_stack([lam * self._matrix * weights, values])
        means = self._same @ (shares[:, None] * effects)
        jacobian: NDArray[np.float64] = means - effects
        jacobian[:, :-1] += np.eye(len(logs))
        return jacobian

    def _tangent(
        self, logs: NDArray[np.float64], lam: float, previous: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Unit direction of the branch, on the side of the previous one; None where branches cross."""
        right = np.zeros(len(previous))
        right[-1] = 1.0
        try:
            direction = np.linalg.solve(np.vstack([self._jacobian(logs, lam), previous]), right)
        except np.linalg.LinAlgError:
            return None
        unit: NDArray[np.float64] = direction / np.linalg.norm(direction)
        return unit if np.isfinite(unit).all() else None

    def _correct(
        self, guess: NDArray[np.float64], tangent: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float] | None:
        """Newton's method back to the branch, at right angles to the tangent; None if it does not get
        there."""
        point = guess.copy()
        for step in range(NEWTON_STEPS + 1):
            logs, lam = point[:-1], float(point[-1])
            # Weights are at most 1, so log-weights above 0 by much are far off and would overflow.
            if not np.isfinite(point).all() or logs.max() > 10.0 or lam < -1e-9:
                return None
            residual = np.append(logs - self._response(logs, lam), tangent @ (point - guess))
            if np.abs(residual).max() < (1e-12 if step < NEWTON_STEPS else 1e-10):
                return self._response(logs, lam), lam
            try:
                point = point - np.linalg.solve(np.vstack([self._jacobian(logs, lam), tangent]), residual)
            except np.linalg.LinAlgError:
                return None
        return None
