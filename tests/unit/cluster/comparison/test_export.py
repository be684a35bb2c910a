"""``concordat export``: rows, conventions, provenance, and what loads them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster.cli import run_command
from cluster.comparison.export import FORMATS, PROVENANCE, as_statement, rows_of, write_rows
from negotiation.dialogue_storage import write_dialogues
from negotiation.errors import ConfigurationError, RunError
from negotiation.oracle import Draft, Opening
from negotiation.storage import read_records
from tests.unit.cluster.comparison.runs import run
from tests.unit.negotiation.test_dialogue import DEBATE, ELECTION, MEDIATOR

PLAYERS = ("english-speaking", "confucian")
DRAFT = Draft("initial", "H", "R", "D")
OPENINGS = (Opening("We open.", DRAFT), Opening("They open.", DRAFT))
VOTE = replace(
    MEDIATOR,
    players=PLAYERS,
    openings=OPENINGS,
    elections=(replace(ELECTION, candidates=("The lost one.", "The chosen one.")),),
    consensus=("The chosen one.", "The chosen one."),
)


@pytest.fixture
def mediated(tmp_path: Path) -> Path:
    (tmp_path / "run" / "mediator").mkdir(parents=True)
    write_dialogues(tmp_path / "run" / "mediator" / "a.parquet", [VOTE])
    return tmp_path / "run"


def test_dpo_rows_by_hand(mediated: Path) -> None:
    rows = rows_of(mediated, "dpo")
    assert [(row["culture"], row["against"], row["rejected"][0]["content"]) for row in rows] == [
        ("english-speaking", "opening", "We open."),
        ("english-speaking", "candidate", "The lost one."),
        ("confucian", "opening", "They open."),
        ("confucian", "candidate", "The lost one."),
    ]
    first = rows[0]
    assert first["chosen"] == [{"role": "assistant", "content": "The chosen one."}]
    assert [message["role"] for message in first["prompt"]] == ["system", "user"]
    assert VOTE.topic.text.split("\n")[0].strip() in first["prompt"][1]["content"]
    assert first["method"] == "mediator"
    assert first["seed"] == 3
    assert first["converged"] is None
    only = rows_of(mediated, "dpo", against=["opening"])
    assert {row["against"] for row in only} == {"opening"}


def test_kto_rows_name_each_consensus_once(mediated: Path) -> None:
    rows = rows_of(mediated, "kto")
    assert [row["label"] for row in rows] == [True, True, False, False, False, False]
    assert {row["completion"][0]["content"] for row in rows if row["label"]} == {"The chosen one."}
    assert all((row["against"] is None) == row["label"] for row in rows)


def test_llama_factory_columns(mediated: Path) -> None:
    alpaca = {"system", "instruction", "input"}
    wanted = {"sft": {"output"}, "dpo": {"chosen", "rejected"}, "kto": {"output", "kto_tag"}}
    for form, columns in wanted.items():
        for row in rows_of(mediated, form, "llama-factory"):  # type: ignore[arg-type]
            assert set(row) == alpaca | columns | set(PROVENANCE)
    [first, _] = rows_of(mediated, "messages", "llama-factory")
    assert [message["role"] for message in first["messages"]] == ["system", "user", "assistant"]


def test_a_games_candidates_are_those_its_side_left_out(tmp_path: Path) -> None:
    path = run(tmp_path / "run", 1)
    [record] = [record for file in (path / "negotiations").glob("*") for record in read_records(file)]
    rows = rows_of(path, "dpo", unconverged=True)
    for side, player in enumerate(record.players):
        left = {
            as_statement(candidate.draft.content, candidate.draft.reason, candidate.draft.description)
            for played in record.rounds
            for candidate in played.moves[side].candidates
            if not candidate.accepted
        }
        mine = [row for row in rows if row["culture"] == player]
        found = {row["rejected"][0]["content"] for row in mine if row["against"] == "candidate"}
        assert found == left
        assert left
        openings = [row["rejected"][0]["content"] for row in mine if row["against"] == "opening"]
        assert openings == [record.openings[side].statement]


def test_equal_texts_make_no_pair(tmp_path: Path) -> None:
    same = replace(VOTE, openings=(Opening("The chosen one.", DRAFT), OPENINGS[1]))
    (tmp_path / "mediator").mkdir()
    write_dialogues(tmp_path / "mediator" / "a.parquet", [same])
    pairs = [(row["culture"], row["against"]) for row in rows_of(tmp_path, "dpo")]
    assert ("english-speaking", "opening") not in pairs
    assert ("confucian", "opening") in pairs


def test_negotiations_that_did_not_converge_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    stopped = replace(DEBATE, players=PLAYERS, openings=OPENINGS, stop_reason="round-limit")
    (tmp_path / "debate").mkdir()
    write_dialogues(tmp_path / "debate" / "a.parquet", [stopped])
    with pytest.raises(RunError, match="--unconverged"):
        rows_of(tmp_path, "sft")
    rows = rows_of(tmp_path, "sft", unconverged=True)
    assert [row["completion"][0]["content"] for row in rows] == ["A ends", "B ends"]
    assert {row["converged"] for row in rows} == {False}
    with pytest.raises(RunError, match="of psro"):
        rows_of(tmp_path, "sft", unconverged=True, methods=["psro"])


@pytest.mark.parametrize("family", ["trl", "llama-factory"])
@pytest.mark.parametrize("form", FORMATS)
def test_datasets_loads_every_file(
    mediated: Path, tmp_path: Path, form: Any, family: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    rows = rows_of(mediated, form, family)
    [file, *_] = write_rows(rows, form, family, tmp_path / "out")
    loaded = datasets.load_dataset(
        "json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"), num_proc=None
    )
    assert len(loaded) == len(rows)
    assert set(loaded.column_names) == set(rows[0])
    assert loaded.to_list() == rows


def test_trl_reads_the_columns_as_its_own(mediated: Path) -> None:
    data_utils = pytest.importorskip("trl.data_utils")
    from transformers import AutoTokenizer

    from agents.bundled import BUNDLED_ROOT

    tokenizer = AutoTokenizer.from_pretrained(BUNDLED_ROOT)
    keys = {"sft": ("prompt", "completion"), "dpo": ("prompt", "chosen", "rejected"), "kto": ("prompt", "completion"),
            "messages": ("messages",)}  # fmt: skip
    for form, columns in keys.items():
        row = rows_of(mediated, form)[0]  # type: ignore[arg-type]
        example = {name: row[name] for name in columns}
        assert data_utils.is_conversational(example)
        shown = data_utils.apply_chat_template(example, tokenizer)
        assert "The chosen one." in "".join(shown.values())


def test_dataset_info_keeps_what_is_there(mediated: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    info = out / "dataset_info.json"
    info.write_text('{"mine": {"file_name": "mine.json"}}')
    for form in FORMATS:
        write_rows(rows_of(mediated, form, "llama-factory"), form, "llama-factory", out)
    known = json.loads(info.read_text())
    assert set(known) == {"mine", *(f"concordat_{form}" for form in FORMATS)}
    assert known["concordat_dpo"]["ranking"] is True
    for form in FORMATS:
        entry = known[f"concordat_{form}"]
        first = json.loads((out / entry["file_name"]).read_text().splitlines()[0])
        assert set(entry["columns"].values()) <= set(first)
    info.write_text("[1]")
    with pytest.raises(ConfigurationError, match="no JSON object"):
        write_rows(rows_of(mediated, "sft", "llama-factory"), "sft", "llama-factory", out)


def test_the_command_says_what_it_wrote(
    mediated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "pairs.jsonl"
    assert run_command(["export", str(mediated), "--format", "dpo", "--out", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"rows": 4, "against": {"opening": 2, "candidate": 2}, "files": [str(file)]}
    assert len(file.read_text().splitlines()) == 4
    assert [path.name for path in file.parent.iterdir()] == ["pairs.jsonl"]
    arguments = [
        "export",
        str(mediated),
        "--format",
        "kto",
        "--out",
        str(tmp_path / "dir"),
        "--against",
        "opening",
    ]
    assert run_command(arguments) == 0
    assert "4 rows (2 against an opening)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--format", "ppo", "--out", "x.jsonl"], "form"),
        (["--format", "dpo", "--out", "x.csv"], ".jsonl"),
        (["--format", "dpo", "--out", "x.jsonl", "--against", "nothing"], "against"),
        (["--format", "dpo", "--out", "x.jsonl", "--method", "debate"], "debate"),
    ],
)
def test_wrong_flags_are_told(
    mediated: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    assert run_command(["export", str(mediated), *flags]) == 2
    assert told in capsys.readouterr().err
