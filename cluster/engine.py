"""Runs a plan: negotiations side by side over one backend, every finished record written at once.

A negotiation's methods begin together, from the same first statements; their model calls share batches like those of
different negotiations. What happens to a negotiation is a function of the plan and the seed: the lockstep batcher
composes batches without regard to time, and so a run in one process and a run on Ray leave the same records. Large runs
go in several lanes, each with a batcher and a fixed part of the plan, so that they need not wait for each other.

What fails is tried again once the rest is done, and quarantined after several tries. Nothing of a negotiation is kept
in memory once it is over, but a few bytes in the ledger.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Sequence
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
from cluster.progress import RunState, View
from cluster.runfolder import RunFolder
from cluster.signals import loop_signals
from cluster.simulation.ledger import Ledger
from cluster.simulation.writer import Finished, Writer
from cluster.speakers import channels
from cluster.summary import DialogueRow, Row, RunSummary
from cluster.table import Setting, Table, kept_openings
from negotiation.errors import ConcordatError, ModelServerError, RunError
from negotiation.opening import Openings
from negotiation.oracle import NegotiationEvent, Opened, RoundFinished
from negotiation.outcome import Method

logger = logging.getLogger(__name__)

SERVER_FAILURES = 8
"""After so many negotiations that failed at the model server one after the other, the rest is not tried."""


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
    ledger: Ledger = field(init=False)
    _writer: Writer = field(init=False)
    _streak: dict[tuple[str, str], int] = field(default_factory=dict)
    _finished: int = 0
    _interrupted: bool = False
    _fatal: Exception | None = None
    _task: asyncio.Task[None] | None = None
    _seconds: float = 0.0

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.plan, self.config.methods, self.folder, self.config.resources.tries)
        self.state = RunState(self.ledger.total, self.ledger.finished, self.ledger.quarantined)

    def lift_quarantine(self) -> None:
        """Let negotiations that failed too often be tried again."""
        self.folder.append_event({"event": "quarantine_lifted", "negotiations": self.ledger.lift()})
        self.state.failed = 0

    async def run(self, backend: Backend, embedder: str, provenance: dict[str, str]) -> None:
        """Do what is left to do; returns early if stopped by a signal.

        Args:
            backend: where models run.
            embedder: name of its embedder, for records.
            provenance: model names and versions, for records.

        Raises:
            RunError: if the run folder cannot be written or actors are beyond restarting.
        """
        setting = Setting.of(self.config, embedder, provenance, self.grounding)
        left = self.ledger.left
        self.folder.append_event({"event": "run_started", "planned": self.state.total, "pending": left})
        self.state.begin()
        self._stand()
        self.view.start(self.state)
        self._writer = Writer(self.folder, self._on_written)
        metered = MeteredBackend(backend, self._on_batch, self.meters.queue)
        self._task = asyncio.ensure_future(self._try_all(metered, setting))
        try:
            with loop_signals(self._on_signal):
                await self._task
        except asyncio.CancelledError:
            if not (self._interrupted or self._fatal):
                raise
        finally:
            await self._writer.drain()
            self._writer.close()
            self._seconds = self.state.seconds
            self.view.stop(self.state)
        self._forgive()
        ended = "run_interrupted" if self._interrupted else "run_ended"
        self.folder.append_event({"event": ended, "tokens": self.state.tokens, "seconds": self._seconds})
        if self._fatal is not None and not isinstance(self._fatal, ModelServerError):
            raise self._fatal

    async def _try_all(self, backend: Backend, setting: Setting) -> None:
        """Try what is left, then what failed, until nothing is left that may be tried again."""
        count = self.config.resources.lanes_of(self.config.concurrency)
        for _ in range(self.config.resources.tries):
            if not self.ledger.left:
                return
            lanes = []
            for lane, jobs in enumerate(self.ledger.lanes(count)):
                size = len(range(lane, self.config.concurrency, count))
                batcher: LockstepBatcher[None] = LockstepBatcher(
                    backend, size, channels=channels(self.config)
                )
                tables = (
                    (planned.id, partial(self._negotiate, planned, methods, setting))
                    for planned, methods in jobs
                )
                lanes.append(asyncio.ensure_future(batcher.run(tables, self._on_done)))
            try:
                await asyncio.gather(*lanes)
            finally:
                for running in lanes:
                    running.cancel()
                await asyncio.gather(*lanes, return_exceptions=True)
            await self._writer.drain()

    async def _negotiate(
        self, planned: PlannedNegotiation, methods: tuple[Method, ...], setting: Setting, session: Session
    ) -> None:
        """Open a table, then negotiate by all methods that are left, at once; none waits for another."""
        self.state.seat(planned.id, planned.topic.text, methods)
        table = await Table.lay(planned, setting, session)
        openings = kept_openings(self.folder, planned.id, self.ledger.methods_finished(planned.id))
        if openings is None:
            openings = await self._open(table, methods[0])
        self.state.take(Opened(planned.id, planned.topic, planned.players, openings.sides))
        await asyncio.gather(*(self._by(method, table, openings) for method in methods))

    async def _open(self, table: Table, first: Method) -> Openings:
        """First statements, asked for once for all methods; ``first`` answers for the replies if that fails."""
        seats, planned = table.seats(), table.planned
        try:
            openings = await table.open(seats)
        except RunError:  # no fault of this negotiation's
            raise
        except Exception as error:
            self.state.leave(planned.id, first)
            self._mourn(planned, first, error, seats.replies, seats.malformed)
            raise
        self._count(seats.replies, seats.malformed)
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
            self.state.leave(planned.id, method)
            self._mourn(planned, method, error, seats.replies, seats.malformed)
        else:
            self.state.leave(planned.id, method)
            self._writer.put(Finished(planned, method, record, seats.replies, seats.malformed))

    def _on_event(self, event: NegotiationEvent) -> None:
        """Follow the game."""
        self.state.take(event)
        if isinstance(event, RoundFinished):
            players = self.ledger.planned(event.negotiation_id).players
            self.meters.round(event.nash_conv, dict(zip(players, event.best_gains, strict=True)))
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

    def _stand(self) -> None:
        state = self.state
        self.meters.standing(planned=state.total, finished=state.finished, failed=state.failed)

    def _on_batch(self, batch: Batch) -> None:
        self.state.tokens += batch.tokens
        self.state.batches += 1
        self.meters.batch(batch.model, batch.requests, batch.tokens, batch.seconds)
        self.folder.append_event({"event": "batch", **asdict(batch)})
        self.view.update(self.state)

    def _on_done(self, key: str, came: BaseException | None) -> None:
        """A negotiation's table is cleared; if it never opened, all its methods have failed."""
        standing = self.state.running.pop(key, None)
        self.meters.running(len(self.state.running))
        if isinstance(came, RunError):
            self._give_up(came)
        elif isinstance(came, Exception):
            planned = self.ledger.planned(key)
            for method in standing.methods if standing is not None else ():
                self._mourn(planned, method, came)  # type: ignore[arg-type]

    def _on_written(self, finished: Finished, came: Row | DialogueRow | Exception) -> None:
        """A record is there, or could not be written."""
        if isinstance(came, RunError):
            self._give_up(came)
        elif isinstance(came, Exception):
            self._mourn(finished.planned, finished.method, came, finished.replies, finished.malformed)
        else:
            try:
                self._keep(finished, came)
            except Exception as error:  # the loop would only log it
                self._give_up(error)

    def _keep(self, finished: Finished, row: Row | DialogueRow) -> None:
        planned, method = finished.planned, finished.method
        self._streak.clear()
        self._finished += 1
        self._count(finished.replies, finished.malformed)
        line = self.folder.append_event(
            {
                "event": "negotiation_finished",
                "negotiation_id": planned.id,
                **row.line(),
                "replies": finished.replies,
                "malformed": finished.malformed,
            }
        )
        self.ledger.finish(planned.id, method, line)
        self.state.finished = self.ledger.finished
        self.meters.finished(row.converged, method)
        self._stand()
        how = "converged" if row.converged else row.stop_reason
        after = "" if row.rounds is None else f" after {row.rounds} round{'s' * (row.rounds != 1)}"
        self.view.update(self.state, f"{_label(planned, method)}: {how}{after}")

    def _mourn(
        self,
        planned: PlannedNegotiation,
        method: Method,
        error: Exception,
        replies: int = 0,
        malformed: int = 0,
    ) -> None:
        """Write down a failure; one too many, and the negotiation is quarantined."""
        try:
            tried = self._write_failure(planned, method, error, replies, malformed)
        except RunError as full:
            self._give_up(full)
            return
        self.state.failed = self.ledger.quarantined
        self.meters.failed(type(error).__name__)
        self._stand()
        limit = self.config.resources.tries
        tries = f" (try {tried} of {limit})" if limit > 1 else ""
        self.view.update(self.state, f"{_label(planned, method)}: failed{tries}: {str(error) or repr(error)}")
        if not isinstance(error, ModelServerError):
            self._streak.clear()
            return
        self._streak[planned.id, method] = self._streak.get((planned.id, method), 0) + 1
        if len(self._streak) >= SERVER_FAILURES * len(self.config.methods):
            self._give_up(error)

    def _write_failure(
        self, planned: PlannedNegotiation, method: Method, error: Exception, replies: int, malformed: int
    ) -> int:
        """Add a failure to the folder and the ledger; how often the negotiation has been tried."""
        name, message, topic = type(error).__name__, str(error) or repr(error), planned.topic
        tried = self.ledger.fail(planned.id, method)
        reason: dict[str, Any] = {"error": name, "message": message, "try": tried}
        if tried >= self.config.resources.tries:
            reason["quarantined"] = True
        failure: dict[str, Any] = {
            "negotiation_id": planned.id,
            **_named(method),
            "topic": {"id": topic.id, "text": topic.text, "category": topic.category},
            "players": list(planned.players),
            **reason,
        }
        if not isinstance(error, ConcordatError):  # not raised on purpose: say where
            failure["traceback"] = "".join(traceback.format_exception(error))
            logger.error("negotiation %s by %s failed unexpectedly", planned.id, method, exc_info=error)
        self.folder.append_failure(failure)
        self._count(replies, malformed)
        line = self.folder.append_event(
            {
                "event": "negotiation_failed",
                "negotiation_id": planned.id,
                **_named(method),
                **reason,
                "replies": replies,
                "malformed": malformed,
            }
        )
        self.ledger.failed_at(planned.id, method, line)
        return tried

    def _forgive(self) -> None:
        """If the model server answered nobody, that is no fault of those who asked: their tries do not count."""
        down = isinstance(self._fatal, ModelServerError)
        if self._streak and (down or not self._finished):
            tries = [[*key, count] for key, count in self._streak.items()]
            self.folder.append_event({"event": "tries_forgiven", "tries": tries})
            self.ledger.forgive(self._streak)

    def _count(self, replies: int, malformed: int) -> None:
        self.ledger.replies += replies
        self.ledger.malformed += malformed

    def lost(self, actor: str, why: str) -> None:
        """An actor was lost; it is being started again, and its batch goes to another."""
        self.folder.append_event({"event": "actor_lost", "actor": actor, "reason": why})

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
        return RunSummary(
            run=self.folder.path,
            planned=self.state.total,
            rows=self.ledger.rows(),
            failures=self.ledger.failures(),
            replies=self.ledger.replies,
            malformed=self.ledger.malformed,
            tokens=self.ledger.tokens + self.state.tokens,
            seconds=self.ledger.seconds + self._seconds,
            interrupted=self._interrupted,
            stopped_by=str(self._fatal or ""),
            methods=self.config.methods,
            dialogues=self.ledger.dialogues(),
            quarantined=self.ledger.quarantined,
            tries=self.config.resources.tries,
        )


def _named(method: str) -> dict[str, str]:
    """The method, where a line is of another one than the game."""
    return {} if method == "psro" else {"method": method}


def _label(planned: PlannedNegotiation, method: str) -> str:
    return planned.topic.id if method == "psro" else f"{planned.topic.id}, {method}"
