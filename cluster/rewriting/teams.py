"""Actors of one kind, of which any may die: who is free, and who comes in the place of those that are gone.

Ray starts an actor again that died, and repeats its calls. Where it cannot (it was killed for good, or died too often), its
calls go to the others; and if nobody is left, new ones are made.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import ActorDiedError, GetTimeoutError, RayError, RayTaskError

from cluster.config import ResourcesConfig
from cluster.ray_backend import plain_error
from negotiation.errors import RunError


@dataclass(frozen=True, slots=True)
class Recipe:
    """How actors of one kind are made.

    Attributes:
        kind: class of the actor; takes a label and ``make``.
        make: makes what the actor holds; pickles.
        name: of the kind, in the plural.
        run: name of the training.
        options: for Ray: CPUs, GPUs, restarts, environment.
    """

    kind: type
    make: Callable[[], Any]
    name: str
    run: str
    options: Mapping[str, Any]

    def actor(self, number: int) -> Any:
        """A new actor with a name of its own: its number, and some letters, since the name of a dead one may still be held."""
        name = f"{self.run}/{self.name}-{number}-{secrets.token_hex(2)}"
        label = f"{self.name} {number} of {self.run}"
        return ray.remote(self.kind).options(name=name, **self.options).remote(label, self.make)


def begin(recipe: Recipe, count: int) -> list[Any]:
    """New actors, numbered from 1."""
    return [recipe.actor(number) for number in range(1, count + 1)]


def await_loaded(actors: list[Any], resources: ResourcesConfig) -> None:
    """Wait until all actors have loaded.

    Raises:
        RunError: if they cannot be placed or do not load in time.
        ConcordatError: whatever kept one of them from loading.
    """
    try:
        ray.get([actor.ready.remote() for actor in actors], timeout=resources.start_timeout_s)
    except GetTimeoutError as error:
        raise RunError(
            f"{len(actors)} actors did not load in {resources.start_timeout_s:.0f} s (cluster:"
            f" {ray.cluster_resources()}, free: {ray.available_resources()}); take fewer --rollouts or --judges"
        ) from error
    except RayError as error:
        raise plain_error("an actor", error, resources) from error


class Team:
    """Actors of one kind and the calls that they have been given.

    Args:
        actors: at the start.
        recipe: of those that come when nobody is left.
        most: calls that an actor may have at once, at least 1.
        resources: says how often nobody may be left.

    Attributes:
        lost: actors lost for good.
    """

    def __init__(self, actors: list[Any], recipe: Recipe, most: int, resources: ResourcesConfig) -> None:
        self._loads = dict.fromkeys(actors, 0)
        self._size = len(actors)
        self._recipe = recipe
        self._most = most
        self._resources = resources
        self._refills = resources.restarts
        self.lost = 0

    @property
    def size(self) -> int:
        """Number of actors."""
        return len(self._loads)

    def take(self) -> Any | None:
        """The actor with the fewest calls, counted as given one more; None if all have as many as they may."""
        actor = min(self._loads, key=self._loads.__getitem__)
        if self._loads[actor] >= self._most:
            return None
        self._loads[actor] += 1
        return actor

    def done(self, actor: Any) -> None:
        """One of its calls has ended."""
        if actor in self._loads:
            self._loads[actor] -= 1

    def failed(self, actor: Any, error: RayError) -> None:
        """One of its calls ended with an error: from now on it counts only if it may come back.

        Raises:
            RunError: if nobody is left, once too often.
            Exception: an error of the actor's own, as raised.
        """
        if isinstance(error, RayTaskError):
            raise plain_error(f"an actor of {self._recipe.name}", error, self._resources) from error
        self.done(actor)
        if not isinstance(error, ActorDiedError) or actor not in self._loads:
            return
        del self._loads[actor]
        self.lost += 1
        if self._loads:
            return
        if not self._refills:
            raise RunError(
                f"all {self._recipe.name} actors were lost, {self._resources.restarts + 1} times over; look at the logs in"
                " /tmp/ray/session_latest/logs, give them more memory, then give the same command again to go on"
            ) from error
        self._refills -= 1
        self._loads = dict.fromkeys(begin(self._recipe, self._size), 0)

    def end(self) -> None:
        """Let the present actors go, those that came later too: what they hold must not wait for the garbage collector."""
        for actor in self._loads:
            ray.kill(actor)
