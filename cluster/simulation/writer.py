"""Finished negotiations go to the run folder in threads, so that others go on while a disk is waited for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from cluster.plan import PlannedNegotiation
from cluster.policy import consensus_policy
from cluster.runfolder import RunFolder
from cluster.summary import DialogueRow, Row
from negotiation.dialogue import DialogueRecord
from negotiation.outcome import Method
from negotiation.record import NegotiationRecord

MOST_WAITING = 64
"""Records that may wait to be written; then nothing goes on until one is."""

THREADS = 4
"""Each mostly waits for the disk."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A negotiation by a method that has come to its end.

    Attributes:
        planned: which.
        method: by which.
        record: what came of it.
        replies: of models to it.
        malformed: how many of these were thrown away.
    """

    planned: PlannedNegotiation
    method: Method
    record: NegotiationRecord | DialogueRecord
    replies: int
    malformed: int


class Writer:
    """Writes records of one run.

    Args:
        folder: of the run.
        told: of each record in the event loop: its row once it is there, or why it is not.
    """

    def __init__(
        self, folder: RunFolder, told: Callable[[Finished, Row | DialogueRow | Exception], None]
    ) -> None:
        self._folder = folder
        self._told = told
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="records")
        self._waiting: deque[Future[None]] = deque()

    def put(self, finished: Finished) -> None:
        """Have a record written; waits if too many wait already."""
        while self._waiting and (len(self._waiting) >= MOST_WAITING or self._waiting[0].done()):
            wait([self._waiting.popleft()])
        loop = asyncio.get_running_loop()
        self._waiting.append(self._threads.submit(self._write, finished, loop))

    async def drain(self) -> None:
        """Return once all that was put is written, and told of."""
        waiting, self._waiting = self._waiting, deque()
        await asyncio.gather(*map(asyncio.wrap_future, waiting))

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=True)

    def _write(self, finished: Finished, loop: asyncio.AbstractEventLoop) -> None:
        try:
            came: Row | DialogueRow | Exception = self._written(finished)
        except Exception as error:
            came = error
        loop.call_soon_threadsafe(self._told, finished, came)

    def _written(self, finished: Finished) -> Row | DialogueRow:
        record = finished.record
        digest = record.digest()
        if isinstance(record, DialogueRecord):
            self._folder.write_dialogue(record, digest)
            return DialogueRow.of(record, digest)
        self._folder.write_policy(finished.planned.id, consensus_policy(record, digest))
        self._folder.write_record(record, digest)  # last: a negotiation is finished once its record is there
        return Row.of(record, digest)
