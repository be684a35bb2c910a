"""``concordat replay`` on a small file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.cli import run_command
from cluster.replay.algorithms import load_algorithms
from negotiation.errors import ConfigurationError
from tests.unit.agents.test_replay import row, write


class LetterEncoder:
    name, bfloat16 = "letters", False

    def __init__(self, num_threads: int | None = None) -> None:
        pass

    def encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[1.0 + text.count(letter) for letter in "aeioustr"] for text in texts])


@pytest.fixture(autouse=True)
def _letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.replay.run.BatchEncoder", LetterEncoder)


def test_json_has_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, [row(topic_id=1), row(topic_id=2, rounds=3), row(turns=None)])
    assert run_command(["replay", str(tmp_path), "--json", "--out", str(tmp_path / "kept")]) == 0
    out, err = capsys.readouterr()
    tree: dict[str, Any] = json.loads(out)
    wanted = {"games", "published_mean", "published_algorithm_mean", "ours_mean", "ours_max", "seconds"}
    assert wanted <= set(tree)
    assert tree["games"] == 2
    # Of a source checkout, where the benchmark has the published algorithm.
    assert tree["published_algorithm_mean"] > 0.0
    assert tree["algorithms"][-1]["name"] == "all put right"
    assert tree["ours_max"] <= 1e-9
    assert tree["faults"]["runs"][0]["where"] == "row 2"
    assert "not used: row 2: turns:" in err
    assert json.loads((tmp_path / "kept" / "replay.json").read_text()) == tree


def test_table_says_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, [row(topic_id=k) for k in range(4)])
    assert run_command(["replay", str(tmp_path), "--limit", "2", "--first-guideline", "heading"]) == 0
    out = capsys.readouterr().out
    for part in ("Mean NashConv", "ours, the largest", "stopped by it", "2 of 2", "2 runs, 4 games"):
        assert part in out
    assert "their headings stand for them" in out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--limit", "0"], "limit"),
        (["--first-guideline", "last"], "first_guideline"),
        (["--algorithms", "nowhere.py"], "no such file"),
    ],
)
def test_wrong_flags_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    write(tmp_path, [row()])
    assert run_command(["replay", str(tmp_path), *flags]) == 2
    assert told in capsys.readouterr().err


def test_a_path_without_runs_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["replay", str(tmp_path), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "ConfigurationError"


def test_an_out_that_is_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, [row()])
    assert run_command(["replay", str(path), "--out", str(path)]) == 2
    assert "--out" in capsys.readouterr().err


def test_without_a_checkout_nothing_stands_beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cluster.replay.algorithms.CHECKOUT_FILE", tmp_path / "none.py")
    assert load_algorithms(None) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [("ALGORITHMS = {}", "must map names"), ("x = 1", "NoneType"), ("1 / 0", "ZeroDivisionError")],
)
def test_a_file_without_algorithms_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told):
        load_algorithms(path)


def test_an_algorithm_of_ones_own_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, [row()])
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import numpy as np\n"
        "ALGORITHMS = {'uniform': lambda games: [[np.full(k, 1 / k) for k in game.game.sizes] for game in games]}\n"
    )
    assert run_command(["replay", str(tmp_path), "--algorithms", str(mine), "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["published_algorithm_mean"] == pytest.approx(tree["published_mean"])
