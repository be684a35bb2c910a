"""The training of an adapter: workers of Ray Train that learn, rollout actors that write, reward actors that judge.

The adapter is the rewriter's (``train_rewriter``), or whatever a ``Training`` says. Any of them may die: workers are started
again from the last checkpoint, actors have their calls repeated or taken over. The work folder, which a cluster of several
machines must share, holds:

WORK/
├── settings.json         what was asked for; the same folder goes on with the same only
├── material/             what was read from the data, unless --material names another place
├── preferences.parquet   pairs of samples, for DPO and SimPO
├── train/                Ray Train's: checkpoints (safetensors and JSON) and their index
├── events.jsonl          the learning curve, worker groups, checkpoints
├── tensorboard/          the same curve, where tensorboardX is installed
├── adapter/              what was learned, unless --out names another place
├── figures.json          what came of it; there once all is done
└── .lock                 held (by the kernel) while a process trains here
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray.train import ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from agents.models.config import BundledConfig, TransformersConfig
from agents.tuning.curves import has_board
from cluster.config import ResourcesConfig
from cluster.ray_backend import QUIET_THREADS, connect, share
from cluster.ray_training import fit_adapter, last_line, run_config
from cluster.rewriting.preferences import FILE, keep_preferences, read_preferences, sampled_pairs
from cluster.rewriting.production import JUDGEMENTS_IN_FLIGHT, WRITES_IN_FLIGHT, Production
from cluster.rewriting.rewards import RewardActor
from cluster.rewriting.rollouts import RolloutActor
from cluster.rewriting.teams import Recipe, await_loaded, begin
from cluster.rewriting.training_config import AdapterTraining, LimitsConfig, RewriterTrainingConfig
from cluster.rewriting.training_material import Material, make_judge
from cluster.rewriting.training_worker import Actors, Given, make_writer, worker
from cluster.runfolder import hold, write_atomically
from cluster.signals import own_signals
from cluster.work_folder import QUICK, Told, enter, following
from negotiation.errors import ConfigurationError, RunError
from rewriter.learning.config import GRPOSettings
from rewriter.learning.vocabulary import Judge, RolloutWriter, SupervisedRow

STORE_BYTES = 400_000_000
"""Object store of a local cluster: two versions of an adapter's weights, and texts."""

PATIENCE_S = 4 * 3600
"""How long workers wait for each other: the first one for completions, the others for it."""


@dataclass(frozen=True, slots=True)
class Makers:
    """What actors hold; both pickle.

    Attributes:
        writer: makes what a rollout actor holds.
        judge: makes what a reward actor holds.
    """

    writer: Callable[[], RolloutWriter[Any]]
    judge: Callable[[], Judge[Any]]

    @classmethod
    def of(cls, config: RewriterTrainingConfig) -> Makers:
        """Those of a configuration."""
        return cls(partial(make_writer, config), partial(make_judge, config))


@dataclass(frozen=True, slots=True)
class Allotment:
    """What each process is given of the cluster.

    Attributes:
        worker: CPUs and GPUs of a worker.
        actor: the same of an actor.
    """

    worker: tuple[float, float]
    actor: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Training:
    """A training of an adapter, before it begins.

    Attributes:
        config: of the training, with local folders in full.
        name: begins the names of its actors.
        whose: training it is, for messages.
        settings: what determines the adapter, as plain JSON values.
        requests: of GRPO.
        rows: of SFT.
        measure: more figures, once the adapter is in ``config.out``; Ray is connected then, and all actors are gone.
    """

    config: AdapterTraining
    name: str
    whose: str
    settings: Mapping[str, Any]
    requests: tuple[Any, ...] = ()
    rows: tuple[SupervisedRow, ...] = ()
    measure: Callable[[], dict[str, Any]] | None = None


def train_rewriter(
    config: RewriterTrainingConfig,
    material: Material,
    told: Told = lambda event: None,
    address: str | None = None,
    makers: Makers | None = None,
) -> dict[str, Any]:
    """Train whatever is left to do and put the adapter into ``config.out``.

    Args:
        config: what to train.
        material: what to learn from.
        told: hears of progress, if the work folder is on this machine or shared with it.
        address: of a running Ray cluster; None for a local one.
        makers: of what actors hold; None for what the configuration says.

    Returns:
        The figures: loss, rewards, tokens, speed, shares of time, copies and collapses in the last steps.

    Raises:
        ConfigurationError: if data, model or adapter cannot be used.
        RunInUseError: if another process trains in the work folder.
        RunError: if the work folder is of another training, the cluster has no room, or processes kept dying.
    """
    placed = _anywhere(config)
    training = Training(
        config=placed,
        name="rewriter",
        whose="the rewriter",
        settings=config.tree() | {"material": material.fingerprint()},
        requests=material.requests,
        rows=material.rows,
    )
    return train_adapter(training, makers or Makers.of(placed), told, address)


