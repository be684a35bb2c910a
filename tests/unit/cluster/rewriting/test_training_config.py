"""What the flags of ``concordat train rewriter`` become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.rewriting.training_config import BUNDLED_RATE, rewriter_training_config
from negotiation.errors import ConfigurationError
from rewriter.learning.config import DPOConfig, GRPOConfig, SFTConfig

FLAGS: dict[str, Any] = {"data": Path("data")}


def test_what_is_not_given_has_defaults() -> None:
    config = rewriter_training_config(FLAGS | {"method": None, "steps": None})
    assert isinstance(config.learning, GRPOConfig)
    assert config.method == "grpo"
    assert config.model.kind == "bundled"
    assert (config.work, config.out) == (Path("runs/rewriter/grpo"), Path("runs/rewriter/grpo/adapter"))
    assert config.material == Path("runs/rewriter/grpo/material")
    assert (config.workers, config.flow.rollouts, config.flow.judges, config.flow.stale) == (1, 1, 1, 1)
    # A worker that dies costs one step at most.
    assert config.learning.check_every == 1
    assert config.learning.learning_rate == GRPOConfig().learning_rate


def test_flags_find_their_place() -> None:
    given = {
        "steps": 7,
        "group": 3,
        "prompts_per_step": 5,
        "max_tokens": 9,
        "rank": 2,
        "beta": 0.0,
        "seed": 4,
    }
    flow = {"rollouts": 2, "judges": 3, "stale": 0, "workers": 4, "model": "./llama", "learning_rate": 0.01}
    config = rewriter_training_config(FLAGS | given | flow)
    learning = config.learning
    assert isinstance(learning, GRPOConfig)
    assert (learning.steps, learning.group, learning.prompts, learning.max_tokens) == (7, 3, 5, 9)
    assert (learning.rank, learning.beta, learning.seed, learning.learning_rate) == (2, 0.0, 4, 0.01)
    assert (config.flow.rollouts, config.flow.judges, config.flow.stale, config.workers) == (2, 3, 0, 4)
    assert config.model.kind == "transformers"


def test_flags_go_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("learning: {method: dpo, beta: 0.3, steps: 9}\nlimits: {copies: 0.5}\nfailures: 1\n")
    config = rewriter_training_config(FLAGS | {"steps": 3}, path)
    assert isinstance(config.learning, DPOConfig)
    assert (config.learning.beta, config.learning.steps) == (0.3, 3)
    assert (config.limits.copies, config.failures, config.samples_first) == (0.5, 1, True)
    path.write_text("learning: {group: 3}\nflow: {rolouts: 3}\n")
    with pytest.raises(ConfigurationError, match=r"unknown field 'flow\.rolouts'; did you mean 'rollouts'"):
        rewriter_training_config(FLAGS, path)


def test_supervised_training_of_the_bundled_model_has_a_rate_of_its_own() -> None:
    sft = rewriter_training_config(FLAGS | {"method": "sft"}).learning
    assert isinstance(sft, SFTConfig)
    assert sft.learning_rate == BUNDLED_RATE
    other = rewriter_training_config(FLAGS | {"method": "sft", "model": "./llama"}).learning
    assert other.learning_rate == SFTConfig().learning_rate


def test_only_what_determines_the_adapter_must_stay_the_same() -> None:
    one = rewriter_training_config(FLAGS | {"workers": 1, "work": Path("a"), "rollouts": 1})
    two = rewriter_training_config(FLAGS | {"workers": 2, "work": Path("b"), "rollouts": 4, "threads": 3})
    assert one.tree() == two.tree()
    for change in ({"seed": 1}, {"stale": 0}, {"group": 4}, {"start": Path("x")}, {"detector": "./mine"}):
        assert one.tree() != rewriter_training_config(FLAGS | change).tree()
    by_method = {
        method: set(rewriter_training_config(FLAGS | {"method": method}).tree())
        & {"flow", "samples", "pairs", "requests"}
        for method in ("grpo", "sft", "dpo")
    }
    assert by_method == {"grpo": {"flow", "requests"}, "sft": {"pairs"}, "dpo": {"samples", "requests"}}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "ppo"}, "--method is 'ppo'; give one of grpo, sft, dpo, simpo"),
        ({"method": "sft", "group": 4}, "--group says nothing to method sft"),
        ({"method": "sft", "beta": 0.1}, "--beta says nothing to method sft"),
        ({"batch": 4}, "--batch says nothing to method grpo"),
        ({"group": 0}, r"learning\.group"),
        ({"stale": 2}, r"flow\.stale"),
        ({"workers": 9}, r"learning\.prompts is 8 for 9 workers"),
        ({"method": "dpo", "batch": 2, "workers": 3}, r"learning\.batch is 2 for 3 workers"),
        ({"device": "tpu"}, "device"),
        ({"model": "openai:x@http://127.0.0.1:1/v1"}, "model"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        rewriter_training_config(FLAGS | wrong)
