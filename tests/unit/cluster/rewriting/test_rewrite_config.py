"""What ``concordat rewrite`` is told, and which models it loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.models.config import OpenAIConfig, TransformersConfig
from cluster.policy import consensus_policy
from cluster.rewriting.rewrite_config import rewrite_config
from cluster.rewriting.rewrite_parts import PartsConfig
from negotiation.errors import ConfigurationError, ModelError
from negotiation.topic import Topic
from rewriter.language_model_rewriter import BUNDLED, SETTINGS_FILE, RewritingConfig
from rewriter.targets import CultureAim, InstructionAim, PolicyAim, VectorAim, resolve
from tests.unit.cluster.report_runs import negotiated
from tests.unit.rewriter.fakes import NumberDetector

ZEROS = ",".join(["0"] * 10)


@pytest.mark.parametrize(
    ("flags", "aim"),
    [
        ({"toward": "more tradition"}, InstructionAim("more tradition")),
        ({"culture": "confucian", "contrast": True}, CultureAim("confucian", contrast=True)),
        ({"policy": Path("run"), "negotiation": "duty"}, PolicyAim(Path("run"), "duty")),
        ({"target": ZEROS}, VectorAim((0.0,) * 10)),
        ({"search": True}, None),
    ],
)
def test_each_aim(flags, aim):
    assert rewrite_config({"text": "We vote.", **flags}).aim() == aim


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ({}, "give either --text TEXT or --input FILE"),
        ({"text": "a", "input": Path("x"), "output": Path("y"), "toward": "b"}, "give either --text"),
        ({"input": Path("x")}, "--input FILE and --output FILE go together"),
        ({"text": "a", "output": Path("y"), "toward": "b"}, "--input FILE and --output FILE go together"),
        ({"text": " ", "toward": "b"}, "the text is empty"),
        ({"text": "a"}, "no aim; give --toward"),
        ({"text": "a", "toward": "b", "culture": "c"}, "--toward and --culture are given; choose one"),
        ({"input": Path("x"), "output": Path("y"), "search": True}, "--search takes one --text"),
        ({"text": "a", "toward": "b", "contrast": True}, "--contrast goes with --culture"),
        ({"text": "a", "toward": "b", "out": Path("x")}, "--out goes with --search"),
        ({"text": "a", "toward": "b", "strength": 1.5}, "strength is 1.5"),
        ({"text": "a", "toward": "b", "seed": -1}, "seed"),
        ({"text": "a", "search": True, "budget": 0}, "budget"),
        ({"text": "a", "toward": "b", "model": "openai:x"}, "is not of the form"),
    ],
)
def test_what_does_not_go_together_is_told(flags, part):
    with pytest.raises(ConfigurationError, match=part):
        rewrite_config(flags)


def test_flags_reach_their_places():
    config = rewrite_config(
        {
            "text": "a",
            "search": True,
            "seed": 4,
            "budget": 9,
            "detector": "d",
            "temperature": 0.0,
            "serial": False,
        }
    )
    assert (config.parts.seed, config.searching.seed, config.searching.budget) == (4, 4, 9)
    assert (config.parts.detector, config.parts.temperature) == ("d", 0.0)


def test_the_bundled_adapter_is_asked_for_by_name_where_it_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr("rewriter.bundled.BUNDLED_ADAPTER", tmp_path / "adapter")
    with pytest.raises(
        ModelError, match=r"bundled rewriter adapter is missing.*concordat train rewriter.*--adapter none"
    ):
        PartsConfig().loadable(1)


def test_the_bundled_model_carries_the_rewriter_alone(monkeypatch, tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    monkeypatch.setattr("rewriter.bundled.BUNDLED_ADAPTER", folder)
    loadable, name = PartsConfig(seed=3).loadable(2)
    assert isinstance(loadable, TransformersConfig)
    assert (loadable.adapters, name, loadable.num_threads) == ({"rewriter": str(folder)}, "rewriter", 2)
    assert PartsConfig(seed=3).rewriting() == BUNDLED.model_copy(update={"seed": 3})
    (folder / SETTINGS_FILE).write_text(json.dumps({"sentences": 1}))
    assert PartsConfig(temperature=0.2).rewriting() == RewritingConfig(sentences=1, temperature=0.2)


def test_policies_of_runs_can_be_aimed_at(tmp_path):
    record = negotiated(Topic("duty", "Should voting be a duty?"))
    (tmp_path / "policy.json").write_text(json.dumps(consensus_policy(record)))
    wanted = resolve(PolicyAim(tmp_path / "policy.json"), detector=NumberDetector())
    assert wanted.values == (0.0,) * 10  # their texts hold no numbers that this detector reads
    assert record.topic.text in wanted.explanation[0]


def test_the_bare_model_and_others():
    loadable, name = PartsConfig(adapter="none").loadable(1)
    assert isinstance(loadable, TransformersConfig)
    assert (loadable.adapters, name) == ({}, None)
    served, name = PartsConfig(model="openai:base@http://localhost:1/v1", adapter="base-rewriter").loadable(1)
    assert isinstance(served, OpenAIConfig)
    assert (served.adapters, name) == ({"rewriter": "base-rewriter"}, "rewriter")
    other, name = PartsConfig(model="Org/model").loadable(3)
    assert isinstance(other, TransformersConfig)
    assert (other.path, other.adapters, other.num_threads, name) == ("Org/model", {}, 3, None)
    assert PartsConfig(model="Org/model").rewriting() == RewritingConfig()
