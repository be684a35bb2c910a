"""The parts of the rewriter as named Ray actors, and proxies that stand for them.

    rewriter/model      base model with the rewriter's adapter; also answers as the bare base
    rewriter/rewriter   cuts texts and asks the model; holds no weights
    rewriter/detector   reads values
    rewriter/judge      compares what is said

Each actor is a shell round a plain class; it loads at its first call, so that an error then is an answer like any other and a
restarted actor loads by itself. A proxy implements the protocol of ``rewriter.vocabulary`` (the model's that of
``agents.models``), so whoever uses one need not know of Ray.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from agents.models.config import ModelConfig, OpenAIConfig
from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from cluster.config import ResourcesConfig
from cluster.ray_backend import QUIET_THREADS, CultureActor, connect, plain_error, share
from cluster.rewriting.rewrite_parts import Parts, PartsConfig
from cluster.signals import own_signals
from negotiation.errors import RunError
from rewriter.language_model_rewriter import LanguageModelRewriter, RewritingConfig
from rewriter.vocabulary import (
    Consistency,
    ConsistencyJudge,
    Detector,
    RewriteRequest,
    ValueReading,
)


class ModelActor(CultureActor):
    """A base model with the rewriter's adapter, if it has one."""

    def __init__(self, label: str, config: ModelConfig) -> None:
        super().__init__("rewriter", None, config)
        self._label = label


class RewriterActor:
    """A rewriter whose model is another actor.

    Args:
        label: for the dashboard.
        model: name of the model's actor.
        adapter: name of the adapter there, or None.
        config: lengths, sampling, retries.
        resources: for messages about lost actors.
    """

    def __init__(
        self, label: str, model: str, adapter: str | None, config: RewritingConfig, resources: ResourcesConfig
    ) -> None:
        self._label = label
        self._made_of = (model, adapter, config, resources)

    def __repr__(self) -> str:
        return self._label

    @cached_property
    def _rewriter(self) -> LanguageModelRewriter:
        model, adapter, config, resources = self._made_of
        # By name: Ray warns of actors that are made with a handle, since it may be gone when they are made again.
        return LanguageModelRewriter(ModelProxy(ray.get_actor(model), resources), adapter, config=config)

    def name(self) -> str:
        """Of the rewriter; answering also tells that its model is loaded."""
        return self._rewriter.name

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """One text a request."""
        return self._rewriter.rewrite(requests)


class DetectorActor:
    """A detector."""

    def __init__(self, label: str, detector: str, threads: int) -> None:
        self._label, self._detector_name, self._threads = label, detector, threads

    def __repr__(self) -> str:
        return self._label

    @cached_property
    def _detector(self) -> Detector:
        from rewriter.detector import load_detector

        return load_detector(self._detector_name, num_threads=self._threads)

    def name(self) -> str:
        """Of the detector; answering also tells that it is loaded."""
        return self._detector.name

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        """One reading a text."""
        return self._detector.read(texts)


class JudgeActor:
    """A consistency judge."""

    def __init__(self, label: str, judge: str, threads: int) -> None:
        self._label, self._judge_name, self._threads = label, judge, threads

    def __repr__(self) -> str:
        return self._label

    @cached_property
    def _judge(self) -> ConsistencyJudge:
        from rewriter.consistency import load_consistency_judge

        return load_consistency_judge(self._judge_name, num_threads=self._threads)

    def name(self) -> str:
        """Of the judge; answering also tells that it is loaded."""
        return self._judge.name

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Consistency]:
        """One judgement a (source, rewriting)."""
        return self._judge.judge(pairs)


class _Proxy:
    """Calls one actor and takes Ray's wrapping off its errors.

    Attributes:
        name: of what the actor holds.
    """

    _what = "an actor"

    def __init__(self, actor: Any, resources: ResourcesConfig) -> None:
        self._actor, self._resources = actor, resources
        self.name: str = self._call("name")

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return ray.get(
                getattr(self._actor, method).remote(*arguments),
                timeout=self._resources.start_timeout_s if method == "name" else None,
            )
        except GetTimeoutError as error:
            raise RunError(
                f"{self._what} did not load in {self._resources.start_timeout_s:.0f} s (cluster:"
                f" {ray.cluster_resources()}, free: {ray.available_resources()}); free some, or use --serial"
            ) from error
        except RayError as error:
            raise plain_error(self._what, error, self._resources) from error


