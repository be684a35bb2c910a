"""An adapter trained by Ray Train: any number of workers, checkpoints, and going on after one of them died.

The workers are shells round ``agents.tuning``. The work folder, which a cluster of several machines must share, holds:

WORK/
├── settings.json     what was asked for; the same folder goes on with the same only
├── train/            Ray Train's: checkpoints (safetensors and JSON) and their index
├── events.jsonl      the learning curve, worker groups, checkpoints
├── tensorboard/      the same curve, where tensorboardX is installed
├── figures.json      what came of it; there once all is done
└── .lock             held (by the kernel) while a process trains here
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray.train import Checkpoint, ScalingConfig
from ray.train.torch import TorchTrainer

from agents.tuning.curves import Curves, has_board, read_events
from agents.tuning.dialogues import TrainingPair, read_pairs
from cluster.config import ResourcesConfig
from cluster.ray_backend import connect, share
from cluster.ray_training import fit_adapter, run_config
from cluster.runfolder import hold, write_atomically
from cluster.signals import own_signals
from cluster.training_config import CultureTrainingConfig
from cluster.work_folder import ADAPTER, QUICK, Told, enter, following
from negotiation.errors import ConcordatError, RunError

_FIGURES = frozenset(
    {
        "culture",
        "base",
        "steps",
        "rows",
        "held_out_rows",
        "loss",
        "validation_loss",
        "first_validation_loss",
        "tokens_per_s",
        "workers",
        "device",
    }
)
"""What the last report says that is of interest afterwards."""


def train_culture(
    config: CultureTrainingConfig, told: Told = lambda event: None, address: str | None = None
) -> dict[str, Any]:
    """Train whatever is left to do and put the adapter into ``config.out``.

    Args:
        config: what to train.
        told: hears of progress, if the work folder is on this machine or shared with it.
        address: of a running Ray cluster; None for a local one.

    Returns:
        The figures: losses, steps, rows, speed, seconds.

    Raises:
        ConfigurationError: if text or model cannot be used.
        RunInUseError: if another process trains in the work folder.
        RunError: if the work folder is of another training, the cluster has no room, or workers kept dying.
    """
    pairs = read_pairs(config.data, config.culture)
    work = config.work.resolve()
    with hold(work, "--work"):
        return _train_culture(config, work, pairs, told, address)


def _train_culture(
    config: CultureTrainingConfig, work: Path, pairs: Sequence[TrainingPair], told: Told, address: str | None
) -> dict[str, Any]:
    """What is left to do in a work folder that this process holds."""
    enter(work, config.tree() | {"rows": len(pairs)})
    finished = work / "figures.json"
    if finished.is_file() and (config.out / "adapter_config.json").is_file():
        figures: dict[str, Any] = json.loads(finished.read_text(encoding="utf-8"))
        return figures
    os.environ.update({name: os.environ.get(name, value) for name, value in QUICK.items()})
    began = time.monotonic()
    with own_signals() as back:
        owner = connect(ResourcesConfig(), address)
        back()
        try:
            with following(work, told):
                figures = _fit(config, work, pairs)
        finally:
            if owner:
                ray.shutdown()
    figures |= {"seconds": time.monotonic() - began, "curves": has_board()}
    write_atomically(finished, f"{json.dumps(figures, indent=1)}\n".encode())
    return figures


def _fit(config: CultureTrainingConfig, work: Path, pairs: Sequence[TrainingPair]) -> dict[str, Any]:
    """Run Ray Train and take the adapter out of the last checkpoint."""
    trainer = TorchTrainer(
        _worker,
        train_loop_config={"config": config, "work": str(work), "pairs": list(pairs)},
        scaling_config=_scaling(config),
        run_config=run_config(work, config.failures, config.threads),
    )
    figures = fit_adapter(trainer, config.culture, work, config.out, config.failures)
    return {name: value for name, value in figures.items() if name in _FIGURES}


def _scaling(config: CultureTrainingConfig) -> ScalingConfig:
    """What each worker gets: a GPU where there is one, and CPUs by threads, less if there are not so many."""
    total = ray.cluster_resources()
    gpus = total.get("GPU", 0.0)
    if config.device == "cuda" and gpus < config.workers:
        raise RunError(
            f"--device cuda with {config.workers} workers needs {config.workers} GPUs; the cluster has {gpus:g}:"
            " take fewer --workers, or --device cpu"
        )
    use_gpu = config.device == "cuda" or (config.device == "auto" and gpus >= config.workers)
    fitting = config.workers * config.threads <= total.get("CPU", 1.0)
    cpus = float(config.threads) if fitting else share(total.get("CPU", 1.0), config.workers)
    return ScalingConfig(num_workers=config.workers, use_gpu=use_gpu, resources_per_worker={"CPU": cpus})


def _worker(given: dict[str, Any]) -> ConcordatError | None:
    """One worker: go on from the last checkpoint to the end.

    An error that comes to all workers alike, such as a model that does not load, is returned: another try would not help.
    """
    import torch

    config: CultureTrainingConfig = given["config"]
    torch.set_num_threads(config.threads)
    try:
        _train(config, Path(given["work"]), given["pairs"])
    except ConcordatError as error:
        return error
    return None


def _train(config: CultureTrainingConfig, work: Path, pairs: list[TrainingPair]) -> None:
    from ray.train.torch import get_device

    from agents.tuning.adapter import AdapterTraining, Base
    from agents.tuning.crew import TorchCrew

    device = get_device()
    crew = TorchCrew(device)
    base = Base.of(config.model)
    training = AdapterTraining(base, config.culture, pairs, config.tuning, device, crew)
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            training.trainer.load(Path(folder))
    common = {
        "culture": config.culture,
        "base": base.name,
        "rows": training.rows[0],
        "held_out_rows": training.rows[1],
        "workers": crew.size,
        "device": str(device),
    }
    if crew.rank != 0:
        for progress in training.trainer.train():
            if progress.step and progress.validation_loss is not None:
                ray.train.report({})
        return
    with Curves(work, training.trainer.step) as curves:
        curves.began(training.trainer.step, crew.size, str(device))
        for progress in training.trainer.train():
            curves.add(progress)
            if progress.step and progress.validation_loss is not None:
                _report(training, common | _losses(work, progress))
                curves.saved(progress.step)


def _losses(work: Path, progress: Any) -> dict[str, Any]:
    first = next((event for event in read_events(work) if event["event"] == "progress"), {})
    return {
        "step": progress.step,
        "steps": progress.steps,
        "loss": progress.loss,
        "validation_loss": progress.validation_loss,
        "first_validation_loss": first.get("validation_loss"),
        "tokens_per_s": progress.tokens_per_s,
    }


def _report(training: Any, metrics: dict[str, Any]) -> None:
    """Hand the state to Ray Train, with the adapter if it is finished."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        training.trainer.save(folder)
        if metrics["step"] == metrics["steps"]:
            (folder / ADAPTER).mkdir()
            training.save_adapter(folder / ADAPTER)
        ray.train.report(metrics, checkpoint=Checkpoint.from_directory(name))
