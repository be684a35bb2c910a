"""A fake cluster in the place of a real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cluster.jobs.fake_cluster import FakeCluster


@dataclass(frozen=True)
class Said:
    """What a command left."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        [line] = self.out.splitlines()
        tree = json.loads(line)
        assert isinstance(tree, dict)
        return tree


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCluster:
    """Commands find this cluster, and run in an empty folder."""
    fake = FakeCluster()
    monkeypatch.setattr("ray.job_submission.JobSubmissionClient", fake.client)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://head:8265")
    for name in ("POLL_S", "PAUSE_S"):
        monkeypatch.setattr(f"cluster.jobs.following.{name}", 0.01)
    monkeypatch.setattr("cluster.jobs.client.AGENT_PAUSE_S", 0.01)
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return fake


@pytest.fixture
def concordat(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs a command line in this process."""
    from cluster.cli import run_command

    def run(*arguments: object) -> Said:
        capfd.readouterr()
        status = run_command([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Said(status, captured.out, captured.err)

    return run
