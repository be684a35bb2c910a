"""The exact solver against games of the literature, and its parts one by one."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from negotiation.config import ExactConfig
from negotiation.errors import SolverError
from negotiation.metagame import PolymatrixGame, nash_conv_openspiel
from negotiation.solvers import solve
from negotiation.solvers.enumeration import all_equilibria, count_systems
from negotiation.solvers.lemke import trace
from negotiation.solvers.pure import best_response_dynamics, pure_equilibria
from negotiation.solvers.reduction import reduce_game
from negotiation.solvers.refinement import refine
from negotiation.solvers.regret import refined_regret_matching
from negotiation.solvers.selection import select
from tests.unit.negotiation.games import (
    ASYMMETRIC_PENNIES,
    CHICKEN,
    EQUILIBRIA,
    PENNIES,
    SEXES,
    SHAPLEY,
    STAG_HUNT,
    clique_coordination,
    jordan,
    negotiation_game,
    random_game,
    table,
    with_duplicate,
)

NO_ENUMERATION = ExactConfig(enumeration_limit=0)
REGRET_ONLY = ExactConfig(enumeration_limit=0, max_pivots=0)


def uniform(game):
    return [np.full(size, 1.0 / size) for size in game.sizes]


def contains(profiles, profile):
    flat = np.concatenate([np.asarray(vector, dtype=float) for vector in profile])
    return any(np.abs(np.concatenate(other) - flat).max() < 1e-9 for other in profiles)


def distinct(game):
    found = [profile for profile in all_equilibria(game) if game.nash_conv(profile) < 1e-9]
    return {tuple(np.round(np.concatenate(profile), 7)) for profile in found}


@pytest.mark.parametrize("name", EQUILIBRIA)
def test_all_equilibria_of_the_literature(name):
    game, known = EQUILIBRIA[name]
    found = all_equilibria(game)
    assert len(distinct(game)) == len(known)
    for profile in known:
        assert contains(found, profile)


@pytest.mark.parametrize(
    "config", [ExactConfig(), NO_ENUMERATION, REGRET_ONLY], ids=["default", "traced", "regret"]
)
@pytest.mark.parametrize("name", EQUILIBRIA)
def test_one_of_the_known_equilibria_is_the_answer(name, config):
    game, known = EQUILIBRIA[name]
    solution = solve(game, config)
    assert solution.converged
    assert solution.nash_conv <= 1e-12
    assert nash_conv_openspiel(game, solution.weights) <= 1e-9
    assert contains([solution.weights], solution.weights)
    assert any(contains([solution.weights], profile) for profile in known)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_coordination_has_two_to_the_n_minus_one_equilibria(size):
    """Quint and Shubik (1997): every set of actions carries one, 2^n - 1 in all."""
    assert len(distinct(PolymatrixGame.from_bimatrix(np.eye(size), np.eye(size)))) == 2**size - 1


def test_random_games_have_an_odd_number_of_equilibria():
    """Wilson (1971): almost all games do, so a missed one shows."""
    rng = np.random.default_rng(0)
    for sizes in [(2, 2), (3, 3), (4, 4), (2, 5), (5, 3), (4, 6), (2, 2, 2), (3, 2, 3), (3, 3, 3)] * 4:
        game = random_game(rng, sizes)
        assert len(distinct(game)) % 2 == 1, sizes


def test_three_player_pennies():
    for config in (ExactConfig(), NO_ENUMERATION, REGRET_ONLY):
        solution = solve(jordan(), config)
        for vector in solution.weights:
            np.testing.assert_allclose(vector, [0.5, 0.5], atol=1e-12)
        assert nash_conv_openspiel(jordan(), solution.weights) <= 1e-9


def test_three_player_coordination():
    """Clique of three: an edge pays 2 on action 1. If the others play action 1 with q, 0 pays 2 (1 - q), 1 pays 4 q."""
    game = clique_coordination(3)
    assert distinct(game) == {
        (1, 0, 1, 0, 1, 0),
        (0, 1, 0, 1, 0, 1),
        tuple(np.round([2 / 3, 1 / 3] * 3, 7)),
    }
    assert [vector.tolist() for vector in solve(game, ExactConfig()).weights] == [[0, 1]] * 3


# Greatest Nash product. Gains are over the lowest payoff of each player.
#   stag hunt: lowest 1: (4 - 1)^2 = 9 for stag, (3 - 1)^2 = 4 for hare.
#   sexes: 2 * 1 at both pure ones (lowest 0), 2/3 * 2/3 at the mixed one.
#   unequal, below: lowest 0: 5 * 1 = 5 at the first, 2 * 3 = 6 at the second; the first has the greater sum.
UNEQUAL = table(
    "5,1 | 0,0",
    "0,0 | 2,3",
)


@pytest.mark.parametrize(
    ("game", "selection", "weights"),
    [
        (STAG_HUNT, "nash_product", [[1, 0], [1, 0]]),
        (STAG_HUNT, "potential", [[0, 1], [0, 1]]),
        (UNEQUAL, "nash_product", [[0, 1], [0, 1]]),
        (UNEQUAL, "welfare", [[1, 0], [1, 0]]),
        (UNEQUAL, "minimum_gain", [[0, 1], [0, 1]]),
    ],
)
def test_selection(game, selection, weights):
    solution = solve(game, ExactConfig(selection=selection))
    assert [vector.tolist() for vector in solution.weights] == weights


def test_ties_go_to_earlier_guidelines_or_to_what_treats_equals_alike():
    # In the battle of the sexes the players differ, and the tie goes to the earlier guideline of both ...
    assert [vector.tolist() for vector in solve(SEXES, ExactConfig()).weights] == [[1, 0], [1, 0]]
    # ... in chicken they are the same player twice, so neither pure equilibrium can be told from the other.
    for vector in solve(CHICKEN, ExactConfig()).weights:
        np.testing.assert_allclose(vector, [2 / 3, 1 / 3], atol=1e-12)


def test_seats_decide_only_if_nothing_else_can():
    pure = [CHICKEN.pure_weights((0, 1)), CHICKEN.pure_weights((1, 0))]
    choice = select(CHICKEN, pure, "nash_product")
    assert choice.by_seat
    mixed = (np.array([2 / 3, 1 / 3]),) * 2
    assert not select(CHICKEN, [*pure, mixed], "nash_product").by_seat
    with pytest.raises(SolverError, match="no equilibrium"):
        select(CHICKEN, [], "nash_product")


def test_selection_by_potential_needs_one():
    with pytest.raises(SolverError, match="needs a potential game"):
        solve(PENNIES, ExactConfig(selection="potential"))


def test_weights_are_not_rounded_and_nothing_is_mixed_in():
    """Published code mixes in half a uniform distribution and rounds to two decimals."""
    solution = solve(ASYMMETRIC_PENNIES, ExactConfig())
    np.testing.assert_allclose(solution.weights[1], [0.1, 0.9], atol=1e-15)
    third = table(
        "2,1 | 0,2",
        "0,1 | 1,0",
    )  # player 0 makes 1, 2 indifferent with (1/2, 1/2); player 1 with (1/3, 2/3)
    solution = solve(third, ExactConfig())
    np.testing.assert_allclose(solution.weights[1], [1 / 3, 2 / 3], atol=1e-15)
    pure = solve(negotiation_game(np.random.default_rng(1), (6, 5)), ExactConfig())
    for vector in (*pure.weights, *solution.weights):
        assert abs(vector.sum() - 1.0) <= 1e-12
    assert sum(int((vector == 0).sum()) for vector in pure.weights) == 6 + 5 - 2


def test_answers_say_how_they_were_found():
    rng = np.random.default_rng(2)
    assert "all extreme" in solve(SHAPLEY, ExactConfig()).notes
    assert "complementary pivoting" in solve(SHAPLEY, NO_ENUMERATION).notes
    assert "regret matching+" in solve(SHAPLEY, REGRET_ONLY).notes
    assert "all pure" in solve(negotiation_game(rng, (30, 30), alpha=0.05, beta=1.0), NO_ENUMERATION).notes


def test_no_equilibrium_within_the_limits_is_admitted():
    solution = solve(
        random_game(np.random.default_rng(1), (30, 31)),
        ExactConfig(enumeration_limit=0, max_pivots=1, max_iterations=1),
    )
    if not solution.converged:
        assert solution.nash_conv > 1e-9
        assert "least NashConv" in solution.notes
    hard = PolymatrixGame.from_bimatrix(SHAPLEY.tensor()[0] + np.diag([0.0, 1.0, 5.0]), SHAPLEY.tensor()[1])
    solution = solve(hard, ExactConfig(enumeration_limit=0, max_pivots=0, max_iterations=0))
    assert not solution.converged
    assert solution.nash_conv > 1e-9
    assert "least NashConv" in solution.notes


@pytest.mark.parametrize("sizes", [(5, 5), (20, 20), (12, 30), (7, 7, 7), (4, 4, 4, 4, 4)])
def test_random_general_sum_games(sizes):
    rng = np.random.default_rng(3)
    for _ in range(6):
        game = random_game(rng, sizes)
        solution = solve(game, ExactConfig())
        assert solution.converged
        assert solution.nash_conv <= 1e-9
        if prod(sizes) <= 1000:
            assert nash_conv_openspiel(game, solution.weights) <= 1e-9


def test_zero_sum_values_are_minimax():
    """Against the linear program of von Neumann's minimax theorem."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(4)
    for sizes in [(6, 9), (15, 15), (40, 30)]:
        payoffs = rng.normal(size=sizes)
        solution = solve(PolymatrixGame.from_bimatrix(payoffs, -payoffs), ExactConfig())
        value = linprog(
            np.append(np.zeros(sizes[0]), -1.0),
            A_ub=np.column_stack([-payoffs.T, np.ones(sizes[1])]),
            b_ub=np.zeros(sizes[1]),
            A_eq=[np.append(np.ones(sizes[0]), 0.0)],
            b_eq=[1.0],
            bounds=[(0, None)] * sizes[0] + [(None, None)],
        ).x[-1]
        assert solution.payoffs[0] == pytest.approx(value, abs=1e-9)


