"""Where a run stands, from ``events.jsonl`` of its folder, which is read on from where it was read to.

Nothing is written, and no process of the run is asked, so this works from any machine that sees the folder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cluster.locking import LOCK, holder_of
from cluster.runfolder import check_version, read_settings
from negotiation.errors import RecordError

State = Literal["new", "running", "lost", "interrupted", "ended"]
"""``lost``: nobody holds the folder, and nothing says that the run ended, so its process was killed."""

EMBEDDER = "embedder"
"""The agent of the events that speaks for no culture."""


@dataclass(slots=True)
class Agent:
    """What one culture's agent, or the embedder, has computed in a session.

    Attributes:
        batches: that came back.
        requests: in them.
        tokens: generated.
        seconds: that it was waited for.
    """

    batches: int = 0
    requests: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def tree(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "batches": self.batches,
            "requests_per_batch": self.requests / self.batches if self.batches else None,
            "tokens": self.tokens,
            "tokens_per_s": self.tokens / self.seconds if self.tokens and self.seconds else None,
        }


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands.

    Attributes:
        run: its folder.
        state: whether it runs, and if not, how it ended.
        holder: the process that runs it; empty if none does.
        planned: negotiations, each method counted by itself; so are the next four. None if the run never began.
        finished: with a record.
        failed: given up.
        to_retry: failed, and to be tried again.
        running: under way, as far as they have opened.
        converged: finished in an equilibrium or agreement.
        rounds: of the game that were finished in all sessions.
        nash_conv: of the latest round, >= 0, lower is better; None before the first.
        gains: (N,) each player's best gain in the latest round; None where a player proposed nothing.
        errors: how often negotiations ended with an error of each kind, in all sessions.
        last_error: its message; empty if there was none.
        actors_lost: in this session.
        sessions: that were begun.
        seconds: of the latest session, so far.
        finished_now: finished in the latest session.
        tokens: generated in the latest session.
        agents: what each has computed in the latest session.
        updated: when the run last wrote; None if it never did.
    """

    run: Path
    state: State
    holder: str = ""
    planned: int | None = None
    finished: int = 0
    failed: int = 0
    to_retry: int = 0
    running: int = 0
    converged: int = 0
    rounds: int = 0
    nash_conv: float | None = None
    gains: tuple[float | None, ...] = ()
    errors: Mapping[str, int] = field(default_factory=dict)
    last_error: str = ""
    actors_lost: int = 0
    sessions: int = 0
    seconds: float = 0.0
    finished_now: int = 0
    tokens: int = 0
    agents: Mapping[str, Agent] = field(default_factory=dict)
    updated: datetime | None = None

    @property
    def left(self) -> int:
        """Negotiations that are neither finished nor given up."""
        return max(0, (self.planned or 0) - self.finished - self.failed)

    @property
    def per_hour(self) -> float | None:
        """Negotiations finished in an hour at the speed of the latest session; None before the first."""
        return 3600 * self.finished_now / self.seconds if self.finished_now and self.seconds > 0 else None

    @property
    def tokens_per_s(self) -> float | None:
        """Generated in a second of the latest session; None before the first."""
        return self.tokens / self.seconds if self.tokens and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """How long a run will still take if it goes on as it did in this session; None if that is not known."""
        if self.state != "running" or self.per_hour is None:
            return None
        return 3600 * self.left / self.per_hour

    def tree(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "run": str(self.run),
            "state": self.state,
            "holder": self.holder or None,
            "planned": self.planned,
            "finished": self.finished,
            "failed": self.failed,
            "to_retry": self.to_retry,
            "running": self.running,
            "left": self.left,
            "converged": self.converged,
            "rounds": self.rounds,
            "nash_conv": self.nash_conv,
            "gains": list(self.gains),
            "errors": dict(self.errors),
            "last_error": self.last_error or None,
            "actors_lost": self.actors_lost,
            "sessions": self.sessions,
            "seconds": self.seconds,
            "per_hour": self.per_hour,
            "tokens_per_s": self.tokens_per_s,
            "seconds_left": self.seconds_left,
            "agents": {name: agent.tree() for name, agent in sorted(self.agents.items())},
            "updated": self.updated.isoformat(timespec="seconds") if self.updated else None,
        }


