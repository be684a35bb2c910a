"""The policies of a run folder as they are served: read once, looked up by id, taken anew when their files change.

A snapshot is never changed: a request keeps the one that it began with, and the store swaps it for another. Names are looked up
among ids that were read, so that no name leads to a file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.faults import faults_of
from cluster.serving.schema import PolicyReply, PolicyRow, PolicySide, PoolEntry, TopicReply, Values
from negotiation.errors import RunError
from rewriter.targets import PolicyText

logger = logging.getLogger(__name__)

MOST_BYTES = 20_000_000
"""Of one policy file; a larger one is not read."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    weight: float = Field(ge=0, le=1, allow_inf_nan=False)
    kind: str
    round: int = Field(ge=0)
    content: str
    reason: str = ""
    description: str = ""


class _Side(BaseModel):
    model_config = ConfigDict(frozen=True)

    culture: str
    payoff: float
    statement: str = Field(min_length=1)
    opening: str
    pool: tuple[_Entry, ...] = Field(min_length=1)


class _Topic(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    category: str | None = None


class _Equilibrium(BaseModel):
    model_config = ConfigDict(frozen=True)

    nash_conv: float = Field(ge=0, allow_inf_nan=False)


class Policy(BaseModel):
    """A policy file, as ``cluster.policy`` writes it; fields that are of no matter here are left out."""

    model_config = ConfigDict(frozen=True)

    policy_version: int = Field(ge=1, le=1)
    negotiation_id: str
    topic: _Topic
    players: tuple[_Side, ...] = Field(min_length=1)
    equilibrium: _Equilibrium
    converged: bool
    rounds: int = Field(ge=0)

    @property
    def cultures(self) -> tuple[str, ...]:
        """In player order."""
        return tuple(side.culture for side in self.players)

    def row(self) -> PolicyRow:
        """A line of the list."""
        return PolicyRow(**self._told())

    def reply(self, values: Values | None) -> PolicyReply:
        """Everything that is served of it."""
        sides = [
            PolicySide(
                culture=side.culture,
                statement=side.statement,
                opening=side.opening,
                payoff=side.payoff,
                pool=[PoolEntry(**entry.model_dump()) for entry in side.pool],
            )
            for side in self.players
        ]
        return PolicyReply(**self._told(), sides=sides, values=values)

    def text(self) -> PolicyText:
        """What is read of it for its values."""
        return PolicyText.model_validate(self.model_dump(mode="json"))

    def _told(self) -> dict[str, Any]:
        return {
            "id": self.negotiation_id,
            "topic": TopicReply(**self.topic.model_dump()),
            "cultures": list(self.cultures),
            "converged": self.converged,
            "nash_conv": self.equilibrium.nash_conv,
            "rounds": self.rounds,
        }


@dataclass(frozen=True, slots=True)
class Held:
    """A policy in a snapshot, packed.

    Attributes:
        row: its line of the list.
        digest: of its file.
        packed: the file, compressed.
        gone_since: when its file was first missed, monotonic seconds; None while it is there.
    """

    row: PolicyRow
    digest: str
    packed: bytes
    gone_since: float | None = None

    def policy(self) -> Policy:
        """The whole of it."""
        return _unpacked(self.digest, self.packed)


@lru_cache(maxsize=256)
def _unpacked(digest: str, packed: bytes) -> Policy:
    return Policy.model_validate_json(zlib.decompress(packed))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The policies at one moment.

    Attributes:
        held: by id, in the order of their ids.
        tables: ids of the policies between some cultures, by the names of these joined by ``+``; a table has one name, that of
            its first policy.
    """

    held: Mapping[str, Held]
    tables: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, held: Mapping[str, Held]) -> Snapshot:
        """Sort policies and gather tables."""
        ordered = dict(sorted(held.items()))
        names: dict[frozenset[str], str] = {}
        tables: dict[str, list[str]] = {}
        for name, one in ordered.items():
            table = names.setdefault(frozenset(one.row.cultures), "+".join(one.row.cultures))
            tables.setdefault(table, []).append(name)
        frozen = {table: tuple(found) for table, found in tables.items()}
        return cls(MappingProxyType(ordered), MappingProxyType(frozen))

    def table(self, name: str) -> tuple[str, ...]:
        """Ids of the policies between the cultures of a name such as ``a+b``, in any order; none if there are none."""
        asked = name.split("+")
        if len(set(asked)) != len(asked):
            return ()
        for table, found in self.tables.items():
            if set(table.split("+")) == set(asked):
                return found
        return ()


_Mark = tuple[int, int, int]


class PolicyStore:
    """Watches the policies of a run.

    Args:
        run: the run folder.
        chosen: ids that are served; all if None.
        grace_s: how long a policy whose file is gone is served on.

    Raises:
        RunError: if the folder holds no policies, or not those that are chosen.
    """

    def __init__(self, run: Path, chosen: Collection[str] | None = None, grace_s: float = 10.0) -> None:
        self._folder = run / "policies"
        self._chosen = None if chosen is None else frozenset(chosen)
        self._grace_s = grace_s
        self._marks: dict[str, _Mark] = {}
        self._ids: dict[str, str] = {}  # file name to the id that was last read in it
        self.snapshot = Snapshot.of({})
        if not self._folder.is_dir():
            raise RunError(
                f"{run}: no folder 'policies' in it; give a run that 'concordat negotiate' has finished"
            )
        self.refresh()
        known = self.snapshot.held
        missing = sorted(self._chosen - set(known)) if self._chosen is not None else []
        if missing:
            raise RunError(f"{run}: no policy {', '.join(missing)}; look into {self._folder}")

    def refresh(self, now: float | None = None) -> bool:
        """Look for files that are new, changed or gone; whether the snapshot changed.

        A file that cannot be read (say, while it is being written) leaves what it held before.
        """
        now = time.monotonic() if now is None else now
        found = self._scan()
        held = dict(self.snapshot.held)
        seen = set()
        for name, mark in found.items():
            if self._marks.get(name) != mark:
                self._take(name, mark, held)
            if name in self._ids:
                seen.add(self._ids[name])
        for name in [name for name in self._marks if name not in found]:
            del self._marks[name]
        for key, one in list(held.items()):
            if key in seen:
                held[key] = one if one.gone_since is None else replace(one, gone_since=None)
            elif one.gone_since is None:
                held[key] = replace(one, gone_since=now)
            elif now - one.gone_since >= self._grace_s:
                del held[key]
        if held == dict(self.snapshot.held):
            return False
        self.snapshot = Snapshot.of(held)
        return True

    def _take(self, name: str, mark: _Mark, held: dict[str, Held]) -> None:
        """Read a file that is new or changed; one that cannot be read is tried again next time."""
        read = self._read(name)
        if read is None:
            return
        self._marks[name], self._ids[name] = mark, read.row.id
        old = held.get(read.row.id)
        if (self._chosen is None or read.row.id in self._chosen) and (
            old is None or old.digest != read.digest
        ):
            held[read.row.id] = read

    def _scan(self) -> dict[str, _Mark]:
        """Policy files by name, with what changes when they do; none while the folder is away."""
        found: dict[str, _Mark] = {}
        try:
            root = self._folder.resolve(strict=True)
            for path in sorted(root.glob("*.json")):
                if path.name.startswith(".") or not path.resolve().is_relative_to(root):
                    continue  # a temporary file, or a link that leads out of the run
                stat = path.stat()
                found[path.name] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        except OSError:
            return found
        return found

    def _read(self, name: str) -> Held | None:
        try:
            path = self._folder / name
            if path.stat().st_size > MOST_BYTES:
                raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
            content = path.read_bytes()
            policy = Policy.model_validate(json.loads(content))
            if not _ID.fullmatch(policy.negotiation_id):
                raise ValueError("its id holds other characters than letters, digits, '.', '_' and '-'")
        except ValidationError as error:
            logger.warning("policy file %s is not served: %s", name, faults_of(error, "file"))
            return None
        except (OSError, ValueError) as error:
            logger.warning("policy file %s is not served: %s", name, error)
            return None
        digest = hashlib.sha256(content).hexdigest()
        return Held(policy.row(), digest, zlib.compress(content, 3))
