"""``concordat sweep``: weights, runs, figures."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster.cli import run_command
from cluster.comparison import sweep as sw
from cluster.config import RunConfig
from cluster.runfolder import RunFolder
from cluster.summary import RunSummary
from negotiation.errors import ConfigurationError
from negotiation.topic import Topic
from tests.unit.cluster.report_runs import negotiated


def executed(
    config: RunConfig, path: Path, way: Any, view: Any = None, *, interrupted: bool = False
) -> RunSummary:
    """Write what a run would: negotiations that take longer the larger beta is."""
    rounds = 1 + int(3 * config.game.beta)
    with RunFolder(path, config.tree(), resume=way.resume) as folder:
        for topic in config.plan_topics():
            record = negotiated(Topic(topic.id, topic.text), rounds=rounds, seed=len(topic.id))
            folder.write_record(replace(record, negotiation_id=topic.id))
    return RunSummary(path, len(config.topics), (), (), 0, 0, 0, 0.0, interrupted)


@pytest.fixture(autouse=True)
def _no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.runs.execute", executed)


ARGUMENTS = [
    "sweep",
    "--cultures",
    "english-speaking",
    "confucian",
    "--topic",
    "One?",
    "--topic",
    "Two, or three?",
]


def test_weights_are_scaled_to_the_defaults() -> None:
    assert sw.parse_weights("5:5:2") == pytest.approx((0.5, 0.5, 0.2))
    assert sw.parse_weights("1:0:0") == pytest.approx((1.2, 0.0, 0.0))


@pytest.mark.parametrize("text", ["5:5", "a:b:c", "1:-1:1", "0:0:0", "nan:1:1", ""])
def test_wrong_weights_are_told(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--weights"):
        sw.parse_weights(text)


def test_each_setting_is_a_run_and_the_tables_tell_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sweep"
    arguments = [*ARGUMENTS, "--weights", "5:5:2", "1:9:2", "--out", str(out)]
    assert run_command([*arguments, "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [point["weights"] for point in points] == ["5:5:2", "1:9:2"]
    assert [point["negotiations"] for point in points] == [2, 2]
    assert points[0]["figures"]["rounds"]["estimate"] <= points[1]["figures"]["rounds"]["estimate"]
    names = {path.name for path in out.iterdir()}
    assert names == {"5-5-2", "1-9-2", "sweep.json", "sweep.csv", "sweep.tex", "sweep.png"}
    lines = list(csv.DictReader((out / "sweep.csv").read_text().splitlines()))
    assert len(lines) == 2 * len(sw.FIGURES)
    assert (out / "sweep.tex").read_text().count(r"\\") == 3
    # Given again, it goes on with the runs that are there.
    assert run_command(arguments) == 0
    assert "1:9:2" in capsys.readouterr().out


def test_the_same_ratio_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([*ARGUMENTS, "--weights", "5:5:2", "5:5:2", "--out", str(tmp_path)]) == 2
    assert "named twice" in capsys.readouterr().err


def test_a_stopped_sweep_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cluster.runs.execute", lambda config, path, way, view: executed(config, path, way, interrupted=True)
    )
    assert run_command([*ARGUMENTS, "--weights", "5:5:2", "--out", str(tmp_path / "s"), "--json"]) == 130
    assert "give the command again" in json.loads(capsys.readouterr().out)["error"]["message"]