class ModelProxy(_Proxy):
    """A ``LanguageModel`` in an actor."""

    _what = "the model's actor"

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One generation a request."""
        replies: list[Generation] = self._call("generate", list(requests))
        return replies

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """One score a request."""
        scores: list[Score] = self._call("score", list(requests))
        return scores


class RewriterProxy(_Proxy):
    """A ``Rewriter`` in an actor."""

    _what = "the rewriter's actor"

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """One text a request."""
        texts: list[str] = self._call("rewrite", list(requests))
        return texts


class DetectorProxy(_Proxy):
    """A ``Detector`` in an actor."""

    _what = "the detector's actor"

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        """One reading a text."""
        readings: list[ValueReading] = self._call("read", list(texts))
        return readings


class JudgeProxy(_Proxy):
    """A ``ConsistencyJudge`` in an actor."""

    _what = "the judge's actor"

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Consistency]:
        """One judgement a (source, rewriting)."""
        judged: list[Consistency] = self._call("judge", list(pairs))
        return judged


@dataclass(frozen=True, slots=True)
class Actors:
    """Handles of the four actors; they pickle, and a server can hold them."""

    model: Any
    rewriter: Any
    detector: Any
    judge: Any

    def kill(self) -> None:
        """Let them go."""
        for actor in (self.rewriter, self.model, self.detector, self.judge):
            ray.kill(actor)


def start_actors(config: PartsConfig, resources: ResourcesConfig, run: str = "rewriter") -> Actors:
    """Start the four actors, without waiting for them to load.

    GPUs, if there are any, are shared by the model, the judge, and the detector if it is a language model; the others compute on
    CPUs.

    Args:
        config: what they hold.
        resources: what each gets.
        run: begins their names.

    Raises:
        ModelError: if the rewriter adapter is missing.
    """
    total = ray.cluster_resources()
    heavy = [not isinstance(config.model, OpenAIConfig), config.detector.startswith("model:"), True]
    cpus = share(total.get("CPU", 1.0), 3) if resources.actor_cpus is None else resources.actor_cpus
    gpus = share(total.get("GPU", 0.0), sum(heavy)) if resources.actor_gpus is None else resources.actor_gpus
    options = {
        "max_restarts": resources.restarts,
        "max_task_retries": resources.restarts,
        "runtime_env": {"env_vars": QUIET_THREADS | {"OMP_NUM_THREADS": str(resources.threads)}},
    }

    def start(kind: type, part: str, uses_gpu: bool, *arguments: Any, num_cpus: float = cpus) -> Any:
        placed = ray.remote(kind).options(
            name=f"{run}/{part}", num_cpus=num_cpus, num_gpus=gpus if uses_gpu else 0, **options
        )
        return placed.remote(*arguments)

    loadable, adapter = config.loadable(resources.threads)
    label = f"{config.model_name} with {'adapter ' + config.adapter_name if adapter else 'no adapter'}"
    model = start(ModelActor, "model", heavy[0], f"rewriter's model ({label})", loadable)
    asks = (f"rewriter ({label})", f"{run}/model", adapter, config.rewriting(), resources)
    return Actors(
        model=model,
        rewriter=start(RewriterActor, "rewriter", False, *asks, num_cpus=0),
        detector=start(
            DetectorActor,
            "detector",
            heavy[1],
            f"detector ({config.detector})",
            config.detector,
            resources.threads,
        ),
        judge=start(
            JudgeActor,
            "judge",
            heavy[2],
            f"judge ({config.consistency})",
            config.consistency,
            resources.threads,
        ),
    )


def proxies(actors: Actors, resources: ResourcesConfig, samples: int = 1) -> Parts:
    """Proxies of the actors, when all have loaded.

    Raises:
        RunError: if they cannot be placed or loaded in time.
        ModelError: if one cannot be loaded as configured.
    """
    for handle in (actors.model, actors.detector, actors.judge):
        handle.name.remote()  # all load at once; the proxies below wait for one after the other
    return Parts(
        detector=DetectorProxy(actors.detector, resources),
        rewriter=RewriterProxy(actors.rewriter, resources),
        judge=JudgeProxy(actors.judge, resources),
        model=ModelProxy(actors.model, resources),
        samples=samples,
    )


@contextmanager
def actor_parts(
    config: PartsConfig,
    address: str | None,
    run: str = "rewriter",
    resources: ResourcesConfig | None = None,
) -> Iterator[Parts]:
    """The parts in actors for the time of a block, and the cluster too if there was none.

    ``cluster.ray_environment.prepare_ray`` is to be called before this module is imported.

    Raises:
        RunError: if there is no cluster, or the actors cannot be placed or loaded in time.
        ModelError: if a part cannot be loaded as configured.
    """
    resources = resources or ResourcesConfig()
    with own_signals() as back, ExitStack() as stack:
        if connect(resources, address):
            stack.callback(ray.shutdown)
        back()
        actors = start_actors(config, resources, run)
        stack.callback(actors.kill)
        yield proxies(actors, resources, config.samples)
