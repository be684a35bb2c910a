"""The configuration tree of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.config import RunConfig, load_config
from negotiation.errors import ConfigurationError, CultureError, ModelError, TopicError

BASE: dict[str, Any] = {"cultures": ["english-speaking", "confucian"], "topics": ["Should voting be a duty?"]}


def _load(**flags: Any) -> RunConfig:
    return load_config(BASE | flags, environment={})


def test_defaults_are_the_documented_ones() -> None:
    config = _load()
    assert config.model.kind == "bundled"
    assert (config.game.alpha, config.game.beta, config.game.gamma) == (0.5, 0.5, 0.2)
    assert (config.seed, config.concurrency, config.resources.threads) == (0, 32, 1)
    assert config.topics[0].id.startswith("should-voting-be-a-duty-")


def test_the_resolved_tree_gives_the_same_configuration(tmp_path: Path) -> None:
    config = _load(
        topics="examples", model="openai:m@http://127.0.0.1:1/v1", game={"solver": {"kind": "prd"}}
    )
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config.tree()))
    assert load_config({}, tmp_path / "c.yaml", environment={}) == config
    assert len(config.topics) == 30


def test_flags_go_over_environment_over_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump(BASE | {"seed": 1, "concurrency": 1, "game": {"rounds": 1}})
    )
    environment = {"CONCORDAT_SEED": "2", "CONCORDAT_CONCURRENCY": "2", "CONCORDAT_API_KEY": "secret"}
    config = load_config({"seed": 3}, tmp_path / "c.yaml", environment)
    assert (config.seed, config.concurrency, config.game.rounds) == (3, 2, 1)


def test_a_model_of_another_kind_replaces_the_whole_model(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(BASE | {"model": {"kind": "transformers", "path": "x"}}))
    config = load_config({"model": "bundled"}, tmp_path / "c.yaml", environment={})
    assert config.model.kind == "bundled"


def test_the_hash_ignores_what_changes_no_result() -> None:
    assert _load().short_hash() == _load(concurrency=2, out="elsewhere").short_hash()
    assert _load().short_hash() != _load(seed=1).short_hash()


def test_methods_are_named_one_by_one_or_all_together(tmp_path: Path) -> None:
    assert _load().methods == ("psro",)
    assert _load(methods=["mediator", "psro", "mediator"]).methods == ("psro", "mediator")
    everything = ("psro", "debate", "consultancy", "mediator")
    assert _load(methods="all").methods == _load(methods=["debate", "all"]).methods == everything
    assert load_config(BASE, environment={"CONCORDAT_METHODS": "debate"}).methods == ("debate",)
    config = _load(methods=["debate"], baselines={"debate": {"rounds": 2}})
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config.tree()))
    assert load_config({}, tmp_path / "c.yaml", environment={}) == config
    assert config.baselines.debate.rounds == 2


def test_the_hash_of_a_game_alone_does_not_know_of_other_methods() -> None:
    assert _load().short_hash() == _load(baselines={"mediator": {"candidates": 3}}).short_hash()
    assert _load().short_hash() != _load(methods="all").short_hash()


@pytest.mark.parametrize(
    ("flags", "kind", "message"),
    [
        ({"cultures": ["english-speaking", "confuscian"]}, CultureError, "did you mean confucian"),
        ({"cultures": ["confucian", "Confucian"]}, CultureError, "given twice"),
        ({"cultures": ["confucian"]}, CultureError, "two or more"),
        ({"topics": [""]}, TopicError, "empty"),
        ({"topics": ["x" * 100_000]}, TopicError, "100,000 characters"),
        ({"topics": "no-such-file.yaml"}, TopicError, "No such file"),
        ({"topics": []}, ConfigurationError, "topics"),
        ({"model": "openai:m"}, ModelError, "openai:MODEL@http://host"),
        ({"adapters": {"klingon": "x"}}, CultureError, "klingon"),
        ({"game": {"alpha": 0, "beta": 0, "gamma": 0}}, ConfigurationError, "raise one of them"),
        ({"game": {"alpha": float("nan")}}, ConfigurationError, "game.alpha"),
        ({"seed": -1}, ConfigurationError, "seed"),
        (
            {"methods": ["shouting"]},
            ConfigurationError,
            "methods.*'psro', 'debate', 'consultancy' or 'mediator'",
        ),
        ({"methods": []}, ConfigurationError, "methods"),
        ({"baselines": {"debate": {"rounds": 0}}}, ConfigurationError, "baselines.debate.rounds"),
        ({"baselines": {"debates": {}}}, ConfigurationError, "did you mean 'debate'"),
        ({"concurency": 2}, ConfigurationError, "did you mean 'concurrency'"),
    ],
)
def test_wrong_settings(flags: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        _load(**flags)
    assert type(caught.value) is kind


@pytest.mark.parametrize("missing", ["cultures", "topics"])
def test_what_must_be_given(missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no {missing}; give"):
        load_config({key: value for key, value in BASE.items() if key != missing}, environment={})


def test_every_field_has_a_help_text() -> None:
    def check(tree: dict[str, Any]) -> None:
        for name, field in tree.get("properties", {}).items():
            assert field.get("description") or "const" in field or "$ref" in field, name

    schema = RunConfig.model_json_schema()
    for tree in (schema, *schema["$defs"].values()):
        check(tree)
