"""What is done of a plan: finished, failed so often, or left. A few bytes a negotiation, whatever its record holds.

Ids are kept as 64-bit hashes; of what was finished or failed, the place of its line in ``events.jsonl`` is kept, from
which rows are read when they are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from cluster.plan import PlannedNegotiation
from cluster.runfolder import RunFolder, safe_name
from cluster.summary import DialogueRow, Failure, Row
from negotiation.errors import RecordError
from negotiation.outcome import Method

T = TypeVar("T")

NOWHERE = -1
"""In place of a place in the file."""

BATCH = b'"event": "batch"'
"""Marks the lines of batches, of which there are many and which say nothing of what is done."""


class Lines(Sequence[T], Generic[T]):
    """Rows that are read from the events when they are asked for.

    Args:
        folder: of the run.
        keys: (n, 2) place in the plan, and index of the method.
        places: (n,) of their lines.
        row: makes a row of a key and a line.
    """

    def __init__(
        self,
        folder: RunFolder,
        keys: NDArray[np.int64],
        places: NDArray[np.int64],
        row: Callable[[int, int, Mapping[str, Any]], T],
    ) -> None:
        self._folder, self._keys, self._places, self._row = folder, keys, places, row

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return Lines(self._folder, self._keys[place], self._places[place], self._row)
        planned, method = self._keys[place]
        return self._row(int(planned), int(method), self._folder.event_at(int(self._places[place])))


@dataclass(slots=True)
class Ledger:
    """What is done of a run's plan.

    Attributes:
        plan: all negotiations of the run.
        methods: by which each is negotiated.
        folder: of the run.
        tries: after how many a negotiation that fails is quarantined.
        finished: negotiations with a record, each method counted by itself; so is ``quarantined``.
        quarantined: those that failed that often.
        replies: of models in this run, as far as counted.
        malformed: how many of these were thrown away.
        tokens: generated in earlier sessions.
        seconds: of earlier sessions.
    """

    plan: Sequence[PlannedNegotiation]
    methods: tuple[Method, ...]
    folder: RunFolder
    tries: int
    finished: int = 0
    quarantined: int = 0
    replies: int = 0
    malformed: int = 0
    tokens: int = 0
    seconds: float = 0.0
    _hashes: NDArray[np.uint64] = field(init=False)
    _order: NDArray[np.int64] = field(init=False)
    _done: NDArray[np.int64] = field(init=False)
    _failed: NDArray[np.int64] = field(init=False)
    _tried: NDArray[np.int16] = field(init=False)

    def __post_init__(self) -> None:
        hashes = np.fromiter((_hash(planned.id) for planned in self.plan), np.uint64, len(self.plan))
        self._order = np.argsort(hashes)
        self._hashes = hashes[self._order]
        shape = (len(self.plan), len(self.methods))
        self._done = np.full(shape, NOWHERE, np.int64)
        self._failed = np.full(shape, NOWHERE, np.int64)
        self._tried = np.zeros(shape, np.int16)
        if not self.folder.is_new:
            self._read()
        self.finished = int((self._done != NOWHERE).sum())
        self.quarantined = int((self._stuck() & (self._tried >= self.tries)).sum())

    @property
    def total(self) -> int:
        """Negotiations of the plan, each method counted by itself."""
        return self._done.size

    @property
    def left(self) -> int:
        """Negotiations that are still to be tried, each method counted by itself."""
        return int(self._open().sum())

    def is_finished(self, negotiation_id: str, method: str) -> bool:
        """Whether a negotiation by a method has its record."""
        return bool(self._done[self._key(negotiation_id, method)] != NOWHERE)

    def lanes(self, count: int) -> list[Iterator[tuple[PlannedNegotiation, tuple[Method, ...]]]]:
        """What is left now, dealt out to some lanes one by one: negotiations, and by which methods each."""
        places = np.flatnonzero(self._open().any(axis=1))
        return [self._jobs(places[lane::count]) for lane in range(count)]

    def _jobs(self, places: NDArray[np.int64]) -> Iterator[tuple[PlannedNegotiation, tuple[Method, ...]]]:
        for place in places:
            yield self.plan[int(place)], self._methods_left(int(place))

    def planned(self, negotiation_id: str) -> PlannedNegotiation:
        """The negotiation of an id; ``KeyError`` if it is not of the plan."""
        return self.plan[self._place(negotiation_id)]

    def methods_finished(self, negotiation_id: str) -> tuple[Method, ...]:
        """By which methods a negotiation is finished."""
        row = self._done[self._place(negotiation_id)]
        return tuple(method for method, done in zip(self.methods, row, strict=True) if done != NOWHERE)

    def _methods_left(self, place: int) -> tuple[Method, ...]:
        row = self._done[place], self._tried[place]
        return tuple(
            method
            for method, done, tried in zip(self.methods, *row, strict=True)
            if done == NOWHERE and tried < self.tries
        )

    def finish(self, negotiation_id: str, method: str, line: int) -> None:
        """A negotiation by a method has its record, and its line in the events."""
        key = self._key(negotiation_id, method)
        self.finished += int(self._done[key] == NOWHERE)
        self._done[key] = line

    def fail(self, negotiation_id: str, method: str) -> int:
        """A negotiation by a method failed; how often by now. ``failed_at`` tells where that is written."""
        key = self._key(negotiation_id, method)
        self._tried[key] += 1
        self.quarantined += int(self._tried[key] == self.tries)
        return int(self._tried[key])

    def failed_at(self, negotiation_id: str, method: str, line: int) -> None:
        """Where the last failure of a negotiation by a method is written in the events."""
        self._failed[self._key(negotiation_id, method)] = line

    def forgive(self, tries: Mapping[tuple[str, str], int]) -> None:
        """So many of a negotiation's tries by a method do not count."""
        for (negotiation_id, method), count in tries.items():
            key = self._key(negotiation_id, method)
            before = self._tried[key]
            self._tried[key] = max(0, before - count)
            self.quarantined -= int(before >= self.tries > self._tried[key])

    def lift(self) -> int:
        """Let what is quarantined be tried again, with all its tries before it; how many that are."""
        lifted, stuck = self.quarantined, self._stuck()
        self._tried[stuck] = 0
        self.quarantined = 0
        return lifted

    def rows(self) -> Lines[Row]:
        """What the game finished, in order of the plan."""
        chosen = [k for k, method in enumerate(self.methods) if method == "psro"]
        return self._lines(self._done, chosen, self._row)

    def dialogues(self) -> Lines[DialogueRow]:
        """What other methods finished, by method and then in order of the plan."""
        chosen = [k for k, method in enumerate(self.methods) if method != "psro"]
        return self._lines(self._done, chosen, self._dialogue)

    def failures(self) -> Lines[Failure]:
        """The last failure of each that has not been finished, by method and then in order of the plan."""
        failed = np.where(self._done == NOWHERE, self._failed, NOWHERE)
        return self._lines(failed, range(len(self.methods)), self._failure)

    def _lines(
        self,
        places: NDArray[np.int64],
        methods: Sequence[int],
        row: Callable[[int, int, Mapping[str, Any]], T],
    ) -> Lines[T]:
        found = [(np.flatnonzero(places[:, method] != NOWHERE), method) for method in methods]
        keys = [np.stack([where, np.full_like(where, method)], axis=1) for where, method in found]
        empty = np.empty((0, 2), np.int64)
        chosen = np.concatenate([empty, *keys])
        return Lines(self.folder, chosen, places[chosen[:, 0], chosen[:, 1]], row)

    def _row(self, place: int, method: int, line: Mapping[str, Any]) -> Row:
        planned = self.plan[place]
        if "moved" not in line:  # written before lines said so much
            return Row.of(self.folder.read_record(planned.id))
        return Row.of_line(planned.topic, line)

    def _dialogue(self, place: int, method: int, line: Mapping[str, Any]) -> DialogueRow:
        planned = self.plan[place]
        if "moved" not in line:
            return DialogueRow.of(self.folder.read_dialogue(planned.id, self.methods[method]))
        return DialogueRow.of_line(planned.topic, line)

    def _failure(self, place: int, method: int, line: Mapping[str, Any]) -> Failure:
        planned = self.plan[place]
        return Failure(planned.id, planned.topic.id, line["error"], line["message"], self.methods[method])

    def _open(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self._done == NOWHERE) & (self._tried < self.tries)
        return found

    def _stuck(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self._done == NOWHERE) & (self._tried > 0)
        return found

    def _place(self, negotiation_id: str) -> int:
        value = np.uint64(_hash(negotiation_id))
        found = int(np.searchsorted(self._hashes, value))
        if found == len(self._hashes) or self._hashes[found] != value:
            raise KeyError(negotiation_id)
        return int(self._order[found])

    def _key(self, negotiation_id: str, method: str) -> tuple[int, int]:
        return self._place(negotiation_id), self.methods.index(method)

    def _read(self) -> None:
        """Take up what earlier sessions wrote; what has a record but no line, since its session died, gets one."""
        for place, line in self.folder.event_lines(BATCH):
            try:
                self._take(place, line)
            except (KeyError, ValueError):  # of a negotiation or method that is not of this plan
                continue
            except TypeError as error:
                raise RecordError(
                    f"{self.folder.path / 'events.jsonl'}, byte {place} is damaged ({error}); delete that line"
                ) from error
        for index, method in enumerate(self.methods):
            there = self.folder.finished_names(method)
            for place, planned in enumerate(self.plan):
                is_there, is_told = safe_name(planned.id) in there, self._done[place, index] != NOWHERE
                if is_told and not is_there:
                    self._done[place, index] = NOWHERE
                elif is_there and not is_told:
                    self._done[place, index] = self.folder.append_event(self._found(planned, method))

    def _found(self, planned: PlannedNegotiation, method: Method) -> dict[str, Any]:
        """The line of a record that has none, read from it; counts of replies went with its session."""
        row = (
            Row.of(self.folder.read_record(planned.id))
            if method == "psro"
            else DialogueRow.of(self.folder.read_dialogue(planned.id, method))
        )
        return {"event": "negotiation_finished", "negotiation_id": planned.id, **row.line(), "found": True}

    def _take(self, place: int, line: Mapping[str, Any]) -> None:
        kind = line.get("event")
        self.replies += line.get("replies", 0)
        self.malformed += line.get("malformed", 0) if "replies" in line else 0
        if kind == "negotiation_finished":
            self._done[self._key(line["negotiation_id"], line.get("method", "psro"))] = place
        elif kind == "negotiation_failed":
            key = self._key(line["negotiation_id"], line.get("method", "psro"))
            self._failed[key] = place
            self._tried[key] += 1
        elif kind == "tries_forgiven":
            for negotiation_id, method, count in line["tries"]:
                key = self._key(negotiation_id, method)
                self._tried[key] = max(0, self._tried[key] - count)
        elif kind == "quarantine_lifted":
            self._tried[self._stuck()] = 0
        elif kind in ("run_ended", "run_interrupted"):
            self.tokens += line.get("tokens", 0)
            self.seconds += line.get("seconds", 0.0)


def _hash(negotiation_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(negotiation_id.encode(), digest_size=8).digest(), "big")
