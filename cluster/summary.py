"""What a run came to: one row a negotiation, and the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from negotiation.dialogue import DialogueRecord
    from negotiation.record import NegotiationRecord
    from negotiation.topic import Topic


@dataclass(frozen=True, slots=True)
class Row:
    """One negotiation finished by the game.

    Attributes:
        id: of the negotiation.
        topic: id of the topic.
        question: its text.
        category: of the topic.
        rounds: played.
        converged: whether it ended in an equilibrium that no fresh proposal upsets.
        stop_reason: why it ended.
        nash_conv: of the final equilibrium, >= 0, lower is better.
        guidelines: (N,) in each final pool.
        moved: (N,) 1 - cosine between each player's opening and consensus statement, in [0, 2].
        seconds: wall clock, waiting for shared batches included.
        digest: of the record.
    """

    id: str
    topic: str
    question: str
    category: str
    rounds: int
    converged: bool
    stop_reason: str
    nash_conv: float
    guidelines: tuple[int, ...]
    moved: tuple[float, ...]
    seconds: float
    digest: str

    def line(self) -> dict[str, Any]:
        """What the events hold of it; the topic is the plan's."""
        return _line(self, ())

    @classmethod
    def of_line(cls, topic: Topic, line: Mapping[str, Any]) -> Row:
        """The row of such a line."""
        return cls(**_of_line(cls, topic, line))

    @classmethod
    def of(cls, record: NegotiationRecord, digest: str | None = None) -> Row:
        """The row of a record; its digest, if it is known already."""
        distances = record.statement_distances()
        return cls(
            id=record.negotiation_id,
            topic=record.topic.id,
            question=record.topic.text,
            category=record.topic.category,
            rounds=len(record.rounds),
            converged=record.converged,
            stop_reason=record.stop_reason,
            nash_conv=record.nash_conv,
            guidelines=tuple(len(pool) for pool in record.pools),
            moved=tuple(float(distances[i, i]) for i in range(len(record.players))),
            seconds=record.seconds,
            digest=digest or record.digest(),
        )


@dataclass(frozen=True, slots=True)
class DialogueRow:
    """One negotiation finished by another method.

    Attributes:
        id: of the negotiation.
        method: by which it was negotiated.
        topic: id of the topic.
        question: its text.
        category: of the topic.
        rounds: of a debate, or votes of a mediator; None for a consultancy.
        converged: whether a debate ended in agreement; None for methods without a criterion.
        stop_reason: why it ended.
        moved: (N,) 1 - cosine between each player's opening and consensus statement, in [0, 2].
        seconds: wall clock, waiting for shared batches included.
        digest: of the record.
    """

    id: str
    method: str
    topic: str
    question: str
    category: str
    rounds: int | None
    converged: bool | None
    stop_reason: str
    moved: tuple[float, ...]
    seconds: float
    digest: str

    def line(self) -> dict[str, Any]:
        """What the events hold of it; the topic is the plan's."""
        return _line(self, ("method",))

    @classmethod
    def of_line(cls, topic: Topic, line: Mapping[str, Any]) -> DialogueRow:
        """The row of such a line."""
        return cls(**_of_line(cls, topic, line))

    @classmethod
    def of(cls, record: DialogueRecord, digest: str | None = None) -> DialogueRow:
        """The row of a record; its digest, if it is known already."""
        distances = record.statement_distances()
        return cls(
            id=record.negotiation_id,
            method=record.method,
            topic=record.topic.id,
            question=record.topic.text,
            category=record.topic.category,
            rounds=record.rounds,
            converged=record.converged,
            stop_reason=record.stop_reason,
            moved=tuple(float(distances[i, i]) for i in range(len(record.players))),
            seconds=record.seconds,
            digest=digest or record.digest(),
        )


FIGURES = ("converged", "stop_reason", "rounds", "nash_conv", "guidelines", "moved", "seconds", "digest")
"""Fields of rows that do not follow from the plan, as far as a row has them."""


def _line(row: Row | DialogueRow, first: Sequence[str]) -> dict[str, Any]:
    tree = asdict(row)
    return {name: tree[name] for name in (*first, *FIGURES) if name in tree}


