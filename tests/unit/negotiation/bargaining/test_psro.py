"""The loop: exact against OpenSpiel, to a NashConv below 0.01, and beside OpenSpiel's own loop."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pyspiel
import pytest

from negotiation.bargaining.game import DEFAULT, load
from negotiation.bargaining.meta import meta_solver, tensor_nash_conv, uniform_meta_solver
from negotiation.bargaining.outcomes import bargained, one_shot
from negotiation.bargaining.psro import ExactOracle, psro
from negotiation.bargaining.stakes import Stakes
from negotiation.bargaining.tree import GameTree, nash_conv_openspiel
from negotiation.config import CorrelatedConfig, ExactConfig, LogitConfig, PrdConfig
from negotiation.errors import GameError, SolverError


@pytest.fixture(params=["kuhn_poker", "kuhn_poker(players=3)", "leduc_poker", "bargaining"])
def tree(request: Any) -> GameTree:
    game = load(DEFAULT) if request.param == "bargaining" else pyspiel.load_game(request.param)
    return GameTree.of(game)


def test_payoffs_and_nash_conv_are_openspiels(tree: GameTree) -> None:
    from open_spiel.python.algorithms import expected_game_score

    rng = np.random.default_rng(3)
    strategies = []
    for side in tree.sides:
        raw = rng.random(side.sequences) + 0.01
        totals = np.add.reduceat(raw, side.starts[:-1])
        strategies.append(raw / np.repeat(totals, np.diff(side.starts)))
    tabular = tree.tabular_policy(strategies)
    theirs = expected_game_score.policy_value(tree.game.new_initial_state(), [tabular] * tree.players)
    assert tree.payoffs(strategies) == pytest.approx(theirs)
    assert tree.regrets(strategies).sum() == pytest.approx(nash_conv_openspiel(tree, strategies))


def test_a_mixture_is_worth_the_mean_of_its_parts(tree: GameTree) -> None:
    uniform = [side.uniform() for side in tree.sides]
    answers = ExactOracle(tree)
    solved = psro(tree, answers, uniform_meta_solver, iterations=3, tolerance=0.0)
    pool, weights = solved.pools[0], solved.weights[0]
    apart = sum(w * tree.payoffs([s, *uniform[1:]]) for w, s in zip(weights, pool, strict=True))
    assert tree.payoffs([solved.mixtures[0], *uniform[1:]]) == pytest.approx(apart)


@pytest.mark.parametrize("game", [pyspiel.load_game("kuhn_poker"), load(DEFAULT)], ids=["kuhn", "bargaining"])
def test_nash_conv_falls_below_a_hundredth(game: Any) -> None:
    tree = GameTree.of(game)
    solved = psro(tree, ExactOracle(tree), meta_solver(ExactConfig()), iterations=30, tolerance=1e-3)
    assert solved.converged
    assert solved.nash_conv < 0.01
    assert nash_conv_openspiel(tree, solved.mixtures) == pytest.approx(solved.nash_conv, abs=1e-9)


def test_the_curve_follows_openspiels_psro_v2(monkeypatch: pytest.MonkeyPatch) -> None:
    # OpenSpiel's loop imports a linear-program solver that needs cvxpy; with a meta-solver of one's own it is never called.
    name = "open_spiel.python.algorithms.lp_solver"
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    from open_spiel.python.algorithms import expected_game_score, policy_aggregator
    from open_spiel.python.algorithms.psro_v2 import best_response_oracle, psro_v2

    game = pyspiel.load_game("kuhn_poker")
    solve = meta_solver(ExactConfig())

    def theirs_solves(solver: Any, return_joint: bool = False) -> Any:
        weights = [np.array(w) for w in solve([np.array(m) for m in solver.get_meta_game()]).weights]
        joint = np.multiply.outer(weights[0], weights[1]).ravel()
        return (weights, joint) if return_joint else weights

    # OpenSpiel estimates payoffs from played episodes; with exact ones both loops see the same empirical game.
    monkeypatch.setattr(
        psro_v2.PSROSolver,
        "sample_episodes",
        lambda _self, policies, _episodes: expected_game_score.policy_value(
            game.new_initial_state(), policies
        ),
    )
    loop = psro_v2.PSROSolver(
        game,
        best_response_oracle.BestResponseOracle(game=game),
        sims_per_entry=1,
        meta_strategy_method=theirs_solves,
        training_strategy_selector="probabilistic",
        sample_from_marginals=True,
    )  # fmt: skip
    theirs = []
    tree = GameTree.of(game)
    for _ in range(7):
        mixed = policy_aggregator.PolicyAggregator(game).aggregate(
            range(2), loop.get_policies(), loop.get_meta_strategies()
        )
        theirs.append(sum(_regrets(tree, mixed)))
        loop.iteration()
    ours = psro(tree, ExactOracle(tree), solve, iterations=7, tolerance=0.0).iterations
    assert [one.nash_conv for one in ours][:2] == pytest.approx(theirs[:2])
    assert min(theirs) < 0.2
    assert min(one.nash_conv for one in ours) <= min(theirs) + 0.1


def _regrets(tree: GameTree, policy: Any) -> Any:
    from open_spiel.python.algorithms import exploitability

    return exploitability.nash_conv(tree.game, policy, return_only_nash_conv=False).player_improvements


@pytest.mark.parametrize("config", [ExactConfig(), PrdConfig(iterations=500), CorrelatedConfig(kind="cce")])
def test_three_players(config: Any) -> None:
    rng = np.random.default_rng(1)
    game = load(
        Stakes(tuple(rng.random((1, 3)) for _ in range(3)), (np.ones(1),) * 3, (np.full(1, 0.2),) * 3, 0.9, 2)
    )
    tree = GameTree.of(game)
    solved = psro(tree, ExactOracle(tree, tremble=1e-4), meta_solver(config), iterations=10, tolerance=1e-3)
    assert solved.nash_conv < solved.iterations[0].nash_conv
    assert tensor_nash_conv(tree.payoff_tensors(solved.pools), solved.weights) >= 0


def test_meta_solvers_for_two_refuse_three() -> None:
    with pytest.raises(SolverError, match="two players"):
        meta_solver(LogitConfig())([np.zeros((2, 2, 2))] * 3)


def test_too_large_games_are_refused() -> None:
    with pytest.raises(GameError, match="more than 10 histories"):
        GameTree.of(load(DEFAULT), limit=10)


def test_outcome_of_offering_the_first_and_accepting() -> None:
    tree = GameTree.of(load(DEFAULT))
    strategies = []
    for side in tree.sides:
        first = np.zeros(side.sequences)
        first[side.starts[:-1]] = 1.0  # offer 0; accept
        strategies.append(first)
    found = bargained(tree, DEFAULT, strategies)
    assert found.agreement == pytest.approx(1.0)
    assert found.payoffs == pytest.approx([1.0, 0.15])
    assert found.offers[0].tolist() == pytest.approx([1.0, 0.0, 0.0])


def test_a_lottery_is_left_by_a_type_that_it_gives_too_little() -> None:
    found = one_shot(DEFAULT, np.array([1.0, 0.0, 0.0]))  # the second player gets 0 or 0.3, and can have 0.3
    assert found.agreement == pytest.approx(0.5)
    assert found.payoffs == pytest.approx([0.65, 0.3])
