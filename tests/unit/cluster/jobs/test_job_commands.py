"""``concordat submit`` and ``concordat jobs`` against a cluster that is a fake."""

from __future__ import annotations

import io
import shlex
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ray.job_submission import JobStatus

from cluster.jobs.client import Job, Jobs
from cluster.jobs.following import progress_of
from tests.unit.cluster.jobs.conftest import Said
from tests.unit.cluster.jobs.fake_cluster import FakeCluster

NEGOTIATE = ("negotiate", "--cultures", "confucian", "latin-america", "--topic", "Should voting be a duty?")


def test_a_command_goes_with_its_files_and_its_log_comes_back(
    cluster: FakeCluster, concordat: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mine.yaml").write_text("seed: 3\n")
    Path(".gitignore").write_text("*.bin\n")
    Path("model.bin").write_bytes(b"0" * 100)
    monkeypatch.setenv("CONCORDAT_GAME__ALPHA", "0.7")
    monkeypatch.setenv("CONCORDAT_API_KEY", "a secret")
    said = concordat("submit", "--id", "first", "--env", "COLOUR=blue", "--cpus", "1", "--", *NEGOTIATE)
    assert said.status == 0
    assert said.out == "one\ntwo\n"
    assert "2 files" in said.err
    assert "first: succeeded" in said.err
    [job] = cluster.jobs.values()
    assert shlex.split(job.entrypoint) == ["python", "-m", "cluster.jobs.entry", *NEGOTIATE]
    variables = job.runtime_env["env_vars"]
    assert variables["CONCORDAT_GAME__ALPHA"] == "0.7"
    assert variables["COLOUR"] == "blue"
    assert "CONCORDAT_API_KEY" not in variables
    assert job.options["entrypoint_num_cpus"] == 1
    names = zipfile.ZipFile(io.BytesIO(cluster.packed["first"])).namelist()
    assert names == [".gitignore", "mine.yaml"]


def test_a_secret_goes_along_when_it_is_named(
    cluster: FakeCluster, concordat: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCORDAT_API_KEY", "a secret")
    concordat("submit", "--env", "CONCORDAT_API_KEY", "--", *NEGOTIATE)
    [job] = cluster.jobs.values()
    assert job.runtime_env["env_vars"]["CONCORDAT_API_KEY"] == "a secret"
    said = concordat("submit", "--env", "NOT_SET_HERE", "--", *NEGOTIATE)
    assert said.status == 2
    assert "--env NOT_SET_HERE has no value here" in said.err


def test_on_a_cluster_of_this_machine_this_interpreter_runs(
    cluster: FakeCluster, concordat: Callable[..., Said]
) -> None:
    concordat("submit", "--address", "127.0.0.1:8265", "--", "values", "a text")
    [job] = cluster.jobs.values()
    assert shlex.split(job.entrypoint)[0] == sys.executable


@pytest.mark.parametrize(
    ("end", "exit_code", "status"),
    [
        (JobStatus.SUCCEEDED, 0, 0),
        (JobStatus.FAILED, 1, 1),
        (JobStatus.FAILED, 2, 2),
        (JobStatus.FAILED, -9, 137),
        (JobStatus.FAILED, None, 1),
        (JobStatus.STOPPED, None, 130),
    ],
)
def test_the_exit_status_is_that_of_the_job(
    end: JobStatus, exit_code: int | None, status: int, cluster: FakeCluster, concordat: Callable[..., Said]
) -> None:
    cluster.end, cluster.exit_code = end, exit_code
    assert concordat("submit", "--id", "first", "--", *NEGOTIATE).status == status
    assert concordat("jobs", "wait", "first").status == status
    assert concordat("jobs", "logs", "first", "--follow").status == status
    said = concordat("jobs", "wait", "first", "--json")
    assert said.status == status
    assert said.json["exit_status"] == status


def test_a_cluster_without_the_program_is_explained(
    cluster: FakeCluster, concordat: Callable[..., Said]
) -> None:
    cluster.end, cluster.exit_code = JobStatus.FAILED, 1
    cluster.log = "ModuleNotFoundError: No module named 'cluster'\n"
    said = concordat("submit", "--", *NEGOTIATE)
    assert said.status == 1
    assert "--python /path/to/python" in said.err


def test_an_environment_that_cannot_be_made_is_told(
    cluster: FakeCluster, concordat: Callable[..., Said]
) -> None:
    cluster.end, cluster.exit_code, cluster.message = JobStatus.FAILED, None, "runtime_env setup failed: pip"
    said = concordat("submit", "--", *NEGOTIATE)
    assert said.status == 1
    assert "the command did not run: runtime_env setup failed: pip" in said.err


@pytest.mark.parametrize("how", ["breaks", "closes"])
def test_a_log_that_breaks_off_goes_on_where_it_was(
    how: str, cluster: FakeCluster, concordat: Callable[..., Said]
) -> None:
    cluster.log, cluster.looks = "a first line\nanother\nand the last", 12
    setattr(cluster, how, 2)
    said = concordat("submit", "--", *NEGOTIATE)
    assert said.status == 0, said.err
    assert said.out == "a first line\nanother\nand the last\n"
    assert cluster.tails >= 3


def test_a_cluster_that_went_away_is_told(cluster: FakeCluster, concordat: Callable[..., Said]) -> None:
    cluster.goes_away, cluster.looks = True, 1000
    said = concordat("submit", "--", *NEGOTIATE)
    assert said.status == 2
    assert "no Ray dashboard answers at http://head:8265 (connection refused)" in said.err


def test_ctrl_c_leaves_the_job_and_says_how_to_come_back(
    cluster: FakeCluster, concordat: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cluster.jobs.following.PlainFollower.line", interrupted)
    said = concordat("submit", "--id", "first", "--", *NEGOTIATE)
    assert said.status == 130
    assert "concordat jobs logs first --follow --address http://head:8265" in said.err
    assert "concordat jobs stop first --address http://head:8265" in said.err
    assert not cluster.jobs["first"].status.is_terminal()


def test_without_waiting_only_the_id_is_printed(cluster: FakeCluster, concordat: Callable[..., Said]) -> None:
    said = concordat("submit", "--no-wait", "--", *NEGOTIATE)
    assert said.status == 0
    assert said.out.strip() in cluster.jobs
    assert (
        concordat("submit", "--no-wait", "--id", "second", "--json", "--", *NEGOTIATE).json["id"] == "second"
    )


def test_jobs_are_listed_stopped_and_read(cluster: FakeCluster, concordat: Callable[..., Said]) -> None:
    cluster.looks = 1000
    concordat("submit", "--no-wait", "--id", "first", "--", *NEGOTIATE)
    shown = concordat("jobs", "list").out
    assert "first" in shown
    assert "running" in shown
    assert "mine.py" not in shown
    assert "mine.py" in concordat("jobs", "list", "--all").out
    [listed] = concordat("jobs", "list", "--json").json["jobs"]
    assert listed["exit_status"] is None
    assert concordat("jobs", "wait", "first", "--timeout", "0.05").status == 2
    stopped = concordat("jobs", "stop", "first")
    assert stopped.status == 0
    assert "first stopped" in stopped.out
    assert "had ended before" in concordat("jobs", "stop", "first").out
    assert concordat("jobs", "logs", "first").out == "one\ntwo\n"
    assert concordat("jobs", "logs", "first", "--json").json["log"] == "one\ntwo\n"


@pytest.mark.parametrize("command", [("logs",), ("logs", "--follow"), ("stop",), ("wait",)])
def test_a_job_that_is_not_there_is_named(
    command: tuple[str, ...], cluster: FakeCluster, concordat: Callable[..., Said]
) -> None:
    said = concordat("jobs", command[0], "nosuch", *command[1:])
    assert said.status == 2
    assert "http://head:8265 has no job 'nosuch'" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("submit", "--", "bogus"), "'bogus' is no command"),
        (("submit", "--id", "a b", "--", "values", "text"), "--id 'a b' is no job id"),
        (("submit", "--", *NEGOTIATE, "--out", "results"), "--out runs/results"),
        (("submit", "--", *NEGOTIATE, "--out=results"), "--out runs/results"),
        (("submit", "--working-dir", "nosuch", "--", *NEGOTIATE), "is no folder"),
    ],
)
def test_what_cannot_work_is_not_submitted(
    arguments: tuple[str, ...], message: str, cluster: FakeCluster, concordat: Callable[..., Said]
) -> None:
    said = concordat(*arguments)
    assert said.status == 2
    assert message in said.err
    assert not cluster.jobs


