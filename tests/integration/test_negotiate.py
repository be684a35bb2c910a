"""``concordat negotiate`` from the command line to the run folder, against a scripted model server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.survey.codebook import get_item
from agents.survey.profile import AnswerShares, CultureProfile, save_profiles
from cluster.runfolder import RunFolder, read_settings, write_atomically
from negotiation.storage import read_records
from tests.integration.conftest import NanEmbedder, Outcome
from tests.integration.model_server import ModelServer

pytestmark = pytest.mark.usefixtures("hash_embedder")

Command = Callable[..., Outcome]


def _records(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "negotiations").glob("*.parquet"))}


def _digests(run: Path) -> dict[str, str]:
    return {name: read_records(run / "negotiations" / name)[0].digest() for name in _records(run)}


def test_a_run_leaves_everything(concordat: Command, settings: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    outcome = concordat("negotiate", "--config", settings, "--out", run, "--serial", "--json")
    assert outcome.status == 0, outcome.err
    keys = "run negotiations converged failed max_nash_conv malformed_rate tokens_per_s seconds"
    assert list(outcome.json) == keys.split()
    assert (outcome.json["negotiations"], outcome.json["failed"]) == (3, 0)
    assert outcome.json["max_nash_conv"] <= 1e-9
    assert outcome.json["malformed_rate"] == 0
    assert len(_records(run)) == 3
    record = read_records(next((run / "negotiations").glob("duty-*")))[0]
    assert record.players == ("english-speaking", "confucian")
    assert record.provenance["model"]
    policy = json.loads(next((run / "policies").glob("duty-*")).read_text())
    assert policy["record_digest"] == record.digest()
    assert [len(side["pool"]) for side in policy["players"]] == [len(pool) for pool in record.pools]
    metrics = json.loads((run / "metrics.json").read_text())
    assert len(metrics["per_negotiation"]) == 3
    events = [json.loads(line)["event"] for line in (run / "events.jsonl").read_text().splitlines()]
    assert events[0] == "run_started"
    assert events[-1] == "run_ended"
    assert events.count("negotiation_finished") == 3
    assert read_settings(run)["seed"] == 0
    assert "<html" in (run / "report.html").read_text()[:200]
    assert not (run / "failures.jsonl").exists()


def test_people_get_a_table_and_lines(concordat: Command, settings: Path, tmp_path: Path) -> None:
    outcome = concordat("negotiate", "--config", settings, "--out", tmp_path / "run", "--serial")
    assert outcome.status == 0
    assert "3 of 3 negotiations finished" in outcome.out
    assert "NashConv" in outcome.out
    assert f"Report: {tmp_path / 'run' / 'report.html'}" in outcome.out
    assert "duty: " in outcome.err


def test_the_printed_command_line_works(concordat: Command, settings: Path, tmp_path: Path) -> None:
    outcome = concordat(
        *("negotiate", "--config", settings, "--cultures", "latin-america", "orthodox-europe", "confucian"),
        *("--topic", "Should museums return old art?", "--topic", "Should cities ban cars?", "--seed", "3"),
        *("--solver", "potential", "--alpha", "0.4", "--beta", "0.6", "--gamma", "0.1", "--epsilon", "0.02"),
        *("--rounds", "1", "--concurrency", "1", "--out", tmp_path / "run", "--serial", "--json"),
    )
    assert outcome.status == 0, outcome.err
    assert outcome.json["negotiations"] == 2
    saved = read_settings(tmp_path / "run")
    assert saved["cultures"] == ["latin-america", "orthodox-europe", "confucian"]
    assert (saved["seed"], saved["concurrency"]) == (3, 1)
    assert saved["game"]["solver"]["kind"] == "potential"
    weights = {"alpha": 0.4, "beta": 0.6, "gamma": 0.1, "epsilon": 0.02, "rounds": 1}
    assert {key: saved["game"][key] for key in weights} == weights


def test_same_seed_same_records_whatever_the_concurrency(
    concordat: Command, settings: Path, tmp_path: Path
) -> None:
    for name, concurrency in (("a", 32), ("b", 1)):
        flags = ("--config", settings, "--out", tmp_path / name, "--concurrency", concurrency, "--serial")
        assert concordat("negotiate", *flags).status == 0
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")


def test_agents_are_shown_their_peoples_answers(
    concordat: Command, settings: Path, server: ModelServer, tmp_path: Path
) -> None:
    trust = {"english-speaking": (0.4, 0.6), "confucian": (0.6, 0.4)}
    people = {
        name: CultureProfile(
            culture=name,
            answers={"trust-people": AnswerShares(item="trust-people", shares=shares, source="made up")},
        )
        for name, shares in trust.items()
    }
    profiles, run = tmp_path / "people.json", tmp_path / "run"
    save_profiles(people, profiles)
    flags = ("negotiate", "--config", settings, "--out", run, "--serial", "--profiles", profiles)
    assert concordat(*flags).status == 0
    question = get_item("trust-people").question
    shown = {system.splitlines()[-1] for system in server.systems}
    assert shown == {
        f"- {question} 60% one must be careful, 40% one can trust most people.",
        f"- {question} 60% one can trust most people, 40% one must be careful.",
    }
    record = read_records(next((run / "negotiations").glob("duty-*")))[0]
    assert record.provenance["evidence:confucian"] == "trust-people"
    assert record.provenance["profiles"].startswith("people.json@")
    assert read_settings(run)["grounding"]["profiles"] == str(profiles)
    save_profiles({"confucian": people["confucian"]}, profiles)
    outcome = concordat(
        "negotiate", "--config", settings, "--out", tmp_path / "b", "--serial", "--profiles", profiles
    )
    assert outcome.status == 2
    assert "no answers of 'english-speaking'" in outcome.err
    assert not (tmp_path / "b").exists()


def test_dry_run_runs_nothing(
    concordat: Command, settings: Path, server: ModelServer, tmp_path: Path
) -> None:
    flags = ("negotiate", "--config", settings, "--out", tmp_path / "run", "--dry-run")
    outcome = concordat(*flags, "--json")
    assert outcome.status == 0
    assert [entry["topic"] for entry in outcome.json["negotiations"]] == ["duty", "dress", "tax"]
    assert outcome.json["model_calls"] == {"least": 3 * 2 * 7, "most": 3 * 2 * 11}
    assert outcome.json["config"]["game"]["alpha"] == 0.5
    assert "42 to 66 model calls" in concordat(*flags).out
    assert server.requests == 0
    assert not (tmp_path / "run").exists()


def test_without_out_the_run_is_found_again(
    concordat: Command, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert concordat("negotiate", "--config", settings, "--resume", "--serial").status == 2
    first = concordat("negotiate", "--config", settings, "--serial", "--json").json["run"]
    assert first.startswith("runs/20")
    again = concordat("negotiate", "--config", settings, "--serial", "--json", "--resume").json["run"]
    assert again == first
    assert concordat("negotiate", "--resume", "--out", first, "--serial", "--json").json["negotiations"] == 3


def test_a_server_that_is_down(concordat: Command, settings: Path, tmp_path: Path) -> None:
    tree = yaml.safe_load(settings.read_text())
    tree["model"]["base_url"] = "http://127.0.0.1:9/v1"
    settings.write_text(yaml.safe_dump(tree))
    outcome = concordat("negotiate", "--config", settings, "--out", tmp_path / "run", "--serial", "--json")
    assert outcome.status == 1
    assert outcome.json["failed"] == 3
    assert outcome.json["error"]["type"] == "ModelServerError"
    assert "http://127.0.0.1:9/v1" in outcome.err
    assert outcome.json["malformed_rate"] is None


def test_a_server_that_stays_down_is_not_asked_for_every_topic(
    concordat: Command, settings: Path, server: ModelServer, tmp_path: Path
) -> None:
    server.status = 503
    flags = ("--topics", "examples", "--concurrency", 4, "--out", tmp_path / "run", "--serial", "--json")
    tree = yaml.safe_load(settings.read_text())
    del tree["topics"]
    settings.write_text(yaml.safe_dump(tree))
    outcome = concordat("negotiate", "--config", settings, *flags)
    assert outcome.status == 1
    assert outcome.json["error"]["type"] == "RunStopped"
    assert 8 <= outcome.json["failed"] < 30
    assert "resume with" in outcome.err
    server.status = 200
    assert concordat("negotiate", "--config", settings, *flags, "--resume").json["negotiations"] == 30


def test_garbage_on_one_topic_fails_that_one_alone(
    concordat: Command, settings: Path, server: ModelServer, tmp_path: Path
) -> None:
    server.garbage_about = "dress code"
    flags = ("negotiate", "--config", settings, "--out", tmp_path / "run", "--serial", "--json")
    outcome = concordat(*flags)
    assert outcome.status == 1
    assert (outcome.json["negotiations"], outcome.json["failed"]) == (2, 1)
    assert outcome.json["error"]["type"] == "MalformedReplyError"
    assert outcome.json["malformed_rate"] > 0
    failures = [json.loads(line) for line in (tmp_path / "run" / "failures.jsonl").read_text().splitlines()]
    assert [failure["try"] for failure in failures] == [1, 2, 3]
    assert {(each["topic"]["id"], each["error"]) for each in failures} == {("dress", "MalformedReplyError")}
    before = _records(tmp_path / "run")
    server.garbage_about = ""
    asked = server.requests
    still = concordat(*flags, "--resume")
    assert (still.status, still.json["negotiations"], still.json["failed"]) == (1, 2, 1)
    assert "quarantined after 3 tries" in still.err
    assert server.requests == asked
    again = concordat(*flags, "--resume", "--retry-quarantined")
    assert (again.status, again.json["negotiations"], again.json["failed"]) == (0, 3, 0)
    assert before.items() <= _records(tmp_path / "run").items()


def test_a_server_that_hangs_is_not_waited_for_for_ever(
    concordat: Command, settings: Path, server: ModelServer, tmp_path: Path
) -> None:
    tree = yaml.safe_load(settings.read_text())
    tree["model"] |= {"timeout_s": 1.0, "max_retries": 0}
    settings.write_text(yaml.safe_dump(tree))
    server.delay_s = 3.0
    flags = ("negotiate", "--config", settings, "--out", tmp_path / "run", "--serial", "--json")
    outcome = concordat(*flags)
    assert outcome.status == 1
    assert (outcome.json["negotiations"], outcome.json["failed"]) == (0, 3)
    assert outcome.json["error"]["type"] == "ModelServerError"
    server.delay_s = 0.0
    again = concordat(*flags, "--resume")  # nobody's fault: no tries are used up
    assert (again.status, again.json["negotiations"]) == (0, 3)


def test_nothing_but_garbage(concordat: Command, settings: Path, server: ModelServer, tmp_path: Path) -> None:
    server.garbage = True
    outcome = concordat("negotiate", "--config", settings, "--out", tmp_path / "run", "--serial", "--json")
    assert outcome.status == 1
    assert (outcome.json["negotiations"], outcome.json["failed"]) == (0, 3)
    assert outcome.json["malformed_rate"] == 1.0
    assert outcome.json["max_nash_conv"] is None


def test_an_embedder_of_nan(
    concordat: Command, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.backends.load_embedder", lambda name, **_: NanEmbedder())
    outcome = concordat("negotiate", "--config", settings, "--out", tmp_path / "run", "--serial", "--json")
    assert outcome.status == 1
    assert outcome.json["error"]["type"] == "EmbeddingError"
    assert outcome.json["failed"] == 3


def test_a_full_disk_ends_the_run_and_loses_nothing(
    concordat: Command, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    flags = ("negotiate", "--config", settings, "--out", run, "--serial", "--json", "--concurrency", 1)
    write = RunFolder.write_record
    calls = []

    def full(self: RunFolder, record: Any, digest: str | None = None) -> None:
        calls.append(record)
        if len(calls) > 1:
            write_atomically(Path("/dev/full/nowhere"), b"")
        write(self, record, digest)

    monkeypatch.setattr(RunFolder, "write_record", full)
    outcome = concordat(*flags)
    assert outcome.status == 2
    assert "free space" in outcome.json["error"]["message"]
    before = _records(run)
    assert len(before) == 1
    monkeypatch.setattr(RunFolder, "write_record", write)
    assert concordat(*flags, "--resume").status == 0
    assert before.items() <= _records(run).items()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cultures", "english-speaking", "confuscian"], "did you mean confucian"),
        (["--cultures", "confucian", "confucian"], "given twice"),
        (["--topic", ""], "empty"),
        (["--topic", "x" * 100_000], "100,000 characters"),
        (["--topics", "broken.csv"], "line 3, field 'text'"),
        (["--topics", "missing.yaml"], "No such file"),
        (["--model", "./no/such/folder"], "no folder ./no/such/folder"),
        (["--alpha", "0", "--beta", "0", "--gamma", "0"], "raise one of them"),
        (["--solver", "magic"], "'exact', 'potential'"),
        (["--rounds", "0"], "game.rounds"),
        (["--adapter", "latin-america=x"], "takes no part"),
        (["--adapter", "confucian"], "CULTURE=PATH"),
        (["--config", "missing.yaml"], "No such file"),
        (["--resume"], "no run"),
        (["--roundz", "3"], "--rounds"),
    ],
)
def test_bad_input(
    flags: list[str],
    message: str,
    concordat: Command,
    settings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.csv").write_text("id,text\na,Should we?\nb,\n")
    outcome = concordat("negotiate", "--config", settings, "--serial", "--json", *flags)
    assert outcome.status == 2
    assert message in outcome.err
    assert outcome.json["error"]["status"] == 2
    assert outcome.json["error"]["message"] in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "runs").exists() or not any((tmp_path / "runs").iterdir())


def test_a_run_in_use_of_other_settings_or_another_version(
    concordat: Command, settings: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    flags = ("negotiate", "--config", settings, "--out", run, "--serial")
    assert concordat(*flags).status == 0
    before = _records(run)
    assert "add --resume" in concordat(*flags).err
    other = concordat(*flags, "--resume", "--seed", "5")
    assert other.status == 2
    assert "seed: the run has 0, you ask for 5" in other.err
    with RunFolder(run, read_settings(run), resume=True):
        held = concordat(*flags, "--resume", "--json")
    assert held.status == 2
    assert held.json["error"]["type"] == "RunInUseError"
    write_atomically(run / "run.json", b'{"layout_version": 7, "concordat": "7.0"}')
    old = concordat(*flags, "--resume")
    assert old.status == 2
    assert "made by Concordat 7.0" in old.err
    assert "made by Concordat 7.0" in concordat("report", run).err
    assert _records(run) == before


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_is_completed_by_resume(
    stop: signal.Signals, concordat: Command, settings: Path, server: ModelServer, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    server.delay_s = 0.05
    command = [sys.executable, "-m", "cluster.cli", "negotiate", "--config", str(settings), "--out", str(run)]
    command += ["--serial", "--concurrency", "1", "--json"]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 120
    while not (run / "negotiations").is_dir() or not _records(run):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(stop)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["type"] == "Interrupted"
    assert f"--resume --out {run}" in err
    before = _records(run)
    assert 1 <= len(before) < 3
    server.delay_s = 0.0
    done = concordat("negotiate", "--out", run, "--resume", "--serial", "--json")
    assert (done.status, done.json["negotiations"]) == (0, 3)
    assert before.items() <= _records(run).items()


def test_report_and_cultures(concordat: Command, settings: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert concordat("negotiate", "--config", settings, "--out", run, "--serial").status == 0
    (run / "report.html").unlink()
    assert concordat("report", run, "--json").json == {"run": str(run), "report": str(run / "report.html")}
    assert (run / "report.html").exists()
    assert concordat("report", tmp_path / "nothing").status == 2
    cultures = concordat("culture", "list", "--json").json["cultures"]
    assert len(cultures) == 8
    assert "confucian" in concordat("culture", "list").out


def test_help_is_quick_and_light() -> None:
    code = (
        "import sys; from cluster.cli import run_command; status = run_command(['negotiate', '--help']);"
        "heavy = {'ray', 'torch', 'transformers', 'pyspiel', 'numpy'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(status)"
    )
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "concordat negotiate --cultures english-speaking confucian" in done.stdout
