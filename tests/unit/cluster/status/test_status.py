"""Where a run stands, from folders of runs as they are on disk."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cluster.locking import LOCK, holder_of
from cluster.runfolder import RunFolder
from cluster.status.reading import StatusReader
from cluster.status.show import short
from negotiation.errors import RecordError, RunError
from tests.unit.cluster.jobs.conftest import Said, concordat

__all__ = ["concordat"]  # a fixture

BEGAN = datetime(2026, 11, 25, 9, 0, 0, tzinfo=UTC)


class Writing:
    """A run folder to which events are added a second apart."""

    def __init__(self, path: Path, *methods: str) -> None:
        self.path = path
        RunFolder(path, {"cultures": ["a", "b"], "methods": list(methods or ("psro",))}).close()
        self.now = BEGAN

    def say(self, event: str, **fields: Any) -> None:
        with (self.path / "events.jsonl").open("a") as file:
            file.write(json.dumps({"time": self.now.isoformat(), "event": event, **fields}) + "\n")
        self.now += timedelta(seconds=1)

    def finish(self, name: str, converged: bool | None = True, **fields: Any) -> None:
        self.say("negotiation_finished", negotiation_id=name, converged=converged, rounds=1, **fields)

    def fail(self, name: str, **fields: Any) -> None:
        self.say("negotiation_failed", negotiation_id=name, error="ModelError", message="no answer", **fields)

    @contextmanager
    def held(self) -> Iterator[None]:
        """As by a process that runs it."""
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.pwrite(descriptor, b"process 7 on head since then\n", 0)
        try:
            yield
        finally:
            os.close(descriptor)


@pytest.fixture
def run(tmp_path: Path) -> Writing:
    return Writing(tmp_path / "run")


def test_a_run_that_goes_on(run: Writing) -> None:
    run.say("run_started", planned=4, pending=4)
    for name in ("one", "two", "three"):
        run.say("negotiation_opened", negotiation_id=name, topic=name, replies=4, malformed=0)
    run.say("batch", model="a", requests=12, prompt_tokens=9, tokens=600, seconds=2.0)
    run.say("batch", model="a", requests=4, prompt_tokens=9, tokens=200, seconds=2.0)
    run.say("batch", model="embedder", requests=3, prompt_tokens=0, tokens=0, seconds=1.0)
    run.say("round_finished", negotiation_id="one", round=1, nash_conv=0.25, gains=[0.5, None])
    run.finish("one")
    run.fail("two")
    with run.held():
        status = StatusReader(run.path).read(now=BEGAN + timedelta(seconds=20))
    assert status.state == "running"
    assert status.holder.startswith("process 7 on head")
    counts = (status.planned, status.finished, status.failed, status.running, status.left)
    assert counts == (4, 1, 1, 1, 2)
    assert (status.rounds, status.nash_conv, status.gains) == (1, 0.25, (0.5, None))
    assert status.seconds == 20
    assert status.per_hour == 180
    assert status.seconds_left == 40
    assert status.tokens_per_s == 40
    tree = status.tree()
    assert tree["agents"]["a"] == {
        "batches": 2,
        "requests_per_batch": 8,
        "tokens": 800,
        "tokens_per_s": 200,
    }
    assert tree["agents"]["embedder"]["tokens_per_s"] is None
    assert tree["errors"] == {"ModelError": 1}
    json.dumps(tree, allow_nan=False)


@pytest.mark.parametrize(
    ("last", "state"), [("run_ended", "ended"), ("run_interrupted", "interrupted"), ("", "lost")]
)
def test_a_run_that_nobody_holds_says_how_it_ended(last: str, state: str, run: Writing) -> None:
    new = StatusReader(run.path).read()
    assert (new.state, short(new)) == ("new", "nothing was begun")
    run.say("run_started", planned=2, pending=2)
    run.finish("one")
    if last:
        run.say(last, tokens=0, seconds=3.0)
    status = StatusReader(run.path).read()
    assert status.state == state
    assert status.seconds_left is None
    assert status.seconds == (2 if last else 1)  # to its last sign of life


def test_a_run_whose_models_are_still_loaded(run: Writing, concordat: Callable[..., Said]) -> None:
    with run.held():
        said = concordat("status", run.path)
    assert "runs (process 7 on head)" in " ".join(said.out.split())
    assert "models are being loaded" in said.out


def test_methods_are_counted_by_themselves(tmp_path: Path) -> None:
    run = Writing(tmp_path / "run", "psro", "debate")
    run.say("run_started", planned=4, pending=4)
    run.say("negotiation_opened", negotiation_id="one", topic="one", replies=4, malformed=0)
    run.say("negotiation_opened", negotiation_id="two", topic="two", replies=4, malformed=0)
    run.finish("one", converged=None, method="debate")
    with run.held():
        assert StatusReader(run.path).read().running == 2
        run.finish("one")
        status = StatusReader(run.path).read()
    assert (status.finished, status.converged, status.running) == (2, 1, 1)


def test_tries_quarantine_and_forgiveness(run: Writing) -> None:
    run.say("run_started", planned=3, pending=3)
    reader = StatusReader(run.path)

    def counts() -> tuple[int, int, int]:
        status = reader.read()
        return status.finished, status.failed, status.to_retry

    run.fail("one", **{"try": 1})
    assert counts() == (0, 0, 1)
    run.fail("one", **{"try": 2}, quarantined=True)
    run.fail("two", **{"try": 1})
    assert counts() == (0, 1, 1)
    run.finish("two")
    assert counts() == (1, 1, 0)
    run.say("tries_forgiven", tries=[["one", "psro", 2], ["nobody", "psro", 1]])
    assert counts() == (1, 0, 1)
    run.fail("one", **{"try": 3}, quarantined=True)
    run.say("quarantine_lifted", negotiations=1)
    assert counts() == (1, 0, 1)
    run.finish("one")
    assert counts() == (2, 0, 0)


def test_a_resumed_run_counts_everything_and_measures_the_present(run: Writing) -> None:
    run.say("run_started", planned=3, pending=3)
    run.say("negotiation_opened", negotiation_id="two", topic="two", replies=4, malformed=0)
    run.say("batch", model="a", requests=1, prompt_tokens=9, tokens=500, seconds=2.0)
    run.say("actor_lost", actor="run/a", reason="killed")
    run.finish("one")
    run.now += timedelta(hours=5)
    run.say("run_started", planned=3, pending=2)
    began = run.now - timedelta(seconds=1)
    run.finish("one")  # said again, counted once
    run.say("round_finished", negotiation_id="two", round=1, nash_conv=0.0, gains=[0.0, 0.0])
    with run.held():
        status = StatusReader(run.path).read(now=began + timedelta(seconds=10))
    assert (status.finished, status.sessions, status.running) == (1, 2, 1)
    assert (status.finished_now, status.tokens, status.actors_lost) == (0, 0, 0)
    assert status.seconds == 10
    assert status.per_hour is None


def test_only_whole_lines_are_read_and_each_once(run: Writing) -> None:
    reader = StatusReader(run.path)
    run.say("run_started", planned=2, pending=2)
    with (run.path / "events.jsonl").open("a") as file:
        file.write('{"time": "2026-11-25T09:00:05+00:00", "event": "negotiation_fin')
        file.flush()
        assert reader.read().finished == 0
        file.write('ished", "negotiation_id": "one", "converged": true}\n')
    assert reader.read().finished == 1
    assert reader.read().finished == 1


def test_a_damaged_line_is_named(run: Writing) -> None:
    run.say("run_started", planned=2, pending=2)
    with (run.path / "events.jsonl").open("a") as file:
        file.write('{"event": "run_ended"}\n')
    with pytest.raises(RecordError, match=r"events\.jsonl, line 2 is damaged"):
        StatusReader(run.path).read()


def test_events_that_are_not_known_are_passed_over(run: Writing) -> None:
    run.say("run_started", planned=2, pending=2)
    run.say("something_new", anything=1)
    assert StatusReader(run.path).read().planned == 2


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        StatusReader(tmp_path)


def test_looking_leaves_the_folder_free(run: Writing) -> None:
    assert holder_of(run.path / LOCK) == ""
    with RunFolder(run.path, {"cultures": ["a", "b"], "methods": ["psro"]}, resume=True):
        assert "process" in holder_of(run.path / LOCK)
    assert holder_of(run.path / LOCK) == ""


def test_the_command_says_it_in_words_and_as_json(run: Writing, concordat: Callable[..., Said]) -> None:
    run.say("run_started", planned=2, pending=2)
    run.say("batch", model="a", requests=12, prompt_tokens=9, tokens=600, seconds=2.0)
    run.finish("one")
    run.say("run_interrupted", tokens=600, seconds=3.0)
    said = concordat("status", run.path)
    assert said.status == 0
    assert "1/2 finished, 0 failed" in said.out
    assert "--resume" in said.out
    tree = concordat("status", run.path, "--json").json
    assert (tree["state"], tree["finished"], tree["left"]) == ("interrupted", 1, 1)


def test_watching_ends_with_the_run(
    run: Writing, concordat: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.say("run_started", planned=2, pending=2)
    holding = run.held()

    def end() -> None:
        run.say("run_ended", tokens=0, seconds=3.0)
        holding.__exit__(None, None, None)

    happens = iter([lambda: run.finish("one"), lambda: None, lambda: run.finish("two"), end])
    monkeypatch.setattr("cluster.status.show.time.sleep", lambda _: next(happens)())
    holding.__enter__()
    assert concordat("status", run.path, "--watch").out.splitlines() == [
        "0/2 finished, 0 failed, 0 running",
        "1/2 finished, 0 failed, 0 running",
        "2/2 finished, 0 failed, 0 running",
        "2/2 finished, 0 failed; ended",
    ]
