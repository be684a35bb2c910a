"""Runs a plan: negotiations side by side over one backend, every finished record written at once.

A negotiation's methods begin together, from the same first statements; their model calls share batches like those of
different negotiations. What happens to a negotiation is a function of the plan and the seed: the lockstep batcher
composes batches without regard to time, and so a run in one process and a run on Ray leave the same records.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from agents.backend import Backend
from agents.batching import LockstepBatcher, Session
from agents.grounding import Grounding
from cluster.backends import Batch, MeteredBackend
from cluster.config import RunConfig
from cluster.metrics import Meters, NoMeters
from cluster.plan import PlannedNegotiation
from cluster.policy import consensus_policy
from cluster.progress import RunState, View
from cluster.runfolder import RunFolder
from cluster.summary import DialogueRow, Failure, Row, RunSummary
from cluster.table import Seats, Setting, Table, kept_openings
from negotiation.dialogue import DialogueRecord
from negotiation.errors import ConcordatError, ModelServerError, RunError
from negotiation.opening import Openings
from negotiation.oracle import NegotiationEvent, Opened, RoundFinished
from negotiation.outcome import Method
from negotiation.record import NegotiationRecord

logger = logging.getLogger(__name__)

SERVER_FAILURES = 8
"""After so many negotiations in a row that failed at the model server, by every method, the rest is not tried."""

OPENING = "open"
"""In place of a method: what all of them begin with."""


@dataclass(slots=True)
class _Count:
    """Replies of models to one negotiation by one method."""

    replies: int = 0
    malformed: int = 0


@dataclass(slots=True)
class Engine:
    """One session of a run.

    Attributes:
        config: of the run.
        plan: all negotiations of the run, in order.
        folder: held by this process; finished negotiations in it are not done again.
        view: shows the run.
        meters: counts it.
        grounding: whose survey answers agents are shown; None for nobody's.
    """

    config: RunConfig
    plan: Sequence[PlannedNegotiation]
    folder: RunFolder
    view: View
    meters: Meters = field(default_factory=NoMeters)
    grounding: Grounding | None = None
    state: RunState = field(init=False)
    _planned: dict[str, PlannedNegotiation] = field(init=False)
    _rows: dict[tuple[str, str], Row | DialogueRow] = field(default_factory=dict)
    _failures: dict[tuple[str, str], Failure] = field(default_factory=dict)
    _counts: dict[tuple[str, str], _Count] = field(default_factory=dict)
    _server_failures: int = 0
    _interrupted: bool = False
    _fatal: Exception | None = None
    _task: asyncio.Task[None] | None = None
    _seconds: float = 0.0
    _earlier_tokens: int = 0
    _earlier_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._planned = {planned.id: planned for planned in self.plan}
        for planned in self.plan:
            for method in self.config.methods:
                if not self.folder.is_finished(planned.id, method):
                    continue
                self._rows[planned.id, method] = (
                    Row.of(self.folder.read_record(planned.id))
                    if method == "psro"
                    else DialogueRow.of(self.folder.read_dialogue(planned.id, method))
                )
        for event in self.folder.read_events():
            kind = event.get("event")
            if "replies" in event:
                stage = OPENING if kind == "negotiation_opened" else event.get("method", "psro")
                count = _Count(event["replies"], event.get("malformed", 0))
                self._counts[event["negotiation_id"], stage] = count
            elif kind in ("run_ended", "run_interrupted"):
                self._earlier_tokens += event.get("tokens", 0)
                self._earlier_seconds += event.get("seconds", 0.0)
        total = len(self.plan) * len(self.config.methods)
        self.state = RunState(total=total, finished=len(self._rows))

    @property
    def pending(self) -> tuple[tuple[PlannedNegotiation, tuple[Method, ...]], ...]:
        """What is left to do: negotiations, and by which methods each."""
        left = ((planned, self._left(planned)) for planned in self.plan)
        return tuple((planned, methods) for planned, methods in left if methods)

    def _left(self, planned: PlannedNegotiation) -> tuple[Method, ...]:
        return tuple(method for method in self.config.methods if (planned.id, method) not in self._rows)

    async def run(self, backend: Backend, embedder: str, provenance: dict[str, str]) -> None:
        """Do what is left to do; returns early if stopped by a signal.

        Args:
            backend: where models run.
            embedder: name of its embedder, for records.
            provenance: model names and versions, for records.

        Raises:
            RunError: if the run folder cannot be written or actors are beyond restarting.
        """
        metered = MeteredBackend(backend, self._on_batch)
        batcher: LockstepBatcher[None] = LockstepBatcher(metered, self.config.concurrency)
        setting = Setting.of(self.config, embedder, provenance, self.grounding)
        pending = self.pending
        jobs = (
            (planned.id, partial(self._negotiate, planned, methods, setting)) for planned, methods in pending
        )
        left = sum(len(methods) for _, methods in pending)
        self.folder.append_event({"event": "run_started", "planned": self.state.total, "pending": left})
        self.state.begin()
        self.view.start(self.state)
        self._task = asyncio.ensure_future(batcher.run(jobs, self._on_done))
        try:
            with _signals(self._on_signal):
                await self._task
        except asyncio.CancelledError:
            if not (self._interrupted or self._fatal):
                raise
        finally:
            self._seconds = self.state.seconds
            self.view.stop(self.state)
        ended = "run_interrupted" if self._interrupted else "run_ended"
        self.folder.append_event({"event": ended, "tokens": self.state.tokens, "seconds": self._seconds})
        if isinstance(self._fatal, RunError):
            raise self._fatal

    async def _negotiate(
        self, planned: PlannedNegotiation, methods: tuple[Method, ...], setting: Setting, session: Session
    ) -> None:
        """Open a table, then negotiate by all methods that are left, at once; none waits for another."""
        self.state.seat(planned.id, planned.topic.text, methods)
        table = await Table.lay(planned, setting, session)
        openings = kept_openings(self.folder, planned.id)
        if openings is None:
            openings = await self._open(table, methods[0])
        self.state.take(Opened(planned.id, planned.topic, planned.players, openings.sides))
        await asyncio.gather(*(self._by(method, table, openings) for method in methods))

    async def _open(self, table: Table, first: Method) -> Openings:
        """First statements, asked for once for all methods; ``first`` answers for the replies if that fails."""
        seats, planned = table.seats(), table.planned
        try:
            openings = await table.open(seats)
        except Exception:
            self._counts[planned.id, first] = _Count(seats.replies, seats.malformed)
            raise
        self._counts[planned.id, OPENING] = _Count(seats.replies, seats.malformed)
        self.folder.append_event(
            {
                "event": "negotiation_opened",
                "negotiation_id": planned.id,
                "topic": planned.topic.id,
                "replies": seats.replies,
                "malformed": seats.malformed,
            }
        )
        return openings

    async def _by(self, method: Method, table: Table, openings: Openings) -> None:
        """Negotiate by one method and keep what came of it."""
        seats, planned = table.seats(), table.planned
        try:
            record = await table.negotiate(method, seats, openings, self._on_event)
        except RunError as error:
            self._give_up(error)
        except Exception as error:
            self._settle(planned, method, seats, error)
        else:
            self._settle(planned, method, seats, record)

    def _settle(
        self,
        planned: PlannedNegotiation,
        method: Method,
        seats: Seats,
        came: NegotiationRecord | DialogueRecord | Exception,
    ) -> None:
        """Keep a record or an error; a folder that cannot be written ends the run."""
        self._counts[planned.id, method] = _Count(seats.replies, seats.malformed)
        self.state.leave(planned.id, method)
        try:
            if isinstance(came, Exception):
                self._mourn(planned, method, came)
            else:
                self._keep(planned, came)
        except RunError as error:
            self._give_up(error)

    def _on_event(self, event: NegotiationEvent) -> None:
        """Follow the game."""
        self.state.take(event)
        if isinstance(event, RoundFinished):
            self.meters.round(event.nash_conv)
            self.folder.append_event(
                {
                    "event": "round_finished",
                    "negotiation_id": event.negotiation_id,
                    "round": event.round,
                    "nash_conv": event.nash_conv,
                    "gains": list(event.best_gains),
                    "accepted": [guideline is not None for guideline in event.accepted],
                    "malformed": list(event.malformed),
                }
            )
        self.meters.running(len(self.state.running))
        self.view.update(self.state)

    def _on_batch(self, batch: Batch) -> None:
        self.state.tokens += batch.tokens
        self.state.batches += 1
        self.meters.batch(batch.model, batch.requests, batch.tokens, batch.seconds)
        self.folder.append_event({"event": "batch", **asdict(batch)})
        self.view.update(self.state)

    def _on_done(self, key: str, came: BaseException | None) -> None:
        """A negotiation's table is cleared; if it never opened, all its methods have failed."""
        self.state.running.pop(key, None)
        planned = self._planned[key]
        try:
            if isinstance(came, RunError):
                self._give_up(came)
            elif isinstance(came, Exception):
                for method in self._left(planned):
                    self._mourn(planned, method, came)
        except RunError as error:
            self._give_up(error)
        self.meters.running(len(self.state.running))

    def _keep(self, planned: PlannedNegotiation, record: NegotiationRecord | DialogueRecord) -> None:
        row: Row | DialogueRow
        method: Method = "psro"
        if isinstance(record, DialogueRecord):
            self.folder.write_dialogue(record)
            method, row = record.method, DialogueRow.of(record)
        else:
            self.folder.write_policy(planned.id, consensus_policy(record))
            self.folder.write_record(record)  # last: a negotiation is finished once its record is there
            row = Row.of(record)
        self._rows[planned.id, method] = row
        self._server_failures = 0
        count = self._counts[planned.id, method]
        self.folder.append_event(
            {
                "event": "negotiation_finished",
                "negotiation_id": planned.id,
                **_named(method),
                "converged": row.converged,
                "stop_reason": row.stop_reason,
                "rounds": row.rounds,
                **({"nash_conv": row.nash_conv} if isinstance(row, Row) else {}),
                "replies": count.replies,
                "malformed": count.malformed,
                "digest": row.digest,
            }
        )
        self.state.finished += 1
        self.meters.finished(row.converged, method)
        how = "converged" if row.converged else row.stop_reason
        after = "" if row.rounds is None else f" after {row.rounds} round{'s' * (row.rounds != 1)}"
        self.view.update(self.state, f"{_label(planned, method)}: {how}{after}")

    def _mourn(self, planned: PlannedNegotiation, method: str, error: Exception) -> None:
        name, message = type(error).__name__, str(error) or repr(error)
        count = self._counts.get((planned.id, method), _Count())
        topic = planned.topic
        failure: dict[str, Any] = {
            "negotiation_id": planned.id,
            **_named(method),
            "topic": {"id": topic.id, "text": topic.text, "category": topic.category},
            "players": list(planned.players),
            "error": name,
            "message": message,
        }
        if not isinstance(error, ConcordatError):  # not raised on purpose: say where
            failure["traceback"] = "".join(traceback.format_exception(error))
            logger.error("negotiation %s by %s failed unexpectedly", planned.id, method, exc_info=error)
        self._failures[planned.id, method] = Failure(planned.id, topic.id, name, message, method)
        self.folder.append_failure(failure)
        self.folder.append_event(
            {
                "event": "negotiation_failed",
                "negotiation_id": planned.id,
                **_named(method),
                "error": name,
                "message": message,
                "replies": count.replies,
                "malformed": count.malformed,
            }
        )
        self.state.failed += 1
        self.meters.failed(name)
        self.view.update(self.state, f"{_label(planned, method)}: failed: {message}")
        self._server_failures = self._server_failures + 1 if isinstance(error, ModelServerError) else 0
        if self._server_failures >= SERVER_FAILURES * len(self.config.methods):
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if self._fatal is None:
            self._fatal = error
            if self._task is not None:
                self._task.cancel()

    def _on_signal(self) -> None:
        self._interrupted = True
        if self._task is not None:
            self._task.cancel()

    def summary(self) -> RunSummary:
        """What the run came to so far."""
        order = [(planned.id, method) for method in self.config.methods for planned in self.plan]
        rows = [self._rows[key] for key in order if key in self._rows]
        counts = self._counts.values()
        return RunSummary(
            run=self.folder.path,
            planned=self.state.total,
            rows=tuple(row for row in rows if isinstance(row, Row)),
            failures=tuple(self._failures[key] for key in order if key in self._failures),
            replies=sum(count.replies for count in counts),
            malformed=sum(count.malformed for count in counts),
            tokens=self._earlier_tokens + self.state.tokens,
            seconds=self._earlier_seconds + self._seconds,
            interrupted=self._interrupted,
            stopped_by=str(self._fatal or ""),
            methods=self.config.methods,
            dialogues=tuple(row for row in rows if isinstance(row, DialogueRow)),
        )


def _named(method: str) -> dict[str, str]:
    """The method, where a line is of another one than the game."""
    return {} if method == "psro" else {"method": method}


def _label(planned: PlannedNegotiation, method: str) -> str:
    return planned.topic.id if method == "psro" else f"{planned.topic.id}, {method}"


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM call ``stop``; a second one acts as if nothing were done about it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def first() -> None:
        restore()
        stop()

    for number in before:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        restore()
