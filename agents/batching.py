"""Lockstep batching: many negotiations side by side, model calls in shared batches, nothing left to timing.

Jobs (one per negotiation) make model calls through a ``Session`` and wait. When *every* active job waits and
nothing can go on, a *tick* happens: all waiting calls are put in order (by place in the plan, then by when the job
made them), joined to one batch a model, and all batches go out at once; when all are back, all answers are delivered
together, in the same order. A job that has ended makes place for the next of the plan before the tick.

Why batch composition is a function of the plan and the seeds, and not of timing
-------------------------------------------------------------------------------
1. Answers enter the jobs only at the end of a tick, all of them at once. So between two ticks jobs run on
   nothing but what the plan and earlier ticks gave them, and time cannot tell them apart.
2. A tick waits until each active job has ended or has at least one call waiting. This is counted, so it
   holds however slow a job is, even one that sits in a thread between two calls.
3. A job may wait for several calls at once (``asyncio.gather`` over both players). Its branches do not reach
   their calls in the same pass of the event loop; so after (2) the batcher lets ``QUIET_PASSES`` whole passes
   go by and starts over if one of them brought a new call. A pass runs everything that is ready, so this
   counts steps of the jobs and not seconds, whatever else happens on the loop.
4. Calls are sorted by (place in plan, number of the call within its job) before they are joined.

What a job must not do: wait for another job (they would wait for each other's tick), or wait in one branch of
a ``gather`` for a clock, thread or socket while another branch waits for a call (rule 2 takes it for waiting).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from agents.backend import Backend, LocalBackend
from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from negotiation.errors import ConcordatError, ConfigurationError, EmbeddingError, LostBatchError
from negotiation.errors import ModelServerError as ServerError

__all__ = ["Backend", "LocalBackend", "LockstepBatcher", "Session", "Tick"]

logger = logging.getLogger(__name__)
QUIET_PASSES = 64
"""Passes of the event loop without a new call after which no branch of a job is on its way to one.

A branch takes one pass a level of nested tasks to its first call, far fewer than this; a pass takes microseconds.
"""

T = TypeVar("T")
Kind = Literal["generate", "score", "embed"]


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick sent, for progress and metrics; ``seconds`` is wall time and enters no record.

    Attributes:
        number: from 1.
        jobs: active jobs.
        batches: number of requests or texts by ``"kind:model"`` (``"embed"`` for texts).
        seconds: from sending to the last answer.
    """

    number: int
    jobs: int
    batches: Mapping[str, int]
    seconds: float


@dataclass(slots=True, eq=False)
class _Call:
    """A call that waits for its tick."""

    session: Session
    place: int
    number: int
    kind: Kind
    model: str
    items: list[Any]
    answer: asyncio.Future[Any]
    waits: bool = True

    def release(self) -> None:
        """Count it as waiting no more: answered or given up, though its task may not have gone on yet."""
        if self.waits:
            self.waits = False
            self.session._waiting -= 1


@dataclass(slots=True, eq=False)
class _Board:
    """Calls that wait, and whether anything moved since the batcher looked."""

    calls: list[_Call] = field(default_factory=list)
    posted: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def post(self, call: _Call) -> None:
        self.calls.append(call)
        self.posted += 1
        self.moved.set()


