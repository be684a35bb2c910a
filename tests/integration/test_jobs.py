"""Commands as jobs of a real head node: submitted, followed, stopped, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from negotiation.storage import read_records
from tests.integration.conftest import CULTURES, TOPICS, Outcome
from tests.integration.head_node import HeadNode, running_head
from tests.integration.model_server import ModelServer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def head() -> Iterator[HeadNode]:
    with running_head() as node:
        yield node


@pytest.fixture
def place(settings: Path, head: HeadNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a settings file; Concordat comes from this source tree."""
    folder = tmp_path / "work"
    folder.mkdir()
    tree = yaml.safe_load(settings.read_text())
    tree["resources"] = {"actor_cpus": 0.2, "embedders": 1}
    (folder / "mine.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", head.dashboard)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder


def actors(head: HeadNode) -> list[dict[str, Any]]:
    """Names, classes and representations of a cluster's actors, dead ones too."""
    told = httpx.get(f"{head.dashboard}/api/v0/actors", params={"detail": 1}, timeout=30).json()
    listed: list[dict[str, Any]] = told["data"]["result"]["result"]
    return [actor for actor in listed if actor["class_name"] != "JobSupervisor"]


def submit(concordat: Callable[..., Outcome], kept: Path, *arguments: object) -> Outcome:
    return concordat("submit", "--runs", kept, "--env", "PYTHONPATH", *arguments)


def test_a_job_negotiates_on_the_cluster_that_runs_it(
    place: Path, head: HeadNode, concordat: Callable[..., Outcome], tmp_path: Path
) -> None:
    asked = ("negotiate", "--config", "mine.yaml", "--out", "runs/in-a-job")
    outcome = submit(concordat, tmp_path / "kept", "--id", "first", "--", *asked)
    assert outcome.status == 0, outcome.out + outcome.err
    assert f"{len(TOPICS)} of {len(TOPICS)} negotiations finished" in outcome.out
    assert "first: succeeded" in outcome.err
    files = sorted((tmp_path / "kept/in-a-job/negotiations").glob("*.parquet"))
    assert len(files) == len(TOPICS)
    assert not (place / "runs").exists()
    # Its actors were of this cluster, and are called by what they do.
    named = {actor["name"]: actor["repr_name"] for actor in actors(head)}
    mine = {name: said for name, said in named.items() if name.startswith("in-a-job/")}
    assert len(mine) == len(CULTURES) + 1, named
    assert all(said and " object at 0x" not in said for said in mine.values()), mine
    here = concordat("negotiate", *asked[1:3], "--out", tmp_path / "here", "--serial", "--json")
    assert here.status == 0
    digests = [
        {file.name: read_records(file)[0].digest() for file in sorted(folder.glob("*.parquet"))}
        for folder in (tmp_path / "kept/in-a-job/negotiations", tmp_path / "here/negotiations")
    ]
    assert digests[0] == digests[1]


def test_ray_job_submit_does_as_well(place: Path, head: HeadNode, tmp_path: Path) -> None:
    ray = Path(sys.executable).with_name("ray")
    submit = [ray, "job", "submit", "--working-dir", ".", "--submission-id", "plain"]
    command = [sys.executable, "-m", "cluster.cli", "negotiate", "--config", "mine.yaml"]
    command += ["--out", str(tmp_path / "plain"), "--json"]
    done = subprocess.run(
        [*submit, "--runtime-env-json", json.dumps({"env_vars": {"PYTHONPATH": str(ROOT)}}), "--", *command],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "plain/negotiations").glob("*.parquet"))) == len(TOPICS)
    assert any(actor["name"].startswith("plain/") for actor in actors(head))


def test_a_failing_command_gives_its_exit_status(
    place: Path, concordat: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = submit(concordat, tmp_path / "kept", "--id", "wrong", "--", "report", "runs/nosuch")
    assert outcome.status == 2
    assert "runs/nosuch holds no run" in outcome.out
    assert concordat("jobs", "wait", "wrong").status == 2
    [listed] = [job for job in concordat("jobs", "list", "--json").json["jobs"] if job["id"] == "wrong"]
    assert (listed["status"], listed["exit_status"]) == ("FAILED", 2)


def test_ctrl_c_detaches_a_stop_ends_in_order_and_another_job_goes_on(
    place: Path, server: ModelServer, concordat: Callable[..., Outcome], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    server.delay_s = 0.5
    asked = ["negotiate", "--config", "mine.yaml", "--out", "runs/stopped"]
    command = [sys.executable, "-m", "cluster.cli", "submit", "--runs", str(kept), "--id", "long"]
    process = subprocess.Popen(
        [*command, "--env", "PYTHONPATH", "--", *asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ},
    )
    events = kept / "stopped/events.jsonl"
    end = time.monotonic() + 180
    while not (events.exists() and '"negotiation_opened"' in events.read_text()):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "concordat jobs logs long --follow" in said
    assert concordat("jobs", "stop", "long").status == 0
    assert concordat("jobs", "wait", "long").status == 130
    assert '"run_interrupted"' in events.read_text()
    server.delay_s = 0.0
    outcome = submit(concordat, kept, "--", *asked, "--resume")
    assert outcome.status == 0, outcome.out
    assert len(list((kept / "stopped/negotiations").glob("*.parquet"))) == len(TOPICS)
