"""Outcomes of runs by all methods, and runs that have none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.outcomes import read_outcomes
from cluster.report import write_report
from negotiation.dialogue_storage import LAYOUT, write_dialogues
from negotiation.errors import RecordError, RunError
from negotiation.topic import Topic
from tests.unit.cluster.report_runs import CULTURES, negotiated, run_folder
from tests.unit.negotiation.test_dialogue import DEBATE, MEDIATOR

GAME = negotiated(Topic("voting", "Should voting be a duty?"), rounds=1)
DEBATED, MEDIATED = (
    replace(record, negotiation_id=GAME.negotiation_id, topic=GAME.topic, players=CULTURES[:2])
    for record in (DEBATE, MEDIATOR)
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = run_folder(tmp_path / "run", [GAME])
    for record in (DEBATED, MEDIATED):
        (folder / record.method).mkdir()
        write_dialogues(folder / record.method / f"{record.negotiation_id}.parquet", [record])
    return folder


def test_outcomes_of_all_methods_bear_one_id(run: Path) -> None:
    outcomes = read_outcomes(run)
    assert [outcome.method for outcome in outcomes] == ["psro", "debate", "mediator"]
    assert {outcome.id for outcome in outcomes} == {GAME.negotiation_id}
    assert outcomes[0].consensus == GAME.consensus
    assert outcomes[2].consensus == ("y", "y")


def test_a_run_without_statements_and_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no statements"):
        read_outcomes(run_folder(tmp_path / "empty", []))
    with pytest.raises(RunError, match="holds no run"):
        read_outcomes(tmp_path)


def test_mixed_schema_versions_are_told_as_such(run: Path) -> None:
    path = run / "debate" / "later.parquet"
    table = pq.read_table(run / "debate" / f"{GAME.negotiation_id}.parquet")
    pq.write_table(table.replace_schema_metadata({LAYOUT.version_key: b"7"}), path)
    with pytest.raises(
        RecordError, match=r"debate mixes records of the schema versions 1 \(1, .*7 \(1, e.g. later"
    ):
        read_outcomes(run)
    (run / "debate" / f"{GAME.negotiation_id}.parquet").unlink()
    with pytest.raises(RecordError, match=r"later\.parquet has dialogue schema version 7"):
        read_outcomes(run)


def test_a_record_in_another_methods_folder_is_told(run: Path) -> None:
    (run / "debate" / f"{GAME.negotiation_id}.parquet").rename(run / "mediator" / "x.parquet")
    with pytest.raises(RecordError, match=r"x\.parquet: holds the record of a debate"):
        read_outcomes(run)


def test_the_report_says_what_it_does_not_show(run: Path) -> None:
    page = write_report(run).read_text()
    assert "The run also holds 1 by debate and 1 by mediator, which this page does not show." in page
    assert "2 by other methods; 0 failed" in page


def test_a_report_without_any_game_and_failures_of_other_methods(run: Path) -> None:
    (run / "negotiations" / f"{GAME.negotiation_id}.parquet").unlink()
    line = '{{"negotiation_id": "{}", "method": "{}", "topic": {{"id": "t", "text": "Why?"}}, "error": "E", "message": "{}"}}\n'
    (run / "failures.jsonl").write_text(
        line.format(GAME.negotiation_id, "debate", "mended since")
        + line.format("other", "debate", "still open")
    )
    page = write_report(run).read_text()
    assert "No negotiation finished as a game; 1 failed. The run also holds" in page
    assert "still open" in page
    assert "Why? (debate)" in page
    assert "mended since" not in page
