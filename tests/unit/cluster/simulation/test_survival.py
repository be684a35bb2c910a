"""What fails is tried again, quarantined with its reason, and harms nobody; what is done is never done again."""

from __future__ import annotations

import asyncio
import json
import resource
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agents.models.protocol import Generation, GenerationRequest
from cluster.config import RunConfig
from cluster.engine import SERVER_FAILURES, Engine
from cluster.plan import plan_of
from cluster.progress import SilentView
from cluster.runfolder import RunFolder
from cluster.simulation.ledger import Ledger
from negotiation.errors import LostBatchError, ModelServerError, RunError
from negotiation.storage import read_records
from tests.unit.cluster.test_engine_methods import RuleBackend, config_of, run


class Flaky(RuleBackend):
    """Fails a topic's requests the first ``times`` times that they come."""

    def __init__(self, about: str, times: int, error: type[Exception] = ModelServerError) -> None:
        super().__init__()
        self.about, self.times, self.error = about, times, error
        self.failed = 0

    async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
        if (
            any(self.about in request.messages[-1].content for request in requests)
            and self.failed < self.times
        ):
            self.failed += 1
            raise self.error(f"cannot do {self.about}")
        return await super().generate(model, requests)


def lines(path: Path, name: str = "events.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


def records(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.glob("*/*.parquet"))}


def test_what_always_fails_is_quarantined_after_three_tries_and_the_rest_is_done(tmp_path: Path) -> None:
    path, config = tmp_path / "run", config_of("psro")
    summary = run(path, config, RuleBackend(garbage_about="tax"))
    assert (summary.finished, len(summary.failures), summary.quarantined) == (2, 1, 1)
    fault = summary.fault()
    assert fault is not None
    assert fault[0] == "MalformedReplyError"
    assert "1 are quarantined after 3 tries; --resume --retry-quarantined" in fault[1]
    failures = lines(path, "failures.jsonl")
    assert [(line["try"], line.get("quarantined")) for line in failures] == [(1, None), (2, None), (3, True)]
    assert {(line["topic"]["id"], line["error"]) for line in failures} == {("tax", "MalformedReplyError")}
    assert json.loads((path / "events.jsonl").read_text().splitlines()[-1])["event"] == "run_ended"

    before, well = records(path), RuleBackend()
    again = run(path, config, well, resume=True)
    assert (again.finished, again.quarantined, well.asked) == (2, 1, [])  # it is not even asked
    assert again.fault() == fault

    lifted = run(path, config, well, resume=True, retry=True)
    assert (lifted.finished, len(lifted.failures), lifted.quarantined) == (3, 0, 0)
    assert lifted.fault() is None
    assert before.items() <= records(path).items()


def test_what_fails_once_is_done_in_the_same_session(tmp_path: Path) -> None:
    config = config_of("psro", concurrency=1)
    summary = run(tmp_path / "run", config, Flaky("tax", times=1))
    assert (summary.finished, len(summary.failures)) == (3, 0)
    assert [line["try"] for line in lines(tmp_path / "run", "failures.jsonl")] == [1]
    run(tmp_path / "well", config, RuleBackend())
    digests = [
        [read_records(file)[0].digest() for file in sorted((tmp_path / name / "negotiations").iterdir())]
        for name in ("run", "well")
    ]
    assert digests[0] == digests[1]


def test_tries_are_counted_over_sessions(tmp_path: Path) -> None:
    path = tmp_path / "run"
    bad = RuleBackend(garbage_about="tax")
    run(path, config_of("psro", resources={"tries": 1}), bad)
    assert run(path, config_of("psro", resources={"tries": 2}), bad, resume=True).quarantined == 1
    assert [line["try"] for line in lines(path, "failures.jsonl")] == [1, 2]
    assert run(path, config_of("psro", resources={"tries": 3}), RuleBackend(), resume=True).finished == 3


def test_a_server_that_answers_nobody_quarantines_nobody(tmp_path: Path) -> None:
    path = tmp_path / "run"
    summary = run(path, config_of("psro"), Flaky("", times=1000))
    assert (summary.finished, len(summary.failures), summary.quarantined) == (0, 3, 0)
    assert "--resume tries them again" in (summary.fault() or ("", ""))[1]
    assert run(path, config_of("psro"), RuleBackend(), resume=True).finished == 3


