"""Models in Ray actors: each culture's with its adapter, or all cultures' over one base model; and embedders.

The actors are shells round plain classes of ``agents``; they add a name, a place and restarts, nothing else. Actors
that compute the same are a pool (``simulation/pool.py``), which gives each of them one batch at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError

from agents.models.config import ModelConfig, load_model
from agents.models.protocol import Generation, GenerationRequest, LanguageModel, Score, ScoringRequest
from cluster.config import ResourcesConfig, RunConfig
from cluster.metrics import ActorMeter
from cluster.ray_environment import job_address
from cluster.signals import own_signals
from cluster.simulation.placing import Part, Placement, gpus_for, share, spare_cpus
from cluster.simulation.pool import Limits, Pool
from cluster.simulation.replicas import ActorReplica
from cluster.speakers import SHARED, model_of, provenance, speakers
from negotiation.errors import RunError

if TYPE_CHECKING:
    from agents.embedding import SentenceEmbedder

NAMESPACE = "concordat"

EMBEDDER = "embedder"
"""What the embedders are asked through."""

__all__ = [
    "NAMESPACE",
    "QUIET_THREADS",
    "CultureActor",
    "EmbedderActor",
    "RayBackend",
    "connect",
    "plain_error",
    "share",
]

QUIET_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
"""For actors: OpenMP threads that wait without spinning, since several actors share the cores."""


class CultureActor:
    """A language model that speaks for one culture.

    It is loaded at the first call and not at birth: an error then is an answer like any other, and a restarted
    actor loads by itself.
    """

    def __init__(self, culture: str, adapter: str | None, config: ModelConfig) -> None:
        self._label = f"{culture} ({config.kind} model, adapter: {adapter or 'none'})"
        self._config = config
        self._meter = ActorMeter()

    def __repr__(self) -> str:
        return self._label

    @cached_property
    def _model(self) -> LanguageModel:
        return load_model(self._config)

    def name(self) -> str:
        """Of the model; answering also tells that it is loaded."""
        return self._model.name

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One generation a request."""
        replies = self._model.generate(requests)
        self._meter.show()
        return replies

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """One score a request."""
        return self._model.score(requests)


