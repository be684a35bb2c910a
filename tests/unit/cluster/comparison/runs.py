"""Runs and published negotiations to compare, and fakes for what reads their statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from cluster.runfolder import RunFolder
from negotiation.topic import Topic
from rewriter.vocabulary import ValueReading
from tests.unit.cluster.report_runs import negotiated


class Letters:
    """Embeds by counts of letters."""

    name = "letters"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.array([[1.0 + text.count(letter) for letter in "aeioustrnl"] for text in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Counting:
    """Reads values off the counts of letters."""

    def __init__(self, name: str = "counting") -> None:
        self.name = name

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        shift = len(self.name) % 3
        return [
            ValueReading(tuple((len(text) * (k + 1 + shift) % 9 - 4) / 4 for k in range(10)), 0.5)
            for text in texts
        ]


class Lengths:
    """A model to which longer texts are less likely."""

    name = "lengths"

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        raise AssertionError

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        return [Score.of([-0.1 * len(request.text.split())]) for request in requests]


def fake_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.comparison.measuring.load_embedder", lambda name, num_threads: Letters())
    monkeypatch.setattr(
        "cluster.comparison.measuring.load_detector", lambda name, num_threads: Counting(name)
    )
    monkeypatch.setattr("cluster.comparison.voices.load_model", lambda config: Lengths())


def published(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "negotiations.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def row(number: int = 1, method: str = "psro", **changed: Any) -> dict[str, Any]:
    """A published row; statements differ by topic, method and side."""
    return {
        "method": method,
        "topic_id": number,
        "topic": f"Is question {number} open?",
        "category": "first" if number % 2 else "second",
        "culture_a": "English_Speaking",
        "culture_b": "Confucian",
        "initial_a": f"We want to be free in number {'n' * number}.",
        "initial_b": f"Our elders rule {'s' * number}.",
        "consensus_a": f"The {method} says we want elders who free us {'o' * number}.",
        "consensus_b": f"Our elders agree with {method} {'a' * (2 * number)}.",
        "rounds_run": 2,
        "consensus_reached": True,
        **changed,
    }


def run(path: Path, topics: int = 3, *, seed: int = 0, failures: Sequence[dict[str, Any]] = ()) -> Path:
    """A run folder of ours with negotiations by PSRO."""
    settings = {
        "cultures": ["english-speaking", "confucian"],
        "topics": [{"id": f"t{k}", "text": f"Is question {k} open?", "category": "c"} for k in range(topics)],
        "seed": seed,
    }
    with RunFolder(path, settings) as folder:
        for k in range(topics):
            record = negotiated(Topic(f"t{k}", f"Is question {k} open?", f"c{k % 2}"), seed=seed)
            spoken = tuple(
                replace(opening, statement=f"{opening.statement} {'e' * k} {player}")
                for opening, player in zip(record.openings, record.players, strict=True)
            )
            folder.write_record(replace(record, openings=spoken))
        for failure in failures:
            folder.append_failure(failure)
    return path


def settings_of(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load((path / "config.yaml").read_text())
    return tree
