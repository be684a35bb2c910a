"""Runs whose records are on another filesystem; here one that pyarrow reaches by a file URI."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from cluster.commands import Way, run_path
from cluster.config import RunConfig, load_config
from cluster.engine import Engine
from cluster.plan import plan_of
from cluster.progress import SilentView
from cluster.runfolder import RunFolder
from cluster.runs import execute
from cluster.simulation.storage import UriStorage, folder_of
from cluster.summary import RunSummary
from negotiation.errors import RunError
from negotiation.storage import read_records
from tests.unit.cluster.test_engine_methods import RuleBackend, config_of


class Models(RuleBackend):
    """As a run starts them."""

    embedder_name, provenance = "hashes", {"model": "rules"}

    def close(self) -> None:
        """Nothing is open."""


def _config(out: str, **more: object) -> RunConfig:
    return config_of(["psro", "debate"], out=out, **more)


def _execute(config: RunConfig, backend: Models, resume: bool = False) -> RunSummary:
    path = run_path(config, resume)
    return execute(config, path, Way(resume=resume, serial=True), SilentView(), lambda *_: backend)


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def test_records_go_to_a_uri_and_the_run_is_copied_there(tmp_path: Path) -> None:
    uri = (tmp_path / "bucket" / "first").as_uri()
    summary = _execute(_config(uri), Models())
    assert summary.finished == 6
    local, away = Path("runs") / folder_of(uri), tmp_path / "bucket" / "first"
    assert summary.run == local
    assert not list(local.rglob("*.parquet"))
    names = {Path(name).parts[0] for name in _files(away)}
    assert names == {
        *("negotiations", "debate", "policies", "config.yaml", "run.json"),
        *("events.jsonl", "metrics.json", "report.html"),
    }
    assert len(list((away / "negotiations").iterdir())) == len(list((away / "debate").iterdir())) == 3
    assert "tax" in (away / "report.html").read_text()
    record = read_records(next((away / "negotiations").iterdir()))[0]
    assert [row.digest for row in summary.rows if row.id == record.negotiation_id] == [record.digest()]
    assert len(json.loads((away / "metrics.json").read_text())["per_negotiation"]) == 3


def test_a_run_goes_on_on_another_machine_and_changes_nothing_that_was_done(tmp_path: Path) -> None:
    uri = (tmp_path / "bucket" / "moved").as_uri()
    config, away = _config(uri, concurrency=1), tmp_path / "bucket" / "moved"
    with RunFolder(run_path(config, False), config.tree(), storage=UriStorage(uri)) as folder:
        engine = Engine(config, plan_of(config), folder, SilentView())
        engine.view = _Dying(engine)
        asyncio.run(engine.run(Models(), "hashes", {"model": "rules"}))
        assert engine.summary().interrupted
    before = _files(away)
    records = {name: data for name, data in before.items() if name.endswith(".parquet")}
    assert 1 <= len(records) < 6
    assert "events.jsonl" not in before  # the session was killed before it copied anything
    shutil.rmtree("runs")
    away_storage = UriStorage(uri)
    assert away_storage.restore(run_path(config, True))
    assert _execute(config, Models(), resume=True).finished == 6
    after = _files(away)
    assert records.items() <= after.items()
    assert sum(name.endswith(".parquet") for name in after) == 6


class _Dying(SilentView):
    """Stops the run at its first finished negotiation."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def update(self, state: object, note: str = "") -> None:
        if note:
            self.engine._on_signal()


def test_what_was_half_written_is_cleared_away(tmp_path: Path) -> None:
    storage = UriStorage((tmp_path / "bucket").as_uri())
    storage.prepare(["negotiations"])
    storage.write("negotiations", "a.parquet", b"PAR1")
    (tmp_path / "bucket" / "negotiations" / "b.parquet.77.tmp").write_bytes(b"PA")
    assert storage.names("negotiations", ".parquet") == {"a"}
    storage.prepare(["negotiations"])
    assert [path.name for path in (tmp_path / "bucket" / "negotiations").iterdir()] == ["a.parquet"]
    assert (storage.has("negotiations", "a.parquet"), storage.has("negotiations", "b.parquet")) == (
        True,
        False,
    )
    assert storage.names("nothing", ".parquet") == set()


@pytest.mark.parametrize("uri", ["nonsense://bucket/run", "s3:// bad"])
def test_a_filesystem_that_nobody_knows_is_told(uri: str) -> None:
    with pytest.raises(RunError, match=r"--out .* is on no filesystem"):
        UriStorage(uri)


def test_each_uri_has_a_folder_of_its_own() -> None:
    uris = ["s3://a/run", "s3://b/run", "s3://a/run2", "gs://a/run"]
    assert len({folder_of(uri) for uri in uris}) == 4
    assert folder_of("s3://a/run/") == folder_of("s3://a/run")
    config = load_config(
        {"cultures": ["confucian", "latin-america"], "topics": ["Why?"], "out": "s3://a/run"}, environment={}
    )
    assert run_path(config, False) == Path("runs") / folder_of("s3://a/run")
