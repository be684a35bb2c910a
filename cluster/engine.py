"""Runs a plan: negotiations side by side over one backend, every finished record written at once.

What happens to a negotiation is a function of the plan and the seed: the lockstep batcher composes batches
without regard to time, and so a run in one process and a run on Ray leave the same records.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from agents.backend import Backend
from agents.batching import LockstepBatcher, Session
from agents.culture_agent import CultureAgent
from agents.cultures import get_culture
from agents.grounding import Grounding
from agents.prompts import PromptSet
from cluster.backends import Batch, MeteredBackend, SessionEmbedder
from cluster.config import RunConfig
from cluster.metrics import Meters, NoMeters
from cluster.plan import PlannedNegotiation
from cluster.policy import consensus_policy
from cluster.progress import RunState, View
from cluster.runfolder import RunFolder
from cluster.summary import Failure, Row, RunSummary
from negotiation.errors import ConcordatError, ModelServerError, RunError
from negotiation.oracle import NegotiationEvent, Opened, RoundFinished
from negotiation.psro import negotiate
from negotiation.record import NegotiationRecord

logger = logging.getLogger(__name__)

SERVER_FAILURES = 8
"""After so many negotiations in a row that failed at the model server, the rest is not tried."""


@dataclass(slots=True)
class _Count:
    """Replies of models to one negotiation."""

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
    plan: tuple[PlannedNegotiation, ...]
    folder: RunFolder
    view: View
    meters: Meters = field(default_factory=NoMeters)
    grounding: Grounding | None = None
    state: RunState = field(init=False)
    _planned: dict[str, PlannedNegotiation] = field(init=False)
    _rows: dict[str, Row] = field(default_factory=dict)
    _failures: dict[str, Failure] = field(default_factory=dict)
    _counts: dict[str, _Count] = field(default_factory=dict)
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
            if self.folder.is_finished(planned.id):
                self._rows[planned.id] = Row.of(self.folder.read_record(planned.id))
        for event in self.folder.read_events():
            if event.get("event") in ("negotiation_finished", "negotiation_failed"):
                count = _Count(event.get("replies", 0), event.get("malformed", 0))
                self._counts[event["negotiation_id"]] = count
            elif event.get("event") in ("run_ended", "run_interrupted"):
                self._earlier_tokens += event.get("tokens", 0)
                self._earlier_seconds += event.get("seconds", 0.0)
        self.state = RunState(total=len(self.plan), finished=len(self._rows))

    @property
    def pending(self) -> tuple[PlannedNegotiation, ...]:
        """What is left to do."""
        return tuple(planned for planned in self.plan if planned.id not in self._rows)

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
        batcher: LockstepBatcher[NegotiationRecord] = LockstepBatcher(metered, self.config.concurrency)
        prompts = PromptSet.load(None if self.config.prompts is None else Path(self.config.prompts))
        jobs = (
            (planned.id, partial(self._negotiate, planned, prompts, embedder, provenance))
            for planned in self.pending
        )
        self.folder.append_event(
            {"event": "run_started", "planned": len(self.plan), "pending": len(self.pending)}
        )
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
        self,
        planned: PlannedNegotiation,
        prompts: PromptSet,
        embedder: str,
        provenance: dict[str, str],
        session: Session,
    ) -> NegotiationRecord:
        """Seat the agents of one negotiation and let them negotiate."""
        self.state.seat(planned.id, planned.topic.text)
        cultures = [get_culture(player) for player in planned.players]
        if self.grounding is not None:
            voice = SessionEmbedder(session, embedder)
            cultures = await self.grounding.ground(cultures, planned.topic.text, voice)
            provenance = provenance | self.grounding.provenance(cultures)
        agents = [
            CultureAgent(
                culture,
                session,
                culture.id,
                adapter=culture.id if f"adapter:{culture.id}" in provenance else None,
                prompts=prompts,
                speaking=self.config.speaking,
            )
            for culture in cultures
        ]
        try:
            return await negotiate(
                planned.topic,
                planned.players,
                agents,
                SessionEmbedder(session, embedder),
                self.config.game,
                seed=self.config.seed,
                provenance=provenance,
                listener=self._on_event,
            )
        finally:
            self._counts[planned.id] = _Count(
                sum(agent.replies for agent in agents), sum(agent.malformed for agent in agents)
            )

    def _on_event(self, event: NegotiationEvent) -> None:
        """Follow a negotiation."""
        self.state.take(event)
        if isinstance(event, Opened):
            self.folder.append_event(
                {
                    "event": "negotiation_opened",
                    "negotiation_id": event.negotiation_id,
                    "topic": event.topic.id,
                }
            )
        elif isinstance(event, RoundFinished):
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

    def _on_done(self, key: str, outcome: NegotiationRecord | BaseException) -> None:
        """Keep what came of a negotiation; a folder that cannot be written ends the run."""
        self.state.running.pop(key, None)
        planned = self._planned[key]
        try:
            if isinstance(outcome, NegotiationRecord):
                self._keep(planned, outcome)
            elif isinstance(outcome, RunError):
                self._give_up(outcome)
            elif isinstance(outcome, Exception):
                self._mourn(planned, outcome)
        except RunError as error:
            self._give_up(error)
        self.meters.running(len(self.state.running))

    def _keep(self, planned: PlannedNegotiation, record: NegotiationRecord) -> None:
        self.folder.write_policy(planned.id, consensus_policy(record))
        self.folder.write_record(record)  # last: a negotiation is finished once its record is there
        row = Row.of(record)
        self._rows[planned.id] = row
        self._server_failures = 0
        count = self._counts[planned.id]
        self.folder.append_event(
            {
                "event": "negotiation_finished",
                "negotiation_id": planned.id,
                "converged": row.converged,
                "stop_reason": row.stop_reason,
                "rounds": row.rounds,
                "nash_conv": row.nash_conv,
                "replies": count.replies,
                "malformed": count.malformed,
                "digest": row.digest,
            }
        )
        self.state.finished += 1
        self.meters.finished(row.converged)
        how = "converged" if row.converged else row.stop_reason
        self.view.update(self.state, f"{planned.topic.id}: {how} after {row.rounds} rounds")

    def _mourn(self, planned: PlannedNegotiation, error: Exception) -> None:
        name, message = type(error).__name__, str(error) or repr(error)
        count = self._counts.get(planned.id, _Count())
        topic = planned.topic
        failure: dict[str, Any] = {
            "negotiation_id": planned.id,
            "topic": {"id": topic.id, "text": topic.text, "category": topic.category},
            "players": list(planned.players),
            "error": name,
            "message": message,
        }
        if not isinstance(error, ConcordatError):  # not raised on purpose: say where
            failure["traceback"] = "".join(traceback.format_exception(error))
            logger.error("negotiation %s failed unexpectedly", planned.id, exc_info=error)
        self._failures[planned.id] = Failure(planned.id, topic.id, name, message)
        self.folder.append_failure(failure)
        self.folder.append_event(
            {
                "event": "negotiation_failed",
                "negotiation_id": planned.id,
                "error": name,
                "message": message,
                "replies": count.replies,
                "malformed": count.malformed,
            }
        )
        self.state.failed += 1
        self.meters.failed(name)
        self.view.update(self.state, f"{topic.id}: failed: {message}")
        self._server_failures = self._server_failures + 1 if isinstance(error, ModelServerError) else 0
        if self._server_failures >= SERVER_FAILURES:
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
        order = [planned.id for planned in self.plan]
        counts = self._counts.values()
        return RunSummary(
            run=self.folder.path,
            planned=len(self.plan),
            rows=tuple(self._rows[key] for key in order if key in self._rows),
            failures=tuple(self._failures[key] for key in order if key in self._failures),
            replies=sum(count.replies for count in counts),
            malformed=sum(count.malformed for count in counts),
            tokens=self._earlier_tokens + self.state.tokens,
            seconds=self._earlier_seconds + self._seconds,
            interrupted=self._interrupted,
            stopped_by=str(self._fatal or ""),
        )


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
