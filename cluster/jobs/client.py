"""The jobs of one cluster: Ray's own client, with errors in plain words."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.console import FAILED, INTERRUPTED, OK
from negotiation.errors import ConfigurationError, RunError

ADDRESS = "http://127.0.0.1:8265"
"""Where a cluster's dashboard is if nothing else is said: that of a head node on this machine."""

ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"
"""Ray's environment variable for the same."""

ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
"""States of a job that will not change."""

AGENT_TRIES, AGENT_PAUSE_S = 10, 3.0
"""How often a job is offered to a cluster whose nodes are not ready for jobs yet, and the pause before the next time."""

_SIGNALS = 128  # exit statuses of commands that a signal ended, in shells


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the cluster tells of it.

    Attributes:
        id: by which it is found again (Ray's submission id; for a driver without one its job id).
        status: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
        command: what runs, as given to a shell.
        message: what Ray says of the state; empty if nothing.
        began: None before it runs.
        ended: None before it has ended.
        exit_code: of the command; None if it has not ended by itself.
        submitted: whether it came as a job, and not as a program that connected.
    """

    id: str
    status: str
    command: str
    message: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    submitted: bool = True

    @classmethod
    def of(cls, details: Any) -> Job:
        """From Ray's ``JobDetails``."""
        return cls(
            id=details.submission_id or details.job_id or "",
            status=str(details.status.value),
            command=details.entrypoint,
            message=details.message or "",
            began=_moment(details.start_time),
            ended=_moment(details.end_time),
            exit_code=details.driver_exit_code,
            submitted=details.submission_id is not None,
        )

    @property
    def has_ended(self) -> bool:
        """Whether its state will not change."""
        return self.status in ENDED

    @property
    def exit_status(self) -> int | None:
        """That of the command, as a shell tells it; None before the end.

        A job that was stopped has that of Ctrl-C, one that never came to run has 1.

        >>> Job("a", "FAILED", "", exit_code=-9).exit_status, Job("a", "STOPPED", "").exit_status
        (137, 130)
        """
        if not self.has_ended:
            return None
        if self.status == "STOPPED":
            return INTERRUPTED
        if self.exit_code is None:
            return OK if self.status == "SUCCEEDED" else FAILED
        return self.exit_code if self.exit_code >= 0 else _SIGNALS - self.exit_code

    def seconds(self, now: datetime | None = None) -> float | None:
        """How long it has run; None before it runs."""
        if self.began is None:
            return None
        return ((self.ended or now or datetime.now(UTC)) - self.began).total_seconds()

    def tree(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "id": self.id,
            "status": self.status,
            "exit_status": self.exit_status,
            "command": self.command,
            "message": self.message,
            "began": self.began.isoformat(timespec="seconds") if self.began else None,
            "ended": self.ended.isoformat(timespec="seconds") if self.ended else None,
            "seconds": self.seconds(),
        }


def _moment(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def dashboard_address(given: str | None) -> str:
    """The address of a cluster's dashboard: as given, else from the environment, else that of this machine.

    >>> dashboard_address("head:8265")
    'http://head:8265'
    """
    address = given or os.environ.get(ADDRESS_VARIABLE) or ADDRESS
    return (address if "://" in address else f"http://{address}").rstrip("/")


class Jobs:
    """The jobs of the cluster at an address.

    Args:
        address: of its dashboard; None for the environment's, or this machine's.

    Raises:
        RunError: if no cluster answers there, or it wants a token.
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = dashboard_address(address)
        os.environ[ADDRESS_VARIABLE] = self.address  # Ray's client puts this over its argument
        if (
            "RAY_AUTH_MODE" not in os.environ
            and {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
        ):
            os.environ["RAY_AUTH_MODE"] = "token"  # Ray reads a token only if told so
        from cluster.ray_environment import prepare_ray

        prepare_ray(self.address)
        with self._plainly():
            from ray.job_submission import JobSubmissionClient

            for name in ("dashboard_sdk", "job.sdk"):  # they tell of each upload and connection
                logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.WARNING)
            self._client: Any = JobSubmissionClient(self.address)

    def submit(self, job: str, command: str, runtime_env: Mapping[str, Any], **options: Any) -> None:
        """Give the cluster a job.

        Args:
            job: id of the new job.
            command: for a shell on the cluster.
            runtime_env: working directory and environment, as Ray knows them.
            options: of Ray's client: what the command itself reserves, metadata.

        Raises:
            ConfigurationError: if there is a job of this id, or Ray refuses the settings.
            RunError: if the cluster does not answer.
        """
        asked = {"entrypoint": command, "submission_id": job, "runtime_env": dict(runtime_env), **options}
        tries = AGENT_TRIES
        with self._plainly(job):
            while True:
                try:
                    self._client.submit_job(**asked)
                    return
                except (ValueError, TypeError) as error:
                    raise ConfigurationError(f"Ray refuses the job's settings: {error}") from error
                except RuntimeError as error:
                    tries -= 1
                    if "No available agent" not in str(error) or not tries:
                        raise
                    time.sleep(AGENT_PAUSE_S)

    def get(self, job: str) -> Job:
        """A job; ``ConfigurationError`` if the cluster has none of this id."""
        with self._plainly(job):
            return Job.of(self._client.get_job_info(job))

    def list(self) -> list[Job]:
        """All jobs that the cluster remembers, the latest first."""
        with self._plainly():
            jobs = [Job.of(details) for details in self._client.list_jobs()]
        oldest = datetime.fromtimestamp(0, UTC)
        return sorted(jobs, key=lambda job: job.began or oldest, reverse=True)

    def stop(self, job: str) -> bool:
        """Ask a job to stop; whether it was running."""
        with self._plainly(job):
            return bool(self._client.stop_job(job))

    def log(self, job: str) -> str:
        """What a job has written so far; ``ConfigurationError`` if the cluster has none of this id."""
        with self._plainly(job):
            return str(self._client.get_job_logs(job))

    async def tail(self, job: str) -> AsyncIterator[str]:
        """Pieces of a job's log from its beginning, until the job has ended.

        Raises:
            ConfigurationError: if the cluster has no job of this id.
            RunError: if the connection broke.
        """
        self.get(job)  # its error is a plain one
        with self._plainly(job):
            async for piece in self._client.tail_job_logs(job):
                yield piece

    @contextmanager
    def _plainly(self, job: str = "") -> Iterator[None]:
        """Whatever Ray's client raises in a block, in plain words."""
        import aiohttp
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            raise RunError(
                f"the cluster at {self.address} wants a token, and none or another one was sent; set RAY_AUTH_MODE=token, with"
                " the cluster's token in ~/.ray/auth_token, RAY_AUTH_TOKEN, or a file that RAY_AUTH_TOKEN_PATH names"
            ) from error
        except (ConnectionError, requests.RequestException, aiohttp.ClientError) as error:
            raise RunError(
                f"no Ray dashboard answers at {self.address} ({_first_line(error)}); give --address"
                " http://HOST:8265 of a running cluster, or start one with 'ray start --head'"
            ) from error
        except RuntimeError as error:
            if isinstance(error, (ConfigurationError, RunError)):
                raise
            raise self._refusal(job, str(error)) from error

    def _refusal(self, job: str, said: str) -> Exception:
        """The error for an answer of the cluster that is no good one."""
        if "status code 404" in said and "does not exist" in said:
            return ConfigurationError(
                f"the cluster at {self.address} has no job {job!r}; 'concordat jobs list' names those it has"
            )
        if "already exists" in said or "already been used" in said:
            return ConfigurationError(
                f"the cluster at {self.address} has a job {job!r} already; choose another --id, or look at that one"
                f" with 'concordat jobs logs {job}'"
            )
        if "Version check" in said or "is running on the cluster" in said:
            return RunError(
                f"{self.address} is not the dashboard of a Ray cluster that takes jobs: {_first_line(said)}"
            )
        return RunError(f"the cluster at {self.address} refused: {_last_line(said)}")


def _first_line(said: object) -> str:
    return next(iter(str(said).strip().splitlines()), type(said).__name__)[:200]


def _last_line(said: str) -> str:
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return lines[-1].strip()[:400] if lines else said


def archive_env(
    archive: Path | None, variables: Mapping[str, str], given: Mapping[str, Any]
) -> dict[str, Any]:
    """A runtime environment: one given in a file, the packed working directory, and environment variables over its own.

    Raises:
        ConfigurationError: if ``given`` names a working directory too.
    """
    if "working_dir" in given and archive is not None:
        raise ConfigurationError(
            "--runtime-env names a working_dir; leave it out there, or add --no-working-dir to have that one used"
        )
    own = given.get("env_vars") or {}
    if not isinstance(own, Mapping):
        raise ConfigurationError("--runtime-env: env_vars are names with values")
    tree = {**given, "env_vars": {**{str(name): str(value) for name, value in own.items()}, **variables}}
    return tree | ({"working_dir": str(archive)} if archive is not None else {})
