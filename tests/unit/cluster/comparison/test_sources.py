"""Outcomes of runs and of published negotiations."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.comparison.sources import read_sources
from negotiation.errors import ConfigurationError, RecordError, RunError
from negotiation.storage import VERSION_KEY
from tests.unit.cluster.comparison.runs import published, row, run


def test_a_run_has_its_outcomes_and_failures(tmp_path: Path) -> None:
    gone = {"negotiation_id": "gone", "error": "OracleError", "message": "nothing"}
    mended = {"negotiation_id": "t0-0", "method": "psro", "error": "OracleError", "message": "nothing"}
    [source] = read_sources([run(tmp_path / "run", 3, failures=[gone, gone, mended])])
    assert [outcome.topic.id for outcome in source.outcomes] == ["t0", "t1", "t2"]
    assert {outcome.method for outcome in source.outcomes} == {"psro"}
    assert source.failed == 1
    assert not source.published


def test_published_rows_become_outcomes_and_unusable_ones_are_told(tmp_path: Path) -> None:
    rows = [row(1), row(2, "debate", rounds_run=None, consensus_reached=None), row(3, consensus_a=None)]
    rows += [row(4, consensus_b="  "), row(5, method="vote"), row(1), row(6, culture_a="Atlantis")]
    [source] = read_sources([published(tmp_path, rows)])
    assert [(outcome.method, outcome.topic.id) for outcome in source.outcomes] == [
        ("psro", "1"),
        ("debate", "2"),
    ]
    assert source.outcomes[0].players == ("english-speaking", "confucian")
    assert source.outcomes[1].rounds is None
    assert source.outcomes[1].seed is None
    told = "\n".join(source.faults)
    assert len(source.faults) == 5
    for part in (
        "row 2",
        "consensus_a was not published",
        "row 3",
        "'vote'",
        "row 5: the same negotiation",
        "Atlantis",
    ):
        assert part in told


def test_a_run_without_statements_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no statements.*--resume"):
        read_sources([run(tmp_path / "run", 0)])
    with pytest.raises(RunError, match="holds no run"):
        read_sources([tmp_path])


def test_mixed_schema_versions_are_told(tmp_path: Path) -> None:
    path = run(tmp_path / "run", 2)
    file = sorted((path / "negotiations").glob("*.parquet"))[1]
    table = pq.read_table(file)
    metadata = {**table.schema.metadata, VERSION_KEY: b"7"}
    pq.write_table(table.replace_schema_metadata(metadata), file)
    with pytest.raises(RecordError, match=r"mixes records of the schema versions"):
        read_sources([path])


def test_a_run_of_another_layout_is_told(tmp_path: Path) -> None:
    path = run(tmp_path / "run", 0)
    (path / "run.json").write_text(json.dumps({"layout_version": 99}))
    with pytest.raises(RunError):
        read_sources([path])


def test_the_same_negotiations_twice_are_refused(tmp_path: Path) -> None:
    path = run(tmp_path / "run", 1)
    with pytest.raises(RunError, match="both hold"):
        read_sources([path, path])
    assert len(read_sources([path, run(tmp_path / "other", 1, seed=1)])) == 2


def test_methods_are_chosen_by_name(tmp_path: Path) -> None:
    path = published(tmp_path, [row(1), row(1, "debate")])
    [source] = read_sources([path], ["debate"])
    assert [outcome.method for outcome in source.outcomes] == ["debate"]
    with pytest.raises(ConfigurationError, match="no outcome of mediator"):
        read_sources([path], ["mediator"])
    with pytest.raises(ConfigurationError, match="known are psro"):
        read_sources([path], ["vote"])  # type: ignore[list-item]
