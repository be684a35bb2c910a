"""What holds for every game."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negotiation.config import ExactConfig, LogitConfig, PotentialConfig
from negotiation.metagame import PolymatrixGame, build_metagame
from negotiation.solvers import solve
from negotiation.utility import Utility
from tests.unit.negotiation.games import (
    negotiation_game,
    permuted,
    pool,
    random_game,
    shifted,
    with_duplicate,
)

SIZES = st.one_of(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2)),
)
SOLVERS = [ExactConfig(), PotentialConfig(), LogitConfig(rationality=3.0)]


@st.composite
def games(draw):
    """Random games; payoffs of few whole numbers have many ties, dominated actions and degenerate supports."""
    sizes = draw(SIZES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if not draw(st.booleans()):
        return random_game(rng, sizes)
    spread = draw(st.integers(1, 6))
    pairs = {
        (i, j): rng.integers(-spread, spread + 1, size=(sizes[i], sizes[j])).astype(float)
        for i in range(len(sizes))
        for j in range(len(sizes))
        if i != j
    }
    return PolymatrixGame(tuple(np.zeros(size) for size in sizes), pairs)


@st.composite
def negotiations(draw):
    sizes = draw(SIZES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return negotiation_game(
        rng, sizes, alpha=draw(st.sampled_from([0.05, 0.5])), beta=draw(st.sampled_from([0.5, 2.0]))
    )


def same(first, second, tolerance=1e-7):
    return all(np.abs(a - b).max(initial=0.0) <= tolerance for a, b in zip(first, second, strict=True))


@given(games())
@settings(max_examples=150, deadline=None)
def test_the_exact_answer_is_an_equilibrium(game):
    solution = solve(game, ExactConfig())
    assert solution.converged
    assert solution.nash_conv <= 1e-9


@given(games(), st.data())
@settings(max_examples=150, deadline=None)
def test_swapping_players_swaps_the_answer(game, data):
    order = data.draw(st.permutations(range(game.n_players)))
    here, there = solve(game, ExactConfig()), solve(permuted(game, order), ExactConfig())
    by_seat = "order of the players" in here.notes
    assert by_seat == ("order of the players" in there.notes)
    if not by_seat:
        assert same([here.weights[player] for player in order], there.weights)


@pytest.mark.parametrize("config", SOLVERS, ids=lambda config: config.kind)
@given(game=negotiations(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_swapping_negotiators_swaps_the_answer(config, game, data):
    order = data.draw(st.permutations(range(game.n_players)))
    here, there = solve(game, config), solve(permuted(game, order), config)
    if "order of the players" not in here.notes:
        assert same([here.weights[player] for player in order], there.weights)


@given(games(), st.data(), st.floats(-20, 20))
@settings(max_examples=100, deadline=None)
def test_a_constant_added_to_a_player_changes_nothing(game, data, constant):
    player = data.draw(st.integers(0, game.n_players - 1))
    here, there = solve(game, ExactConfig()), solve(shifted(game, player, constant), ExactConfig())
    assert same(here.weights, there.weights)


@pytest.mark.parametrize("config", SOLVERS, ids=lambda config: config.kind)
@given(game=negotiations(), data=st.data(), constant=st.floats(-20, 20))
@settings(max_examples=40, deadline=None)
def test_a_constant_added_to_a_negotiator_changes_nothing(config, game, data, constant):
    player = data.draw(st.integers(0, game.n_players - 1))
    assert same(solve(game, config).weights, solve(shifted(game, player, constant), config).weights)


def duplicates(game, player, action):
    """(K_i,) which actions have the same payoffs to everybody as the given one."""
    own, matrix, offsets = game.stacked
    table = np.column_stack([own, matrix, matrix.T])[offsets[player] : offsets[player + 1]]
    return (table == table[action]).all(axis=1)


@given(games(), st.data())
@settings(max_examples=150, deadline=None)
def test_a_duplicate_changes_no_payoff(game, data):
    player = data.draw(st.integers(0, game.n_players - 1))
    action = data.draw(st.integers(0, game.sizes[player] - 1))
    here, there = solve(game, ExactConfig()), solve(with_duplicate(game, player, action), ExactConfig())
    assert there.converged
    np.testing.assert_allclose(here.payoffs, there.payoffs, atol=1e-7)
    # Where the action had duplicates before, one more only shifts shares among them; their sum and all others stay.
    twins = duplicates(game, player, action)
    assert same([there.weights[player][:-1][~twins]], [here.weights[player][~twins]])


@given(negotiations())
@settings(max_examples=80, deadline=None)
def test_the_argmax_of_the_potential_is_an_equilibrium(game):
    solution = solve(game, PotentialConfig())
    assert solution.nash_conv <= 1e-9
    potential = game.potential()
    profile = [int(vector.argmax()) for vector in solution.weights]
    assert potential.pure(profile) == pytest.approx(potential.tensor().max(), abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 4), st.integers(1, 4)))
@settings(max_examples=40, deadline=None)
def test_a_repeated_guideline_breaks_nothing(seed, sizes):
    rng = np.random.default_rng(seed)
    vectors = [rng.normal(size=(size, 4)) for size in sizes]
    vectors[0] = np.vstack([vectors[0], vectors[0][rng.integers(sizes[0])]])
    game = build_metagame([pool(i, rows) for i, rows in enumerate(vectors)], Utility.standard(0.5, 0.5, 0.2))
    for config in SOLVERS:
        assert solve(game, config).converged
