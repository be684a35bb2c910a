"""``concordat evaluate rewriter``: settings, the whole way with a made-up model, tables and picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agents.intervals import Interval
from agents.models.protocol import Generation, GenerationRequest
from cluster.cli import run_command
from cluster.rewriting.evaluation import EvaluateRewriterConfig, run_evaluation, settings_of_evaluation
from cluster.rewriting.evaluation_picture import evaluation_picture
from cluster.rewriting.evaluation_tables import csv_table, latex_table
from negotiation.errors import ConfigurationError
from rewriter.evaluation.summary import Row
from tests.unit.rewriter.pairs.fakes import BagEmbedder, WordDetector, WordJudge, write_labels


class EchoModel:
    """With an adapter it says the source and five more words for the first value; alone it says nothing."""

    name = "echo"

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.requests += requests
        return [self._one(request) for request in requests]

    def _one(self, request: GenerationRequest) -> Generation:
        source = request.messages[-1].content.split("Text: ", 1)[1].split("\n", 1)[0]
        text = "" if request.adapter is None else f" {source} free free free free free \n"
        return Generation(text, 10, 5, "length" if request.adapter is None else "stop", 0.1)

    def score(self, requests: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> EchoModel:
    echo = EchoModel()
    monkeypatch.setattr("agents.models.config.load_model", lambda config: echo)
    monkeypatch.setattr("agents.embedding.load_embedder", BagEmbedder)
    monkeypatch.setattr("rewriter.detector.load_detector", lambda name: WordDetector())
    monkeypatch.setattr("rewriter.consistency.load_consistency_judge", lambda name: WordJudge())
    return echo


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Any]:
    return {
        "data": write_labels(tmp_path, topics=30),
        "work": tmp_path / "work",
        "requests": 12,
        "asked": {"sizes": (0.3, 0.7, 1.1)},
        "serial": True,
    }


def test_the_whole_way(model: EchoModel, tree: dict[str, Any]) -> None:
    config = EvaluateRewriterConfig(**tree, adapters={"grpo": ("one", "two"), "sft": ("three",)})
    found = run_evaluation(config)
    overall = {row.method: row for row in found.rows if row.sizes is None}
    assert list(overall) == ["copy", "retrieve", "prompting", "grpo", "sft"]
    assert overall["copy"].figures["copied"].estimate == 1.0
    assert overall["copy"].figures["progress"].estimate == 0.0
    assert overall["retrieve"].figures["consistency"].estimate < 1.0
    assert overall["prompting"].blank == 12
    assert overall["prompting"].figures["cut"].estimate == 1.0
    assert overall["grpo"].figures["backward"].estimate == 1.0
    assert overall["grpo"].figures["l2"].estimate == pytest.approx(overall["sft"].figures["l2"].estimate)
    assert len(found.runs["grpo"]) == 2
    assert {(one.method, one.other) for one in found.differences} == {
        ("grpo", "prompting"),
        ("sft", "prompting"),
        ("sft", "grpo"),
    }
    adapters = [request.adapter for request in model.requests]
    assert {name: adapters.count(name) for name in set(adapters)} == {
        None: 12,
        "grpo-0": 12,
        "grpo-1": 12,
        "sft-0": 12,
    }


def test_all_methods_get_the_same_requests(model: EchoModel, tree: dict[str, Any]) -> None:
    run_evaluation(EvaluateRewriterConfig(**tree, adapters={"sft": ("three",)}))
    asked = [(request.messages, request.seed, request.temperature) for request in model.requests]
    assert asked[:12] == asked[12:]


def test_the_command_keeps_what_it_found(
    model: EchoModel, tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["evaluate", "rewriter", "--data", str(tree["data"]), "--work", str(tree["work"]), "--serial"]
    arguments += ["--requests", "3", "--adapter", "sft=three", "--out", str(out), "--json"]
    assert run_command(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "evaluation.json").read_text())
    assert run_command(arguments[:-3]) == 0
    shown = capsys.readouterr().out
    assert "JSR" in shown
    assert "Requests without a reply, of 3: prompting 3" in shown


def test_figures_tables_picture_and_replies_are_kept(
    model: EchoModel, tree: dict[str, Any], tmp_path: Path
) -> None:
    from cluster.rewriting.evaluation import keep

    found = run_evaluation(EvaluateRewriterConfig(**tree, adapters={"sft": ("three",)}))
    keep(found, tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert kept["requests"] == 12
    rows = list(csv.DictReader((tmp_path / "out" / "evaluation.csv").read_text().splitlines()))
    assert {row["method"] for row in rows} == {"copy", "retrieve", "prompting", "sft"}
    assert (tmp_path / "out" / "evaluation.png").read_bytes().startswith(b"\x89PNG")
    replies = [json.loads(line) for line in (tmp_path / "out" / "replies.jsonl").read_text().splitlines()]
    assert len(replies) == 4 * 12
    assert replies[-1]["text"] == f"{replies[-1]['source']} free free free free free"


def test_names_that_are_measured_anyway_are_refused() -> None:
    with pytest.raises(ValidationError, match="copy is measured anyway"):
        EvaluateRewriterConfig(data=Path(), adapters={"copy": ("a",)})


def test_an_adapter_is_name_and_path() -> None:
    with pytest.raises(ConfigurationError, match="NAME=PATH"):
        settings_of_evaluation({"adapter": ["grpo"]})


def interval(estimate: float) -> Interval:
    return Interval(estimate, estimate - 0.1, estimate + 0.1, 5)


ROWS = [
    Row("a_b", None, 10, 0, {"success": interval(0.5), "consistency": interval(0.7), "l2": interval(1.0)}),
    Row(
        "a_b", (0.8, 1.2), 6, 0, {"success": interval(0.6), "consistency": interval(0.7), "l2": interval(0.9)}
    ),
    Row("copy", None, 10, 10, {"consistency": interval(0.0)}),
]


def test_the_csv_has_a_line_a_figure() -> None:
    rows = list(csv.DictReader(csv_table(ROWS).splitlines()))
    assert len(rows) == 7
    assert rows[3] == {
        "method": "a_b",
        "size_low": "0.8",
        "size_high": "1.2",
        "requests": "6",
        "blank": "0",
        "measure": "success",
        "estimate": "0.6",
        "low": "0.5",
        "high": "0.7",
        "topics": "5",
    }


def test_the_latex_is_escaped_and_even() -> None:
    text = latex_table(ROWS)
    assert r"a\_b & 0.700 & 1.000 & 0.500 \\" in text
    assert "copy & 0.000 & - & - " in text
    bodies = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in bodies} == {3}


def test_a_picture_is_drawn_of_methods_without_figures_too() -> None:
    assert evaluation_picture(ROWS).startswith(b"\x89PNG")
