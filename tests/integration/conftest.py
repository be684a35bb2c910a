"""Fixtures for tests with Ray, servers and whole runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from tests.integration.model_server import ModelServer, serving

CULTURES = ("english-speaking", "confucian")
TOPICS = (
    {"id": "duty", "text": "Should voting be a duty?", "category": "politics"},
    {"id": "dress", "text": "Should schools set a dress code?", "category": "norms"},
    {"id": "tax", "text": "Should inheritance be taxed?", "category": "law"},
)


class HashEmbedder:
    """A fake embedder: a vector from the words' hashes, so that texts with common words are near each other."""

    name = "hash"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        rows = []
        for text in texts:
            seeds = [
                int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") for word in text.split()
            ]
            row = np.sum([np.random.default_rng(seed).normal(size=32) for seed in seeds], axis=0)
            rows.append(row / np.linalg.norm(row))
        return np.array(rows)


class NanEmbedder:
    """A fake embedder that is broken."""

    name = "nan"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.full((len(texts), 32), np.nan)


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit status and both outputs."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        assert len(self.out.splitlines()) == 1
        tree = json.loads(self.out)
        assert isinstance(tree, dict)
        return tree


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, server: ModelServer) -> Path:
    """A settings file: three topics, two cultures, the scripted server, few rounds, no patience."""
    path = tmp_path / "settings.yaml"
    tree = {
        "cultures": list(CULTURES),
        "topics": list(TOPICS),
        "model": {
            "kind": "openai",
            "model": "scripted",
            "base_url": server.url,
            "max_retries": 1,
            "backoff_s": 0.01,
        },
        "game": {"rounds": 2},
    }
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.fixture
def concordat(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs a command line in this process."""
    from cluster.cli import run_command

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        status = run_command([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run


@pytest.fixture
def hash_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.backends.load_embedder", lambda name, **_: HashEmbedder())


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One local Ray for all tests that want one: two CPUs, no dashboard."""
    import ray

    from cluster.config import ResourcesConfig
    from cluster.ray_backend import connect

    connect(ResourcesConfig(cluster_cpus=2))
    yield
    ray.shutdown()