class StatusReader:
    """Reads a run's folder again and again; only what was added since.

    Args:
        run: the folder.

    Raises:
        RunError: if the folder holds no run.
        RecordError: if it was made with another layout version, or is damaged.
    """

    def __init__(self, run: Path) -> None:
        check_version(run)
        self._run = run
        self._methods = tuple(read_settings(run).get("methods", ("psro",)))
        self._read_to, self._line = 0, 0
        self._finished: set[tuple[str, str]] = set()
        self._converged = 0
        self._failed: dict[tuple[str, str], bool] = {}  # whether it is given up
        self._errors: Counter[str] = Counter()
        self._last_error = ""
        self._rounds = 0
        self._nash_conv: float | None = None
        self._gains: tuple[float | None, ...] = ()
        self._sessions = 0
        self._updated: datetime | None = None
        self._begin_session({})

    def _begin_session(self, event: Mapping[str, Any]) -> None:
        self._planned: int | None = event.get("planned")
        self._began = self._updated
        self._ended: State | None = None
        self._open: dict[str, int] = {}
        self._agents: dict[str, Agent] = {}
        self._finished_now, self._lost = 0, 0

    def read(self, now: datetime | None = None) -> RunStatus:
        """Where the run stands.

        Args:
            now: the time; None for the present.

        Raises:
            RecordError: naming a damaged line.
        """
        holder = holder_of(self._run / LOCK)  # asked first: who ends meanwhile has written that he did
        self._take_new()
        state = self._state(holder)
        until = (now or datetime.now(UTC)) if state == "running" else self._updated
        seconds = (until - self._began).total_seconds() if until and self._began else 0.0
        return RunStatus(
            run=self._run,
            state=state,
            holder=holder,
            planned=self._planned,
            finished=len(self._finished),
            failed=sum(self._failed.values()),
            to_retry=len(self._failed) - sum(self._failed.values()),
            running=len(self._open) if state == "running" else 0,
            converged=self._converged,
            rounds=self._rounds,
            nash_conv=self._nash_conv,
            gains=self._gains,
            errors=dict(self._errors.most_common()),
            last_error=self._last_error,
            actors_lost=self._lost,
            sessions=self._sessions,
            seconds=max(0.0, seconds),
            finished_now=self._finished_now,
            tokens=sum(agent.tokens for agent in self._agents.values()),
            agents=self._agents,
            updated=self._updated,
        )

    def _state(self, holder: str) -> State:
        if holder:
            return "running"
        if not self._sessions:
            return "new"
        return self._ended or "lost"

    def _take_new(self) -> None:
        path = self._run / "events.jsonl"
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):  # it is being written, or its writer died over it
                    break
                self._line += 1
                try:
                    event = json.loads(line)
                    self._take(event)
                except (ValueError, KeyError, TypeError) as error:
                    raise RecordError(
                        f"{path}, line {self._line} is damaged ({error!r}); delete that line"
                    ) from error
                self._read_to += len(line)

    def _take(self, event: Mapping[str, Any]) -> None:
        self._updated = datetime.fromisoformat(event["time"])
        take = _TAKEN.get(event["event"])
        if take is not None:
            take(self, event)

    def _take_start(self, event: Mapping[str, Any]) -> None:
        self._sessions += 1
        self._begin_session(event)

    def _take_end(self, event: Mapping[str, Any]) -> None:
        self._ended = "ended" if event["event"] == "run_ended" else "interrupted"
        self._open.clear()

    def _take_opening(self, event: Mapping[str, Any]) -> None:
        self._opened(event["negotiation_id"])

    def _opened(self, name: str) -> None:
        if name not in self._open:
            done = sum((name, method) in self._finished for method in self._methods)
            self._open[name] = max(1, len(self._methods) - done)

    def _left(self, event: Mapping[str, Any]) -> tuple[str, str]:
        """A method is through with a negotiation."""
        name = event["negotiation_id"]
        if name in self._open:
            self._open[name] -= 1
            if self._open[name] <= 0:
                del self._open[name]
        return name, event.get("method", "psro")

    def _take_round(self, event: Mapping[str, Any]) -> None:
        # What was opened in an earlier session goes on without saying so.
        self._opened(event["negotiation_id"])
        self._rounds += 1
        self._nash_conv = event["nash_conv"]
        self._gains = tuple(event["gains"])

    def _take_finish(self, event: Mapping[str, Any]) -> None:
        key = self._left(event)
        self._failed.pop(key, None)
        if key not in self._finished:
            self._finished.add(key)
            self._finished_now += 1
            self._converged += bool(event["converged"])

    def _take_failure(self, event: Mapping[str, Any]) -> None:
        key = self._left(event)
        # Of several tries, the last one says that it was; runs without tries say nothing of them.
        self._failed[key] = bool(event.get("quarantined", "try" not in event))
        self._errors[event["error"]] += 1
        self._last_error = event["message"]

    def _take_forgiveness(self, event: Mapping[str, Any]) -> None:
        for name, method, _ in event["tries"]:
            if (name, method) in self._failed:
                self._failed[name, method] = False

    def _take_lift(self, event: Mapping[str, Any]) -> None:
        self._failed = dict.fromkeys(self._failed, False)

    def _take_loss(self, event: Mapping[str, Any]) -> None:
        self._lost += 1

    def _take_batch(self, event: Mapping[str, Any]) -> None:
        agent = self._agents.setdefault(event["model"], Agent())
        agent.batches += 1
        agent.requests += event["requests"]
        agent.tokens += event["tokens"]
        agent.seconds += event["seconds"]


_TAKEN: Mapping[str, Callable[[StatusReader, Mapping[str, Any]], None]] = {
    "run_started": StatusReader._take_start,
    "run_ended": StatusReader._take_end,
    "run_interrupted": StatusReader._take_end,
    "negotiation_opened": StatusReader._take_opening,
    "round_finished": StatusReader._take_round,
    "negotiation_finished": StatusReader._take_finish,
    "negotiation_failed": StatusReader._take_failure,
    "tries_forgiven": StatusReader._take_forgiveness,
    "quarantine_lifted": StatusReader._take_lift,
    "actor_lost": StatusReader._take_loss,
    "batch": StatusReader._take_batch,
}
