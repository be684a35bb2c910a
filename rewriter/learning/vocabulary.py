"""What passes between those who write completions, those who judge them and the one who learns.

Every value here is frozen and pickles, so that each part can live in a process of its own; importing this loads neither torch
nor transformers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agents.models.protocol import Finish
from rewriter.vocabulary import RewriteRequest

Weights = Mapping[str, NDArray[np.floating[Any]]]
"""The tensors of an adapter by parameter name."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply that was sampled for a request.

    Attributes:
        request: what was asked.
        group: number of the prompt in its step; completions of one group compete.
        prompt: token ids of the rendered dialogue.
        tokens: (T,) token ids that were sampled, the end-of-turn token included if it came.
        logprobs: (T,) nats, log-probability of each under the policy that sampled it, at temperature 1 and without nucleus.
        text: the reply, stripped.
        finish: ``"stop"`` if the model ended its turn, ``"length"`` if it was cut.
        version: of the weights that sampled it.
    """

    request: RewriteRequest
    group: int
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finish: Finish
    version: int

    def __post_init__(self) -> None:
        if not self.tokens or len(self.tokens) != len(self.logprobs):
            raise ValueError(
                f"{len(self.tokens)} tokens with {len(self.logprobs)} log-probabilities; give one each, at least one"
            )


@dataclass(frozen=True, slots=True)
class Reward:
    """What a completion earned.

    Attributes:
        parts: name to reward before weighting; the same names for all completions of a step. Higher is better. Not finite
            if it could not be computed: the step is then skipped.
        copied: the reply repeats its source.
        collapsed: the reply is blank, degenerate or far from its source's length.
    """

    parts: Mapping[str, float] = field(default_factory=dict)
    copied: bool = False
    collapsed: bool = False

    @property
    def finite(self) -> bool:
        """Whether every part is a number."""
        return all(math.isfinite(part) for part in self.parts.values())


class RolloutWriter(Protocol):
    """Samples completions with the weights it was given last."""

    def load(self, version: int, weights: Weights) -> None:
        """Take new weights of the adapter."""
        ...

    def write(self, requests: Sequence[tuple[int, RewriteRequest]], size: int, seed: int) -> list[Completion]:
        """``size`` completions for each (group, request), all of a group together; a function of weights and seed."""
        ...


class Judge(Protocol):
    """Rewards completions."""

    def judge(self, completions: Sequence[Completion]) -> list[Reward]:
        """One reward a completion, in order."""
        ...
