"""A replica that is a Ray actor: started under a name, asked, and brought back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayError, RayTaskError

from cluster.simulation.pool import ReplicaLostError

RESTART_PAUSE_S = 0.2
"""Between questions to an actor that is being restarted."""

NODES_S = 5.0
"""How often it is looked whether the cluster has a node left, while an actor is waited for."""

NAME_FREE_S = 30.0
"""How long a name may still belong to an actor of a program that was killed a moment ago."""


class ActorReplica:
    """A Ray actor with a method ``name`` that answers once it is ready.

    Args:
        label: its name, also in Ray.
        start: makes an actor of that name; called again if the actor is gone for good.
    """

    def __init__(self, label: str, start: Callable[[], Any]) -> None:
        self.label = label
        self._start = start
        self.actor = _start_named(start)

    async def call(self, method: str, batch: Sequence[Any]) -> Sequence[Any]:
        """The actor's answers; its own errors come as they were raised there."""
        try:
            call = getattr(self.actor, method).options(
                name=f"{method} ({self.label})"
            )  # as Ray's dashboard shows it
            answers: Sequence[Any] = await call.remote(batch)
        except RayError as error:
            raise plain(error) from error
        return answers

    async def revive(self) -> None:
        """Wait until the actor answers, started anew if it is dead for good; ``ReplicaLostError`` if no node is left."""
        while True:
            answer = asyncio.ensure_future(_awaited(self.actor.name.remote()))
            try:
                while not (await asyncio.wait({answer}, timeout=NODES_S))[0]:
                    if not await asyncio.to_thread(_some_node_lives):
                        raise ReplicaLostError("no node of the cluster is alive")
                answer.result()
                return
            except ActorDiedError:
                try:
                    self.actor = self._start()
                except ValueError:  # its name is not free yet: it is on its way out, or in again
                    await asyncio.sleep(RESTART_PAUSE_S)
            except RayTaskError as error:
                raise plain(error) from error
            except RayError:
                await asyncio.sleep(RESTART_PAUSE_S)
            finally:
                answer.cancel()

    def stop(self) -> None:
        """Kill the actor's process; Ray starts it again."""
        ray.kill(self.actor, no_restart=False)

    def close(self) -> None:
        """Let the actor go for good."""
        ray.kill(self.actor)


async def _awaited(reference: Any) -> Any:
    return await reference


def _some_node_lives() -> bool:
    return any(node["Alive"] for node in ray.nodes())


def plain(error: RayError) -> Exception:
    """An error of the actor's own as it was raised there; any other means that the actor is lost."""
    if isinstance(error, RayTaskError) and isinstance(error.cause, Exception):
        return error.cause
    reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return ReplicaLostError(reason.rstrip("."))


def _start_named(start: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + NAME_FREE_S
    while True:
        try:
            return start()
        except ValueError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(RESTART_PAUSE_S)
