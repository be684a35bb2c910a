"""Reward actors: each holds a judge and rewards whatever completions have arrived in one batch.

The actor is a shell round a ``Judge``; it adds a name and the time it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cluster.rewriting.rollouts import Written
from rewriter.learning.vocabulary import Judge, Reward


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one call.

    Attributes:
        rewards: of each call's completions, in the order of the calls.
        seconds: that the call took, at least 0.
    """

    rewards: tuple[tuple[Reward, ...], ...]
    seconds: float


class RewardActor:
    """Rewards completions.

    Args:
        label: for the dashboard.
        make: makes the judge, at the first call.
    """

    def __init__(self, label: str, make: Callable[[], Judge[Any]]) -> None:
        self._label = label
        self._make = make

    def __repr__(self) -> str:
        return self._label

    @cached_property
    def _judge(self) -> Judge[Any]:
        return self._make()

    def ready(self) -> str:
        """Load whatever is needed; who this is."""
        _ = self._judge
        return self._label

    def judge(self, *calls: Written) -> Judged:
        """Rewards for the completions of several calls, judged as one batch."""
        began = time.perf_counter()
        completions = [completion for written in calls for completion in written.completions]
        rewards = self._judge.judge(completions)
        if len(rewards) != len(completions):
            raise ValueError(f"the judge gave {len(rewards)} rewards for {len(completions)} completions")
        ends = np.cumsum([len(written.completions) for written in calls]).tolist()
        parts = tuple(tuple(rewards[start:end]) for start, end in zip([0, *ends], ends, strict=False))
        return Judged(parts, time.perf_counter() - began)
