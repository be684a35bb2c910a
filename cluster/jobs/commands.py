"""What ``concordat submit`` and ``concordat jobs`` do."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cluster import __version__
from cluster.console import INTERRUPTED, OK, Output
from cluster.jobs.client import Job, Jobs, archive_env, dashboard_address
from cluster.jobs.entry import RUNS, RUNS_VARIABLE
from cluster.jobs.following import follow, make_follower, wait
from cluster.jobs.packing import WorkingDirectory
from cluster.settings import ENVIRONMENT_PREFIX, NO_SETTINGS, read_yaml
from negotiation.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.table import Table

WRITTEN = ("--out", "--work", "--material")
"""Flags that name what a command writes."""

STOP_WAIT_S = 30
"""How long a stopped job may take to close its run folder; Ray would allow 3 seconds."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Submission:
    """What ``concordat submit`` is given.

    Attributes:
        command: of Concordat, by words.
        address: of the cluster's dashboard.
        id: of the job; None for one made up.
        wait: follow the job to its end.
        working_dir: goes along; None for none.
        excludes: patterns of what is left out of it.
        max_mb: most megabytes of it.
        python: interpreter on the cluster; None for this one if the cluster is on this machine, else ``python``.
        runs: folder on the cluster that ``runs/`` of the command leads to.
        env: NAME=VALUE, or NAME with the value it has here.
        runtime_env: a file with further settings for Ray's runtime environment.
        cpus: that the command itself reserves.
        gpus: that the command itself reserves.
    """

    command: tuple[str, ...]
    address: str | None = None
    id: str | None = None
    wait: bool = True
    working_dir: Path | None = Path(".")
    excludes: tuple[str, ...] = ()
    max_mb: float = 100.0
    python: str | None = None
    runs: str = RUNS
    env: tuple[str, ...] = ()
    runtime_env: Path | None = None
    cpus: float | None = None
    gpus: float | None = None


def submit(asked: Submission, output: Output) -> int:
    """Give a cluster a command as a job and, if so asked, follow it; returns the job's exit status."""
    check_command(asked.command)
    job = _job_id(asked)
    variables = job_variables(asked)
    given = read_yaml(asked.runtime_env) if asked.runtime_env is not None else {}
    side = output.side_console
    with tempfile.TemporaryDirectory() as scratch:
        archive: Path | None = None
        if asked.working_dir is not None:
            archive = Path(scratch) / "working_dir.zip"
            folder = WorkingDirectory(asked.working_dir.expanduser().resolve(), asked.excludes, asked.max_mb)
            members = folder.pack(archive)
            size = sum(member.size for member in members) / 1e6
            _say(side, f"working directory {folder.path}: {len(members):,} files, {size:,.1f} MB")
            archive = archive if members else None
        jobs = Jobs(asked.address)
        jobs.submit(
            job,
            entrypoint(asked),
            archive_env(archive, variables, given),
            metadata={
                "job_name": f"concordat {asked.command[0]}",  # shown by Ray's dashboard
                "concordat": __version__,
                "command": shlex.join(asked.command)[:500],
            },
            entrypoint_num_cpus=asked.cpus,
            entrypoint_num_gpus=asked.gpus,
        )
    _say(side, f"submitted {job} to {jobs.address}; its runs/ is {asked.runs} there")
    if asked.wait:
        return _follow(jobs, job, output)
    if output.as_json:
        output.result({"id": job, "address": jobs.address, "status": "PENDING", "exit_status": None})
    else:
        print(job)
    return OK


def check_command(command: Sequence[str]) -> None:
    """Refuse what would fail on the cluster for certain, or lose its results there.

    Raises:
        ConfigurationError: if the command is unknown, or writes to a folder that goes away with the job.
    """
    from typer.main import get_command

    from cluster.cli import app

    known = getattr(get_command(app), "commands", {})
    if not command or command[0] not in known:
        raise ConfigurationError(
            f"{command[0] if command else 'nothing'!r} is no command of Concordat; write it after --, e.g."
            " concordat submit --address http://HOST:8265 -- negotiate --cultures A B --topics examples"
        )
    words = [part for word in command for part in word.split("=", 1)]
    for flag, value in itertools.pairwise(words):
        path = PurePosixPath(value)
        if flag in WRITTEN and "://" not in value and not path.is_absolute() and path.parts[:1] != ("runs",):
            raise ConfigurationError(
                f"{flag} {value} would be lost, since a job's own folder goes away with it; write {flag} runs/{value}"
                " (kept on the cluster, see --runs), an absolute path there, or a URI"
            )


