"""The environment: legal moves only, one policy an opponent and episode, payoffs as the game has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyspiel
import pytest

pytest.importorskip("gymnasium", reason="needs the extra 'bargain'")
pytest.importorskip("ray.rllib", reason="needs the extra 'bargain'")

import torch

from cluster.bargaining.environment import MASK, OBSERVATIONS, ResponseEnv, agent_name, books_of
from cluster.bargaining.module import masked
from negotiation.bargaining.game import DEFAULT, load
from negotiation.bargaining.tree import GameTree
from negotiation.errors import GameError

GAMES = {
    "kuhn": pyspiel.load_game("kuhn_poker"),
    "three": pyspiel.load_game("kuhn_poker(players=3)"),
    "bargaining": load(DEFAULT),
}


def environment(tree: GameTree, pools: Any = None, weights: Any = None, tremble: float = 0.0) -> ResponseEnv:
    pools = pools or [[side.uniform()] for side in tree.sides]
    weights = weights or [np.full(len(pool), 1 / len(pool)) for pool in pools]
    return ResponseEnv({"game": tree.game, "books": books_of(tree, pools, weights, tremble), "seed": 3})


def play(env: ResponseEnv, choose: Any, episodes: int) -> list[tuple[str, float]]:
    """Agent and reward of some episodes; ``choose`` is given the mask."""
    found = []
    for _ in range(episodes):
        seen, _ = env.reset()
        while True:
            ((agent, view),) = seen.items()
            assert env.observation_spaces[agent].contains(view)
            seen, rewards, over, cut, _ = env.step({agent: choose(view[MASK])})
            assert not cut["__all__"]
            if over["__all__"]:
                found.append((agent, rewards[agent]))
                break
    return found


@pytest.mark.parametrize("name", GAMES)
def test_legal_play_by_every_player(name: str) -> None:
    tree = GameTree.of(GAMES[name])
    rng = np.random.default_rng(0)
    env = environment(tree)
    found = play(env, lambda mask: int(rng.choice(np.flatnonzero(mask))), 60)
    assert {agent for agent, _ in found} == {agent_name(i) for i in range(tree.players)}
    assert all(-1 <= reward <= 1 for _, reward in found)
    assert env.violations == 0


def test_rewards_are_the_payoffs_scaled_to_one() -> None:
    # Both bet always: the winner has 2, and 2 is the most of Kuhn poker.
    tree = GameTree.of(GAMES["kuhn"])
    bets = []
    for side in tree.sides:
        strategy = np.zeros(side.sequences)
        strategy[side.starts[:-1] + 1] = 1.0
        bets.append([strategy])
    assert {reward for _, reward in play(environment(tree, bets), lambda _: 1, 30)} == {-1.0, 1.0}


def test_illegal_actions_are_refused() -> None:
    env = environment(GameTree.of(GAMES["bargaining"]))
    seen, _ = env.reset()
    ((agent, view),) = seen.items()
    with pytest.raises(GameError, match="illegal action"):
        env.step({agent: int(np.flatnonzero(view[MASK] == 0)[0])})


def test_an_opponent_keeps_its_policy_for_the_whole_episode() -> None:
    # Two policies of player 1: reject everything and offer 0, or reject everything and offer 2. In one play only one is seen,
    # and over plays both, as often as their weights say.
    tree = GameTree.of(GAMES["bargaining"])
    offers = DEFAULT.offers
    pool = []
    for offer in (0, 2):
        side = tree.sides[1]
        strategy = np.zeros(side.sequences)
        for i, actions in enumerate(side.actions):
            strategy[side.starts[i] + actions.index(offer if offer in actions else offers + 1)] = 1.0
        pool.append(strategy)
    env = environment(tree, [[tree.sides[0].uniform()], pool], [np.ones(1), np.array([0.25, 0.75])])
    drawn = []
    for _ in range(400):
        env.reset()
        drawn.append(env._drawn[1])
    assert np.mean(np.array(drawn) == 1) == pytest.approx(0.75, abs=0.07)
    for _ in range(50):
        seen, _ = env.reset()
        before = list(env._drawn)
        while seen:
            ((agent, view),) = seen.items()
            seen, *_ = env.step({agent: int(np.flatnonzero(view[MASK])[-1])})
            assert env._drawn == before


def test_a_learner_that_opponents_leave_no_turn_gets_one_by_uniform_play() -> None:
    # Three parties: the first to answer always walks away, so that the second never moves by these policies.
    from negotiation.bargaining.stakes import Stakes

    rng = np.random.default_rng(1)
    game = load(
        Stakes(tuple(rng.random((1, 2)) for _ in range(3)), (np.ones(1),) * 3, (np.full(1, 0.2),) * 3, 0.9, 2)
    )
    tree = GameTree.of(game)
    pools = []
    for side in tree.sides:
        strategy = np.zeros(side.sequences)
        strategy[side.starts[1:] - 1] = 1.0  # the last action: offer 1, or walk away
        pools.append([strategy])
    found = play(environment(tree, pools), lambda mask: int(np.flatnonzero(mask)[0]), 6)
    assert {agent for agent, _ in found} == {"player_0", "player_1", "player_2"}


def test_a_game_without_tensors_is_refused() -> None:
    game = pyspiel.load_game("bargaining")
    tree = GameTree.of(GAMES["kuhn"])
    books = books_of(tree, [[side.uniform()] for side in tree.sides], [np.ones(1)] * 2, 0.0)
    if game.get_type().provides_information_state_tensor:
        pytest.skip("this OpenSpiel gives it tensors")
    with pytest.raises(GameError, match="tensors"):
        ResponseEnv({"game": game, "books": books})


def test_masked_logits_have_no_chance_and_finite_entropies() -> None:
    logits = torch.tensor([[5.0, -3.0, 100.0]], requires_grad=True)
    shown = torch.distributions.Categorical(logits=masked(logits, torch.tensor([[1.0, 1.0, 0.0]])))
    assert shown.probs[0, 2] == 0
    entropy = shown.entropy().sum()
    entropy.backward()
    assert torch.isfinite(entropy)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_observations_are_information_states() -> None:
    tree = GameTree.of(GAMES["kuhn"])
    env = environment(tree)
    seen, _ = env.reset()
    ((agent, view),) = seen.items()
    known = tree.sides[int(agent[-1])].tensors
    assert (known == view[OBSERVATIONS]).all(axis=1).any()
