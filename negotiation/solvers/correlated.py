"""Correlated and coarse correlated equilibria, by a linear program over profiles.

    maximise   sum over profiles s of joint[s] * sum over i of u_i(s)
    subject to, for every player i,
      ce:   sum over s with s_i = a of joint[s] (u_i(b, s_-i) - u_i(s)) <= 0   for all a != b
      cce:  sum over s of joint[s] (u_i(b, s_-i) - u_i(s)) <= 0                for all b

(Aumann 1974; Moulin and Vial 1978.) Instead of the greatest total payoff the greatest Gini impurity can be asked for, 1 less the
sum of squares of joint: the equilibrium that commits to least (Marris et al. 2021).
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

MAX_GINI_PROFILES = 1500
"""Most profiles of the quadratic program, which is dense."""


def solve_correlated(game: PolymatrixGame, config: CorrelatedConfig) -> Solution:
    """The (coarse) correlated equilibrium of greatest total payoff or greatest Gini impurity.

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
    scale = game.payoff_range() or 1.0
    answer = greatest_gini if config.objective == "gini" else greatest_welfare
    joint, gap, iterations = answer(game.tensor(), config.kind, scale)
    concept = "correlated" if config.kind == "ce" else "coarse correlated"
    aim = "Gini impurity" if config.objective == "gini" else "total payoff"
    notes = (
        f"{concept} equilibrium of greatest {aim}; weights are its marginals; largest gain from a"
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


def greatest_gini(
    tensors: tuple[NDArray[np.float64], ...], kind: str, scale: float = 1.0
) -> tuple[NDArray[np.float64], float, int]:
    """The (coarse) correlated equilibrium of greatest Gini impurity of a small game; arguments and answer as above.

    The shortest vector of a polyhedron, by least-distance programming (Lawson and Hanson 1974, chapter 23): with the constraints
    G x >= h, non-negative least squares of [G^T; h^T] u = (0, ..., 0, 1) leave a residual r, and x = -r[:-1] / r[-1]. That the
    probabilities sum to 1 is asked as at least 1: all else is homogeneous, so a shorter vector always sums to 1.

    Raises:
        SolverError: if there are too many profiles or no answer is found.

    Example:
        >>> pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
        >>> greatest_gini((pennies, -pennies), "ce")[0].round(9).tolist()
        [[0.25, 0.25], [0.25, 0.25]]
    """
    from scipy.optimize import nnls

    size = tensors[0].size
    if size > MAX_GINI_PROFILES:
        raise SolverError(
            f"the equilibrium of greatest Gini impurity is found for at most {MAX_GINI_PROFILES:,} profiles, not {size:,};"
            " use objective 'welfare' or solver 'exact'"
        )
    constraints = incentive_constraints(tensors, kind == "ce") / scale
    gains = constraints.toarray() if constraints.shape[0] else np.zeros((0, size))
    system = np.vstack(
        [np.hstack([-gains.T, np.eye(size), np.ones((size, 1))]), np.zeros((1, len(gains) + size + 1))]
    )
    system[-1, -1] = 1.0
    target = np.zeros(size + 1)
    target[-1] = 1.0
    try:
        found, _ = nnls(system, target, maxiter=30 * system.shape[1])
    except RuntimeError as error:
        raise SolverError(
            f"the quadratic program of solver {kind!r} failed ({error}); use objective 'welfare'"
        ) from error
    residual = system @ found - target
    if residual[-1] >= -1e-14:
        raise SolverError(f"the quadratic program of solver {kind!r} has no answer; use objective 'welfare'")
    joint = np.maximum(-residual[:-1] / residual[-1], 0.0)
    joint /= joint.sum()
    gap = float(max((gains @ joint).max(initial=0.0), 0.0)) * scale
    return joint.reshape(tensors[0].shape), gap, int((found > 0).sum())


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
