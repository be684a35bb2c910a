"""The polymatrix game: payoffs, NashConv two ways, potentials, and what published code gets wrong."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negotiation.config import ExactConfig
from negotiation.errors import GameError
from negotiation.metagame import PolymatrixGame, build_metagame, nash_conv_openspiel
from negotiation.solvers import solve
from negotiation.utility import Utility
from tests.unit.negotiation.games import (
    PENNIES,
    PRISONERS,
    SEXES,
    clique_coordination,
    jordan,
    negotiation_game,
    pool,
    random_game,
)

SHAPES = [(2, 2), (2, 5), (5, 1), (3, 3, 3), (2, 3, 4), (1, 2, 1), (2, 2, 2, 2)]


def mixtures(rng, sizes):
    return [rng.dirichlet(np.ones(size)) for size in sizes]


@pytest.mark.parametrize("sizes", SHAPES)
def test_payoffs_are_those_of_the_dense_tensor(sizes):
    rng = np.random.default_rng(1)
    game = random_game(rng, sizes)
    weights = mixtures(rng, sizes)
    joint = weights[0]
    for vector in weights[1:]:
        joint = np.multiply.outer(joint, vector)
    expected = [float((tensor * joint).sum()) for tensor in game.tensor()]
    np.testing.assert_allclose(game.expected_payoffs(weights), expected, atol=1e-12)
    for player, tensor in enumerate(game.tensor()):
        others = [slice(None) if k == player else weights[k] for k in range(len(sizes))]
        values = np.moveaxis(tensor, player, 0)
        for k in reversed([k for k in range(len(sizes)) if k != player]):
            values = values @ others[k]
        np.testing.assert_allclose(game.action_values(player, weights), values, atol=1e-12)
        assert game.worst_payoffs()[player] == pytest.approx(tensor.min(), abs=1e-12)


@pytest.mark.parametrize("sizes", SHAPES)
def test_nash_conv_agrees_with_openspiel(sizes):
    rng = np.random.default_rng(2)
    for _ in range(3):
        game = random_game(rng, sizes)
        weights = mixtures(rng, sizes)
        assert game.nash_conv(weights) == pytest.approx(nash_conv_openspiel(game, weights), abs=1e-9)
        assert game.nash_conv(weights) == pytest.approx(game.regrets(weights).sum())
        assert (game.regrets(weights) >= 0).all()


def test_regrets_by_hand():
    # Both cooperate: each gains 5 - 3 by defecting. Both defect: nobody gains.
    assert PRISONERS.regrets([np.array([1.0, 0.0])] * 2).tolist() == [2.0, 2.0]
    assert PRISONERS.nash_conv([np.array([0.0, 1.0])] * 2) == 0.0
    # Against the row that shows heads, tails wins 1 instead of -1.
    heads = [np.array([1.0, 0.0])] * 2
    assert PENNIES.regrets(heads).tolist() == [0.0, 2.0]


def test_openspiel_gets_the_payoffs_of_both_players():
    state = PRISONERS.to_openspiel().new_initial_state()
    state.apply_actions([1, 0])
    assert state.returns() == [5.0, 0.0]


def test_metagame_has_the_utility_of_candidates():
    """Payoffs of the meta-game and expected utilities of candidates are one thing."""
    rng = np.random.default_rng(3)
    pools = [pool(i, rng.normal(size=(size, 4))) for i, size in enumerate((2, 3, 4))]
    utility = Utility.standard(0.5, 0.3, 0.2)
    game = build_metagame(pools, utility)
    weights = mixtures(rng, game.sizes)
    for player, mine in enumerate(pools):
        others = [k for k in range(3) if k != player]
        values = utility.values(mine, [pools[k] for k in others], [weights[k] for k in others])
        np.testing.assert_allclose(game.action_values(player, weights), values, atol=1e-12)


@pytest.mark.parametrize("raised", ["alpha", "beta", "gamma"])
def test_every_weight_of_the_utility_moves_the_metagame(raised):
    """Published code solves a meta-game that ignores alpha, beta and gamma."""
    weights = {"alpha": 0.1, "beta": 0.1, "gamma": 0.1}
    before = negotiation_game(np.random.default_rng(4), (3, 3), **weights)
    after = negotiation_game(np.random.default_rng(4), (3, 3), **{**weights, raised: 5.0})
    assert any(
        np.abs(old - new).max() > 0.1 for old, new in zip(before.tensor(), after.tensor(), strict=True)
    )


def test_alpha_decides_which_equilibrium():
    # Each side's second guideline meets the other half-way; its first is its own position.
    first, second = pool(0, [[1, 0], [1, 1]]), pool(1, [[0, 1], [1, 1]])
    stubborn = solve(build_metagame([first, second], Utility.standard(5.0, 0.1, 0.0)), ExactConfig())
    willing = solve(build_metagame([first, second], Utility.standard(0.1, 5.0, 0.0)), ExactConfig())
    assert [vector.tolist() for vector in stubborn.weights] == [[1, 0], [1, 0]]
    assert [vector.tolist() for vector in willing.weights] == [[0, 1], [0, 1]]


def test_the_second_player_has_terms_of_its_own():
    """Published code multiplies player 2's payoffs by a transposed array, and its own terms drop out.

    Acceptance is the same everywhere, so each side's own terms decide; they point player 0 to action 0, player 1 to 2.
    """
    game = PolymatrixGame(
        (np.array([1.0, 0.0]), np.array([0.0, 0.5, 1.0])),
        {(0, 1): np.full((2, 3), 0.3), (1, 0): np.full((3, 2), 0.3)},
    )
    solution = solve(game, ExactConfig())
    assert [vector.tolist() for vector in solution.weights] == [[1.0, 0.0], [0.0, 0.0, 1.0]]


def test_mean_nash_conv_on_random_four_by_four_games():
    """Where the published dynamics leave a mean NashConv of 0.26."""
    rng = np.random.default_rng(5)
    convs = []
    for _ in range(30):
        game = PolymatrixGame.from_bimatrix(rng.random((4, 4)), rng.random((4, 4)))
        convs.append(solve(game, ExactConfig()).nash_conv)
    assert max(convs) <= 1e-9


def test_game_of_negotiation_has_a_potential():
    for sizes in [(3, 4), (2, 3, 4), (1, 2)]:
        game = negotiation_game(np.random.default_rng(6), sizes)
        potential = game.potential()
        assert potential is not None
        assert potential.scales.tolist() == [1.0] * len(sizes)


@given(st.integers(0, 2**32 - 1), st.sampled_from(SHAPES), st.booleans())
@settings(max_examples=40, deadline=None)
def test_potential_follows_every_gain(seed, sizes, weighted):
    rng = np.random.default_rng(seed)
    game = negotiation_game(rng, sizes)
    scales = rng.uniform(0.2, 5.0, size=len(sizes)) if weighted else np.ones(len(sizes))
    # Scale a player's payoffs, and add what does not depend on its own choice: it is still a (weighted) potential game.
    pairs = {
        (i, j): scales[i] * (block + rng.normal(size=block.shape[1])) for (i, j), block in game.pairs.items()
    }
    game = PolymatrixGame(tuple(scales[i] * own for i, own in enumerate(game.own)), pairs)
    potential = game.potential()
    assert potential is not None
    profile = [int(rng.integers(size)) for size in sizes]
    for player, size in enumerate(sizes):
        moved = [*profile]
        moved[player] = int(rng.integers(size))
        gain = (
            game.expected_payoffs(game.pure_weights(moved))
            - game.expected_payoffs(game.pure_weights(profile))
        )[player]
        rise = potential.scales[player] * (potential.pure(moved) - potential.pure(profile))
        assert gain == pytest.approx(rise, abs=1e-9)
    assert potential.tensor()[tuple(profile)] == pytest.approx(game.potential_pure(profile))


def test_games_without_a_potential():
    assert not PENNIES.is_potential()
    assert not jordan().is_potential()
    assert not random_game(np.random.default_rng(7), (3, 3)).is_potential()
    assert SEXES.is_potential()
    assert clique_coordination(4).is_potential()
    with pytest.raises(GameError, match="no potential"):
        PENNIES.potential_pure([0, 0])


@pytest.mark.parametrize(
    ("own", "pairs", "message"),
    [
        ((np.zeros(2),), {}, "1 players"),
        ((np.zeros(2), np.zeros(0)), {}, "own terms of player 1"),
        ((np.zeros(2), np.zeros(3)), {(0, 1): np.zeros((3, 2))}, r"player 0 against 1 have shape \(3, 2\)"),
        ((np.zeros(2), np.zeros(3)), {(0, 2): np.zeros((2, 2))}, "key"),
        ((np.zeros(2), np.zeros(3)), {(1, 1): np.zeros((3, 3))}, "key"),
        ((np.zeros(2), np.array([0.0, np.nan])), {}, "own terms of player 1 are not all finite"),
        ((np.zeros(2), np.zeros(1)), {(0, 1): np.array([[np.inf], [0.0]])}, "player 0 against 1 are not all"),
    ],
)
def test_what_is_no_game_is_refused(own, pairs, message):
    with pytest.raises(GameError, match=message):
        PolymatrixGame(own, pairs)


def test_weights_must_fit():
    with pytest.raises(GameError, match="weights have shapes"):
        PRISONERS.nash_conv([np.ones(1), np.ones(1)])
    with pytest.raises(GameError, match="expected the same"):
        PolymatrixGame.from_bimatrix(np.zeros((2, 3)), np.zeros((3, 2)))


def test_dense_tensors_have_a_limit():
    with pytest.raises(GameError, match="1,048,576 cells"):
        clique_coordination(20).tensor()


def test_games_are_frozen_and_pickle():
    game = jordan()
    with pytest.raises(ValueError, match="read-only"):
        game.own[0][0] = 1.0
    copy = pickle.loads(pickle.dumps(game))
    assert copy.nash_conv([np.array([0.5, 0.5])] * 3) == 0.0
