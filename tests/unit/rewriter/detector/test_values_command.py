"""``concordat values`` and ``concordat train detector``, from the command line to the files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.cli import run_command
from rewriter.detector import load_detector

TEXT = "We keep the customs of our ancestors and honour our elders in all that we do."


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_texts_are_shown_with_bars(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["values", "--text", TEXT]) == 0
    shown = capsys.readouterr().out
    assert "Tradition" in shown
    assert "\u2588" in shown
    assert "confidence" in shown


def test_several_texts_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run_command(["values", "--text", TEXT, "--text", "Let all people live as they like.", "--json"]) == 0
    )
    tree = json.loads(capsys.readouterr().out)
    [first, second] = tree["readings"]
    [reading] = load_detector().read([TEXT])
    assert first["values"] == list(reading.values)
    assert second["values"][7] < first["values"][7]
    assert tree["detector"] == "bundled"


def test_lines_come_back_in_order_with_bad_ones_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [json.dumps({"text": f"{TEXT} Number {number}.", "id": number}) for number in range(70)]
    source = write(
        tmp_path / "in.jsonl", *good, "", "no json", '{"id": 1}', '{"text": " "}', "[1]", '{"text": 3}'
    )
    target = tmp_path / "deep" / "out.jsonl"
    assert run_command(["values", "--input", str(source), "--output", str(target), "--json"]) == 1
    tree = json.loads(capsys.readouterr().out)
    assert tree["lines"] == 70
    assert [bad["line"] for bad in tree["bad"]] == [72, 73, 74, 75, 76]
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines[:70]] == list(range(70))
    assert all(len(line["values"]) == 10 and 0 <= line["confidence"] <= 1 for line in lines[:70])
    assert "Field required" in lines[71]["error"]["message"]
    assert list(target.parent.iterdir()) == [target]  # no half file stays


def test_a_mended_line_loses_its_error(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", json.dumps({"text": TEXT, "error": {"line": 1, "message": "x"}}))
    target = tmp_path / "out.jsonl"
    assert run_command(["values", "--input", str(source), "--output", str(target)]) == 0
    assert "error" not in json.loads(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give either --text"),
        (["--text", "A.", "--input", "x"], "give either --text"),
        (["--text", "A.", "--output", "x"], "belong together"),
        (["--input", "absent.jsonl", "--output", "x"], "no such file"),
        (["--text", "  "], "text 0 for the detector is empty"),
        (["--text", "A.", "--detector", "nothing"], "detector 'nothing'"),
        (["--text", "A.", "--detector", "model:openai:x"], "not of the form"),
    ],
)
def test_wrong_flags_are_told(
    flags: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["values", *flags]) == 2
    assert message in capsys.readouterr().err


def test_the_output_may_not_be_the_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in.jsonl", json.dumps({"text": TEXT}))
    assert run_command(["values", "--input", str(source), "--output", str(source)]) == 2
    assert "is the input" in capsys.readouterr().err
    assert json.loads(source.read_text(encoding="utf-8")) == {"text": TEXT}


def test_training_without_data_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["train", "detector", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "value_labels.parquet" in capsys.readouterr().err


def test_the_reliability_diagram_is_a_picture() -> None:
    from cluster.rewriting.reliability_picture import reliability_picture

    row = {"answer": [-0.5, 0.5], "outcome": [-0.2, 0.4], "texts": [5, 5]}
    names = ("Power", "Tradition", "all")
    picture = reliability_picture({"reliability": dict.fromkeys(names, row), "confidence": row})
    assert picture.startswith(b"\x89PNG")