class EmbedderActor:
    """A sentence embedder; loaded at the first call, as the models are."""

    def __init__(self, embedder: str, threads: int) -> None:
        self._label = f"embedder ({embedder})"
        self._name = embedder
        self._threads = threads
        self._meter = ActorMeter()

    def __repr__(self) -> str:
        return self._label

    @cached_property
    def _embedder(self) -> SentenceEmbedder:
        from agents.embedding import load_embedder

        return load_embedder(self._name, device="cpu", num_threads=self._threads)

    def name(self) -> str:
        """Of the embedder; answering also tells that it is loaded."""
        return self._embedder.name

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, D) for n texts."""
        vectors = self._embedder.embed(texts)
        self._meter.show()
        return vectors


def connect(resources: ResourcesConfig, address: str | None = None, dashboard: bool = False) -> bool:
    """Connect to a Ray cluster (in a job: to the one that runs it), or start a local one; not if there is a connection already.

    ``cluster.ray_environment.prepare_ray`` is to be called before this module is imported.

    Returns:
        Whether this call connected, and so is the one to disconnect.

    Raises:
        RunError: if there is no cluster at the address.
    """
    if ray.is_initialized():
        return False
    address = address or job_address()
    common: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        with own_signals():  # a request to stop while models load ends this program in order, too
            if address is not None:
                ray.init(address=address, **common)
                return True
            ray.init(
                address="local",
                num_cpus=resources.cluster_cpus,
                include_dashboard=dashboard,
                object_store_memory=resources.object_store_bytes,
                **common,
            )
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        where = f"the cluster at {address}" if address else "a local cluster"
        raise RunError(f"cannot connect to {where}: {error}; check --address, or use --serial") from error
    return True


@dataclass(frozen=True, slots=True)
class _Plan:
    """Actors that compute the same.

    Attributes:
        channel: what they are asked through.
        culture: what an actor calls itself.
        adapter: its adapter, or how many; None for none.
        model: with its adapters.
    """

    channel: str
    culture: str
    adapter: str | None
    model: ModelConfig


def _plans(config: RunConfig) -> list[_Plan]:
    voices = speakers(config)
    if config.resources.actors == "per-culture":
        return [
            _Plan(voice.culture, voice.culture, voice.adapter, model_of(config, [voice])) for voice in voices
        ]
    adapted = sum(voice.adapter is not None for voice in voices)
    return [_Plan(SHARED, f"{len(voices)} cultures", f"{adapted} adapters", model_of(config, voices))]


class RayBackend:
    """Starts the actors of a run and passes batches to them.

    Args:
        config: of the run.
        run: name of the run; part of the actors' names.
        address: of a running cluster; None for a local one.
        dashboard: start the dashboard with a local one.
        told: of each actor that is lost: its name, and why.
        kinds: classes of the actors: of a model, and of the embedder.

    Raises:
        RunError: if there is no cluster, or the actors cannot be placed or loaded in time.
        ModelError: if a model or adapter cannot be loaded as configured.
    """

    def __init__(
        self,
        config: RunConfig,
        run: str,
        address: str | None = None,
        dashboard: bool = False,
        told: Callable[[str, str], None] | None = None,
        kinds: tuple[type[Any], type[Any]] = (CultureActor, EmbedderActor),
    ) -> None:
        self._resources = config.resources
        self._kinds = kinds
        # Lanes ask by themselves, so that a batch need not be split for every replica to have work.
        self._parts = max(1, config.resources.replicas // config.resources.lanes_of(config.concurrency))
        plans = _plans(config)
        self._owner = connect(config.resources, address, dashboard)
        self._pools: dict[str, Pool] = {}
        self._replicas: list[ActorReplica] = []
        self._placement: Placement | None = None
        try:
            self._start(config, run, plans, told)
            names = self._loaded()
        except BaseException:
            self.close()
            raise
        self.embedder_name = names[EMBEDDER]
        self.provenance = provenance(speakers(config), names[plans[0].channel], config.proposing)

    def _start(
        self,
        config: RunConfig,
        run: str,
        plans: Sequence[_Plan],
        told: Callable[[str, str], None] | None,
    ) -> None:
        resources = self._resources
        agents = len(plans) * resources.replicas
        cpus = resources.actor_cpus
        if cpus is None:
            cpus = share(spare_cpus(ray.nodes()), agents + resources.embedders)
        total = ray.cluster_resources().get("GPU", 0.0)
        gpus = (
            gpus_for(plans[0].model, total, agents) if resources.actor_gpus is None else resources.actor_gpus
        )
        parts = [Part(cpus, gpus)] * agents + [Part(cpus)] * resources.embedders
        self._placement = Placement(resources, parts)
        limits = Limits(resources.restarts, resources.call_timeout_s, resources.start_timeout_s)
        model_kind, embedder_kind = (ray.remote(kind) for kind in self._kinds)

        def pool(
            channel: str, who: str, copies: int, kind: Any, part: Part, arguments: tuple[Any, ...]
        ) -> None:
            replicas = []
            for number in range(1, copies + 1):
                label = (
                    f"{run}/{channel}" if number == 1 and channel != EMBEDDER else f"{run}/{channel}-{number}"
                )
                starter = partial(self._actor, kind, label, part, len(self._replicas), arguments)
                replicas.append(ActorReplica(label, starter))
                self._replicas.append(replicas[-1])
            self._pools[channel] = Pool(f"the actor{'s' * (copies > 1)} of {who}", replicas, limits, told)

        for plan in plans:
            arguments = (plan.culture, plan.adapter, plan.model)
            pool(plan.channel, plan.channel, resources.replicas, model_kind, parts[0], arguments)
        given = (config.embedder, resources.threads)
        pool(EMBEDDER, "the embedder", resources.embedders, embedder_kind, parts[-1], given)

    def _actor(self, kind: Any, label: str, part: Part, place: int, arguments: tuple[Any, ...]) -> Any:
        """Start one actor. Ray starts it again as often as it dies; whether its batch is worth it is the pool's to say."""
        assert self._placement is not None
        placed = kind.options(
            name=label,
            num_cpus=part.cpus,
            num_gpus=part.gpus,
            max_restarts=-1,
            scheduling_strategy=self._placement.strategy(place),
            runtime_env={"env_vars": QUIET_THREADS | {"OMP_NUM_THREADS": str(self._resources.threads)}},
        )
        return placed.remote(*arguments)

    def _loaded(self) -> dict[str, str]:
        """Wait until all actors have loaded, or time is up and some of each kind have; their models' names by channel."""
        began = time.monotonic()
        calls = {replica.actor.name.remote(): replica for replica in self._replicas}
        done, late = ray.wait(list(calls), num_returns=len(calls), timeout=self._resources.start_timeout_s)
        names: dict[str, str] = {}
        try:
            answers = dict(zip((calls[call] for call in done), ray.get(done), strict=True))
        except RayError as error:
            raise plain_error("an actor", error, self._resources) from error
        away = {calls[call].label for call in late}
        for channel, pool in self._pools.items():
            found = [answers[replica] for replica in pool.replicas if replica in answers]
            if not found:
                raise RunError(
                    f"the actors did not load their models in {time.monotonic() - began:.0f} s"
                    f" (cluster: {ray.cluster_resources()}, free: {ray.available_resources()});"
                    " ask for less in resources, or raise resources.start_timeout_s"
                )
            names[channel] = found[0]
            for replica in pool.replicas:
                if replica.label in away:
                    pool.lose(replica, "it has not loaded yet")
        return names

    async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
        """One generation a request, by an actor of that channel."""
        return await self._pools[model].call("generate", requests, self._parts)

    async def score(self, model: str, requests: list[ScoringRequest]) -> list[Score]:
        """One score a request, by an actor of that channel."""
        return await self._pools[model].call("score", requests, self._parts)

    async def embed(self, texts: list[str]) -> NDArray[np.float64]:
        """(n, D) for n texts; each embedder takes its share of them."""
        return np.stack(await self._pools[EMBEDDER].call("embed", texts, self._resources.embedders))

    def close(self) -> None:
        """Let the actors go, and the cluster if it was started for this run."""
        replicas, self._replicas = self._replicas, []
        if self._owner:
            ray.shutdown()
            return
        for replica in replicas:
            replica.close()
        if self._placement is not None:
            self._placement.close()


def plain_error(who: str, error: RayError, resources: ResourcesConfig) -> Exception:
    """What went wrong without Ray's wrapping: an error of the actor's own as raised, a lost actor in words."""
    if isinstance(error, RayTaskError) and isinstance(error.cause, Exception):
        return error.cause
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return RunError(
        f"{who} was lost and could not be had again in {resources.restarts} restarts ({reason.rstrip('.')});"
        " look at the logs in /tmp/ray/session_latest/logs, give actors more memory or take a smaller"
        " --concurrency, then --resume"
    )
