"""Sources of settings and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from cluster.settings import merge, read_environment, read_yaml, validate
from negotiation.config import GameConfig
from negotiation.errors import ConfigurationError


class Tree(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seed: int = 0
    game: GameConfig = GameConfig()
    rows: tuple[GameConfig, ...] = ()


def test_environment_is_yaml_by_path() -> None:
    tree = read_environment(
        {
            "CONCORDAT_GAME__SOLVER__KIND": "prd",
            "CONCORDAT_CULTURES": "[confucian, latin-america]",
            "CONCORDAT_MODEL": "openai:m@http://127.0.0.1:1/v1",
            "CONCORDAT_OUT": "'",
            "PATH": "/bin",
        }
    )
    assert tree == {
        "game": {"solver": {"kind": "prd"}},
        "cultures": ["confucian", "latin-america"],
        "model": "openai:m@http://127.0.0.1:1/v1",
        "out": "'",
    }


def test_environment_names_may_not_cross() -> None:
    with pytest.raises(ConfigurationError, match="CONCORDAT_GAME__ALPHA"):
        read_environment({"CONCORDAT_GAME": "3", "CONCORDAT_GAME__ALPHA": "0.5"})


def test_another_kind_replaces_the_branch() -> None:
    merged = merge({"solver": {"kind": "prd", "step": 0.1}}, {"solver": {"kind": "prd", "iterations": 5}})
    assert merged == {"solver": {"kind": "prd", "step": 0.1, "iterations": 5}}
    assert merge(merged, {"solver": {"kind": "exact"}}) == {"solver": {"kind": "exact"}}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"sede": 1}, "unknown field 'sede'; did you mean 'seed'?"),
        ({"zzz": 1}, "unknown field 'zzz'; known are game, rows, seed"),
        ({"game": {"alfa": 1}}, "unknown field 'game.alfa'; did you mean 'alpha'?"),
        (
            {"game": {"solver": {"kind": "prd", "stap": 1}}},
            "unknown field 'game.solver.stap'; did you mean 'step'?",
        ),
        ({"rows": [{"roundz": 1}]}, "unknown field 'rows.0.roundz'; did you mean 'rounds'?"),
        ({"seed": "x"}, "seed: Input should be a valid integer"),
        ({"game": {"alpha": 0, "beta": 0, "gamma": 0}}, "game: alpha, beta and gamma are all 0"),
        ({"game": {"epsilon": -1}}, "game.epsilon: Input should be greater than or equal to 0; it is -1"),
        ({"game": {"solver": {"kind": "magic"}}}, "'exact', 'potential'"),
        ({"seed": "x", "sede": 1}, "2 faults"),
    ],
)
def test_faults_name_field_value_and_mend(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validate(Tree, tree, "flags")
    assert message in str(caught.value)
    assert str(caught.value).startswith("flags: ")


@pytest.mark.parametrize(
    ("text", "message"), [("- 1", "found a list"), ("a: [", "not UTF-8 YAML"), (None, "No such file")]
)
def test_bad_files(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_yaml(tmp_path / "c.yaml")


def test_empty_file_is_no_settings(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("# nothing\n")
    assert read_yaml(tmp_path / "c.yaml") == {}
