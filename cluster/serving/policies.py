"""The policies of a run folder as they are served: read once, looked up by id, taken anew when their files change.

A snapshot is never changed: a request keeps the one that it began with, and the store swaps it for another. Names are looked up
among ids that were read, so that no name leads to a file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.faults import faults_of
from cluster.serving.schema import PolicyReply, PolicyRow, PolicySide, PoolEntry, TopicReply, Values
from cluster.serving.watching import FolderWatch, checked_id
from negotiation.errors import RunError
from rewriter.targets import PolicyText

logger = logging.getLogger(__name__)

MOST_BYTES = 20_000_000
"""Of one policy file; a larger one is not read."""


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

    def reply(self, values: Values | None, bargaining: bool = False) -> PolicyReply:
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
        return PolicyReply(**self._told(), sides=sides, values=values, bargaining=bargaining)

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
    """

    row: PolicyRow
    digest: str
    packed: bytes

    @property
    def id(self) -> str:
        """Of the negotiation."""
        return self.row.id

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
        folder = run / "policies"
        self._watch = FolderWatch(folder, _read, chosen=chosen, grace_s=grace_s)
        self.snapshot = Snapshot.of({})
        if not folder.is_dir():
            raise RunError(
                f"{run}: no folder 'policies' in it; give a run that 'concordat negotiate' has finished"
            )
        self.refresh()
        missing = sorted(set(chosen or ()) - set(self.snapshot.held))
        if missing:
            raise RunError(f"{run}: no policy {', '.join(missing)}; look into {folder}")

    def refresh(self, now: float | None = None) -> bool:
        """Look for files that are new, changed or gone; whether the snapshot changed.

        A file that cannot be read (say, while it is being written) leaves what it held before.
        """
        if not self._watch.refresh(now):
            return False
        self.snapshot = Snapshot.of(self._watch.held)
        return True


def _read(path: Path) -> Held | None:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
        content = path.read_bytes()
        policy = Policy.model_validate(json.loads(content))
        checked_id(policy.negotiation_id)
    except ValidationError as error:
        logger.warning("policy file %s is not served: %s", path.name, faults_of(error, "file"))
        return None
    except (OSError, ValueError) as error:
        logger.warning("policy file %s is not served: %s", path.name, error)
        return None
    digest = hashlib.sha256(content).hexdigest()
    return Held(policy.row(), digest, zlib.compress(content, 3))
