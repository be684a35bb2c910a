"""``concordat evaluate run`` on small runs, with fakes for embedder, detector and model."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster.cli import run_command
from negotiation.dialogue_storage import write_dialogues
from negotiation.held_out import HeldOut
from negotiation.topic import Topic
from rewriter.vocabulary import ValueReading
from tests.unit.cluster.comparison.runs import Counting, fake_readers, published, row, run
from tests.unit.negotiation.test_dialogue import MEDIATOR


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_readers(monkeypatch)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    rows = [
        row(k, method) for k in range(1, 7) for method in ("psro", "debate") if (k, method) != (6, "debate")
    ]
    return published(tmp_path / "data", rows)


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run_command(["evaluate", "run", *arguments, "--json"]) == 0
    tree: dict[str, Any] = json.loads(capsys.readouterr().out)
    return tree


def test_json_has_rows_differences_and_notes(both: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = evaluated(capsys, str(both))
    assert tree["methods"] == ["psro", "debate"]
    assert (tree["negotiations"], tree["topics"]) == (11, 6)
    assert {row["kind"] for row in tree["rows"]} == {"overall", "category"}
    psro = tree["rows"][0]
    assert psro["figures"]["log_ppl_opening"]["units"] == 6
    assert 0.0 <= psro["figures"]["value_consistency"]["estimate"] <= 1.0
    overall = [one for one in tree["differences"] if one["kind"] == "overall"]
    assert tree["tests"] == len(overall) > 10
    assert {(one["common"], one["left_out"]) for one in overall} >= {(5, 1)}
    assert any("share 5 negotiations; 1 that only one" in note for note in tree["notes"])
    assert all(one["adjusted"] >= one["p_value"] for one in overall)
    assert tree["perplexity"] == "teacher-forced"


def test_out_keeps_page_picture_and_every_table(
    both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "kept"
    assert run_command(["evaluate", "run", str(both), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    for part in ("Movement", "Fairness", "Values", "Perplexity", "psro", "debate", "Holm", "95% intervals"):
        assert part in shown
    names = {path.name for path in out.iterdir()}
    tables = {f"{part}.{kind}" for part in ("movement", "fairness", "values", "perplexity", "course", "differences", "movements")
              for kind in ("csv", "tex")}  # fmt: skip
    assert names == tables | {"comparison.html", "comparison.json", "fairness.png", "negotiations.csv"}
    assert (out / "fairness.png").read_bytes()[:4] == b"\x89PNG"
    lines = list(csv.DictReader((out / "fairness.csv").read_text().splitlines()))
    kept = json.loads((out / "comparison.json").read_text())
    [line] = [
        one
        for one in lines
        if (one["kind"], one["method"], one["measure"]) == ("overall", "debate", "imbalance")
    ]
    [wanted] = [one for one in kept["rows"] if (one["kind"], one["method"]) == ("overall", "debate")]
    assert float(line["estimate"]) == pytest.approx(wanted["figures"]["imbalance"]["estimate"], rel=1e-5)
    assert len(list(csv.DictReader((out / "negotiations.csv").read_text().splitlines()))) == 11
    latex = (out / "differences.tex").read_text()
    assert latex.count(r"\\") == kept["tests"] + 1
    assert r"\bottomrule" in latex


def test_the_page_is_whole_and_loads_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = [
        row(k, method, category="<script>alert(1)</script>" if k % 2 else "b & c", topic="<b>Is it?</b>")
        for k in range(1, 5)
        for method in ("psro", "debate")
    ]
    out = tmp_path / "kept"
    evaluated(capsys, str(published(tmp_path / "data", hostile)), "--out", str(out))
    page = (out / "comparison.html").read_text()
    assert "<script>alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Content-Security-Policy" in page
    for part in (
        'id="fairness"',
        'id="values"',
        'id="differences"',
        'id="category"',
        "plane-debate",
        "radar-confucian",
    ):
        assert part in page
    assert 'id="pair"' not in page  # a single pair is not shown again


def test_runs_of_ours_are_scored_by_their_own_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = evaluated(capsys, str(run(tmp_path / "run", 3)))
    assert tree["model"] == "the bundled model"
    assert tree["methods"] == ["psro"]
    assert tree["differences"] == []
    assert tree["tests"] == 0


def test_runs_of_different_models_need_one_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = run(tmp_path / "one", 1), run(tmp_path / "two", 1, seed=1)
    (two / "config.yaml").write_text((two / "config.yaml").read_text() + "model: /models/other\n")
    assert run_command(["evaluate", "run", str(one), str(two)]) == 2
    assert "--model" in capsys.readouterr().err
    assert evaluated(capsys, str(one), str(two), "--model", "bundled")["negotiations"] == 2
    assert evaluated(capsys, str(one), str(two), "--no-ppl")["perplexity"] is None


def test_methods_of_one_run_are_compared_and_failures_are_counted_by_method(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = {"negotiation_id": "t0-0", "method": "debate", "error": "OracleError", "message": "nothing"}
    path = run(tmp_path / "run", 2, failures=[lost])
    (path / "mediator").mkdir()
    vote = replace(MEDIATOR, topic=Topic("t1", "Is question 1 open?", "c1"), seed=0, negotiation_id="t1-0",
                   players=("english-speaking", "confucian"))  # fmt: skip
    write_dialogues(path / "mediator" / "a.parquet", [vote])
    tree = evaluated(capsys, str(path))
    assert tree["methods"] == ["psro", "mediator"]
    assert tree["failed"] == 1
    [moved] = [one for one in tree["differences"] if (one["kind"], one["measure"]) == ("overall", "moved")]
    assert (moved["common"], moved["left_out"]) == (1, 1)
    assert any("mediator states one consensus for all sides" in note for note in tree["notes"])
    assert run_command(["evaluate", "run", str(path), "--no-ppl"]) == 0
    assert "one topic" in capsys.readouterr().out


def test_fresh_candidates_are_asked_of_the_game_of_our_runs_alone(
    both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run(tmp_path / "run", 3)
    answers = {
        "t0-0": HeldOut((0.25, -0.5), (4, 4)),
        "t1-0": HeldOut((None, 0.1), (0, 4)),
        "t2-0": "OracleError: no",
    }
    asked: list[tuple[Path, int]] = []

    def exploit(run: Path, fresh: int, wanted: Any, told: Any) -> dict[str, Any]:
        asked.append((run, fresh))
        return answers

    monkeypatch.setattr("cluster.comparison.exploiting.exploit_run", exploit)
    tree = evaluated(capsys, str(path), str(both), "--fresh", "4", "--no-ppl")
    assert asked == [(path, 4)]
    rows = {row["method"]: row for row in tree["rows"] if row["kind"] == "overall"}
    assert rows["psro"]["figures"]["exploitability"]["estimate"] == 0.25
    assert rows["psro"]["missing"]["exploitability"] == 2
    assert "exploitability" not in rows["debate"]["figures"]
    assert any("OracleError: no" in note for note in tree["notes"])


def test_without_perplexity_there_are_no_figures_of_it(
    both: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = evaluated(capsys, str(both), "--no-ppl", "--topics", "2")
    assert not any("ppl" in name for row in tree["rows"] for name in row["figures"])
    assert tree["topics"] == 2


def test_several_judges_and_how_far_they_agree(both: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = evaluated(capsys, str(both), "--judge", "one", "--judge", "other", "--judge", "ones")
    assert [judge["judge"] for judge in tree["judges"]] == ["one", "other", "ones"]
    assert set(tree["agreement"]) == {"alpha", "shared", "one/other", "one/ones", "other/ones"}
    assert tree["agreement"]["alpha"] < 1.0
    first = tree["rows"][0]["figures"]["value_consistency"]["estimate"]
    assert tree["judges"][0]["by_method"]["psro"] == pytest.approx(first)


def test_a_judge_outside_the_labels_is_refused(
    both: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loud(Counting):
        def read(self, texts: Any) -> list[ValueReading]:
            readings = super().read(texts)
            object.__setattr__(readings[0], "values", (3.0,) * 10)
            return readings

    monkeypatch.setattr("cluster.comparison.measuring.load_detector", lambda name, num_threads: Loud(name))
    assert run_command(["evaluate", "run", str(both), "--judge", "loud", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["type"] == "TargetError"
    assert "judge 'loud'" in told["message"]
    assert "3.0" in told["message"]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--method", "vote"], "methods"),
        (["--judge", "a", "--judge", "a"], "named twice"),
        (["--topics", "0"], "topics"),
        (["--adapter", "nothing"], "CULTURE=PATH"),
    ],
)
def test_wrong_flags_are_told(
    both: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    assert run_command(["evaluate", "run", str(both), *flags]) == 2
    assert told in capsys.readouterr().err


def test_figures_depend_on_the_seed_alone(both: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (evaluated(capsys, str(both), "--seed", "5") for _ in range(2))
    assert one == two
    other = evaluated(capsys, str(both), "--seed", "6")
    assert other["rows"][0]["figures"]["moved"]["estimate"] == one["rows"][0]["figures"]["moved"]["estimate"]
    assert other["rows"] != one["rows"]
