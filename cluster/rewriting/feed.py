"""What the workers learn from, made while they learn: the first worker orders batches, and all get the same.

With one step of staleness, a step's completions are written while the step before is learned, by the weights from before that;
without, they are ordered when that is done. So the weights that write step s are those of version max(0, s - stale), on every
machine and after every restart: they are kept with a checkpoint.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ray
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from cluster.rewriting.production import Batch, Order, Production, Weighed
from negotiation.errors import ConcordatError, RecordError
from rewriter.learning.vocabulary import Weights

WRITERS, VERSION = "writers.safetensors", "writers.json"
"""Files of the weights that write the next step, in a checkpoint; their version."""


class Feed:
    """Orders batches, one at a time.

    Args:
        production: makes them.
        order: what is wanted for a step.
    """

    def __init__(self, production: Production, order: Callable[[int], Order]) -> None:
        self._production, self._order = production, order
        # Of its own thread, for the actors want to be looked after while this process learns.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._coming: Future[Batch] | None = None
        self._version: int | None = None
        self._weights: Weights = {}
        self._ref: Any = None
        self._name = secrets.token_hex(4)

    def push(self, version: int, weights: Weights) -> None:
        """Put weights into the object store, once a version; they write whatever is ordered from now on."""
        if version != self._version:
            self._weights, self._version = weights, version
            self._ref = ray.put(dict(weights))

    def begin(self, step: int) -> None:
        """Order the batch of a step; the one before must have been taken."""
        if self._coming is not None or self._version is None:
            raise RuntimeError(f"step {step} is ordered while another is under way, or before any weights")
        weighed = Weighed(self._version, self._ref, f"{self._name}-{self._version}")
        self._coming = self._thread.submit(self._production.make, self._order(step), weighed)

    def take(self) -> Batch:
        """The batch that was ordered, once it is there.

        Raises:
            ConcordatError: if it cannot be had.
        """
        if self._coming is None:
            raise RuntimeError("nothing was ordered")
        coming, self._coming = self._coming, None
        return coming.result()

    def save(self, folder: Path) -> None:
        """Keep the weights that write the next step; their version last, so that a torn file is told."""
        save_file(dict(self._weights), folder / WRITERS)
        (folder / VERSION).write_text(json.dumps({"version": self._version}) + "\n", encoding="utf-8")

    def close(self) -> None:
        """Order nothing more; what is under way is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def read_kept(folder: Path) -> tuple[int, Weights]:
    """The weights that write the next step, as ``Feed.save`` kept them, and their version.

    Raises:
        RecordError: if they cannot be read.
    """
    try:
        version = int(json.loads((folder / VERSION).read_text(encoding="utf-8"))["version"])
        return version, load_file(folder / WRITERS)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise RecordError(f"checkpoint {folder} cannot be used ({error}); begin a new training") from error


def taken_by_all(feed: Feed | None, size: int, device: torch.device) -> Batch:
    """The batch that was ordered, at every worker; each must call it.

    Args:
        feed: at the first worker; None at the others.
        size: number of workers.
        device: of this worker.

    Raises:
        ConcordatError: if it cannot be had, at every worker alike.
    """
    box: list[Any] = [None]
    if feed is not None:
        try:
            box = [feed.take()]
        except ConcordatError as error:
            box = [error]
    if size > 1:
        torch.distributed.broadcast_object_list(box, src=0, device=device if _needs_device() else None)
    batch: Batch | ConcordatError = box[0]
    if isinstance(batch, ConcordatError):
        raise batch
    return batch


def _needs_device() -> bool:
    return torch.distributed.get_backend() == "nccl"
