"""Learned best responses on RLlib, and the whole command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyspiel
import pytest

from negotiation.bargaining.game import DEFAULT, load
from negotiation.bargaining.meta import meta_solver
from negotiation.bargaining.psro import Situation, psro
from negotiation.bargaining.tree import GameTree
from negotiation.config import ExactConfig

pytest.importorskip("ray.rllib", reason="needs the extra 'bargain'")

pytestmark = [
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.filterwarnings("ignore:.*Overriding environment:UserWarning"),
]


def against_uniform(tree: GameTree) -> Situation:
    uniform = tuple(side.uniform() for side in tree.sides)
    return Situation(
        tree, tuple((one,) for one in uniform), tuple(np.ones(1) for _ in uniform), uniform, 0, 0
    )


@pytest.mark.parametrize(
    ("game", "module"),
    [(pyspiel.load_game("kuhn_poker"), None), (load(DEFAULT), "negotiation.bargaining.game")],
    ids=["kuhn", "bargaining"],
)
def test_a_few_updates_gain_over_uniform_play(game: Any, module: str | None) -> None:
    from cluster.bargaining.config import LearningConfig
    from cluster.bargaining.oracle import RLlibOracle

    tree = GameTree.of(game)
    situation = against_uniform(tree)
    values = tree.payoffs(situation.mixtures)
    config = LearningConfig(updates=2, batch=512, minibatch=128, epochs=8, envs=32, env_runners=0)
    with RLlibOracle(tree, config, module=module) as oracle:
        answers = oracle.respond(situation)
        assert oracle.moves >= 1024
    for player, answer in enumerate(answers):
        faced = [*situation.mixtures[:player], answer, *situation.mixtures[player + 1 :]]
        best = tree.best_response(player, situation.mixtures)[0]
        gain = float(tree.payoffs(faced)[player] - values[player])
        assert gain > 0.3 * (best - values[player])
        assert np.add.reduceat(answer, tree.sides[player].starts[:-1]) == pytest.approx(1.0)


def test_the_oracle_starts_anew_and_takes_part_in_the_loop() -> None:
    from cluster.bargaining.config import LearningConfig
    from cluster.bargaining.oracle import RLlibOracle

    tree = GameTree.of(pyspiel.load_game("kuhn_poker"))
    config = LearningConfig(updates=1, batch=512, minibatch=128, epochs=8, envs=32, env_runners=1)
    with RLlibOracle(tree, config) as oracle:
        solved = psro(tree, oracle, meta_solver(ExactConfig()), iterations=3, tolerance=0.0)
        assert oracle.processes()  # plays are in an actor of their own
    assert solved.nash_conv < solved.iterations[0].nash_conv


def test_the_whole_command(
    tmp_path: Path, settings: Path, hash_embedder: None, concordat: Callable[..., Any]
) -> None:
    run, out = tmp_path / "run", tmp_path / "bargained"
    assert concordat("negotiate", "--config", settings, "--out", run, "--serial", "--json").status == 0
    plan = concordat(
        "bargain", run, "--out", out, "--offers", "3", "--turns", "2", "--dry-run", "--json"
    ).json
    assert len(plan["negotiations"]) == 3
    assert not (out / "games").exists()
    done = concordat("bargain", run, "--out", out, "--offers", "3", "--turns", "2", "--json")
    assert done.status == 0
    assert done.json["negotiations"] == 3
    assert 0 <= done.json["measures"]["bargaining"]["agreement"]["mean"] <= 1
    assert {path.name for path in out.iterdir()} >= {
        "settings.json",
        "bargaining.json",
        "bargaining.html",
        "games",
        "policies",
    }
    # Again: refused, gone on with, and refused with other settings.
    assert concordat("bargain", run, "--out", out, "--offers", "3", "--turns", "2", "--json").status == 2
    first = sorted((out / "games").glob("*.json"))[0]
    kept = [(path, path.stat().st_mtime_ns) for path in sorted((out / "games").glob("*.json"))[1:]]
    first.unlink()
    again = concordat("bargain", run, "--out", out, "--offers", "3", "--turns", "2", "--resume", "--json")
    assert again.json["negotiations"] == 3
    assert [(path, path.stat().st_mtime_ns) for path, _ in kept] == kept
    other = concordat("bargain", run, "--out", out, "--offers", "4", "--resume", "--json")
    assert other.status == 2
    assert "offers" in other.json["error"]["message"]
    assert json.loads((out / "settings.json").read_text())["offers"] == 3