@pytest.mark.parametrize("out", ["runs/mine", "/data/mine", "s3://bucket/mine"])
def test_results_that_outlast_the_job_are_accepted(
    out: str, cluster: FakeCluster, concordat: Callable[..., Said]
) -> None:
    assert concordat("submit", "--", *NEGOTIATE, "--out", out).status == 0


def test_an_id_is_given_once(cluster: FakeCluster, concordat: Callable[..., Said]) -> None:
    concordat("submit", "--no-wait", "--id", "first", "--", *NEGOTIATE)
    said = concordat("submit", "--no-wait", "--id", "first", "--", *NEGOTIATE)
    assert said.status == 2
    assert "has a job 'first' already" in said.err


def test_a_runtime_environment_of_a_file_keeps_its_own(
    cluster: FakeCluster, concordat: Callable[..., Said]
) -> None:
    Path("env.yaml").write_text("pip: [tabulate]\nenv_vars: {DEPTH: 3}\n")
    concordat("submit", "--runtime-env", "env.yaml", "--env", "COLOUR=blue", "--", *NEGOTIATE)
    [job] = cluster.jobs.values()
    assert job.runtime_env["pip"] == ["tabulate"]
    assert job.runtime_env["env_vars"]["DEPTH"] == "3"
    assert job.runtime_env["env_vars"]["COLOUR"] == "blue"
    Path("env.yaml").write_text("working_dir: s3://bucket/code.zip\n")
    said = concordat("submit", "--runtime-env", "env.yaml", "--", *NEGOTIATE)
    assert said.status == 2
    assert "--no-working-dir" in said.err