def _of_line(kind: type, topic: Topic, line: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {
        "id": line["negotiation_id"],
        "topic": topic.id,
        "question": topic.text,
        "category": topic.category,
    }
    for part in fields(kind):
        if part.name not in given:
            value = line[part.name]
            given[part.name] = tuple(value) if isinstance(value, list) else value
    return given


@dataclass(frozen=True, slots=True)
class Failure:
    """A negotiation by one method that ended with an error, and has not been finished since."""

    id: str
    topic: str
    error: str
    message: str
    method: str = "psro"


@dataclass(frozen=True, slots=True)
class Standing:
    """What one method came to in a run.

    Attributes:
        finished: negotiations that it finished.
        converged: how many of these met its criterion of consensus; None if it has none.
        failed: negotiations that ended with an error in this session.
    """

    finished: int
    converged: int | None
    failed: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run came to.

    Attributes:
        run: the run folder.
        planned: negotiations of the plan, each method counted by itself.
        rows: those that the game finished, in plan order, those of earlier sessions included; read as they are asked for.
        failures: the last failure of each that is not finished.
        replies: of models in this run, as far as counted.
        malformed: how many of these had to be thrown away.
        tokens: generated, in all sessions of the run.
        seconds: from the first model call of a session to its last record, all sessions together.
        interrupted: whether it was stopped before its end.
        stopped_by: why the run was given up, if it was; empty otherwise.
        report: where the report is; None if there is none.
        methods: of the run.
        dialogues: what other methods than the game finished, by method and then in plan order.
        quarantined: negotiations that failed so often that they are not tried again unless that is asked for.
        tries: how often that is.
    """

    run: Path
    planned: int
    rows: Sequence[Row]
    failures: Sequence[Failure]
    replies: int
    malformed: int
    tokens: int
    seconds: float
    interrupted: bool = False
    stopped_by: str = ""
    report: Path | None = None
    methods: tuple[str, ...] = ("psro",)
    dialogues: Sequence[DialogueRow] = ()
    quarantined: int = 0
    tries: int = 1

    @property
    def finished(self) -> int:
        """Finished negotiations, each method counted by itself."""
        return len(self.rows) + len(self.dialogues)

    @property
    def converged(self) -> int:
        """Finished negotiations that met their method's criterion of consensus, each method counted by itself."""
        return sum(standing.converged or 0 for standing in self.by_method().values())

    def by_method(self) -> dict[str, Standing]:
        """What each method came to."""
        finished, told, met = Counter[str](), Counter[str](), Counter[str]()
        for method, converged in self._ends():
            finished[method] += 1
            told[method] += converged is not None
            met[method] += bool(converged)
        failed = Counter(failure.method for failure in self.failures)
        return {
            method: Standing(
                finished=finished[method],
                converged=met[method] if told[method] or method in ("psro", "debate") else None,
                failed=failed[method],
            )
            for method in self.methods
        }

    def _ends(self) -> Iterator[tuple[str, bool | None]]:
        yield from (("psro", row.converged) for row in self.rows)
        yield from ((row.method, row.converged) for row in self.dialogues)

    @property
    def max_nash_conv(self) -> float | None:
        """Largest NashConv of a finished negotiation; None if none finished."""
        return max((row.nash_conv for row in self.rows), default=None)

    @property
    def malformed_rate(self) -> float | None:
        """Share of replies thrown away, in [0, 1]; None if no reply was counted."""
        return self.malformed / self.replies if self.replies else None

    @property
    def tokens_per_s(self) -> float | None:
        """Generated tokens a second; None if nothing was generated."""
        return self.tokens / self.seconds if self.tokens and self.seconds > 0 else None

    def headline(self) -> dict[str, Any]:
        """The figures of the run as a whole, as --json prints them."""
        return {
            "run": str(self.run),
            "negotiations": self.finished,
            "converged": self.converged,
            "failed": len(self.failures),
            "max_nash_conv": self.max_nash_conv,
            "malformed_rate": self.malformed_rate,
            "tokens_per_s": self.tokens_per_s,
            "seconds": self.seconds,
            **self._of_methods({name: asdict(standing) for name, standing in self.by_method().items()}),
        }

    def _of_methods(self, standings: dict[str, Any]) -> dict[str, Any]:
        """Nothing for runs of the game alone."""
        return {} if self.methods == ("psro",) else {"methods": standings}

    def metrics(self) -> dict[str, Any]:
        """What ``metrics.json`` holds; rows are made as they are asked for."""
        return {
            **self.headline(),
            "planned": self.planned,
            "tokens": self.tokens,
            "replies": self.replies,
            "malformed": self.malformed,
            "interrupted": self.interrupted,
            **({"quarantined": self.quarantined} if self.quarantined else {}),
            "per_negotiation": (asdict(row) for row in self.rows),
            **({"dialogues": (asdict(row) for row in self.dialogues)} if self.dialogues else {}),
        }

    def sentence(self) -> str:
        """The run in one line."""
        planned = f"{self.planned} negotiation{'s' * (self.planned != 1)}"
        parts = [f"{self.finished} of {planned} finished", f"{self.converged} converged"]
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        if self.malformed_rate is not None:
            parts.append(f"{self.malformed_rate:.1%} of replies malformed")
        if self.tokens_per_s is not None:
            parts.append(f"{self.tokens_per_s:,.0f} tokens/s")
        return f"{', '.join(parts)}, {self.seconds:.0f} s"

    def lines_of_methods(self) -> list[str]:
        """What each method came to, a line each; nothing for runs of the game alone."""
        if self.methods == ("psro",):
            return []
        return [f"{name}: {_told(standing)}" for name, standing in self.by_method().items()]

    def fault(self) -> tuple[str, str] | None:
        """What went wrong, as (kind, message); None if nothing did."""
        resume = f"resume with: concordat negotiate --resume --out {self.run}"
        if self.interrupted:
            return (
                "Interrupted",
                f"stopped; {self.finished} of {self.planned} negotiations are finished; {resume}",
            )
        if self.stopped_by:
            return (
                "RunStopped",
                f"{self.stopped_by}; {self.finished} of {self.planned} are finished; {resume}",
            )
        if self.failures:
            first = self.failures[0]
            again = "--resume tries them again"
            if self.quarantined:
                told = f"{self.quarantined} are quarantined after {self.tries} tries"
                again = f"{told}; --resume --retry-quarantined tries them again"
            return first.error, (
                f"{len(self.failures)} of {self.planned} negotiations failed, the first: {first.message};"
                f" all are in {self.run / 'failures.jsonl'}; {again}"
            )
        return None


def _told(standing: Standing) -> str:
    converged = "no criterion" if standing.converged is None else f"{standing.converged} converged"
    failed = f", {standing.failed} failed" if standing.failed else ""
    return f"{standing.finished} finished, {converged}{failed}"
