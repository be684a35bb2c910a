"""Models in Ray actors: one a culture with that culture's adapter, and embedders.

The actors are shells round plain classes of ``agents``; they add a name, a place and restarts, nothing else.
Batches go to all actors at once and are awaited together, one at a time for each actor, so nothing piles up.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from agents.models.config import ModelConfig, load_model
from agents.models.protocol import Generation, GenerationRequest, LanguageModel, Score, ScoringRequest
from cluster.config import ResourcesConfig, RunConfig
from cluster.ray_environment import job_address
from cluster.speakers import Speaker, model_of, provenance, speakers
from negotiation.errors import RunError

if TYPE_CHECKING:
    from agents.embedding import SentenceEmbedder

NAMESPACE = "concordat"

CALLS_END_S = 60.0
"""How long the loading of other actors is waited for after one of them failed."""

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
        return self._model.generate(requests)

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """One score a request."""
        return self._model.score(requests)


class EmbedderActor:
    """A sentence embedder; loaded at the first call, as the models are."""

    def __init__(self, embedder: str, threads: int) -> None:
        self._label = f"embedder ({embedder})"
        self._name = embedder
        self._threads = threads

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
        return self._embedder.embed(texts)


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


def share(total: float, actors: int) -> float:
    """An equal part of some CPUs or GPUs for each of several actors, at most one, so that all fit.

    A GPU is shared by whole actors: with 2 GPUs and 3 actors one GPU has two of them, so each gets a half.

    >>> share(2, 3), share(1, 4), share(8, 3), share(0, 3)
    (0.5, 0.25, 1.0, 0.0)
    """
    if total <= 0:
        return 0.0
    whole = max(math.floor(total), 1)
    fraction = min(1.0, min(total, 1.0) / math.ceil(actors / whole))
    return math.floor(fraction * 10_000) / 10_000


class RayBackend:
    """Starts the actors of a run and passes batches to them.

    Args:
        config: of the run.
        run: name of the run; part of the actors' names.
        address: of a running cluster; None for a local one.
        dashboard: start the dashboard with a local one.

    Raises:
        RunError: if there is no cluster, or the actors cannot be placed or loaded in time.
        ModelError: if a model or adapter cannot be loaded as configured.
    """

    def __init__(
        self, config: RunConfig, run: str, address: str | None = None, dashboard: bool = False
    ) -> None:
        self._resources = config.resources
        voices = speakers(config)
        models = {voice.culture: model_of(config, [voice]) for voice in voices}
        self._owner = connect(config.resources, address, dashboard)
        self._actors: dict[str, Any] = {}
        self._embedders = [f"embedder-{k}" for k in range(1, config.resources.embedders + 1)]
        try:
            self._start(config, run, voices, models)
            names = self._loaded()
        except BaseException:
            self.close()
            raise
        self.embedder_name = names[self._embedders[0]]
        self.provenance = provenance(voices, names[voices[0].culture])

    def _start(
        self, config: RunConfig, run: str, voices: Sequence[Speaker], models: Mapping[str, ModelConfig]
    ) -> None:
        total = ray.cluster_resources()
        cpus = self._resources.actor_cpus
        options = {
            "num_cpus": share(total.get("CPU", 1.0), len(voices) + len(self._embedders))
            if cpus is None
            else cpus,
            "max_restarts": self._resources.restarts,
            "max_task_retries": self._resources.restarts,
            "runtime_env": {"env_vars": QUIET_THREADS | {"OMP_NUM_THREADS": str(self._resources.threads)}},
        }
        gpus = self._resources.actor_gpus
        gpu_share = share(total.get("GPU", 0.0), len(voices)) if gpus is None else gpus
        culture_class, embedder_class = ray.remote(CultureActor), ray.remote(EmbedderActor)
        for voice in voices:
            named = culture_class.options(name=f"{run}/{voice.culture}", num_gpus=gpu_share, **options)
            self._actors[voice.culture] = named.remote(voice.culture, voice.adapter, models[voice.culture])
        for name in self._embedders:
            named = embedder_class.options(name=f"{run}/{name}", **options)
            self._actors[name] = named.remote(config.embedder, self._resources.threads)

    def _loaded(self) -> dict[str, str]:
        """Wait until all actors have loaded; their models' names."""
        began = time.monotonic()
        calls = [actor.name.remote() for actor in self._actors.values()]
        try:
            names = ray.get(calls, timeout=self._resources.start_timeout_s)
        except GetTimeoutError as error:
            raise RunError(
                f"the actors did not load their models in {time.monotonic() - began:.0f} s"
                f" (cluster: {ray.cluster_resources()}, free: {ray.available_resources()});"
                " ask for less in resources, or raise resources.start_timeout_s"
            ) from error
        except RayError as error:
            # The others load on meanwhile; Ray would complain on standard output of calls that end with their actors.
            ray.wait(calls, num_returns=len(calls), timeout=CALLS_END_S)
            raise plain_error("an actor", error, self._resources) from error
        return dict(zip(self._actors, names, strict=True))

    async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
        """One generation a request, by the actor of that culture."""
        replies: list[Generation] = await self._call(model, "generate", requests)
        return replies

    async def score(self, model: str, requests: list[ScoringRequest]) -> list[Score]:
        """One score a request, by the actor of that culture."""
        scores: list[Score] = await self._call(model, "score", requests)
        return scores

    async def embed(self, texts: list[str]) -> NDArray[np.float64]:
        """(n, D) for n texts; each embedder takes its share of them."""
        names = self._embedders[: len(texts)]
        shares = [texts[k :: len(names)] for k in range(len(names))]
        parts = await asyncio.gather(
            *(self._call(name, "embed", part) for name, part in zip(names, shares, strict=True))
        )
        vectors = np.empty((len(texts), parts[0].shape[1]))
        for k, part in enumerate(parts):
            vectors[k :: len(names)] = part
        return vectors

    async def _call(self, name: str, method: str, batch: Sequence[Any]) -> Any:
        try:
            return await getattr(self._actors[name], method).remote(batch)
        except RayError as error:
            raise plain_error(f"the actor of {name}", error, self._resources) from error

    def close(self) -> None:
        """Let the actors go, and the cluster if it was started for this run."""
        actors, self._actors = self._actors, {}
        if self._owner:
            ray.shutdown()
            return
        for actor in actors.values():
            ray.kill(actor)


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