def test_a_cluster_that_just_started_is_waited_for(
    cluster: FakeCluster, concordat: Callable[..., Said]
) -> None:
    cluster.not_ready = 3
    assert concordat("submit", "--", *NEGOTIATE).status == 0
    cluster.not_ready = 1000
    said = concordat("submit", "--", *NEGOTIATE)
    assert said.status == 2
    assert "No available agent" in said.err


def test_no_cluster_at_the_address_is_told(
    concordat: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "")
    said = concordat("jobs", "list", "--address", "127.0.0.1:9", "--json")
    assert said.status == 2
    assert "no Ray dashboard answers at http://127.0.0.1:9" in said.json["error"]["message"]


def test_progress_is_read_from_lines_of_all_commands() -> None:
    assert progress_of("12/1,280 finished, 0 failed, 8 running, 300 tokens/s") == (12, 1280)
    assert progress_of("grpo: step 5/90, loss 0.1") == (5, 90)
    assert progress_of("see 1/2 of it") is None


def test_how_long_a_job_takes_is_told_while_it_runs(cluster: FakeCluster) -> None:
    jobs = Jobs()
    jobs.submit("first", "values text", {})
    assert jobs.get("first").ended is None
    assert Job("a", "PENDING", "").seconds() is None
    for _ in range(3):
        jobs.get("first")
    assert jobs.get("first").seconds() == 42.0
