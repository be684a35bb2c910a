"""A language model behind several Ray actors, for batches that nobody needs at once: the making of training text.

The actors are those of negotiations (``ray_backend.CultureActor``), without adapters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayError

from agents.models.config import ModelConfig
from agents.models.protocol import Generation, GenerationRequest, LanguageModel, Score, ScoringRequest
from agents.voices.slices import SLICE
from cluster.config import ResourcesConfig
from cluster.ray_backend import QUIET_THREADS, CultureActor, connect, plain_error, share
from cluster.signals import own_signals
from negotiation.errors import RunError

Request = TypeVar("Request", GenerationRequest, ScoringRequest)


class ActorModel:
    """A ``LanguageModel`` whose calls are cut into slices that go round the actors.

    The slices are those of ``agents.voices.slices``: results do not depend on the number of actors.

    Args:
        config: of the model; every actor loads it.
        actors: how many, at least 1.
        sharing: how many actors, these among them, share the cluster.
        resources: what each gets.

    Attributes:
        name: of the model.

    Raises:
        RunError: if the actors cannot be placed or loaded in time.
        ModelError: if the model cannot be loaded as configured.
    """

    def __init__(self, config: ModelConfig, actors: int, sharing: int, resources: ResourcesConfig) -> None:
        self._resources = resources
        total = ray.cluster_resources()
        cpus, gpus = resources.actor_cpus, resources.actor_gpus
        kind = ray.remote(CultureActor).options(
            num_cpus=share(total.get("CPU", 1.0), sharing) if cpus is None else cpus,
            num_gpus=share(total.get("GPU", 0.0), sharing) if gpus is None else gpus,
            max_restarts=resources.restarts,
            max_task_retries=resources.restarts,
            runtime_env={"env_vars": QUIET_THREADS | {"OMP_NUM_THREADS": str(resources.threads)}},
        )
        self._actors: list[Any] = [kind.remote(f"writer {number}", None, config) for number in range(actors)]
        try:
            self.name: str = self._loaded()
        except BaseException:
            self.close()
            raise

    def _loaded(self) -> str:
        timeout = self._resources.start_timeout_s
        try:
            names = ray.get([actor.name.remote() for actor in self._actors], timeout=timeout)
        except GetTimeoutError as error:
            raise RunError(
                f"{len(self._actors)} actors did not load the model in {timeout:.0f} s (cluster:"
                f" {ray.cluster_resources()}); take fewer --actors"
            ) from error
        except RayError as error:
            raise plain_error("an actor", error, self._resources) from error
        return str(names[0])

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One generation a request; errors of the model as raised, a lost actor as ``RunError``."""
        replies: list[Generation] = self._all("generate", requests)
        return replies

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """One score a request; errors as in ``generate``."""
        scores: list[Score] = self._all("score", requests)
        return scores

    def _all(self, method: str, requests: Sequence[Request]) -> list[Any]:
        calls = []
        for number, start in enumerate(range(0, len(requests), SLICE)):
            actor = self._actors[number % len(self._actors)]
            calls.append(getattr(actor, method).remote(list(requests[start : start + SLICE])))
        try:
            return [answer for answers in ray.get(calls) for answer in answers]
        except RayError as error:
            raise plain_error("an actor", error, self._resources) from error

    def close(self) -> None:
        """Let the actors go."""
        actors, self._actors = self._actors, []
        for actor in actors:
            ray.kill(actor)


@contextmanager
def actor_models(
    configs: Sequence[ModelConfig], actors: int | None, address: str | None
) -> Iterator[list[LanguageModel]]:
    """Models in actors for the time of a block, and the cluster too if there was none.

    Args:
        configs: of the models.
        actors: of each model; None: one a GPU, else one.
        address: of a running cluster; None for a local one.

    Raises:
        RunError: if there is no cluster, or the actors cannot be placed or loaded in time.
        ModelError: if a model cannot be loaded as configured.
    """
    with own_signals() as back, ExitStack() as stack:
        if connect(ResourcesConfig(), address):
            stack.callback(ray.shutdown)
        back()
        gpus = ray.cluster_resources().get("GPU", 0.0)
        count = max(1, int(gpus) // len(configs)) if actors is None else actors
        models: list[LanguageModel] = []
        for config in configs:
            model = ActorModel(config, count, count * len(configs), ResourcesConfig())
            stack.callback(model.close)
            models.append(model)
        yield models
