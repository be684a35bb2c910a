"""Every solver but the exact one, against known answers."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy.optimize import brentq

from negotiation.config import (
    SOLVER_KINDS,
    AlphaRankConfig,
    CorrelatedConfig,
    GameConfig,
    LogitConfig,
    PotentialConfig,
    PrdConfig,
    RegretMatchingConfig,
    SolverConfig,
)
from negotiation.errors import SolverError
from negotiation.metagame import PolymatrixGame, nash_conv_openspiel
from negotiation.solvers import Solution, solve
from negotiation.solvers.correlated import incentive_constraints
from negotiation.solvers.openspiel import marginals
from tests.unit.negotiation.games import (
    ASYMMETRIC_PENNIES,
    CHICKEN,
    MOULIN_VIAL,
    PENNIES,
    PRISONERS,
    ROCK_PAPER_SCISSORS,
    STAG_HUNT,
    clique_coordination,
    jordan,
    negotiation_game,
    random_game,
    with_duplicate,
)

BY_KIND = {kind: TypeAdapter(SolverConfig).validate_python({"kind": kind}) for kind in SOLVER_KINDS}
FEW_STEPS = {"prd": {"iterations": 300}, "regret-matching": {"iterations": 300}}
QUICK = {kind: config.model_copy(update=FEW_STEPS.get(kind, {})) for kind, config in BY_KIND.items()}
TABLES = [(2, 5), (3, 1), (1, 1), (2, 3, 2)]


def check(game: PolymatrixGame, solution: Solution) -> None:
    assert tuple(vector.shape for vector in solution.weights) == tuple((size,) for size in game.sizes)
    for vector in solution.weights:
        assert abs(vector.sum() - 1.0) <= 1e-12
        assert (vector >= 0).all()
    assert solution.nash_conv == game.nash_conv(solution.weights)
    assert solution.nash_conv == pytest.approx(nash_conv_openspiel(game, solution.weights), abs=1e-9)
    np.testing.assert_allclose(solution.payoffs, game.expected_payoffs(solution.weights))
    assert solution.iterations >= 0


@pytest.mark.parametrize("kind", SOLVER_KINDS)
@pytest.mark.parametrize("sizes", TABLES)
def test_every_solver_takes_every_shape(kind, sizes):
    game = negotiation_game(np.random.default_rng(1), sizes)
    solution = solve(game, QUICK[kind])
    assert solution.solver == kind
    check(game, solution)


@pytest.mark.parametrize("kind", SOLVER_KINDS)
@pytest.mark.parametrize("sizes", [(2, 3), (2, 2, 2)])
def test_no_solver_breaks_on_duplicates(kind, sizes):
    game = negotiation_game(np.random.default_rng(2), sizes)
    for player in range(len(sizes)):
        doubled = with_duplicate(with_duplicate(game, player, 0), player, 1)
        check(doubled, solve(doubled, QUICK[kind]))


@pytest.mark.parametrize("kind", [kind for kind in SOLVER_KINDS if kind != "potential"])
def test_every_solver_takes_general_games(kind):
    for game in (PENNIES, random_game(np.random.default_rng(3), (3, 4)), jordan()):
        check(game, solve(game, QUICK[kind]))


@pytest.mark.parametrize("kind", SOLVER_KINDS)
def test_the_same_game_gives_the_same_answer(kind):
    game = negotiation_game(np.random.default_rng(4), (3, 3))
    first, second = solve(game, QUICK[kind]), solve(game, QUICK[kind])
    assert all((a == b).all() for a, b in zip(first.weights, second.weights, strict=True))


# --- potential


def test_argmax_is_not_where_coordinate_ascent_ends():
    # Coordinate ascent from (0, 0) stays there: a local maximum of 3 against 5 at (1, 1).
    common = np.array([[3.0, 0.0], [0.0, 5.0]])
    solution = solve(PolymatrixGame.from_bimatrix(common, common), PotentialConfig())
    assert [vector.tolist() for vector in solution.weights] == [[0, 1], [0, 1]]
    assert solution.converged


def test_potential_takes_the_risk_dominant_equilibrium():
    # Stag hunt: hare has the potential, stag the payoffs.
    assert [vector.tolist() for vector in solve(STAG_HUNT, PotentialConfig()).weights] == [[0, 1], [0, 1]]


def test_potential_takes_weighted_games():
    rows, columns = STAG_HUNT.tensor()
    scaled = PolymatrixGame.from_bimatrix(rows, 7.0 * columns)
    assert scaled.is_potential()
    assert [vector.tolist() for vector in solve(scaled, PotentialConfig()).weights] == [[0, 1], [0, 1]]


def test_potential_refuses_other_games():
    for game in (PENNIES, jordan()):
        with pytest.raises(SolverError, match="use solver 'exact'"):
            solve(game, PotentialConfig())


def test_potential_of_many_players_beyond_enumeration():
    game = negotiation_game(np.random.default_rng(5), (4, 4, 4, 4))
    whole = solve(game, PotentialConfig())
    part = solve(game, PotentialConfig(enumeration_limit=10), np.random.default_rng(6))
    assert whole.notes == ""
    assert "not surely the argmax of 256 profiles" in part.notes
    assert part.nash_conv <= 1e-9
    assert solve(clique_coordination(30), PotentialConfig()).converged


# --- OpenSpiel


def test_prd_leaves_no_exploration_in_the_answer():
    solution = solve(PRISONERS, PrdConfig(iterations=5000, step=0.05, average_last=1))
    assert solution.weights[0][0] < 1e-12  # OpenSpiel's own floor would be 1e-6, the published mixture .25
    assert solution.converged


def test_prd_says_when_it_has_not_converged():
    solution = solve(PRISONERS, PrdConfig(iterations=10))
    assert not solution.converged
    assert solution.nash_conv > 0.1


def test_regret_matching_averages_to_equilibrium_in_zero_sum_games():
    rows = np.array([[2.0, -1.0], [-1.0, 1.0]])  # both sides (2/5, 3/5)
    solution = solve(
        PolymatrixGame.from_bimatrix(rows, -rows), RegretMatchingConfig(iterations=20_000, tolerance=0.05)
    )
    assert solution.converged
    np.testing.assert_allclose(np.stack(solution.weights), [[0.4, 0.6], [0.4, 0.6]], atol=0.02)


def test_alpha_rank():
    """Omidshafiei et al. (2019): all mass on mutual defection; rock, paper, scissors in equal shares."""
    prisoners = solve(PRISONERS, AlphaRankConfig())
    np.testing.assert_allclose(prisoners.joint, [[0, 0], [0, 1]], atol=1e-9)
    shares = solve(ROCK_PAPER_SCISSORS, AlphaRankConfig(alpha=1.0))
    np.testing.assert_allclose(np.stack(shares.weights), np.full((2, 3), 1 / 3), atol=1e-9)
    assert "not an equilibrium" in shares.notes


def test_alpha_rank_of_a_reducible_chain_says_so():
    both = PolymatrixGame.from_bimatrix(1000 * np.eye(2), 1000 * np.eye(2))
    solution = solve(both, AlphaRankConfig())
    assert "alpha is infinite" in solution.notes
    np.testing.assert_allclose(solution.joint, [[0.495, 0.005], [0.005, 0.495]], atol=1e-3)


def test_dense_solvers_refuse_what_is_too_large():
    large = clique_coordination(21)
    for config in (PrdConfig(), RegretMatchingConfig(), AlphaRankConfig(), CorrelatedConfig(kind="ce")):
        with pytest.raises(SolverError, match=r"use .*solver"):
            solve(large, config)


# --- correlated


def test_correlated_equilibrium_of_chicken():
    """Aumann (1974): half on both giving way, a quarter on each of the others, 5.25 for both."""
    solution = solve(CHICKEN, CorrelatedConfig(kind="ce"))
    np.testing.assert_allclose(solution.joint, [[0.5, 0.25], [0.25, 0.0]], atol=1e-9)
    assert solution.converged
    assert solution.nash_conv > 0  # the marginals alone are no equilibrium, and the answer says so
    assert "marginals" in solution.notes
    payoffs = [float((tensor * solution.joint).sum()) for tensor in CHICKEN.tensor()]
    np.testing.assert_allclose(payoffs, [5.25, 5.25], atol=1e-9)


def test_coarse_is_larger_than_correlated():
    """Moulin and Vial (1978)."""
    total = {
        kind: sum(
            float((t * solve(MOULIN_VIAL, CorrelatedConfig(kind=kind)).joint).sum())
            for t in MOULIN_VIAL.tensor()
        )
        for kind in ("ce", "cce")
    }
    assert total["ce"] == pytest.approx(6.0)
    assert total["cce"] == pytest.approx(7.0)


def test_totals_are_those_of_openspiel():
    pytest.importorskip("cvxpy")
    pytest.importorskip("ecos")
    from open_spiel.python.algorithms import jpsro

    rng = np.random.default_rng(9)
    for game in (CHICKEN, MOULIN_VIAL, random_game(rng, (3, 4)), random_game(rng, (2, 3, 2))):
        payoffs = np.stack(game.tensor())
        for kind, theirs in (("ce", jpsro._mwce), ("cce", jpsro._mwcce)):
            joint = theirs(payoffs, [np.ones(size) for size in game.sizes])[0]
            ours = solve(game, CorrelatedConfig(kind=kind)).joint
            assert (payoffs * ours).sum() == pytest.approx((payoffs * joint).sum(), abs=1e-5)


def test_nash_equilibria_are_correlated_ones():
    rng = np.random.default_rng(7)
    for sizes in [(3, 4), (2, 3, 2)]:
        game = random_game(rng, sizes)
        weights = solve(game, BY_KIND["exact"]).weights
        joint = weights[0]
        for vector in weights[1:]:
            joint = np.multiply.outer(joint, vector)
        for correlated in (True, False):
            assert (incentive_constraints(game.tensor(), correlated) @ joint.ravel()).max() <= 1e-9
        best = solve(game, CorrelatedConfig(kind="ce"))
        assert (
            sum(float((t * best.joint).sum()) for t in game.tensor())
            >= game.expected_payoffs(weights).sum() - 1e-7
        )
        for vector, marginal in zip(best.weights, marginals(best.joint), strict=True):
            np.testing.assert_allclose(vector, marginal, atol=1e-12)


# --- logit


def test_logit_of_the_prisoners_dilemma():
    """Defecting pays 1 + p more than cooperating if the other cooperates with p: p = 1 / (1 + exp(l (1 + p)))."""
    for rationality in (0.5, 2.0, 8.0):
        p = brentq(lambda p, lam=rationality: p - 1 / (1 + exp(lam * (1 + p))), 0.0, 1.0, xtol=1e-15)
        solution = solve(PRISONERS, LogitConfig(rationality=rationality))
        np.testing.assert_allclose([vector[0] for vector in solution.weights], [p, p], atol=1e-11)
        assert solution.converged


@pytest.mark.parametrize("rationality", [0.0, 0.3, 1.0, 10.0, 300.0])
def test_logit_is_a_fixed_point(rationality):
    rng = np.random.default_rng(8)
    for game in (ASYMMETRIC_PENNIES, jordan(), random_game(rng, (3, 4)), negotiation_game(rng, (5, 5))):
        solution = solve(game, LogitConfig(rationality=rationality))
        assert solution.converged
        for player, vector in enumerate(solution.weights):
            scores = rationality * game.action_values(player, solution.weights)
            response = np.exp(scores - scores.max())
            np.testing.assert_allclose(vector, response / response.sum(), atol=1e-8)


def test_logit_tends_to_nash():
    solution = solve(ASYMMETRIC_PENNIES, LogitConfig(rationality=2000.0))
    np.testing.assert_allclose(np.stack(solution.weights), [[0.5, 0.5], [0.1, 0.9]], atol=1e-3)


def test_logit_says_when_it_is_stopped():
    solution = solve(CHICKEN, LogitConfig(rationality=100.0, max_steps=3))
    assert not solution.converged
    assert "lost on the way to 100" in solution.notes


# --- configuration


@pytest.mark.parametrize("kind", SOLVER_KINDS)
def test_kinds_are_told_apart(kind):
    config = GameConfig.model_validate({"solver": {"kind": kind}})
    assert config.solver.kind == kind
    assert GameConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    "bad",
    [
        {"alpha": 0, "beta": 0, "gamma": 0},
        {"alpha": -0.1},
        {"beta": float("nan")},
        {"gamma": float("inf")},
        {"epsilon": -1},
        {"rounds": 0},
        {"update": "never"},
        {"solver": {"kind": "magic"}},
        {"solver": {"kind": "exact", "tolerance": 0}},
        {"solver": {"kind": "exact", "unknown": 1}},
        {"delta": 1},
    ],
)
def test_bad_configuration_is_refused(bad):
    with pytest.raises(ValidationError):
        GameConfig.model_validate(bad)


def test_every_field_is_described():
    schema = GameConfig.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        assert all("description" in field for field in model["properties"].values())