def train_adapter(
    training: Training, makers: Makers, told: Told = lambda event: None, address: str | None = None
) -> dict[str, Any]:
    """Train whatever is left to do and put the adapter into its place; ``train_rewriter`` says what is given and raised."""
    config, learning = training.config, training.config.learning
    if isinstance(learning, GRPOSettings) and len(training.requests) < learning.prompts:
        raise ConfigurationError(
            f"{len(training.requests)} requests for {learning.prompts} prompts in a step; give more data, or fewer"
            " --prompts-per-step"
        )
    work = config.work.resolve()
    with hold(work, "--work"):
        enter(work, training.settings)
        finished = work / "figures.json"
        if finished.is_file() and (config.out / "adapter_config.json").is_file():
            figures: dict[str, Any] = json.loads(finished.read_text(encoding="utf-8"))
            return figures
        os.environ.update({name: os.environ.get(name, value) for name, value in QUICK.items()})
        began = time.monotonic()
        run = f"{training.name}-{secrets.token_hex(3)}"
        given = Given(config, work, run, training.requests, training.rows, whose=training.whose)
        with own_signals() as back:
            owner = connect(ResourcesConfig(object_store_bytes=STORE_BYTES), address)
            back()
            try:
                figures = _train(given, makers, told)
                if training.measure is not None:
                    figures |= training.measure()
            finally:
                if owner:
                    ray.shutdown()
        figures |= {"seconds": time.monotonic() - began, "curves": has_board()}
        write_atomically(finished, f"{json.dumps(figures, indent=1)}\n".encode())
        return figures


def faults(figures: dict[str, Any], limits: LimitsConfig) -> list[str]:
    """Why a finished training fails its check, one line each; none if it does not."""
    return over_limits(
        figures,
        limits,
        copied="of the completions repeat their source",
        collapsed="of the completions are blank, degenerate or of another length",
    )


def over_limits(figures: dict[str, Any], limits: LimitsConfig, *, copied: str, collapsed: str) -> list[str]:
    """What is over its limit in the last steps, one line each.

    Args:
        figures: of a finished training.
        limits: what is too much.
        copied: what that share is of, in words.
        collapsed: the same of the other share.
    """
    kinds = (
        ("copied", limits.copies, copied, "copies"),
        ("collapsed", limits.collapses, collapsed, "collapses"),
        ("skipped", limits.skipped, "of the steps were skipped", "skipped"),
    )
    last = min(limits.window, figures["steps"])
    return [
        f"{figures[name]:.0%} {what} in the last {last} steps; at most {most:.0%} may (limits.{field})"
        for name, most, what, field in kinds
        if figures.get(name) is not None and figures[name] > most
    ]


def allot(config: AdapterTraining, actors: int, cpus: float, gpus: float) -> Allotment:
    """Equal parts of a cluster for all workers and actors, at most what each can use, so that all fit.

    Args:
        config: says how many workers there are and what each can use.
        actors: number of actors.
        cpus: of the cluster.
        gpus: of the cluster.

    Raises:
        RunError: if GPUs are asked for and there is none.
    """
    count = config.workers + actors
    fitting = count * config.threads <= cpus
    cpu = float(config.threads) if fitting else share(cpus, count)
    if config.device == "cuda" and gpus <= 0:
        raise RunError("--device cuda needs a GPU; the cluster has none: take --device cpu or auto")
    gpu = 0.0 if config.device == "cpu" else share(gpus, count)
    return Allotment((cpu, gpu), (cpu, gpu))


def _anywhere(config: RewriterTrainingConfig) -> RewriterTrainingConfig:
    """With local folders in full, since a worker or actor may have another working directory."""
    found = full_paths(config.model, config.start)
    if Path(config.detector).expanduser().is_dir():
        found["detector"] = str(Path(config.detector).expanduser().resolve())
    return config.model_copy(update=found)


def full_paths(model: BundledConfig | TransformersConfig, start: Path | None) -> dict[str, Any]:
    """Those of a configuration's ``model`` and ``start`` that are local folders, as they are to be named everywhere."""
    found: dict[str, Any] = {}
    if start is not None:
        found["start"] = start.expanduser().resolve()
    path = getattr(model, "path", None)
    if path is not None and Path(path).expanduser().is_dir():
        found["model"] = model.model_copy(update={"path": str(Path(path).expanduser().resolve())})
    return found


