"""A stand-in for Ray's job client: jobs that end after some looks at them, with a log that can break off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from ray.job_submission import JobDetails, JobStatus, JobType


@dataclass
class FakeJob:
    """A job as the fake cluster keeps it."""

    entrypoint: str
    runtime_env: dict[str, Any]
    options: dict[str, Any]
    log: str = ""
    end: JobStatus = JobStatus.SUCCEEDED
    exit_code: int | None = 0
    message: str = ""
    looks: int = 3
    status: JobStatus = JobStatus.PENDING


@dataclass
class FakeCluster:
    """Knows jobs; the attributes are what jobs that are submitted come to."""

    log: str = "one\ntwo\n"
    end: JobStatus = JobStatus.SUCCEEDED
    exit_code: int | None = 0
    message: str = ""
    looks: int = 3
    breaks: int = 0
    closes: int = 0
    tails: int = 0
    goes_away: bool = False
    not_ready: int = 0
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    packed: dict[str, bytes] = field(default_factory=dict)

    def client(self, address: str, **_: Any) -> FakeClient:
        """In the place of ``JobSubmissionClient``."""
        return FakeClient(self, address)


@dataclass
class FakeClient:
    """One connection to it."""

    cluster: FakeCluster
    address: str

    def submit_job(
        self, *, entrypoint: str, submission_id: str, runtime_env: dict[str, Any], **options: Any
    ) -> str:
        if self.cluster.not_ready:
            self.cluster.not_ready -= 1
            raise RuntimeError("Request failed with status code 500: No available agent to submit job")
        if submission_id in self.cluster.jobs:
            raise RuntimeError(
                f"Request failed with status code 500: Job with submission_id {submission_id} already exists."
            )
        if "working_dir" in runtime_env:
            with open(runtime_env["working_dir"], "rb") as file:
                self.cluster.packed[submission_id] = file.read()
        told = self.cluster
        self.cluster.jobs[submission_id] = FakeJob(
            entrypoint, runtime_env, options, told.log, told.end, told.exit_code, told.message, told.looks
        )
        return submission_id

    def _job(self, job: str) -> FakeJob:
        if self.cluster.tails and self.cluster.goes_away:
            raise ConnectionError("connection refused")
        if job not in self.cluster.jobs:
            raise RuntimeError(f"Request failed with status code 404: Job {job} does not exist.")
        return self.cluster.jobs[job]

    def get_job_info(self, job: str) -> JobDetails:
        kept = self._job(job)
        kept.looks -= 1
        if kept.looks <= 0 and kept.status is not JobStatus.STOPPED:
            kept.status = kept.end
        elif kept.looks > 0:
            kept.status = JobStatus.RUNNING
        ended = kept.status.is_terminal()
        return JobDetails(
            type=JobType.SUBMISSION,
            submission_id=job,
            status=kept.status,
            entrypoint=kept.entrypoint,
            message=kept.message,
            start_time=1_795_598_000_000,
            end_time=1_795_598_042_000 if ended else None,
            driver_exit_code=kept.exit_code if ended else None,
        )

    def list_jobs(self) -> list[JobDetails]:
        connected = JobDetails(
            type=JobType.DRIVER, job_id="01000000", status=JobStatus.RUNNING, entrypoint="python mine.py"
        )
        return [connected, *(self.get_job_info(job) for job in self.cluster.jobs)]

    def stop_job(self, job: str) -> bool:
        kept = self._job(job)
        was = not kept.status.is_terminal()
        if was:
            kept.status, kept.looks = JobStatus.STOPPED, 0
        return was

    def get_job_logs(self, job: str) -> str:
        return self._job(job).log

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        """All of the log in pieces of four characters; the first connections break or close after two of them."""
        self.cluster.tails += 1
        if self.cluster.goes_away:
            raise ConnectionError("connection refused")
        log = self._job(job).log
        for begin in range(0, len(log), 4):
            if begin >= 8 and self.cluster.breaks:
                self.cluster.breaks -= 1
                raise RuntimeError("WebSocket connection closed unexpectedly with close code 1006")
            if begin >= 8 and self.cluster.closes:
                self.cluster.closes -= 1
                return
            yield log[begin : begin + 4]
