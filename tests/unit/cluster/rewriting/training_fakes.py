"""Writers and judges without a model, some of which die; they pickle, so that actors can make them."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rewriter.learning.vocabulary import Completion, Reward, Weights
from rewriter.vocabulary import RewriteRequest

CENTRE = (0.0,) * 10


def request(number: int) -> RewriteRequest:
    return RewriteRequest(f"Text number {number}.", CENTRE, (0.5,) * 10)


def die_once(marker: Path) -> None:
    """End this process hard, the first time that it is called with this file."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return
    os._exit(1)


@dataclass
class FakeWriter:
    """Writes the number of the group and random tokens; the log-probabilities follow from the sum of the weights.

    With ``marker`` its process ends in the call of number ``dies_at``, once.
    """

    marker: Path | None = None
    dies_at: int = 1
    pause_s: float = 0.0
    version: int = field(default=-1, init=False)
    level: float = field(default=0.0, init=False)
    calls: int = field(default=0, init=False)

    def load(self, version: int, weights: Weights) -> None:
        self.version, self.level = version, float(sum(weight.sum() for weight in weights.values()))

    def write(self, requests: Sequence[tuple[int, RewriteRequest]], size: int, seed: int) -> list[Completion]:
        if self.calls == self.dies_at and self.marker is not None:
            die_once(self.marker)
        self.calls += 1
        time.sleep(self.pause_s)
        return [
            Completion(
                request=asked,
                group=group,
                prompt=(1, 2),
                tokens=tuple(np.random.default_rng([seed, group, place]).integers(3, 9, size=3).tolist()),
                logprobs=(-6.0 + 0.5 * math.tanh(self.level),) * 3,
                text=f"{group}/{place}",
                finish="stop",
                version=self.version,
            )
            for group, asked in requests
            for place in range(size)
        ]


@dataclass
class FakeJudge:
    """Rewards a completion by its tokens; what has ``broken`` in its text is not a number."""

    marker: Path | None = None
    dies_at: int = 1
    broken: str | None = None
    calls: int = field(default=0, init=False)

    def judge(self, completions: Sequence[Completion]) -> list[Reward]:
        if self.calls == self.dies_at and self.marker is not None:
            die_once(self.marker)
        self.calls += 1
        return [self._reward(completion) for completion in completions]

    def _reward(self, completion: Completion) -> Reward:
        if self.broken is not None and self.broken in completion.text:
            return Reward({"value": float("nan"), "consistency": 0.5})
        return Reward({"value": completion.tokens[0] / 10, "consistency": sum(completion.tokens) / 30})


def maker(kind: Callable[..., object], **settings: object) -> Callable[[], object]:
    """Makes such a thing each time."""
    from functools import partial

    return partial(kind, **settings)
