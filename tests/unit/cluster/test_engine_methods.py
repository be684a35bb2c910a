"""A run by several methods side by side: same first statements, nothing done twice, no method harmed by another."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from cluster.config import RunConfig, load_config
from cluster.engine import Engine
from cluster.outcomes import read_outcomes
from cluster.plan import make_plan
from cluster.progress import SilentView
from cluster.runfolder import RunFolder
from cluster.summary import RunSummary
from negotiation.dialogue_storage import read_dialogues
from negotiation.errors import ModelServerError, RunError
from negotiation.outcome import METHODS
from negotiation.storage import read_records, to_row

WORDS = (
    "Schools",
    "Courts",
    "Families",
    "protect",
    "discuss",
    "limit",
    "the custom",
    "old rites",
    "shared land",
)


class RuleBackend:
    """Replies, scores and vectors from hashes of what is asked; the same whatever shares the batch."""

    def __init__(self, unscored: bool = False, garbage_about: str = "\0") -> None:
        self.unscored = unscored
        self.garbage_about = garbage_about
        self.asked: list[str] = []
        self.adapters: dict[str, set[tuple[str, str | None]]] = {}

    async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
        for request in requests:
            who = request.messages[0].content.split(" ", 2)[1]  # "You speak" or "You mediate"
            self.adapters.setdefault(who, set()).add((model, request.adapter))
        return [Generation(self._reply(request), 5, 7, "stop", 0.0) for request in requests]

    def _reply(self, request: GenerationRequest) -> str:
        prompt = request.messages[-1].content
        self.asked.append(prompt)
        if self.garbage_about in prompt:
            return ""
        bits = _bits([request.messages[0].content, prompt, request.seed, request.adapter])
        said = " ".join(WORDS[(bits >> 4 * k) % len(WORDS)] for k in range(5)) + "."
        if "three lines" in prompt:
            return f"Heading: {said[:20]}\nReason: {said}\nDescription: It is done."
        return f"I agree.\n{said}" if "I agree" in prompt and bits % 2 else said

    async def embed(self, texts: list[str]) -> NDArray[np.float64]:
        rows = np.array([np.random.default_rng(_bits(text)).normal(size=16) for text in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    async def score(self, model: str, requests: list[ScoringRequest]) -> list[Score]:
        if self.unscored:
            raise ModelServerError("gives no prompt_logprobs")
        return [Score.of((-(_bits([request.text, request.adapter]) % 97) / 10,)) for request in requests]

    @property
    def positions(self) -> int:
        """How often a first statement was asked for."""
        return sum(prompt.endswith("words.") and prompt.count("\n") == 1 for prompt in self.asked)


def _bits(value: Any) -> int:
    return int.from_bytes(hashlib.sha256(json.dumps(value).encode()).digest()[:8], "big")


def config_of(methods: Any = "all", **more: Any) -> RunConfig:
    tree = {
        "cultures": ["english-speaking", "confucian"],
        "topics": [{"id": name, "text": f"Should we {name}?"} for name in ("vote", "tax", "build")],
        "game": {"rounds": 2},
        "baselines": {"debate": {"rounds": 2}, "mediator": {"candidates": 3}},
        "methods": methods,
    }
    return load_config(tree | more, environment={})


def run(
    path: Path, config: RunConfig, backend: RuleBackend, resume: bool = False, retry: bool = False
) -> RunSummary:
    plan = make_plan(config.cultures, config.plan_topics(), config.seed)
    with RunFolder(path, config.tree(), resume=resume) as folder:
        engine = Engine(config, plan, folder, SilentView())
        if retry:
            engine.lift_quarantine()
        asyncio.run(engine.run(backend, "hashes", {"model": "rules", "adapter:confucian": "x"}))
        return engine.summary()


def _files(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.glob("*/*.parquet"))}


def test_the_game_does_not_know_of_the_other_methods(tmp_path: Path) -> None:
    alone, beside = RuleBackend(), RuleBackend()
    run(tmp_path / "alone", config_of("psro"), alone)
    summary = run(tmp_path / "all", config_of("all"), beside)
    assert (summary.finished, summary.planned) == (12, 12)
    assert {name: standing.finished for name, standing in summary.by_method().items()} == dict.fromkeys(
        METHODS, 3
    )
    assert not (tmp_path / "alone" / "debate").exists()
    for path in sorted((tmp_path / "alone" / "negotiations").iterdir()):
        ours, theirs = (
            replace(read_records(folder / path.name)[0], timings=())
            for folder in (path.parent, tmp_path / "all" / "negotiations")
        )
        assert to_row(ours) == to_row(theirs)
    policies = [
        {p.name: p.read_bytes() for p in (tmp_path / run / "policies").iterdir()} for run in ("alone", "all")
    ]
    assert policies[0] == policies[1]
    assert alone.positions == beside.positions == 6


def test_all_methods_start_from_the_same_statements_under_one_id(tmp_path: Path) -> None:
    backend = RuleBackend()
    run(tmp_path / "all", config_of("all"), backend)
    outcomes = read_outcomes(tmp_path / "all")
    assert len(outcomes) == 12
    for key in {outcome.id for outcome in outcomes}:
        mine = [outcome for outcome in outcomes if outcome.id == key]
        assert [outcome.method for outcome in mine] == list(METHODS)
        assert len({outcome.openings for outcome in mine}) == 1
    (record,) = read_dialogues(next((tmp_path / "all" / "mediator").iterdir()))
    assert record.provenance["model"] == "rules"
    assert len(set(record.consensus)) == 1
    # Who has an adapter speaks with it; the mediator is the first culture's model without any.
    assert backend.adapters == {
        "speak": {("english-speaking", None), ("confucian", "confucian")},
        "mediate": {("english-speaking", None)},
    }


def test_how_many_run_at_once_changes_nothing(tmp_path: Path) -> None:
    for name, concurrency in (("a", 32), ("b", 1)):
        run(tmp_path / name, config_of("all", concurrency=concurrency), RuleBackend())
    digests = [[outcome for outcome in read_outcomes(tmp_path / name)] for name in ("a", "b")]
    assert digests[0] == digests[1]


def test_a_method_that_fails_harms_no_other_and_is_all_that_resume_does(tmp_path: Path) -> None:
    path = tmp_path / "run"
    first = run(path, config_of("all"), RuleBackend(unscored=True))
    assert (first.finished, len(first.failures)) == (9, 3)
    assert {failure.method for failure in first.failures} == {"mediator"}
    lines = [json.loads(line) for line in (path / "failures.jsonl").read_text().splitlines()]
    assert {(line["method"], line["error"]) for line in lines} == {("mediator", "ModelServerError")}
    before = _files(path)
    assert len(before) == 9
    again = RuleBackend()
    second = run(path, config_of("all"), again, resume=True, retry=True)
    assert (second.finished, len(second.failures)) == (12, 0)
    assert again.positions == 0
    assert not any("Propose one" in prompt or "this dialogue" in prompt for prompt in again.asked)
    assert before.items() <= _files(path).items()
    run(tmp_path / "whole", config_of("all"), RuleBackend())
    assert read_outcomes(path) == read_outcomes(tmp_path / "whole")


def test_methods_are_added_to_a_finished_run_without_asking_again(tmp_path: Path) -> None:
    path = tmp_path / "run"
    run(path, config_of("debate"), RuleBackend())
    before, more = _files(path), RuleBackend()
    summary = run(path, config_of(["debate", "psro"]), more, resume=True)
    assert summary.finished == 6
    assert more.positions == 0
    assert before.items() <= _files(path).items()
    run(tmp_path / "alone", config_of("psro"), RuleBackend())
    games = [outcome for outcome in read_outcomes(path) if outcome.method == "psro"]
    assert games == read_outcomes(tmp_path / "alone")


def test_an_opening_that_fails_fails_every_method_of_that_topic(tmp_path: Path) -> None:
    backend = RuleBackend(garbage_about="tax?\nState")
    once = config_of("all", resources={"tries": 1})
    summary = run(tmp_path / "run", once, backend)
    assert (summary.finished, len(summary.failures)) == (8, 4)
    assert {failure.topic for failure in summary.failures} == {"tax"}
    assert [failure.method for failure in summary.failures] == list(METHODS)
    assert summary.malformed == 8  # four replies of two sides, once for all methods


def test_replies_are_counted_over_sessions(tmp_path: Path) -> None:
    path, backend = tmp_path / "run", RuleBackend()
    first = run(path, config_of(["debate", "consultancy"]), backend)
    assert first.replies == len(backend.asked)
    more = RuleBackend()
    second = run(path, config_of(["psro", "debate", "consultancy"]), more, resume=True)
    assert second.replies == len(backend.asked) + len(more.asked)


def test_a_disk_that_fills_up_keeps_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"

    def full(self: RunFolder, record: Any, digest: str | None = None) -> None:
        raise RunError("cannot write: no space left")

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_record", full)
        with pytest.raises(RunError, match="no space left"):
            run(path, config_of("all", concurrency=1), RuleBackend())
    before = _files(path)
    assert before
    assert not any(name.startswith("negotiations") for name in before)
    assert run(path, config_of("all"), RuleBackend(), resume=True).finished == 12
    assert before.items() <= _files(path).items()
