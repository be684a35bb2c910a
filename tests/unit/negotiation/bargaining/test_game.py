"""The bargaining game passes OpenSpiel's own tests, and its payoffs are those computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyspiel
import pytest

from negotiation.bargaining.game import DEFAULT, NAME, load
from negotiation.bargaining.stakes import Stakes
from negotiation.bargaining.tree import GameTree
from negotiation.errors import GameError


def stakes(players: int, offers: int, types: int, turns: int, seed: int = 0) -> Stakes:
    rng = np.random.default_rng(seed)
    return Stakes(
        tuple(rng.random((types, offers)) for _ in range(players)),
        tuple(np.full(types, 1 / types) for _ in range(players)),
        tuple(np.full(types, 0.3) for _ in range(players)),
        0.95,
        turns,
    )


@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (3, 3, 2, 2), (2, 1, 1, 1), (4, 2, 1, 3)])
def test_openspiels_simulation_test_with_serialisation(shape: tuple[int, int, int, int]) -> None:
    pyspiel.random_sim_test(load(stakes(*shape)), num_sims=5, serialize=True, verbose=False)


def test_the_game_string_keeps_every_bit() -> None:
    ours = stakes(3, 4, 2, 2)
    again = pyspiel.load_game(str(load(ours))).stakes
    for mine, theirs in zip(ours.utilities, again.utilities, strict=True):
        assert (mine == theirs).all()
    assert again.discount == ours.discount


@pytest.mark.parametrize("shape", [(2, 2, 1, 1), (2, 3, 2, 2), (3, 2, 2, 3)])
def test_the_number_of_histories_is_known_beforehand(shape: tuple[int, int, int, int]) -> None:
    ours = stakes(*shape)
    assert GameTree.of(load(ours)).size == ours.histories()


def test_information_states_are_consistent() -> None:
    seen: dict[tuple[int, str], tuple[tuple[float, ...], list[int]]] = {}
    tensors: dict[tuple[float, ...], str] = {}

    def visit(state: Any) -> None:
        if state.is_terminal():
            return
        if not state.is_chance_node():
            player = state.current_player()
            name = state.information_state_string(player)
            tensor = tuple(state.information_state_tensor(player))
            known = seen.setdefault((player, name), (tensor, state.legal_actions()))
            assert known == (tensor, state.legal_actions())
            assert tensors.setdefault(tensor, name) == name  # different strings have different tensors
            assert state.observation_string(player)
            assert len(state.observation_tensor(player))
        for action in state.legal_actions():
            visit(state.child(action))

    visit(load(stakes(3, 2, 2, 2)).new_initial_state())
    GameTree.of(load(stakes(3, 2, 2, 2)))  # raises if a player forgets its own moves


def test_a_player_does_not_see_the_others_type() -> None:
    game = load(DEFAULT)
    states = [game.new_initial_state() for _ in range(2)]
    for state, other in zip(states, (0, 1), strict=True):
        state.apply_action(1)
        state.apply_action(other)
    assert states[0].information_state_string(0) == states[1].information_state_string(0)
    assert states[0].information_state_string(1) != states[1].information_state_string(1)


@pytest.mark.parametrize(
    ("moves", "payoffs"),
    [
        ([0, 0, 1, 3], [0.6, 0.7]),  # offer 1 accepted at once
        ([1, 1, 1, 4, 2, 3], [0.0, 0.9]),  # rejected; the second player's offer 2 accepted a turn later
        ([0, 0, 0, 5], [0.3, 0.3]),  # walked away in the first turn
        ([0, 0, 0, 4, 0, 4], [0.27, 0.27]),  # never agreed
    ],
)
def test_payoffs_by_hand(moves: list[int], payoffs: list[float]) -> None:
    state = load(DEFAULT).new_initial_state()
    for move in moves:
        assert move in state.legal_actions()
        state.apply_action(move)
    assert state.is_terminal()
    assert state.returns() == pytest.approx(payoffs)


def test_all_of_three_must_agree() -> None:
    state = load(stakes(3, 2, 1, 2)).new_initial_state()
    for move in (0, 0, 0, 1, 2, 3):  # deal, offer 1, one accepts, the next rejects
        state.apply_action(move)
    assert not state.is_terminal()
    assert state.current_player() == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"discount": 0.0}, "discount"),
        ({"turns": 0}, "turns"),
        ({"priors": (np.array([0.5, 0.4]), np.array([0.5, 0.5]))}, "prior"),
        ({"walk_aways": (np.array([0.3]), np.array([0.3, 0.3]))}, "walk-away"),
        ({"utilities": (np.array([[np.nan]]), np.array([[1.0]]))}, "finite"),
    ],
)
def test_bad_stakes_are_refused(change: dict[str, Any], named: str) -> None:
    fields = {
        "utilities": DEFAULT.utilities, "priors": DEFAULT.priors, "walk_aways": DEFAULT.walk_aways,
        "discount": DEFAULT.discount, "turns": DEFAULT.turns,
    }  # fmt: skip
    with pytest.raises(GameError, match=named):
        Stakes(**(fields | change))


def test_a_malformed_parameter_is_named() -> None:
    with pytest.raises(GameError, match="utilities of player 0"):
        Stakes.of_parameters(DEFAULT.parameters() | {"utilities": "a|1"})


def test_playthrough_runs_through_openspiels_generator() -> None:
    from open_spiel.python.algorithms import generate_playthrough

    text = generate_playthrough.playthrough(NAME, [0, 1, 1, 3])
    assert "InformationStateString(1)" in text
    assert "Returns() = [0.6, 0.4]" in text
