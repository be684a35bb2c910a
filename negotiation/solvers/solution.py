"""What every solver hands back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import SolverError
from negotiation.metagame import PolymatrixGame


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Weights over every player's pool, and how good they are.

    Attributes:
        solver: the kind of solver, as in its configuration.
        weights: for each player a (K_i,) mixture; sums to 1 within 1e-12, nothing rounded, no exploration
            mixed in.
        nash_conv: sum over players of what a best deviation would gain, >= 0, 0 at an equilibrium. Always
            that of ``weights`` as independent mixtures, whatever concept the solver has.
        iterations: steps, pivots or linear systems that the solver took.
        converged: whether the solver met its own criterion. For solvers of Nash equilibria that is
            ``nash_conv`` at most the configured tolerance.
        payoffs: (N,) expected payoffs of ``weights``.
        notes: what a reader must know to judge the answer; empty if nothing.
        joint: (K_1, ..., K_N) joint distribution where the concept is one over profiles; ``weights`` are its
            marginals.
    """

    solver: str
    weights: tuple[NDArray[np.float64], ...]
    nash_conv: float
    iterations: int
    converged: bool
    payoffs: NDArray[np.float64]
    notes: str = ""
    joint: NDArray[np.float64] | None = None


def normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clip rounding errors below 0 and scale to sum 1.

    Example:
        >>> normalised(np.array([2.0, -1e-17, 2.0])).tolist()
        [0.5, 0.0, 0.5]

    Raises:
        SolverError: if the weights are not finite or have no mass.
    """
    clipped = np.maximum(np.asarray(weights, dtype=np.float64), 0.0)
    total = clipped.sum()
    if not np.isfinite(total) or total <= 0:
        raise SolverError(f"the solver returned weights {weights} that are no distribution; use kind 'exact'")
    mixture: NDArray[np.float64] = clipped / total
    return mixture


def make_solution(
    game: PolymatrixGame,
    solver: str,
    weights: Sequence[NDArray[np.float64]],
    *,
    iterations: int,
    tolerance: float | None = None,
    converged: bool | None = None,
    notes: str = "",
    joint: NDArray[np.float64] | None = None,
) -> Solution:
    """Measure weights on the game.

    Give ``tolerance`` if NashConv tells convergence, else ``converged``, by the solver's own criterion.
    """
    mixtures = tuple(normalised(vector) for vector in weights)
    nash_conv = game.nash_conv(mixtures)
    if converged is None:
        converged = tolerance is not None and nash_conv <= tolerance
    return Solution(
        solver=solver,
        weights=mixtures,
        nash_conv=nash_conv,
        iterations=iterations,
        converged=bool(converged),
        payoffs=game.expected_payoffs(mixtures),
        notes=notes,
        joint=joint,
    )