class Session:
    """What a job makes its model calls through. Calls of one job may be made side by side.

    Attributes:
        key: the job's key.
    """

    def __init__(self, key: str, place: int, board: _Board) -> None:
        """Sessions are made by ``LockstepBatcher``."""
        self.key = key
        self._place = place
        self._board = board
        self._made = 0
        self._open = True
        self._waiting = 0

    async def generate(self, model: str, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One reply a request, computed in a batch shared with other jobs.

        Raises:
            ModelError: a request that the model cannot take.
            ModelServerError: the batch failed for another reason.
        """
        return cast(list[Generation], await self._call("generate", model, list(requests)))

    async def score(self, model: str, requests: Sequence[ScoringRequest]) -> list[Score]:
        """One score a request; errors as in ``generate``."""
        return cast(list[Score], await self._call("score", model, list(requests)))

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, D) unit rows for n texts.

        Raises:
            EmbeddingError: a text that cannot be embedded.
            ModelServerError: the batch failed for another reason.
        """
        items = list(texts)
        if not items:
            raise EmbeddingError(
                f"job {self.key!r}: no texts to embed; an embedder is asked for at least one"
            )
        return cast(NDArray[np.float64], await self._call("embed", "", items))

    async def _call(self, kind: Kind, model: str, items: list[Any]) -> Any:
        if not self._open:
            # A branch that outlived its job, say the sibling of one that raised: it ends quietly.
            raise asyncio.CancelledError(f"job {self.key!r} has ended")
        if not items:
            return []
        answer = asyncio.get_running_loop().create_future()
        call = _Call(self, self._place, self._made, kind, model, items, answer)
        self._made += 1
        self._waiting += 1
        self._board.post(call)
        try:
            return await answer
        finally:
            call.release()


@dataclass(slots=True, eq=False)
class _Job:
    """An active job."""

    session: Session
    task: asyncio.Task[Any]

    @property
    def may_move(self) -> bool:
        return not self.task.done() and self.session._waiting == 0


class LockstepBatcher(Generic[T]):
    """Runs jobs side by side and sends their calls in shared batches, as the module's text describes.

    Args:
        backend: computes batches.
        max_active: most jobs at once, at least 1; results of a job may depend on it through rounding only.
        on_tick: told of each tick.
        channels: by what name the backend is asked for a model, if not by its own; models with one name share batches.
    """

    def __init__(
        self,
        backend: Backend,
        max_active: int,
        on_tick: Callable[[Tick], None] | None = None,
        channels: Mapping[str, str] | None = None,
    ) -> None:
        if max_active < 1:
            raise ConfigurationError(f"max_active is {max_active}; at least one job must be active")
        self._backend = backend
        self._max_active = max_active
        self._on_tick = on_tick
        self._channels = dict(channels or {})
        self._ticks = 0

    async def run(
        self,
        jobs: Iterable[tuple[str, Callable[[Session], Awaitable[T]]]],
        on_done: Callable[[str, T | BaseException], None],
    ) -> None:
        """Run all jobs.

        Args:
            jobs: (key, function of a session), in the order of the plan; drawn only as places become free.
            on_done: told once of each job that ended, with its result or what it raised, in order of the plan among
                those that ended in one tick. If it raises, the run ends with that.

        Raises:
            ConfigurationError: if two active jobs have the same key.
            asyncio.CancelledError: if the run is cancelled; jobs that had ended are told of before.
        """
        board = _Board()
        active: dict[int, _Job] = {}
        plan = enumerate(jobs)
        try:
            while True:
                await self._settle(board, active)
                self._tell(board, active, on_done)
                if self._refill(board, active, plan):
                    continue
                if not active:
                    return
                await self._tick(board, len(active))
        finally:
            await self._end(board, active, on_done)

    async def _settle(self, board: _Board, active: Mapping[int, _Job]) -> None:
        """Return once every active job has ended or waits in all its branches."""
        seen, quiet = board.posted, 0
        while quiet < QUIET_PASSES:
            board.moved.clear()
            if any(job.may_move for job in active.values()):
                await board.moved.wait()
                quiet = 0
                continue
            await asyncio.sleep(0)
            quiet = quiet + 1 if board.posted == seen else 0
            seen = board.posted

    def _refill(
        self,
        board: _Board,
        active: dict[int, _Job],
        plan: Iterator[tuple[int, tuple[str, Callable[[Session], Awaitable[T]]]]],
    ) -> bool:
        """Start jobs on free places; whether any was started."""
        started = False
        while len(active) < self._max_active:
            place, job = next(plan, (None, None))
            if place is None or job is None:
                break
            key, function = job
            if any(other.session.key == key for other in active.values()):
                raise ConfigurationError(f"two jobs have the key {key!r}; keys must be unique")
            session = Session(key, place, board)
            task = asyncio.ensure_future(_awaited(function, session))
            task.add_done_callback(lambda _: board.moved.set())
            active[place] = _Job(session, task)
            started = True
        return started

    def _tell(
        self, board: _Board, active: dict[int, _Job], on_done: Callable[[str, T | BaseException], None]
    ) -> None:
        """Take jobs that ended off the table, with calls that nobody waits for, and tell of them."""
        for place in sorted(active):
            job = active[place]
            if not job.task.done():
                continue
            del active[place]
            job.session._open = False
            for call in board.calls:
                if call.place == place:
                    call.answer.cancel()
            board.calls = [call for call in board.calls if call.place != place]
            if job.task.cancelled():
                outcome: T | BaseException = ConcordatError(
                    f"job {job.session.key!r} was cancelled from within"
                )
            else:
                outcome = job.task.exception() or job.task.result()
            on_done(job.session.key, outcome)

    async def _tick(self, board: _Board, jobs: int) -> None:
        """Send all waiting calls, one batch a model, and deliver the answers together."""
        # A call whose caller was cancelled meanwhile (say by a timeout of its own) is not sent.
        calls = sorted(
            (call for call in board.calls if not call.answer.done()),
            key=lambda call: (call.place, call.number),
        )
        board.calls = []
        groups: dict[tuple[Kind, str], list[_Call]] = {}
        for call in calls:
            groups.setdefault((call.kind, self._channels.get(call.model, call.model)), []).append(call)
        began = time.perf_counter()
        answers = await asyncio.gather(
            *(self._send(kind, model, group) for (kind, model), group in groups.items())
        )
        self._ticks += 1
        if self._on_tick is not None:
            sizes = {
                kind if kind == "embed" else f"{kind}:{model}": sum(len(call.items) for call in group)
                for (kind, model), group in groups.items()
            }
            self._on_tick(Tick(self._ticks, jobs, sizes, time.perf_counter() - began))
        outcome_of = {
            id(call): outcome
            for group, outcomes in zip(groups.values(), answers, strict=True)
            for call, outcome in zip(group, outcomes, strict=True)
        }
        for call in calls:
            outcome = outcome_of[id(call)]
            call.release()
            if call.answer.done():
                continue
            if isinstance(outcome, BaseException):
                call.answer.set_exception(outcome)
            else:
                call.answer.set_result(outcome)

    async def _send(self, kind: Kind, model: str, calls: list[_Call]) -> list[Any]:
        """Answers to one model's calls, in their order; an exception in place of an answer.

        A request that the model refuses or dies of must not fail its neighbours: then each job's calls are sent alone,
        in order, and the error reaches only who caused it. Any other failure is everybody's who waited for this batch.
        """
        try:
            return await self._batch(kind, model, calls)
        except (ConfigurationError, EmbeddingError, LostBatchError) as error:
            jobs = list(dict.fromkeys(call.place for call in calls))
            if len(jobs) == 1:
                return [_fresh(error) for _ in calls]
            logger.warning(
                "%s batch for %s refused (%s); asking again job by job", kind, model or "embedder", error
            )
            answers: dict[int, Any] = {}
            for place in jobs:
                own = [call for call in calls if call.place == place]
                for call, answer in zip(own, await self._send(kind, model, own), strict=True):
                    answers[id(call)] = answer
            return [answers[id(call)] for call in calls]
        except ConcordatError as error:
            return [_fresh(error) for _ in calls]
        except Exception as error:
            what = "the embedder" if kind == "embed" else f"model {model!r}"
            logger.exception("%s failed", what)
            message = f"{what} failed with {type(error).__name__}: {error}; see the log for where"
            return [_fresh(ServerError(message), cause=error) for _ in calls]

    async def _batch(self, kind: Kind, model: str, calls: list[_Call]) -> list[Any]:
        items = [item for call in calls for item in call.items]
        answers: Any
        if kind == "embed":
            answers = await self._backend.embed(items)
        elif kind == "score":
            answers = await self._backend.score(model, items)
        else:
            answers = await self._backend.generate(model, items)
        if len(answers) != len(items):
            raise ServerError(
                f"{'the embedder' if kind == 'embed' else f'model {model!r}'} gave {len(answers)} answers to"
                f" {len(items)} requests; a backend must answer each"
            )
        parts, start = [], 0
        for call in calls:
            parts.append(answers[start : start + len(call.items)])
            start += len(call.items)
        return parts

    async def _end(
        self, board: _Board, active: dict[int, _Job], on_done: Callable[[str, T | BaseException], None]
    ) -> None:
        """After a run that was cancelled or broke: tell of jobs that had ended, cancel the others."""
        if not active:
            return
        try:
            self._tell(board, active, on_done)
        finally:
            for job in active.values():
                job.session._open = False
                job.task.cancel()
            await asyncio.gather(*(job.task for job in active.values()), return_exceptions=True)


async def _awaited(function: Callable[[Session], Awaitable[T]], session: Session) -> T:
    """A coroutine round any awaitable; a function that raises at once is a job that raised."""
    return await function(session)


def _fresh(error: ConcordatError, cause: BaseException | None = None) -> ConcordatError:
    """A copy for one waiter: one exception raised in several tasks would mix up their tracebacks."""
    copy = type(error)(*error.args)
    copy.__cause__ = cause or error
    return copy
