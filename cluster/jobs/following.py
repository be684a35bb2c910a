"""A job's log as it grows, and how far the job is, for a terminal or for a log file."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from cluster.jobs.client import Job, Jobs
from negotiation.errors import RunError

if TYPE_CHECKING:
    from rich.console import Console

POLL_S = 1.0
"""How often a job's state is asked for."""

RECONNECTS, PAUSE_S = 5, 2.0
"""How often in a row a lost connection is made again, and the pause before."""

_PROGRESS = re.compile(r"(\d[\d,]*)/(\d[\d,]*) (?:finished|done|items|negotiations)|step (\d+)/(\d+)")


def progress_of(line: str) -> tuple[int, int] | None:
    """How far a line of a log says that a command is, as (done, of); None if it says nothing of it.

    >>> progress_of("12/1,280 finished, 0 failed, 8 running"), progress_of("grpo: step 5/90, loss 0.1"), progress_of("a/b")
    ((12, 1280), (5, 90), None)
    """
    found = _PROGRESS.search(line)
    if found is None:
        return None
    done, total = (int(text.replace(",", "")) for text in found.groups() if text is not None)
    return done, total


class Follower(Protocol):
    """Shows a job to a person."""

    def line(self, text: str) -> None:
        """A line of its log."""

    def state(self, job: Job) -> None:
        """Its state, now and then."""

    def stop(self) -> None:
        """Nothing more will come."""


class PlainFollower:
    """The log as it is, and a line of its own for each change of state."""

    def __init__(self, out: Console, side: Console) -> None:
        self._out, self._side, self._status = out, side, ""

    def line(self, text: str) -> None:
        """Write it."""
        self._out.print(text, markup=False, highlight=False, soft_wrap=True)

    def state(self, job: Job) -> None:
        """Say it, if it is another one than before."""
        if job.status != self._status:
            self._status = job.status
            self._side.print(f"{job.id}: {job.status.lower()}", markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Nothing."""


class LiveFollower:
    """The log, and under it a bar with the job's state, which goes when the job ends."""

    def __init__(self, out: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress: Any = Progress(*columns, console=out, transient=True)
        self._task = self._progress.add_task("pending", total=None)
        self._progress.start()

    def line(self, text: str) -> None:
        """Write it above the bar; if it tells of progress, move the bar."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        told = progress_of(text)
        if told is not None:
            self._progress.update(self._task, completed=told[0], total=told[1])

    def state(self, job: Job) -> None:
        """Show it beside the bar."""
        self._progress.update(self._task, description=f"{job.id} {job.status.lower()}")

    def stop(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def make_follower(out: Console, side: Console) -> Follower:
    """The one that fits: live on a terminal, lines elsewhere."""
    return LiveFollower(out) if out.is_terminal else PlainFollower(out, side)


class _Lines:
    """Whole lines out of pieces of a log, and the last few of them.

    After a reconnection the log comes from its beginning again; what was seen is passed over.
    """

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._rest, self._seen, self._skip = "", 0, 0
        self.last: deque[str] = deque(maxlen=30)

    def again(self) -> None:
        self._skip = self._seen

    def add(self, piece: str) -> None:
        fresh = piece[self._skip :]
        self._skip = max(0, self._skip - len(piece))
        self._seen += len(fresh)
        *whole, self._rest = (self._rest + fresh).split("\n")
        for line in whole:
            self._say(line)

    def end(self) -> None:
        if self._rest:
            self._say(self._rest)
            self._rest = ""

    def _say(self, line: str) -> None:
        shown = line.rstrip("\r").rpartition("\r")[2]  # of a bar drawn in place, what it came to
        self.last.append(shown)
        self._follower.line(shown)


def follow(jobs: Jobs, job: str, follower: Follower) -> tuple[Job, list[str]]:
    """Show a job's log until the job has ended.

    Returns:
        The job at its end, and the last lines of its log.

    Raises:
        ConfigurationError: if the cluster has no such job.
        RunError: if the cluster cannot be reached any more.
        KeyboardInterrupt: on Ctrl-C; the job is left alone.
    """
    lines = _Lines(follower)
    try:
        ended = asyncio.run(_follow(jobs, job, follower, lines))
        lines.end()
    finally:
        follower.stop()
    return ended, list(lines.last)


async def _follow(jobs: Jobs, job: str, follower: Follower, lines: _Lines) -> Job:
    watching = asyncio.ensure_future(_watch(jobs, job, follower))
    try:
        left = RECONNECTS
        while True:
            try:
                async for piece in jobs.tail(job):
                    left = RECONNECTS
                    lines.add(piece)
                if (await asyncio.to_thread(jobs.get, job)).has_ended:
                    break
            except RunError:
                left -= 1
                if left < 0:
                    raise
            lines.again()  # a proxy closed it, or it broke
            await asyncio.sleep(PAUSE_S)
        return await watching
    finally:
        watching.cancel()


async def _watch(jobs: Jobs, job: str, follower: Follower) -> Job:
    """Ask for the job's state until it has ended."""
    left = RECONNECTS
    while True:
        try:
            now = await asyncio.to_thread(jobs.get, job)
        except RunError:
            left -= 1
            if left < 0:
                raise
        else:
            left = RECONNECTS
            follower.state(now)
            if now.has_ended:
                return now
        await asyncio.sleep(POLL_S)


def wait(jobs: Jobs, job: str, timeout_s: float | None = None) -> Job:
    """Wait for a job's end.

    Raises:
        ConfigurationError: if the cluster has no such job.
        RunError: if it has not ended in time.
    """
    end = None if timeout_s is None else time.monotonic() + timeout_s
    while not (now := jobs.get(job)).has_ended:
        if end is not None and time.monotonic() >= end:
            raise RunError(
                f"job {job!r} is {now.status.lower()} after {timeout_s:g} s; wait longer with --timeout, or stop it with"
                f" 'concordat jobs stop {job}'"
            )
        time.sleep(POLL_S)
    return now
