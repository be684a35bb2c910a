from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from cluster.serving.batcher import Batcher
from negotiation.errors import ConfigurationError


class Recorder:
    """Doubles numbers; remembers its batches, and computes only when it is let."""

    def __init__(self, open: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        if open:
            self.gate.set()

    def __call__(self, items: list[int]) -> Sequence[int | Exception]:
        with self._lock:
            self.batches.append(items)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.gate.wait(10)
        with self._lock:
            self.at_once -= 1
        return [ValueError(item) if item < 0 else 2 * item for item in items]


async def until(condition: object) -> None:
    for _ in range(1000):
        if condition():  # type: ignore[operator]
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


def test_what_comes_while_a_batch_is_computed_goes_together() -> None:
    async def play() -> None:
        recorder = Recorder(open=False)
        batcher: Batcher[int, int] = Batcher(recorder, size=4, wait_s=0.0)
        first = asyncio.create_task(batcher(1))
        await until(lambda: recorder.batches)
        others = [asyncio.create_task(batcher(k)) for k in range(2, 8)]
        await until(lambda: batcher.waiting == 6)
        recorder.gate.set()
        assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10, 12, 14]
        assert recorder.batches == [[1], [2, 3, 4, 5], [6, 7]]

    asyncio.run(play())


def test_the_first_waits_for_others_when_nothing_is_computed() -> None:
    async def play() -> None:
        recorder = Recorder()
        batcher: Batcher[int, int] = Batcher(recorder, size=4, wait_s=0.05)
        assert await asyncio.gather(batcher(1), batcher(2)) == [2, 4]
        assert recorder.batches == [[1, 2]]

    asyncio.run(play())


def test_one_whose_caller_has_left_is_left_out() -> None:
    async def play() -> None:
        recorder = Recorder(open=False)
        batcher: Batcher[int, int] = Batcher(recorder, size=4, wait_s=0.0)
        first = asyncio.create_task(batcher(1))
        await until(lambda: recorder.batches)
        leaving, staying = asyncio.create_task(batcher(2)), asyncio.create_task(batcher(3))
        await until(lambda: batcher.waiting == 2)
        leaving.cancel()
        first.cancel()  # its batch is under way, and nobody waits for it any more
        await asyncio.sleep(0)
        recorder.gate.set()
        assert await staying == 6
        assert recorder.batches == [[1], [3]]

    asyncio.run(play())


def test_an_error_reaches_whom_it_belongs_to_and_a_broken_batch_everybody() -> None:
    def breaks(items: list[int]) -> Sequence[int | Exception]:
        raise KeyError("broken")

    async def play() -> None:
        found = await asyncio.gather(
            *(Batcher(Recorder(), 4, 0.01)(k) for k in (1, -1)), return_exceptions=True
        )
        assert found[0] == 2
        assert isinstance(found[1], ValueError)
        batcher: Batcher[int, int] = Batcher(breaks, 4, 0.01)
        broken = await asyncio.gather(batcher(1), batcher(2), return_exceptions=True)
        assert all(isinstance(error, KeyError) for error in broken)
        with pytest.raises(KeyError):  # and the next batch is tried again
            await batcher(3)

    asyncio.run(play())


def test_batches_side_by_side_and_sizes_of_items() -> None:
    async def play() -> None:
        recorder = Recorder(open=False)
        batcher: Batcher[int, int] = Batcher(recorder, 10, 0.0, side_by_side=2, size_of=lambda item: item)
        tasks = [asyncio.create_task(batcher(k)) for k in (6, 3, 4, 20, 1)]
        await until(lambda: len(recorder.batches) == 2)
        await asyncio.sleep(0.02)
        assert recorder.batches == [[6, 3], [4]]  # 20 is more than there is room for, and goes alone
        recorder.gate.set()
        assert await asyncio.gather(*tasks) == [12, 6, 8, 40, 2]
        assert recorder.batches[2:] == [[20], [1]]
        assert recorder.most_at_once == 2

    asyncio.run(play())


def test_wrong_bounds_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        Batcher(Recorder(), size=0, wait_s=0.0)
