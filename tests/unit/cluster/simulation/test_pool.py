"""A pool of replicas: who gets a batch, and what happens when one is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cluster.simulation.pool import Limits, Pool, ReplicaLostError
from negotiation.errors import LostBatchError, ModelError, RunError

LIMITS = Limits(losses=2, call_timeout_s=5.0, start_timeout_s=5.0, pause_s=0.001)


class Fake:
    """Doubles numbers; takes ``seconds`` a batch, and dies of a batch that holds ``poison``."""

    def __init__(
        self, label: str, seconds: float = 0.0, poison: int | None = None, revives: bool = True
    ) -> None:
        self.label, self.seconds, self.poison, self.revives = label, seconds, poison, revives
        self.batches: list[list[int]] = []
        self.dead = False
        self.revived = self.stopped = 0
        self.busy = False
        self.until: Callable[[], bool] = lambda: True

    async def call(self, method: str, batch: Sequence[Any]) -> list[int]:
        assert not self.busy, "one batch at a time"
        self.busy = True
        try:
            self.batches.append(list(batch))
            if self.poison in batch:
                self.dead = True
            if self.dead:
                raise ReplicaLostError(f"{self.label} died")
            if method == "refuse":
                raise ModelError("not that")
            await asyncio.sleep(self.seconds)
            while not self.until():
                await asyncio.sleep(0)
            return [2 * item for item in batch]
        finally:
            self.busy = False

    async def revive(self) -> None:
        if not self.revives:
            raise RuntimeError("no room")
        await asyncio.sleep(0.001)
        self.dead = False
        self.revived += 1

    def stop(self) -> None:
        self.stopped += 1


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


@pytest.mark.parametrize("parts", [1, 2, 3, 9])
def test_answers_come_in_the_order_of_the_batch_however_it_is_split(parts: int) -> None:
    fakes = [Fake("a"), Fake("b")]
    answers = run(Pool("twins", fakes, LIMITS).call("double", [1, 2, 3, 4, 5], parts))
    assert answers == [2, 4, 6, 8, 10]
    sizes = sorted(len(batch) for fake in fakes for batch in fake.batches)
    assert sizes == {1: [5], 2: [2, 3], 3: [1, 2, 2], 9: [1] * 5}[parts]


def test_what_a_part_holds_does_not_depend_on_who_computes_it() -> None:
    quick, slow = [Fake("a"), Fake("b")], [Fake("a", 0.01), Fake("b")]
    for fakes in (quick, slow):
        run(Pool("twins", fakes, LIMITS).call("double", list(range(7)), 4))
    held = [sorted(tuple(batch) for fake in fakes for batch in fake.batches) for fakes in (quick, slow)]
    assert held[0] == held[1] == [(0, 4), (1, 5), (2, 6), (3,)]


def test_a_slow_replica_gets_less() -> None:
    slow, quick = Fake("slow"), Fake("quick")
    slow.until = lambda: len(quick.batches) == 19

    async def many() -> None:
        pool = Pool("uneven", [slow, quick], LIMITS)
        await asyncio.gather(*(pool.call("double", [k]) for k in range(20)))

    run(asyncio.wait_for(many(), 60))
    assert len(slow.batches) == 1


def test_work_goes_round_where_all_are_free() -> None:
    fakes = [Fake("a"), Fake("b"), Fake("c")]

    async def one_by_one() -> None:
        pool = Pool("even", fakes, LIMITS)
        for k in range(9):
            await pool.call("double", [k])

    run(one_by_one())
    assert [len(fake.batches) for fake in fakes] == [3, 3, 3]


def test_a_lost_replica_comes_back_and_its_batch_is_repeated_elsewhere() -> None:
    dead, well = Fake("dead"), Fake("well")
    dead.dead = True
    told: list[tuple[str, str]] = []

    async def thrice() -> list[Any]:
        pool = Pool("two", [dead, well], LIMITS, lambda *what: told.append(what))
        first = await pool.call("double", [1])
        await asyncio.sleep(0.02)
        return [first, *await asyncio.gather(pool.call("double", [2]), pool.call("double", [3]))]

    assert run(thrice()) == [[2], [4], [6]]
    assert told == [("dead", "dead died")]
    assert dead.revived == 1
    assert len(dead.batches) == 2


def test_a_batch_that_kills_every_replica_is_given_up_and_others_are_not() -> None:
    fakes = [Fake("a", poison=7), Fake("b", poison=7)]

    async def both() -> tuple[Any, Any]:
        pool = Pool("two", fakes, LIMITS)
        with pytest.raises(LostBatchError, match=r"a batch of 2 lost 3 actors, the last: . died"):
            await pool.call("double", [7, 8])
        return await pool.call("double", [8]), await pool.call("double", [9])

    assert run(both()) == ([16], [18])
    assert sum(7 in batch for fake in fakes for batch in fake.batches) == 3


def test_one_that_hangs_is_stopped_and_its_batch_goes_to_another() -> None:
    hangs, well = Fake("hangs", 60.0), Fake("well")
    pool = Pool("two", [hangs, well], Limits(2, 0.05, 5.0, 0.001))
    assert run(pool.call("double", [1])) == [2]
    assert (hangs.stopped, well.stopped) == (1, 0)
    assert hangs.batches == well.batches == [[1]]


def test_nobody_waits_for_ever_when_no_replica_comes_back() -> None:
    fakes = [Fake("a", revives=False), Fake("b", revives=False)]
    for fake in fakes:
        fake.dead = True

    async def several() -> list[Any]:
        pool = Pool("gone", fakes, LIMITS)
        return await asyncio.gather(*(pool.call("double", [k]) for k in range(3)), return_exceptions=True)

    found = run(asyncio.wait_for(several(), 5))
    assert all(isinstance(error, RunError) for error in found), found
    assert "no room" in str(found[0])
    assert "--resume" in str(found[0])


def test_errors_of_the_model_arrive_and_the_replica_stays() -> None:
    fake = Fake("a")
    pool = Pool("one", [fake], LIMITS)
    with pytest.raises(ModelError, match="not that"):
        run(pool.call("refuse", [1]))
    assert run(pool.call("double", [1])) == [2]
    assert fake.revived == 0


def test_a_caller_that_gives_up_leaves_the_replica_to_others() -> None:
    fake = Fake("a", 0.02)

    async def impatient() -> Any:
        pool = Pool("one", [fake], LIMITS)
        first = asyncio.ensure_future(pool.call("double", [1]))
        second = asyncio.ensure_future(pool.call("double", [2]))
        await asyncio.sleep(0.005)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        return await pool.call("double", [3])

    assert run(asyncio.wait_for(impatient(), 5)) == [6]


def test_a_replica_known_to_be_away_joins_once_it_is_there() -> None:
    late, well = Fake("late"), Fake("well")

    async def go() -> None:
        pool = Pool("two", [late, well], LIMITS)
        pool.lose(late, "it has not loaded yet")
        for k in range(6):
            await pool.call("double", [k])
            await asyncio.sleep(0.002)

    run(go())
    assert late.revived == 1
    assert late.batches


def test_a_revival_that_an_ended_loop_left_behind_goes_on_in_the_next() -> None:
    fake = Fake("a")
    fake.dead = True
    pool = Pool("one", [fake], Limits(0, 5.0, 5.0, 0.001))
    with pytest.raises(LostBatchError):
        run(pool.call("double", [1]))
    assert run(pool.call("double", [2])) == [4]
