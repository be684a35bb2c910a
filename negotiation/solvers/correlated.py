"""Correlated and coarse correlated equilibria, by a linear program over profiles.

    maximise   sum over profiles s of joint[s] * sum over i of u_i(s)
    subject to, for every player i,
      ce:   sum over s with s_i = a of joint[s] (u_i(b, s_-i) - u_i(s)) <= 0   for all a != b
      cce:  sum over s of joint[s] (u_i(b, s_-i) - u_i(s)) <= 0                for all b

(Aumann 1974; Moulin and Vial 1978.)
The constraints and the objective are those of OpenSpiel's ``jpsro`` (maximum-welfare (C)CE), which solves
them with cvxpy and ecos; here SciPy's HiGHS does, which needs nothing more to be installed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from negotiation.config import CorrelatedConfig
from negotiation.errors import SolverError
from negotiation.metagame import PolymatrixGame
from negotiation.solvers.openspiel import marginals
from negotiation.solvers.solution import Solution, make_solution

MAX_PROFILES = 40_000
"""Most profiles of the linear program; this many (2 x 200) take about a minute."""


def solve_correlated(game: PolymatrixGame, config: CorrelatedConfig) -> Solution:
    """The (coarse) correlated equilibrium of greatest total payoff.

    ``joint`` is the answer; ``weights`` are its marginals, whose NashConv as independent mixtures may well be
    positive.

    Raises:
        SolverError: if there are too many profiles or the linear program fails.

    Example:
        >>> chicken = PolymatrixGame.from_bimatrix([[6, 2], [7, 0]], [[6, 7], [2, 0]])
        >>> solve_correlated(chicken, CorrelatedConfig(kind="ce")).joint.round(9).tolist()
        [[0.5, 0.25], [0.25, 0.0]]
    """
    profiles = int(np.prod(np.array(game.sizes, dtype=float)))
    if profiles > MAX_PROFILES:
        raise SolverError(
            f"solver {config.kind!r} needs a variable for each of {profiles:,} profiles and takes at most"
            f" {MAX_PROFILES:,}; use solver 'exact'"
        )
    joint, gap, iterations = greatest_welfare(game.tensor(), config.kind, game.payoff_range() or 1.0)
    concept = "correlated" if config.kind == "ce" else "coarse correlated"
    notes = (
        f"{concept} equilibrium of greatest total payoff; weights are its marginals; largest gain from a"
        f" deviation against the joint distribution {gap:.1e}"
    )
    return make_solution(
        game,
        config.kind,
        marginals(joint),
        iterations=iterations,
        converged=gap <= config.tolerance,
        notes=notes,
        joint=joint,
    )


def greatest_welfare(
    tensors: tuple[NDArray[np.float64], ...], kind: str, scale: float = 1.0
) -> tuple[NDArray[np.float64], float, int]:
    """The (coarse) correlated equilibrium of greatest total payoff of any game.

    Args:
        tensors: one (K_1, ..., K_N) payoff array a player.
        kind: ``ce`` or ``cce``.
        scale: of payoffs, positive; the linear program is solved in units of it.

    Returns:
        The (K_1, ..., K_N) joint distribution, the largest gain from a deviation against it, and iterations.

    Raises:
        SolverError: if the linear program fails.
    """
    from scipy.optimize import linprog  # a third of a second that only this solver needs

    constraints = incentive_constraints(tensors, kind == "ce") / scale
    result = linprog(
        -np.sum(tensors, axis=0).ravel() / scale,
        A_ub=constraints if constraints.shape[0] else None,
        b_ub=np.zeros(constraints.shape[0]) if constraints.shape[0] else None,
        A_eq=np.ones((1, tensors[0].size)),
        b_eq=[1.0],
        method="highs",
    )
    if not result.success:
        raise SolverError(
            f"the linear program of solver {kind!r} failed: {result.message}; use solver 'exact'"
        )
    joint = np.maximum(result.x, 0.0)
    joint /= joint.sum()
    gap = float(max((constraints @ joint).max(initial=0.0), 0.0)) * scale
    return joint.reshape(tensors[0].shape), gap, int(result.nit)


def incentive_constraints(tensors: tuple[NDArray[np.float64], ...], correlated: bool) -> Any:
    """Gains from deviations as rows over profiles.

    A joint distribution is an equilibrium if its gain in no row is positive.

    Args:
        tensors: one (K_1, ..., K_N) payoff array a player.
        correlated: rows for each (recommended action, deviation) of a player; else one for each deviation.

    Returns:
        (constraints, profiles) ``scipy.sparse`` array.
    """
    from scipy.sparse import coo_array, vstack

    cells = np.arange(tensors[0].size).reshape(tensors[0].shape)
    blocks = []
    for player, payoffs in enumerate(tensors):
        values = np.moveaxis(payoffs, player, 0).reshape(payoffs.shape[player], -1)
        columns = np.moveaxis(cells, player, 0).reshape(values.shape)
        for deviation in range(len(values)):
            gains = values[deviation][None, :] - values
            rows = np.arange(len(values)) if correlated else np.zeros(len(values), dtype=np.intp)
            rows = np.broadcast_to(rows[:, None], gains.shape)
            shape = (len(values) if correlated else 1, cells.size)
            blocks.append(coo_array((gains.ravel(), (rows.ravel(), columns.ravel())), shape=shape))
    return vstack(blocks).tocsr()
