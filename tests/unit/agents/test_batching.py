"""The lockstep batcher: same batches and results whatever the timing, failures kept to whom they concern."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.batching import LocalBackend, LockstepBatcher, Session, Tick
from agents.models import Generation, GenerationRequest, Message, Score, ScoringRequest
from negotiation.errors import (
    ConcordatError,
    ConfigurationError,
    EmbeddingError,
    ModelError,
    ModelServerError,
)

Job = tuple[str, Callable[[Session], Awaitable[Any]]]


def ask(text: str, seed: int = 0) -> GenerationRequest:
    return GenerationRequest((Message("user", text),), 8, 1.0, 1.0, seed)


def said(request: GenerationRequest | ScoringRequest) -> str:
    return request.messages[0].content


class FakeBackend:
    """Answers with what it was asked, after delays that depend on ``delays`` alone."""

    def __init__(self, delays: np.random.Generator | None = None) -> None:
        self.batches: list[tuple[str, str, tuple[str, ...]]] = []
        self.delays = delays
        self.refused: dict[str, Exception] = {}
        self.broken: dict[str, Exception] = {}
        self.running = 0
        self.most_running = 0

    async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
        await self._work("generate", model, [said(request) for request in requests])
        return [Generation(f"{model}:{said(r)}:{r.seed}", 1, 1, "stop", 0.0) for r in requests]

    async def score(self, model: str, requests: list[ScoringRequest]) -> list[Score]:
        await self._work("score", model, [request.text for request in requests])
        return [Score.of([-float(len(request.text))]) for request in requests]

    async def embed(self, texts: list[str]) -> NDArray[np.float64]:
        await self._work("embed", "", texts)
        return np.array([[float(len(text)), 1.0] for text in texts])

    async def _work(self, kind: str, model: str, texts: Sequence[str]) -> None:
        self.batches.append((kind, model, tuple(texts)))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            delay = 0.0 if self.delays is None else float(self.delays.choice([0.0, 0.0, 0.001, 0.004]))
            await asyncio.sleep(delay)
            if model in self.broken:
                raise self.broken[model]
            for text in texts:
                if text in self.refused:
                    raise self.refused[text]
        finally:
            self.running -= 1


def run(
    backend: Any, jobs: Sequence[Job], max_active: int = 4, on_tick: Callable[[Tick], None] | None = None
) -> list[tuple[str, Any]]:
    done: list[tuple[str, Any]] = []
    batcher: LockstepBatcher[Any] = LockstepBatcher(backend, max_active, on_tick)
    asyncio.run(batcher.run(jobs, lambda key, outcome: done.append((key, outcome))))
    return done


def negotiation(steps: int, delays: np.random.Generator | None = None) -> Callable[[Session], Awaitable[str]]:
    """Two players who speak side by side, at several depths, and a number of rounds that differs by job."""

    async def pause() -> None:
        for _ in range(0 if delays is None else int(delays.integers(0, 4))):
            await asyncio.sleep(0)
        if delays is not None and delays.random() < 0.2:
            await asyncio.sleep(0.001)
        if delays is not None and delays.random() < 0.1:
            await asyncio.to_thread(time.sleep, 0.001)

    async def player(session: Session, name: str, step: int) -> str:
        [first] = await session.generate(name, [ask(f"{session.key} {name} {step}", step)])
        if (step + len(name)) % 2:
            # One side retries while the other has what it needs.
            [first] = await session.generate(name, [ask(f"{session.key} {name} {step} again", step)])
        return first.text

    async def deep(session: Session, name: str, step: int, depth: int) -> str:
        if depth == 0:
            return await player(session, name, step)
        [text] = await asyncio.gather(deep(session, name, step, depth - 1))
        return text

    async def job(session: Session) -> str:
        texts: list[str] = []
        for step in range(steps):
            await pause()  # all branches wait here, so time may pass
            texts += await asyncio.gather(
                player(session, "east", step), deep(session, "west", step, step % 5)
            )
            await session.embed(texts[-2:])
        [score] = await session.score("east", [ScoringRequest((Message("user", "?"),), texts[-1])])
        return "|".join(texts) + f" {score.logprob}"

    return job


def plan(count: int, delays: np.random.Generator | None = None) -> list[Job]:
    return [(f"job{n}", negotiation(1 + n * 7 % 4, delays)) for n in range(count)]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), max_active=st.sampled_from([1, 2, 3, 5, 9]))
def test_batches_and_results_do_not_depend_on_time(seed: int, max_active: int) -> None:
    calm = FakeBackend()
    expected = run(calm, plan(7), max_active)
    rng = np.random.default_rng(seed)
    wild = FakeBackend(rng)
    assert run(wild, plan(7, rng), max_active) == expected
    # Batches of one tick begin in a fixed order too.
    assert wild.batches == calm.batches


def test_results_do_not_depend_on_company() -> None:
    together = dict(run(FakeBackend(), plan(6), 6))
    alone = dict(run(FakeBackend(), plan(6), 1))
    assert together == alone
    assert len(together) == 6


def test_calls_join_in_plan_order_and_models_go_out_together() -> None:
    async def job(session: Session) -> None:
        if session.key == "b":
            await asyncio.sleep(0.01)
        await asyncio.gather(
            session.generate("west", [ask(f"{session.key}1")]),
            session.generate("east", [ask(f"{session.key}2"), ask(f"{session.key}3")]),
            session.generate("west", [ask(f"{session.key}4")]),
            session.embed([f"{session.key}5"]),
        )

    backend = FakeBackend()
    ticks: list[Tick] = []
    run(backend, [("b", job), ("a", job)], on_tick=ticks.append)
    assert backend.batches == [
        ("generate", "west", ("b1", "b4", "a1", "a4")),
        ("generate", "east", ("b2", "b3", "a2", "a3")),
        ("embed", "", ("b5", "a5")),
    ]
    assert backend.most_running == 3
    [tick] = ticks
    assert (tick.number, tick.jobs) == (1, 2)
    assert tick.batches == {"generate:west": 4, "generate:east": 4, "embed": 2}
    assert tick.seconds > 0


def test_answers_go_to_who_asked() -> None:
    async def job(session: Session) -> list[str]:
        first, second = await asyncio.gather(
            session.generate("m", [ask(session.key, 1), ask(session.key, 2)]),
            session.generate("m", [ask(session.key, 3)]),
        )
        vectors = await session.embed([session.key * 2])
        assert vectors.shape == (1, 2)
        return [reply.text for reply in (*first, *second)]

    outcomes = dict(run(FakeBackend(), [(key, job) for key in "abc"]))
    assert outcomes == {key: [f"m:{key}:{seed}" for seed in (1, 2, 3)] for key in "abc"}


def test_places_are_filled_before_the_next_tick() -> None:
    def job(steps: int) -> Callable[[Session], Awaitable[None]]:
        async def rounds(session: Session) -> None:
            for step in range(steps):
                await session.generate("m", [ask(f"{session.key}{step}")])

        return rounds

    drawn: list[str] = []

    def jobs() -> Any:
        for key, steps in [("a", 1), ("b", 3), ("c", 1), ("d", 0), ("e", 1)]:
            drawn.append(key)
            yield key, job(steps)

    backend = FakeBackend()
    done: list[str] = []
    batcher: LockstepBatcher[None] = LockstepBatcher(backend, 2)
    asyncio.run(batcher.run(jobs(), lambda key, outcome: done.append(key)))
    assert [texts for _, _, texts in backend.batches] == [("a0", "b0"), ("b1", "c0"), ("b2", "e0")]
    assert done == ["a", "c", "d", "b", "e"]
    assert drawn == list("abcde")


def test_a_job_that_raises_ends_alone() -> None:
    async def bad(session: Session) -> None:
        await session.generate("m", [ask("one")])
        raise ValueError("broken")

    outcomes = dict(run(FakeBackend(), [*plan(2), ("bad", bad), *[("x", plan(3)[2][1])]]))
    assert isinstance(outcomes["bad"], ValueError)
    assert sum(isinstance(outcome, str) for outcome in outcomes.values()) == 3


def test_a_job_that_raises_before_its_first_call_or_never_calls() -> None:
    def raises(session: Session) -> Awaitable[None]:
        raise RuntimeError("at once")

    async def silent(session: Session) -> int:
        return 0

    outcomes = dict(run(FakeBackend(), [("raises", raises), ("silent", silent)]))
    assert isinstance(outcomes["raises"], RuntimeError)
    assert outcomes["silent"] == 0


def test_branches_that_outlive_their_job_end() -> None:
    survivors: list[str] = []

    async def job(session: Session) -> None:
        async def raises() -> None:
            await session.generate("m", [ask("short")])
            raise ValueError("broken")

        async def lives_on() -> None:
            await session.generate("m", [ask("long 1")])
            await session.generate("m", [ask("long 2")])
            survivors.append("reached the end")

        await asyncio.gather(raises(), lives_on())

    backend = FakeBackend()
    outcomes = dict(run(backend, [("a", job), ("b", negotiation(3))]))
    assert isinstance(outcomes["a"], ValueError)
    assert isinstance(outcomes["b"], str)
    assert survivors == []
    assert all("long 2" not in texts for _, _, texts in backend.batches)


def test_a_failed_batch_fails_exactly_those_who_waited_for_it() -> None:
    async def one(session: Session) -> str:
        [reply] = await session.generate("west" if session.key in "bd" else "east", [ask(session.key)])
        return reply.text

    backend = FakeBackend()
    backend.broken["west"] = OSError("cable cut")
    outcomes = dict(run(backend, [(key, one) for key in "abcd"]))
    assert (outcomes["a"], outcomes["c"]) == ("east:a:0", "east:c:0")
    for key in "bd":
        assert isinstance(outcomes[key], ModelServerError)
        assert "model 'west' failed with OSError: cable cut" in str(outcomes[key])
        assert isinstance(outcomes[key].__cause__, OSError)
    assert outcomes["b"] is not outcomes["d"]
    assert len(backend.batches) == 2


def test_a_server_error_keeps_its_message() -> None:
    async def one(session: Session) -> Any:
        return await session.score("m", [ScoringRequest((Message("user", "?"),), "text")])

    backend = FakeBackend()
    backend.broken["m"] = ModelServerError("server http://x is down")
    outcomes = dict(run(backend, [("a", one), ("b", one)]))
    assert [str(outcomes[key]) for key in "ab"] == ["server http://x is down"] * 2


def test_a_refused_request_fails_its_own_job_only() -> None:
    async def one(session: Session) -> Any:
        first, second = await asyncio.gather(
            session.generate("m", [ask(session.key)]), session.embed([session.key])
        )
        return first[0].text, second.tolist()

    backend = FakeBackend()
    backend.refused["b"] = ModelError("too long")
    outcomes = dict(run(backend, [(key, one) for key in "abc"]))
    assert outcomes["a"] == ("m:a:0", [[1.0, 1.0]])
    assert outcomes["c"] == ("m:c:0", [[1.0, 1.0]])
    assert isinstance(outcomes["b"], ModelError)
    backend = FakeBackend()
    backend.refused["c"] = EmbeddingError("not finite")
    outcomes = dict(run(backend, [(key, one) for key in "abc"]))
    assert [type(outcomes[key]) for key in "abc"] == [tuple, tuple, EmbeddingError]


def test_a_job_may_catch_a_failure_and_go_on() -> None:
    async def job(session: Session) -> str:
        try:
            await session.generate("broken", [ask("x")])
        except ModelServerError:
            [reply] = await session.generate("m", [ask("y")])
            return reply.text
        raise AssertionError("the model should have failed")

    backend = FakeBackend()
    backend.broken["broken"] = OSError("no")
    assert run(backend, [("a", job)]) == [("a", "m:y:0")]


def test_a_backend_that_answers_too_little() -> None:
    class Short(FakeBackend):
        async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
            return (await super().generate(model, requests))[:-1]

    [(_, outcome)] = run(Short(), [("a", negotiation(1))])
    assert isinstance(outcome, ModelServerError)
    assert "gave 0 answers to 1 requests" in str(outcome)


def test_a_call_given_up_by_its_job_is_not_sent() -> None:
    async def job(session: Session) -> str:
        forgotten = asyncio.ensure_future(session.generate("m", [ask("forgotten")]))
        await asyncio.sleep(0)
        forgotten.cancel()
        [reply] = await session.generate("m", [ask("kept")])
        return reply.text

    backend = FakeBackend()
    assert run(backend, [("a", job)]) == [("a", "m:kept:0")]
    assert backend.batches == [("generate", "m", ("kept",))]


def test_a_job_cancelled_from_within() -> None:
    async def job(session: Session) -> None:
        raise asyncio.CancelledError

    [(_, outcome)] = run(FakeBackend(), [("a", job)])
    assert isinstance(outcome, ConcordatError)
    assert "cancelled from within" in str(outcome)


def test_empty_calls() -> None:
    async def job(session: Session) -> Any:
        assert await session.generate("m", []) == []
        assert await session.score("m", []) == []
        with pytest.raises(EmbeddingError, match="no texts"):
            await session.embed([])
        return "done"

    backend = FakeBackend()
    assert run(backend, [("a", job)]) == [("a", "done")]
    assert backend.batches == []


def test_keys_are_unique_and_places_positive() -> None:
    with pytest.raises(ConfigurationError, match="two jobs have the key 'a'"):
        run(FakeBackend(), [("a", negotiation(1)), ("a", negotiation(1))])
    with pytest.raises(ConfigurationError, match="max_active is 0"):
        LockstepBatcher(FakeBackend(), 0)


def test_cancelling_keeps_what_was_finished() -> None:
    """As Ctrl-C does: jobs that ended are told of, the others are cancelled and not told of."""
    cancelled: list[str] = []

    async def endless(session: Session) -> None:
        try:
            while True:
                await session.generate("m", [ask(session.key)])
        except asyncio.CancelledError:
            cancelled.append(session.key)
            raise

    async def main() -> list[str]:
        done: list[str] = []
        batcher: LockstepBatcher[Any] = LockstepBatcher(FakeBackend(np.random.default_rng(1)), 4)
        jobs: list[Job] = [("x", endless), ("a", negotiation(1)), ("b", negotiation(2)), ("y", endless)]
        task = asyncio.ensure_future(batcher.run(jobs, lambda key, outcome: done.append(key)))
        while len(done) < 2:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1  # nothing is left running
        return done

    assert asyncio.run(main()) == ["a", "b"]
    assert sorted(cancelled) == ["x", "y"]


def test_cancelling_while_jobs_run_tells_of_those_that_ended() -> None:
    async def main() -> list[str]:
        done: list[str] = []

        async def quick(session: Session) -> None:
            await session.generate("m", [ask("one")])

        async def slow(session: Session) -> None:
            await session.generate("m", [ask("two")])
            await asyncio.sleep(60)

        batcher: LockstepBatcher[None] = LockstepBatcher(FakeBackend(), 4)
        task = asyncio.ensure_future(
            batcher.run([("quick", quick), ("slow", slow)], lambda key, _: done.append(key))
        )
        await asyncio.sleep(0.05)
        assert done == []  # the batcher waits for the slow one
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return done

    assert asyncio.run(main()) == ["quick"]


def test_a_listener_that_raises_ends_the_run() -> None:
    def listener(key: str, outcome: object) -> None:
        raise OSError("disk full")

    batcher: LockstepBatcher[Any] = LockstepBatcher(FakeBackend(), 4)
    with pytest.raises(OSError, match="disk full"):
        asyncio.run(batcher.run(plan(3), listener))


class SlowModel:
    """Counts how many calls overlap."""

    name = "slow"

    def __init__(self) -> None:
        self.overlap = 0
        self.most = 0
        self.threads: set[int] = set()

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.overlap += 1
        self.most = max(self.most, self.overlap)
        self.threads.add(threading.get_ident())
        time.sleep(0.01)
        self.overlap -= 1
        return [Generation(said(request), 1, 1, "stop", 0.0) for request in requests]

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        return [Score.of([-1.0]) for _ in requests]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.ones((len(texts), 2))


def test_a_local_backend_runs_models_in_threads_and_never_one_twice_at_once() -> None:
    model = SlowModel()
    backend = LocalBackend({"east": model, "west": model}, model, workers=3)
    outcomes = run(backend, plan(4))
    backend.close()
    assert all(isinstance(outcome, str) for _, outcome in outcomes)
    assert model.most == 1
    assert threading.get_ident() not in model.threads
    assert dict(run(LocalBackend({"east": model, "west": model}, model), plan(4))) == dict(outcomes)


def test_a_local_backend_names_unknown_models() -> None:
    backend = LocalBackend({"east": SlowModel()}, SlowModel())
    [(_, outcome)] = run(backend, [("a", negotiation(1))])
    assert isinstance(outcome, ModelError)
    assert "no model named 'west'; loaded are: east" in str(outcome)
    with pytest.raises(ConfigurationError, match="workers is 0"):
        LocalBackend({}, SlowModel(), workers=0)


def test_negotiations_on_a_real_model_leave_the_same_records_again(tiny_model: Any) -> None:
    def once() -> list[tuple[str, Any]]:
        return run(LocalBackend({"east": tiny_model, "west": tiny_model}, SlowModel()), plan(3))

    assert once() == once()