def test_pivoting_follows_the_prior():
    """In a coordination game the path from a prior ends at the equilibrium that it leans to."""
    for action in range(3):
        prior = [0.7 * np.eye(3)[action] + 0.1] * 2
        profile, pivots = trace(PolymatrixGame.from_bimatrix(np.eye(3), np.eye(3)), prior, 100)
        assert profile is not None
        assert pivots < 10
        np.testing.assert_allclose(np.stack(profile), np.eye(3)[[action, action]], atol=1e-12)


def test_pivoting_ends_within_its_bound():
    game = random_game(np.random.default_rng(5), (20, 20))
    profile, pivots = trace(game, uniform(game), 2)
    assert profile is None
    assert pivots <= 2


def test_regret_matching_finds_supports():
    for game in (SHAPLEY, jordan(), ASYMMETRIC_PENNIES):
        profile, iterations = refined_regret_matching(game, 20_000, 1e-9)
        assert game.nash_conv(profile) <= 1e-9
        assert iterations <= 20_000


def test_refinement_solves_the_supports():
    rough = (np.array([0.52, 0.48]), np.array([0.11, 0.89]))
    profile = refine(ASYMMETRIC_PENNIES, rough)
    np.testing.assert_allclose(profile[1], [0.1, 0.9], atol=1e-15)
    # It never makes things worse: with a wrong support the weights stay.
    wrong = (np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    assert ASYMMETRIC_PENNIES.nash_conv(refine(ASYMMETRIC_PENNIES, wrong)) <= ASYMMETRIC_PENNIES.nash_conv(
        wrong
    )


def test_pure_equilibria_of_large_games_by_dynamics():
    game = clique_coordination(21)  # 2^21 profiles
    profiles, complete = pure_equilibria(game)
    assert not complete
    assert contains(profiles, [[0, 1]] * 21)
    solution = solve(game, ExactConfig())
    assert solution.converged
    assert "some pure" in solution.notes


def test_best_response_dynamics_drops_what_does_not_end():
    starts = np.array([[0, 0], [1, 0]])
    assert best_response_dynamics(PENNIES, starts, max_steps=50).shape == (0, 2)
    # From (hare, stag) the column player gains 2 by moving, the row player 1: it goes to (hare, hare).
    assert best_response_dynamics(STAG_HUNT, starts).tolist() == [[0, 0], [1, 1]]


def test_reduction():
    # Column 2 repeats column 0; row 2 is dominated by row 0; after that nothing is.
    game = table(
        "2,1 | 0,0 | 2,1",
        "0,0 | 1,2 | 0,0",
        "1,9 | -1,9 | 1,9",
    )
    reduction = reduce_game(game)
    assert reduction.game.sizes == (2, 2)
    assert count_systems(reduction.game) == 12
    lifted = reduction.lift([np.array([0.25, 0.75]), np.array([0.5, 0.5])])
    assert [vector.tolist() for vector in lifted] == [[0.25, 0.75, 0.0], [0.25, 0.5, 0.25]]


def test_constant_games_have_one_answer():
    solution = solve(PolymatrixGame((np.zeros(3), np.zeros(2)), {}), ExactConfig())
    assert solution.converged
    np.testing.assert_allclose(solution.weights[0], [1 / 3] * 3)


def test_every_duplicate_shares_its_weight():
    game = with_duplicate(SHAPLEY, 0, 1)
    np.testing.assert_allclose(
        solve(game, ExactConfig()).weights[0], [1 / 3, 1 / 6, 1 / 3, 1 / 6], atol=1e-12
    )


def test_answers_agree_with_gambit():
    pygambit = pytest.importorskip("pygambit")
    rng = np.random.default_rng(6)
    for sizes in [(2, 3), (3, 3), (4, 4), (3, 5)] * 3:
        # Whole numbers, since Gambit enumerates exactly.
        payoffs = [rng.integers(-50, 50, size=sizes) for _ in range(2)]
        theirs = pygambit.nash.enummixed_solve(pygambit.Game.from_arrays(*payoffs), rational=False).equilibria
        game = PolymatrixGame.from_bimatrix(*payoffs)
        ours = distinct(game)
        assert len(ours) == len(theirs)
        for profile in theirs:
            flat = [
                float(profile[strategy]) for player in profile.game.players for strategy in player.strategies
            ]
            assert any(np.abs(np.array(other) - flat).max() < 1e-6 for other in ours)