def test_a_server_that_goes_down_on_the_way_ends_the_run_and_quarantines_nobody(tmp_path: Path) -> None:
    names = [f"t{k}" for k in range(SERVER_FAILURES + 6)]
    config = config_of(
        "psro", topics=[{"id": name, "text": f"Should we {name}?"} for name in names], concurrency=4
    )

    class Goes(RuleBackend):
        async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
            if len(self.asked) > 100:
                raise ModelServerError("no answer in 120 s")
            return await super().generate(model, requests)

    summary = run(tmp_path / "run", config, Goes())
    assert 0 < summary.finished < len(names)
    assert summary.stopped_by == "no answer in 120 s"
    assert summary.quarantined == 0
    assert run(tmp_path / "run", config, RuleBackend(), resume=True).finished == len(names)


def test_a_batch_that_kills_its_actors_fails_only_who_caused_it(tmp_path: Path) -> None:
    class Deadly(RuleBackend):
        async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
            if any("tax" in request.messages[-1].content for request in requests):
                raise LostBatchError("a batch lost 4 actors")
            return await super().generate(model, requests)

    summary = run(tmp_path / "run", config_of("psro"), Deadly())
    assert (summary.finished, summary.quarantined) == (2, 1)
    assert summary.failures[0].error == "LostBatchError"


@pytest.mark.parametrize("cut", ["line", "lines", "all"])
def test_a_driver_killed_between_record_and_line_leaves_nothing_to_do_twice(tmp_path: Path, cut: str) -> None:
    path, config = tmp_path / "run", config_of("all")
    whole = run(path, config, RuleBackend())
    rows = [*whole.rows, *whole.dialogues]
    before = records(path)
    events = (path / "events.jsonl").read_text().splitlines(keepends=True)
    kept = {
        "line": events[:-3],
        "lines": [line for line in events if "negotiation_finished" not in line],
        "all": [],
    }[cut]
    (path / "events.jsonl").write_text("".join(kept))
    backend = RuleBackend()
    again = run(path, config, backend, resume=True)
    assert backend.asked == []
    assert [*again.rows, *again.dialogues] == rows
    assert records(path) == before
    found = Counter(
        (line["negotiation_id"], line.get("method"))
        for line in lines(path)
        if line["event"] == "negotiation_finished"
    )
    assert set(found.values()) == {1}
    assert len(found) == 12


def test_a_record_that_was_taken_away_is_negotiated_again(tmp_path: Path) -> None:
    path, config = tmp_path / "run", config_of("psro")
    run(path, config, RuleBackend())
    before = records(path)
    gone = next((path / "negotiations").iterdir())
    gone.unlink()
    assert run(path, config, RuleBackend(), resume=True).finished == 3
    assert set(records(path)) == set(before)


@pytest.mark.parametrize("lanes", [1, 2, 3, 50])
def test_lanes_change_nothing_and_do_everything_once(tmp_path: Path, lanes: int) -> None:
    names = [f"t{k}" for k in range(7)]
    config = config_of(
        "psro",
        topics=[{"id": name, "text": f"Should we {name}?"} for name in names],
        concurrency=5,
        resources={"lanes": lanes},
    )
    summary = run(tmp_path / "run", config, RuleBackend())
    assert [row.topic for row in summary.rows] == names
    finished = [
        line["negotiation_id"] for line in lines(tmp_path / "run") if line["event"] == "negotiation_finished"
    ]
    assert len(finished) == len(set(finished)) == 7


