"""Replicas of one actor behind one queue.

A replica computes one batch at a time. A batch goes to the replica with the least work before it: to the one that is
free for longest, and if none is free, to the first that becomes so. So a slow replica gets less, and nothing piles up
before one that hangs. Whose batches share a replica says nothing about what is in a batch.

A replica that is lost (its process or node died, or it did not answer in time) is taken out and brought back in the
background, while its batch goes to another. A batch that loses replica after replica is given up, so that what kills
a model cannot go round for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from negotiation.errors import LostBatchError, RunError

logger = logging.getLogger(__name__)

LONGEST_PAUSE_S = 30.0
"""Between attempts to bring a replica back while others work."""


class ReplicaLostError(Exception):
    """A replica died, or nobody knows what became of it; its batch may be sent to another."""


class Replica(Protocol):
    """One of several that compute the same."""

    label: str

    async def call(self, method: str, batch: Sequence[Any]) -> Sequence[Any]:
        """The answers to a batch, one each; ``ReplicaLostError`` if there will be none."""
        ...

    async def revive(self) -> None:
        """Return once it answers again; raises if it never will."""
        ...

    def stop(self) -> None:
        """End it, so that ``revive`` has a fresh one; it may hang."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a pool is.

    Attributes:
        losses: how many replicas a batch may lose before the last try.
        call_timeout_s: how long a batch may take.
        start_timeout_s: how long a replica may take to come back.
        pause_s: before the second attempt to bring a replica back; doubles each time.
    """

    losses: int
    call_timeout_s: float
    start_timeout_s: float
    pause_s: float = 1.0


@dataclass(slots=True, eq=False)
class _Member:
    """A replica as the pool sees it."""

    replica: Replica
    up: bool = True
    revival: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Pool:
    """Passes batches to replicas.

    Attributes:
        name: of what the replicas are, for messages.
        replicas: at least one.
        limits: how patient it is.
        told: of each replica that is lost: its label, and why.
    """

    name: str
    replicas: Sequence[Replica]
    limits: Limits
    told: Callable[[str, str], None] | None = None
    _members: list[_Member] = field(init=False)
    _free: deque[_Member] = field(init=False)
    _waiting: deque[asyncio.Future[_Member]] = field(init=False, default_factory=deque)

    def __post_init__(self) -> None:
        self._members = [_Member(replica) for replica in self.replicas]
        self._free = deque(self._members)

    async def call(self, method: str, batch: Sequence[Any], parts: int = 1) -> list[Any]:
        """One answer to each item of a batch, in order.

        Args:
            method: of the replicas.
            batch: what to compute.
            parts: into how many batches of like size it may be split; item k goes to part k modulo parts.

        Raises:
            LostBatchError: if a part lost more replicas than it may.
            RunError: if no replica is left, and none came back in time.
        """
        parts = max(1, min(parts, len(batch)))
        shares = [batch[k::parts] for k in range(parts)]
        found = await asyncio.gather(*(self._send(method, share) for share in shares))
        answers: list[Any] = [None] * len(batch)
        for k, part in enumerate(found):
            answers[k::parts] = part
        return answers

    def lose(self, replica: Replica, why: str) -> None:
        """Take a replica out that is known to be away; it is brought back once there is work."""
        member = next(member for member in self._members if member.replica is replica)
        with contextlib.suppress(ValueError):
            self._free.remove(member)
        self._out(member, why)

    async def _send(self, method: str, batch: Sequence[Any]) -> Sequence[Any]:
        losses = 0
        while True:
            member = await self._take()
            try:
                async with asyncio.timeout(self.limits.call_timeout_s):
                    answers = await member.replica.call(method, batch)
            except (ReplicaLostError, TimeoutError) as error:
                why = str(error) or f"no answer in {self.limits.call_timeout_s:.0f} s"
                if isinstance(error, TimeoutError):
                    member.replica.stop()
                self._out(member, why)
                losses += 1
                if losses > self.limits.losses:
                    raise LostBatchError(
                        f"{self.name}: a batch of {len(batch)} lost {losses} actors, the last: {why};"
                        " look at the logs in /tmp/ray/session_latest/logs, give actors more memory, or take a smaller"
                        " --concurrency"
                    ) from error
            except BaseException:
                self._give(member)
                raise
            else:
                self._give(member)
                return answers

    async def _take(self) -> _Member:
        """The member that is free for longest, or the first to become so."""
        self._heal()
        if self._free:
            return self._free.popleft()
        waiter: asyncio.Future[_Member] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give(waiter.result())
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)

    def _give(self, member: _Member) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(member)
                return
        self._free.append(member)

    def _out(self, member: _Member, why: str) -> None:
        member.up = False
        logger.warning("%s was lost: %s", member.replica.label, why)
        if self.told is not None:
            self.told(member.replica.label, why)

    def _heal(self) -> None:
        """See to it that each lost member is being brought back, also after the event loop that did so has ended."""
        for member in self._members:
            if not member.up and (member.revival is None or member.revival.done()):
                member.revival = asyncio.ensure_future(self._revive(member))

    async def _revive(self, member: _Member) -> None:
        pause = self.limits.pause_s
        while True:
            try:
                async with asyncio.timeout(self.limits.start_timeout_s):
                    await member.replica.revive()
            except Exception as error:
                logger.warning("%s did not come back: %s", member.replica.label, error)
                if not any(other.up for other in self._members):
                    self._despair(member, error)
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                member.up, member.revival = True, None
                self._give(member)
                return

    def _despair(self, member: _Member, error: Exception) -> None:
        """Nobody is left who could answer those that wait."""
        why = str(error) or f"not in {self.limits.start_timeout_s:.0f} s"
        message = (
            f"{self.name}: {member.replica.label} was lost and could not be had again ({why}), and no other is left;"
            " look at the cluster's nodes and at the logs in /tmp/ray/session_latest/logs, then --resume"
        )
        waiting, self._waiting = self._waiting, deque()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_exception(RunError(message))
