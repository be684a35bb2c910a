"""What is said at the end of a run of several methods."""

from __future__ import annotations

from pathlib import Path

from cluster.summary import DialogueRow, Failure, Row, RunSummary
from negotiation.topic import Topic
from tests.unit.cluster.report_runs import negotiated
from tests.unit.negotiation.test_dialogue import CONSULTANCY, DEBATE, MEDIATOR

GAME = Row.of(negotiated(Topic("tax", "Should inheritance be taxed?"), rounds=1))
COMMON = {
    "run": Path("run"),
    "replies": 40,
    "malformed": 4,
    "tokens": 100,
    "seconds": 10.0,
}


def _whole() -> RunSummary:
    return RunSummary(
        planned=8,
        rows=(GAME,),
        failures=(Failure("tax-2", "tax", "E", "no", "mediator"),),
        methods=("psro", "debate", "consultancy", "mediator"),
        dialogues=tuple(DialogueRow.of(record) for record in (DEBATE, CONSULTANCY, MEDIATOR)),
        **COMMON,
    )


def test_a_row_of_a_dialogue_says_how_it_ended_and_who_moved() -> None:
    row = DialogueRow.of(DEBATE)
    assert (row.method, row.rounds, row.converged, row.stop_reason) == ("debate", 2, True, "agreement")
    assert row.moved == (1 - 0.6, 1.0)
    assert row.digest == DEBATE.digest()


def test_each_method_is_counted_by_itself() -> None:
    summary = _whole()
    assert summary.lines_of_methods() == [
        f"psro: 1 finished, {int(GAME.converged)} converged",
        "debate: 1 finished, 1 converged",
        "consultancy: 1 finished, no criterion",
        "mediator: 1 finished, no criterion, 1 failed",
    ]
    assert summary.sentence().startswith(
        f"4 of 8 negotiations finished, {1 + int(GAME.converged)} converged, 1 failed"
    )
    assert summary.headline()["methods"]["mediator"] == {"finished": 1, "converged": None, "failed": 1}
    assert [row["method"] for row in summary.metrics()["dialogues"]] == ["debate", "consultancy", "mediator"]
    fault = summary.fault()
    assert fault is not None
    assert fault[1].startswith("1 of 8 negotiations failed, the first: no")


def test_a_run_of_the_game_alone_says_what_it_always_said() -> None:
    summary = RunSummary(planned=1, rows=(GAME,), failures=(), **COMMON)
    assert summary.lines_of_methods() == []
    assert "methods" not in summary.headline()
    assert "dialogues" not in summary.metrics()


def test_a_debate_that_never_finished_has_a_criterion_all_the_same() -> None:
    summary = RunSummary(planned=1, rows=(), failures=(), methods=("debate", "mediator"), **COMMON)
    assert [standing.converged for standing in summary.by_method().values()] == [0, None]
