"""``concordat negotiate --method``: by the bundled model, and against a server that cannot score texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cluster.outcomes import read_outcomes
from negotiation.dialogue_storage import read_dialogues
from negotiation.outcome import METHODS
from tests.integration.conftest import Outcome

Command = Callable[..., Outcome]


def test_all_methods_by_the_bundled_model(concordat: Command, tmp_path: Path, hash_embedder: None) -> None:
    settings, run = tmp_path / "s.yaml", tmp_path / "run"
    tree = {
        "cultures": ["confucian", "latin-america"],
        "topics": ["Should museums return old art?"],
        "methods": "all",
        "game": {"rounds": 1},
        "baselines": {"debate": {"rounds": 1}, "mediator": {"candidates": 2, "critiques": 0}},
    }
    settings.write_text(yaml.safe_dump(tree))
    outcome = concordat("negotiate", "--config", settings, "--out", run, "--serial", "--json")
    assert outcome.status == 0, outcome.err
    assert outcome.json["negotiations"] == 4
    assert {name: told["finished"] for name, told in outcome.json["methods"].items()} == dict.fromkeys(
        METHODS, 1
    )
    outcomes = read_outcomes(run)
    assert [found.method for found in outcomes] == list(METHODS)
    assert len({found.openings for found in outcomes}) == 1
    (mediated,) = read_dialogues(next((run / "mediator").iterdir()))
    scores = mediated.elections[0].scores
    # Each side's own adapter scores, so that two sides differ; and a model's log-probabilities are below 0.
    assert scores[0] != scores[1]
    assert max(map(max, scores)) < 0
    assert (
        "The run also holds 1 by debate, 1 by consultancy and 1 by mediator"
        in (run / "report.html").read_text()
    )


@pytest.mark.usefixtures("hash_embedder")
def test_a_server_that_cannot_score_serves_all_but_the_mediator(
    concordat: Command, settings: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    flags = ("negotiate", "--config", settings, "--method", "all", "--out", run, "--serial")
    outcome = concordat(*flags)
    assert outcome.status == 1
    assert "mediator: 0 finished, no criterion, 3 failed" in outcome.out
    assert "consultancy: 3 finished, no criterion" in outcome.out
    assert "9 of 12 negotiations finished" in outcome.out
    assert "prompt_logprobs" in outcome.err
    assert "duty, debate: round-limit after 4 rounds" in outcome.err


@pytest.mark.usefixtures("hash_embedder")
def test_methods_on_the_command_line(concordat: Command, settings: Path, tmp_path: Path) -> None:
    flags = ("negotiate", "--config", settings, "--out", tmp_path / "run", "--serial")
    planned = concordat(*flags, "--method", "all", "--dry-run")
    assert "3 negotiations x 4 methods between english-speaking, confucian, by psro, debate" in planned.out
    tree = concordat(*flags, "--method", "debate", "--method", "consultancy", "--dry-run", "--json").json
    assert tree["methods"] == tree["config"]["methods"] == ["debate", "consultancy"]
    assert tree["model_calls"] == {"least": 3 * 2 * (2 + 2 + 1), "most": 3 * 2 * (2 + 5 + 1)}
    wrong = concordat(*flags, "--method", "shouting", "--json")
    assert wrong.status == 2
    assert "'psro', 'debate', 'consultancy' or 'mediator'" in wrong.err
    assert concordat(*flags, "--method", "consultancy", "--json").json["converged"] == 0
    fewer = concordat(*flags, "--method", "debate", "--resume")
    assert fewer.status == 2
    assert 'methods[0]: the run has "consultancy", you ask for "debate"' in fewer.err
    both = concordat(
        "negotiate",
        "--out",
        tmp_path / "run",
        "--resume",
        "--serial",
        "--method",
        "debate",
        "--method",
        "consultancy",
    )
    assert both.status == 0, both.err
    assert "6 of 6 negotiations finished" in both.out
    assert "debate: 3 finished, 0 converged" in both.out
