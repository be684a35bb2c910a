"""The correlated equilibrium of greatest Gini impurity: known answers, and a second solver."""

from __future__ import annotations

import numpy as np
import pytest

from negotiation.config import CorrelatedConfig
from negotiation.errors import SolverError
from negotiation.metagame import PolymatrixGame
from negotiation.solvers import solve
from negotiation.solvers.correlated import greatest_gini, greatest_welfare, incentive_constraints


def test_a_dominant_action_leaves_no_choice() -> None:
    dilemma = PolymatrixGame.from_bimatrix([[3, 0], [5, 1]], [[3, 5], [0, 1]])
    joint = solve(dilemma, CorrelatedConfig(kind="ce", objective="gini")).joint
    assert joint == pytest.approx(np.array([[0, 0], [0, 1.0]]), abs=1e-9)


def test_where_all_is_the_same_play_is_uniform() -> None:
    flat = (np.zeros((2, 3, 2)),) * 3
    joint, gap, _ = greatest_gini(flat, "cce")
    assert joint == pytest.approx(np.full((2, 3, 2), 1 / 12))
    assert gap == 0


@pytest.mark.parametrize("kind", ["ce", "cce"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 2)])
def test_no_equilibrium_is_nearer_to_uniform(kind: str, shape: tuple[int, ...]) -> None:
    from scipy.optimize import LinearConstraint, minimize

    rng = np.random.default_rng(len(shape))
    tensors = tuple(rng.random(shape) for _ in shape)
    joint, gap, _ = greatest_gini(tensors, kind)
    assert gap < 1e-9
    assert joint.sum() == pytest.approx(1.0)
    welfare, _, _ = greatest_welfare(tensors, kind)
    assert (joint**2).sum() <= (welfare**2).sum() + 1e-9
    # A general solver of constrained problems finds nothing shorter.
    gains = incentive_constraints(tensors, kind == "ce").toarray()
    size = tensors[0].size
    other = minimize(
        lambda p: float(p @ p),
        welfare.ravel(),
        jac=lambda p: 2 * p,
        bounds=[(0, 1)] * size,
        constraints=[LinearConstraint(gains, -np.inf, 0), LinearConstraint(np.ones((1, size)), 1, 1)],
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert (joint**2).sum() == pytest.approx(other.fun, abs=1e-6)


def test_large_games_are_refused() -> None:
    with pytest.raises(SolverError, match="at most"):
        greatest_gini((np.zeros((50, 50)),) * 2, "ce")
