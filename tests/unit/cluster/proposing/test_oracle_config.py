"""What ``concordat train oracle`` takes from the run, from a file and from flags; and what it reads."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from agents.bundled import bundled_adapter_path
from cluster.cli import run_command
from cluster.proposing.config import oracle_training_config
from cluster.proposing.material import read_situations, spread
from cluster.proposing.training import faults
from negotiation.errors import ConfigurationError, RunError
from tests.unit.cluster.proposing.oracle_runs import a_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    game = {"alpha": 0.3, "beta": 0.6, "gamma": 0.1, "epsilon": 0.02}
    return a_run(tmp_path_factory.mktemp("oracle") / "run", game=game, speaking={"guideline_tokens": 99})


def config_of(run: Path, file: Path | None = None, **flags: Any) -> Any:
    return oracle_training_config({"run": run, "culture": "confucian"} | flags, file)


def test_the_run_says_model_adapter_weights_and_lengths(run: Path) -> None:
    config = config_of(run)
    assert config.model.kind == "bundled"
    assert config.model.adapters == ()
    assert config.start == bundled_adapter_path("confucian")
    assert (config.embedder, config.prompts) == ("minilm", None)
    assert config.learning.weights == {"consistency": 0.3, "acceptance": 0.6, "novelty": 0.1}
    assert (config.learning.max_tokens, config.measure.temperature) == (99, 0.8)
    assert config.learning.learning_rate == 2e-3
    assert (config.work, config.out) == (Path("runs/oracle/confucian"), Path("adapters/oracle/confucian"))


def test_flags_go_over_a_file_and_a_file_over_the_run(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(
        "learning: {steps: 7, group: 3, max_tokens: 50, reward: {novelty_weight: 0.9}}\nheld_out: 0.5\n"
    )
    config = config_of(run, file, steps=9, learning_rate=1e-3, refuse_copies=True)
    learning = config.learning
    assert (learning.steps, learning.group, learning.max_tokens, learning.learning_rate) == (9, 3, 50, 1e-3)
    assert learning.weights == {"consistency": 0.3, "acceptance": 0.6, "novelty": 0.9}
    assert learning.reward.copy_floor
    assert config.held_out == 0.5


def test_a_model_of_ones_own_begins_with_a_fresh_adapter_or_a_given_one(run: Path) -> None:
    config = config_of(run, model="some/model")
    assert (config.model.kind, config.start) == ("transformers", None)
    assert config.learning.learning_rate == 1e-4
    assert config_of(run, model="bundled", start=Path("lora")).start == Path("lora")


def test_an_adapter_of_the_runs_own_is_begun_with(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", 2, adapters={"confucian": "lora"})
    assert config_of(run).start == Path("lora")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"culture": "orthodox-europe"},
            "--culture orthodox-europe takes no part in .*; its cultures are confucian",
        ),
        ({"culture": "nobody"}, "unknown culture 'nobody'"),
        ({"held_out": 1.0}, "held_out"),
        ({"workers": 9}, "learning.prompts is 8 for 9 workers"),
        ({"steps": 0}, "learning.steps"),
        ({"device": "tpu"}, "device"),
    ],
)
def test_what_is_wrong_is_named(run: Path, flags: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        config_of(run, **flags)


def test_a_model_behind_a_server_is_not_trained(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", 2, model="openai:m@http://127.0.0.1:1/v1")
    with pytest.raises(
        ConfigurationError, match=r"the run's model is of the kind openai, .* give the folder of the same"
    ):
        config_of(run)
    assert config_of(run, model="bundled").model.kind == "bundled"


def test_no_run_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        config_of(tmp_path)


def test_where_it_is_kept_does_not_determine_the_adapter(run: Path) -> None:
    one = config_of(run)
    assert (
        config_of(run, out=Path("x"), work=Path("y"), rollouts=3, device="cpu", threads=2).tree()
        == one.tree()
    )
    for other in ({"seed": 1}, {"held_out": 0.5}, {"stale": 0}, {"refuse_copies": True}, {"beta": 0.5}):
        assert config_of(run, **other).tree() != one.tree()
    assert pickle.loads(pickle.dumps(one)) == one


def test_situations_are_the_cultures_and_topics_are_held_out(run: Path) -> None:
    material = read_situations(config_of(run))
    learned, aside = material.topics
    assert (len(learned), len(aside)) == (4, 1)
    assert {s.view.topic.id for s in material.learned} == set(learned)
    assert {s.view.topic.id for s in material.held_out} == set(aside)
    assert {s.culture.id for s in (*material.learned, *material.held_out)} == {"confucian"}
    assert len(material.learned) == 4 * 2 * 3  # topics, rounds, kinds
    assert material.epsilon == 0.02
    assert material.learned[0].culture.portrait is not None  # as agents are shown by default
    assert read_situations(config_of(run)).fingerprint() == material.fingerprint()
    assert read_situations(config_of(run, culture="latin-america")).fingerprint() != material.fingerprint()


def test_situations_to_measure_by_are_spread_over_the_topics(run: Path) -> None:
    material = read_situations(config_of(run))
    chosen = spread(material.learned, 6, seed=0)
    counts = [sum(s.view.topic.id == topic for s in chosen) for topic in material.topics[0]]
    assert sorted(counts) == [1, 1, 2, 2]
    assert chosen == spread(material.learned, 6, seed=0)
    assert spread(material.learned, 1000, seed=0) == list(material.learned)
    assert spread(material.learned, 0, seed=0) == []


def test_a_run_in_which_nothing_is_finished_is_told_of(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", 2)
    for file in (run / "negotiations").iterdir():
        file.unlink()
    with pytest.raises(ConfigurationError, match="has 0 finished negotiations by the game, none with it"):
        read_situations(config_of(run))


def test_a_check_tells_of_copies_and_of_malformed_candidates(run: Path) -> None:
    limits = config_of(run).limits
    figures = {"steps": 5, "copied": 0.6, "collapsed": 0.4, "skipped": 0.0}
    assert faults(figures, limits) == [
        "60% of the candidates repeat a guideline in view in the last 5 steps; at most 50% may (limits.copies)",
        "40% of the candidates are malformed in the last 5 steps; at most 30% may (limits.collapses)",
    ]
    assert faults(figures | {"copied": 0.5, "collapsed": None}, limits) == []


def test_a_dry_run_says_what_would_be_learned(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "oracle", str(run), "--culture", "confucian", "--steps", "3"]
    assert run_command([*arguments, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["situations"] == {"learned": 24, "held_out": 6}
    assert told["config"]["learning"]["steps"] == 3
    assert told["out"] == "adapters/oracle/confucian"
    assert run_command([*arguments, "--dry-run"]) == 0
    assert "held_out: 6" in capsys.readouterr().out


def test_the_command_line_tells_what_is_wrong(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["train", "oracle", str(run), "--culture", "orthodox-europe", "--dry-run"]) == 2
    assert "takes no part" in capsys.readouterr().err
    assert run_command(["train", "oracle", str(run / "none"), "--culture", "confucian"]) == 2
    assert run_command(["train", "oracle", str(run)]) == 2
    assert "--culture" in capsys.readouterr().err
    few = ["train", "oracle", str(run), "--culture", "confucian", "--held-out", "0.99", "--dry-run"]
    assert run_command(few) == 2
    assert "leave none to learn from" in capsys.readouterr().err