def test_cultures_that_share_actors_are_asked_in_one_batch(tmp_path: Path) -> None:
    class Watching(RuleBackend):
        def __init__(self) -> None:
            super().__init__()
            self.sizes: Counter[str] = Counter()

        async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
            self.sizes[model] += 1
            return await super().generate(model, requests)

    apart, shared = Watching(), Watching()
    run(tmp_path / "apart", config_of("psro"), apart)
    run(tmp_path / "shared", config_of("psro", resources={"actors": "shared"}), shared)
    assert set(apart.sizes) == {"english-speaking", "confucian"}
    assert set(shared.sizes) == {"agents"}
    assert shared.sizes["agents"] == apart.sizes["confucian"]
    digests = [
        [read_records(file)[0].digest() for file in sorted((tmp_path / name / "negotiations").iterdir())]
        for name in ("apart", "shared")
    ]
    assert digests[0] == digests[1]


def _ledger(config: RunConfig, path: Path) -> Ledger:
    with RunFolder(path, config.tree()) as folder:
        return Engine(config, plan_of(config), folder, SilentView()).ledger


def test_a_ledger_deals_out_what_is_left_once_each(tmp_path: Path) -> None:
    config = config_of(["psro", "debate"])
    ledger = _ledger(config, tmp_path / "run")
    first, second, third = (planned.id for planned in ledger.plan)
    ledger.finish(first, "psro", 10)
    for _ in range(3):
        ledger.fail(second, "debate")
    assert {type(count) for count in (ledger.total, ledger.finished, ledger.quarantined, ledger.left)} == {
        int
    }
    assert (ledger.total, ledger.finished, ledger.quarantined, ledger.left) == (6, 1, 1, 4)
    dealt = {planned.id: methods for lane in ledger.lanes(2) for planned, methods in lane}
    assert dealt == {first: ("debate",), second: ("psro",), third: ("psro", "debate")}
    ledger.forgive({(second, "debate"): 1})
    assert (ledger.quarantined, ledger.left) == (0, 5)
    ledger.fail(second, "debate")
    assert ledger.lift() == 1
    assert (ledger.quarantined, ledger.left) == (0, 5)
    with pytest.raises(KeyError):
        ledger.is_finished("stranger", "psro")


def test_a_run_that_is_stopped_writes_what_had_come_to_its_end(tmp_path: Path) -> None:
    path, config = tmp_path / "run", config_of("psro", concurrency=1)
    with RunFolder(path, config.tree()) as folder:
        engine = Engine(config, plan_of(config), folder, SilentView())
        engine.view = _Stopping(engine)
        asyncio.run(engine.run(RuleBackend(), "hashes", {"model": "rules"}))
        summary = engine.summary()
    assert summary.interrupted
    assert 1 <= summary.finished < 3
    assert len(records(path)) == summary.finished
    assert run(path, config, RuleBackend(), resume=True).finished == 3


class _Stopping(SilentView):
    """Stops the run at its first finished negotiation."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def update(self, state: Any, note: str = "") -> None:
        if note:
            self.engine._on_signal()


def test_a_disk_that_is_full_in_the_middle_of_a_line_damages_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run"
    names = [f"t{k}" for k in range(24)]
    topics = [{"id": name, "text": f"Should we {name}?"} for name in names]
    config = config_of("psro", topics=topics, concurrency=1)
    run(tmp_path / "calm", config, RuleBackend())
    most = max(map(len, records(tmp_path / "calm").values())) + 500
    assert (tmp_path / "calm" / "events.jsonl").stat().st_size > most
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))  # no file may be longer
    try:
        with pytest.raises(RunError, match=r"cannot write .*events\.jsonl: .*; free space .*, then --resume"):
            run(path, config, RuleBackend())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (path / "events.jsonl").read_bytes().endswith(b"}\n")
    assert all(line["event"] for line in lines(path))
    before = records(path)
    assert 0 < len(before) < len(names)
    assert run(path, config, RuleBackend(), resume=True).finished == len(names)
    assert before.items() <= records(path).items()


def test_a_run_whose_actors_are_gone_ends_and_counts_no_try(tmp_path: Path) -> None:
    class Gone(RuleBackend):
        async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
            raise RunError("no node of the cluster is alive")

    path = tmp_path / "run"
    with pytest.raises(RunError, match="no node"):
        run(path, config_of("all"), Gone())
    assert not (path / "failures.jsonl").exists()
    assert lines(path)[-1]["event"] == "run_ended"
    assert run(path, config_of("all"), RuleBackend(), resume=True).finished == 12
