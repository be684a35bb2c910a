"""What trainings of adapters on Ray Train have in common: how a run is set up, and taking the adapter out of its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.train
from ray.exceptions import RayError
from ray.train import CheckpointConfig, FailureConfig, RunConfig
from ray.train.torch import TorchTrainer

from cluster.ray_backend import QUIET_THREADS
from cluster.work_folder import ADAPTER, START_FAILURES, put_adapter
from negotiation.errors import ConcordatError, RunError


def run_config(work: Path, failures: int, threads: int) -> RunConfig:
    """Checkpoints in ``work/train``, so many restarts of workers, and so many quiet threads for each."""
    return RunConfig(
        name="train",
        storage_path=str(work),
        failure_config=FailureConfig(max_failures=failures, controller_failure_limit=START_FAILURES),
        checkpoint_config=CheckpointConfig(num_to_keep=2),
        worker_runtime_env={"env_vars": QUIET_THREADS | {"OMP_NUM_THREADS": str(threads)}},
    )


def last_line(error: Exception) -> str:
    """The line of an error of Ray's that says most."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def fit_adapter(
    trainer: TorchTrainer,
    whose: str,
    work: Path,
    out: Path,
    failures: int,
    reason: Callable[[Exception], str] = last_line,
) -> dict[str, Any]:
    """Train, and put the adapter of the last checkpoint into ``out``.

    Args:
        trainer: its workers return an error that another try would not help.
        whose: training it is, for messages.
        work: the work folder.
        out: receives the adapter.
        failures: restarts that the trainer was allowed.
        reason: what an error of Ray's says, in a line.

    Returns:
        The figures of the last report.

    Raises:
        ConcordatError: that a worker returned.
        RunError: if workers kept dying, or nothing was left of the training.
    """
    try:
        result = trainer.fit()
    except (ray.train.TrainingFailedError, RayError) as error:
        raise RunError(
            f"the training of {whose} failed after {failures} restarts ({reason(error)});"
            f" look at {work / 'train'} and at the logs in"
            " /tmp/ray/session_latest/logs, then give the same command again to go on"
        ) from error
    returned = getattr(result, "return_value", None)  # older releases do not hand it on
    if isinstance(returned, ConcordatError):
        raise returned
    if result.checkpoint is None or result.metrics is None:
        raise RunError(f"the training of {whose} left no checkpoint in {work}; give the command again")
    with result.checkpoint.as_directory() as folder:
        put_adapter(Path(folder) / ADAPTER, out)
    return dict(result.metrics)
