"""Puts requests that wait together into batches.

``serve.batch`` of Ray closes a batch a fixed time after its first request, whether the model is free or not, so that under load
many small batches stand in line. Here what comes while a batch is computed goes together into the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from negotiation.errors import ConfigurationError

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T, R]):
    """One that waits for its batch."""

    item: T
    size: int
    answer: asyncio.Future[R]


class Batcher(Generic[T, R]):
    """Computes batches in a thread, one after the other, or some side by side.

    Args:
        compute: from items to as many results or errors, in order; runs in a thread.
        size: most of a batch, in the units of ``size_of``; an item that is larger goes alone.
        wait_s: how long the first of a batch waits for others when nothing is being computed.
        side_by_side: batches at once; more than one for work that waits elsewhere.
        size_of: how much an item counts.
        told: called after each batch with its items' number and its seconds.
    """

    def __init__(
        self,
        compute: Callable[[list[T]], Sequence[R | Exception]],
        size: int,
        wait_s: float,
        side_by_side: int = 1,
        size_of: Callable[[T], int] = lambda _: 1,
        told: Callable[[int, float], None] = lambda count, seconds: None,
    ) -> None:
        if size < 1 or side_by_side < 1:
            raise ConfigurationError(f"size is {size} and side_by_side {side_by_side}; both are at least 1")
        self._compute, self._size, self._wait_s = compute, size, wait_s
        self._size_of, self._told = size_of, told
        self._free = side_by_side
        self._side_by_side = side_by_side
        self._queue: deque[_Waiting[T, R]] = deque()
        self._threads = ThreadPoolExecutor(side_by_side, thread_name_prefix="batch")
        self._gathering: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Items that are in no batch yet."""
        return len(self._queue)

    async def __call__(self, item: T) -> R:
        """The result for an item; if the caller is cancelled before its batch begins, it is left out."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(item, self._size_of(item), answer))
        self._gather()
        return await answer

    def _gather(self) -> None:
        """See to it that what waits is put into a batch, if one may begin."""
        if self._queue and self._free and self._gathering is None:
            idle = self._free == self._side_by_side
            self._gathering = asyncio.get_running_loop().create_task(self._begin(idle))

    async def _begin(self, idle: bool) -> None:
        if idle and self._wait_s:
            await asyncio.sleep(self._wait_s)
        self._gathering = None
        batch: list[_Waiting[T, R]] = []
        room = self._size
        while self._queue and (not batch or self._queue[0].size <= room):
            waiting = self._queue.popleft()
            if not waiting.answer.done():  # else its caller has left
                batch.append(waiting)
                room -= waiting.size
        if not batch:
            return
        self._free -= 1
        running = asyncio.get_running_loop().create_task(self._run(batch))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        self._gather()

    async def _run(self, batch: list[_Waiting[T, R]]) -> None:
        began = time.perf_counter()
        outcomes: Sequence[R | Exception]
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._compute, [waiting.item for waiting in batch]
            )
        except Exception as error:
            outcomes = [error for _ in batch]
        finally:
            self._free += 1
        self._told(len(batch), time.perf_counter() - began)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(outcome, Exception):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)
        self._gather()
