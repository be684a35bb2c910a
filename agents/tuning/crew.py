"""Workers that train together: how gradients and sums come together, for one process or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import nn


class Crew(Protocol):
    """The workers of a training.

    Attributes:
        rank: of this worker, from 0.
        size: number of workers.
    """

    rank: int
    size: int

    def join(self, module: nn.Module) -> nn.Module:
        """The module with gradients that are averaged over workers."""
        ...

    @contextmanager
    def apart(self, module: nn.Module) -> Iterator[None]:
        """Backward passes in it add to the gradients of this worker only."""
        ...

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over workers; every worker must call it."""
        ...


class Alone:
    """One worker."""

    rank, size = 0, 1

    def join(self, module: nn.Module) -> nn.Module:
        """The module as it is."""
        return module

    @contextmanager
    def apart(self, module: nn.Module) -> Iterator[None]:
        """Nothing to keep apart."""
        yield

    def total(self, values: Sequence[float]) -> list[float]:
        """The values."""
        return list(values)


class TorchCrew:
    """The workers of torch's default process group, which is there already; gradients meet in DistributedDataParallel.

    Args:
        device: of this worker.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank = torch.distributed.get_rank()
        self.size = torch.distributed.get_world_size()
        self._device = device

    def join(self, module: nn.Module) -> nn.Module:
        """The module in DistributedDataParallel, if there are others."""
        if self.size == 1:
            return module
        devices = [self._device] if self._device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=devices)

    @contextmanager
    def apart(self, module: nn.Module) -> Iterator[None]:
        """Without exchange of gradients."""
        if isinstance(module, nn.parallel.DistributedDataParallel):
            with module.no_sync():
                yield
        else:
            yield

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over workers."""
        sums = torch.tensor(list(values), dtype=torch.float64, device=self._device)
        torch.distributed.all_reduce(sums)
        totals: list[float] = sums.tolist()
        return totals