def _train(given: Given, makers: Makers, told: Told) -> dict[str, Any]:
    """Begin the actors that the method wants, make pairs if it learns from these, and run Ray Train."""
    config = given.config
    if isinstance(config, RewriterTrainingConfig) and config.samples_first:
        given = replace(given, requests=(), rows=_pairs(given, config, makers, told))
    with _actors(given, makers) as whole, following(given.work, told):
        return _fit(whole)


def _pairs(given: Given, config: RewriterTrainingConfig, makers: Makers, told: Told) -> Any:
    """The preference pairs, sampled now or before."""
    path = given.work / FILE
    if not path.is_file():
        with _actors(given, makers, sampling=True) as whole:
            assert whole.writers is not None
            assert whole.judges is not None
            resources = ResourcesConfig(restarts=config.failures)
            production = Production(
                whole.writers.team(WRITES_IN_FLIGHT, resources),
                whole.judges.team(JUDGEMENTS_IN_FLIGHT, resources),
                config.flow.call_prompts,
                config.flow.judge_batch,
            )
            try:
                rows = sampled_pairs(given.requests, production, config.samples, config.learning.seed, told)
            finally:
                production.end()
        keep_preferences(path, rows)
    return tuple(read_preferences(path))


@contextmanager
def _actors(given: Given, makers: Makers, *, sampling: bool = False) -> Iterator[Given]:
    """What workers are given, with actors where the method wants them, loaded; they are let go afterwards.

    Args:
        given: without actors.
        makers: of what they hold.
        sampling: they are wanted before the training, when there are no workers yet.
    """
    config = given.config
    if not (sampling or isinstance(config.learning, GRPOSettings)):
        yield given
        return
    total = ray.cluster_resources()
    count = config.flow.rollouts + config.flow.judges
    cpu, gpu = allot(config, count, total.get("CPU", 1.0), total.get("GPU", 0.0)).actor
    threads = {"OMP_NUM_THREADS": str(config.threads)}
    options = {
        "num_cpus": cpu,
        "num_gpus": gpu,
        "max_restarts": config.failures,
        "max_task_retries": config.failures,
        "runtime_env": {"env_vars": QUIET_THREADS | threads},
    }
    recipes = (
        Recipe(RolloutActor, makers.writer, "rollouts", given.run, options),
        Recipe(RewardActor, makers.judge, "judges", given.run, options),
    )
    begun: list[list[Any]] = []
    try:
        for recipe, number in zip(recipes, (config.flow.rollouts, config.flow.judges), strict=True):
            begun.append(begin(recipe, number))
        await_loaded(
            [actor for actors in begun for actor in actors], ResourcesConfig(restarts=config.failures)
        )
        writers, judges = (
            Actors(tuple(actors), recipe) for actors, recipe in zip(begun, recipes, strict=True)
        )
        yield replace(given, writers=writers, judges=judges)
    finally:
        for actors in begun:
            for actor in actors:
                ray.kill(actor)


def _fit(given: Given) -> dict[str, Any]:
    """Run Ray Train and take the adapter out of the last checkpoint."""
    config, work = given.config, given.work
    scaling, backend = _scaling(config)
    trainer = TorchTrainer(
        worker,
        train_loop_config={"given": given},
        torch_config=TorchConfig(backend=backend, timeout_s=PATIENCE_S),
        scaling_config=scaling,
        run_config=run_config(work, config.failures, config.threads),
    )
    figures = fit_adapter(trainer, given.whose, work, config.out, config.failures, _reason)
    return {name: value for name, value in figures.items() if name != "step"}


def _reason(error: Exception) -> str:
    """The line of an error of Ray's that says most: of a lack of memory the text is long, and ends with advice."""
    text = str(error).strip()
    if "OutOfMemory" in text or "out of memory" in text:
        return "the machine ran out of memory, and Ray ended a worker; take fewer processes, or a smaller pass_tokens"
    return last_line(error)


def _scaling(config: AdapterTraining) -> tuple[ScalingConfig, str]:
    """What each worker gets, and how they talk: workers that share a GPU cannot by NCCL."""
    total = ray.cluster_resources()
    grpo = isinstance(config.learning, GRPOSettings)
    actors = config.flow.rollouts + config.flow.judges if grpo else 0
    cpu, gpu = allot(config, actors, total.get("CPU", 1.0), total.get("GPU", 0.0)).worker
    resources = {"CPU": cpu} | ({"GPU": gpu} if gpu else {})
    scaling = ScalingConfig(num_workers=config.workers, use_gpu=gpu > 0, resources_per_worker=resources)
    return scaling, "nccl" if gpu >= 1 else "gloo"