def job_variables(asked: Submission) -> dict[str, str]:
    """Environment variables of the job: Concordat's settings as they are here, and those asked for.

    Raises:
        ConfigurationError: if one asked for has no value here.
    """
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(ENVIRONMENT_PREFIX) and name not in NO_SETTINGS
    }
    for text in asked.env:
        name, sign, value = text.partition("=")
        if not sign:
            if name not in os.environ:
                raise ConfigurationError(f"--env {name} has no value here; write --env {name}=VALUE")
            value = os.environ[name]
        variables[name] = value
    own = {RUNS_VARIABLE: asked.runs, "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}
    return own | variables


def entrypoint(asked: Submission) -> str:
    """The job's command for a shell on the cluster.

    >>> entrypoint(Submission(("values", "a b"), python="/opt/venv/bin/python"))
    "/opt/venv/bin/python -m cluster.jobs.entry values 'a b'"
    """
    python = asked.python
    if python is None:
        here = urlsplit(dashboard_address(asked.address)).hostname in _HERE
        python = sys.executable if here else "python"
    return shlex.join([python, "-m", "cluster.jobs.entry", *asked.command])


def _job_id(asked: Submission) -> str:
    """As asked for, or one that says what runs since when."""
    if asked.id is None:
        return f"{asked.command[0]}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    if not _ID.fullmatch(asked.id):
        raise ConfigurationError(
            f"--id {asked.id!r} is no job id; use up to 100 letters, digits, '.', '_' and '-'"
        )
    return asked.id


def _follow(jobs: Jobs, job: str, output: Output) -> int:
    """Show a job to its end; Ctrl-C leaves it alone."""
    side = output.side_console
    out = side if output.as_json else output.table_console
    try:
        ended, lines = follow(jobs, job, make_follower(out, side))
    except KeyboardInterrupt:
        at = f"--address {jobs.address}"
        _say(side, f"detached; {job} goes on. Come back: concordat jobs logs {job} --follow {at}")
        _say(side, f"Stop it: concordat jobs stop {job} {at}")
        if output.as_json:
            output.result({"id": job, "address": jobs.address, "status": "DETACHED", "exit_status": None})
        return INTERRUPTED
    return _told(ended, jobs, lines, output)


def _told(job: Job, jobs: Jobs, lines: Sequence[str], output: Output) -> int:
    """Say how a job ended; its exit status."""
    side, status = output.side_console, job.exit_status
    assert status is not None
    if status != OK:
        _say(
            side, f"concordat: job {job.id} {job.status.lower()} with exit status {status}{_hint(job, lines)}"
        )
    if output.as_json:
        output.result({"address": jobs.address, **job.tree()})
    return status


def _hint(job: Job, lines: Sequence[str]) -> str:
    """What to do about an end that the log alone does not explain; empty if it does."""
    said = "\n".join(lines) + job.message
    if (
        job.exit_code in (126, 127)
        or "No module named 'cluster'" in said
        or "No module named cluster" in said
    ):
        return (
            f"; {shlex.split(job.command)[0]} on the cluster has no Concordat: name the interpreter that has it with"
            " --python /path/to/python"
        )
    if job.exit_code is None and job.status == "FAILED":
        return f"; the command did not run: {job.message.strip()[-400:]}"
    return ""


def list_jobs(address: str | None, everything: bool, output: Output) -> int:
    """Name the cluster's jobs."""
    jobs = [job for job in Jobs(address).list() if everything or job.submitted]
    if output.as_json:
        output.result({"jobs": [job.tree() for job in jobs]})
        return OK
    output.table_console.print(jobs_table(jobs, width=None if sys.stdout.isatty() else 200))
    return OK


def jobs_table(jobs: Sequence[Job], width: int | None = None) -> Table:
    """Jobs for people, one a row; the command is cut to the width that is left."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, width=width)
    for heading in ("job", "state", "exit", "began (UTC)", "took"):
        table.add_column(heading, no_wrap=True)
    table.add_column("command", no_wrap=True, overflow="ellipsis", ratio=1)
    for job in jobs:
        took = job.seconds()
        table.add_row(
            Text(job.id),
            job.status.lower(),
            "" if job.exit_status is None else str(job.exit_status),
            f"{job.began:%m-%d %H:%M:%S}" if job.began else "",
            "" if took is None else f"{took:,.0f} s",
            Text(job.command.partition("cluster.jobs.entry ")[2] or job.command),
        )
    return table


def show_log(job: str, address: str | None, follows: bool, output: Output) -> int:
    """Print a job's log; when following, to its end, with its exit status."""
    jobs = Jobs(address)
    if follows:
        return _follow(jobs, job, output)
    log = jobs.log(job)
    if output.as_json:
        output.result({"log": log, **jobs.get(job).tree()})
    else:
        sys.stdout.write(log)
    return OK


def stop_job(job: str, address: str | None, output: Output) -> int:
    """Stop a job and wait until it has ended."""
    jobs = Jobs(address)
    stopped = jobs.stop(job)
    ended = wait(jobs, job, STOP_WAIT_S + 15.0)
    if output.as_json:
        output.result({"was_running": stopped, **ended.tree()})
    else:
        said = "stopped" if stopped else f"had ended before: {ended.status.lower()}"
        output.table_console.print(f"{job} {said}", markup=False, highlight=False, soft_wrap=True)
    return OK


def wait_for_job(job: str, address: str | None, timeout_s: float | None, output: Output) -> int:
    """Wait for a job's end; its exit status."""
    jobs = Jobs(address)
    return _told(wait(jobs, job, timeout_s), jobs, (), output)


def _say(console: Any, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
