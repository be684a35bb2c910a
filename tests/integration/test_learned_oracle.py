"""A learned oracle from a run to an adapter on Ray, and at the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.bundled import bundled_adapter_path
from agents.tuning.curves import read_events
from negotiation.storage import read_records
from tests.integration.conftest import Outcome
from tests.unit.agents.tiny import save_model, save_tokenizer
from tests.unit.cluster.proposing.oracle_runs import a_run


@pytest.mark.usefixtures("local_ray")
def test_an_oracle_is_trained_measured_and_not_trained_again(
    tmp_path: Path, concordat: Callable[..., Outcome]
) -> None:
    model = tmp_path / "model"
    save_model(model, len(save_tokenizer(model)))
    settings = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(settings | {"max_position_embeddings": 1024}))
    run, work, out = a_run(tmp_path / "run", 3), tmp_path / "work", tmp_path / "out"
    command = (
        "train",
        "oracle",
        run,
        "--culture",
        "confucian",
        "--model",
        model,
        "--work",
        work,
        "--out",
        out,
    )
    command += ("--steps", 2, "--prompts-per-step", 2, "--group", 3, "--max-tokens", 6, "--rank", 4, "--json")
    done = concordat(*command)
    # A model that has learned no language writes nothing that an agent could use, and the check says so.
    assert done.status == 1, done.err
    assert "confucian: 12 situations of 2 topics to learn from, 6 of 1 held out" in done.err
    assert [line.split("(")[1] for line in done.json["check"]] == ["limits.collapses)"]
    figures = done.json["figures"]
    assert (figures["steps"], figures["collapsed"], figures["last_reward/novelty"]) == (2, 1.0, 0.0)
    assert set(figures["held_out"]) == {"own", "learned"}
    for gained in figures["held_out"].values():
        assert (gained["gain"], gained["well_formed"], gained["situations"]) == (None, 0.0, 6)
    points = [event for event in read_events(work) if event["event"] == "progress"]
    assert [point["completions"] for point in points] == [6, 6]
    assert all(point["reward/acceptance"] == -1.0 for point in points)
    assert (out / "adapter_model.safetensors").is_file()
    # The same command says the same again, and other settings want another folder.
    again = concordat(*command)
    assert (again.status, again.json) == (1, done.json)
    other = concordat(*command, "--held-out", 0.5)
    assert other.status == 2
    assert "was begun with other settings" in other.err


def test_an_adapter_joins_in_proposing_for_a_culture(
    tmp_path: Path, concordat: Callable[..., Outcome]
) -> None:
    learned = bundled_adapter_path("orthodox-europe")  # any adapter of the model will do
    command = ("negotiate", "--cultures", "confucian", "latin-america", "--topic", "Should voting be a duty?")
    command += ("--rounds", 1, "--serial", "--json")
    plain = concordat(*command, "--out", tmp_path / "plain")
    proposer = f"confucian={learned}"
    done = concordat(*command, "--out", tmp_path / "run", "--proposer", proposer, "--proposing", "join")
    assert (plain.status, done.status) == (0, 0), done.err
    before, after = (
        read_records(next((tmp_path / name / "negotiations").iterdir()))[0] for name in ("plain", "run")
    )
    assert after.provenance["proposer:confucian"] == str(learned)
    assert after.provenance["proposing"] == "join"
    assert "proposing" not in before.provenance
    assert [one.statement for one in after.openings] == [one.statement for one in before.openings]
    theirs, ours = (
        [[candidate.draft for candidate in move.candidates] for move in record.rounds[0].moves]
        for record in (before, after)
    )
    assert ours[1] == theirs[1]  # the other side has no learned oracle
    changed = [left != right for left, right in zip(ours[0], theirs[0], strict=True)]
    assert changed == [True, False, True]  # the learned oracle's share of the first round
