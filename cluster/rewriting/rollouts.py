"""Rollout actors: each holds a policy, takes the adapter's weights from the object store and writes completions.

The actor is a shell round a ``RolloutWriter``; it adds a name, the version of what it holds, and the time it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rewriter.learning.vocabulary import Completion, RolloutWriter, Weights


@dataclass(frozen=True, slots=True)
class Written:
    """What came of one call.

    Attributes:
        completions: a group's together, groups in the order they were asked for.
        seconds: that the call took, at least 0.
        load_seconds: that it took to take new weights, at least 0; not part of ``seconds``.
    """

    completions: tuple[Completion[Any], ...]
    seconds: float
    load_seconds: float


class RolloutActor:
    """Writes completions.

    The writer is made at the first call and not at birth: an error then is an answer like any other. Each call brings the
    weights it is to be written with, so that it can be repeated by an actor that was started again, or by another one.

    Args:
        label: for the dashboard.
        make: makes the writer.
    """

    def __init__(self, label: str, make: Callable[[], RolloutWriter[Any]]) -> None:
        self._label = label
        self._make = make
        self._held: str | None = None

    def __repr__(self) -> str:
        return self._label

    @cached_property
    def _writer(self) -> RolloutWriter[Any]:
        return self._make()

    def ready(self) -> str:
        """Load whatever is needed; who this is."""
        _ = self._writer
        return self._label

    def write(
        self,
        push: str,
        version: int,
        weights: Weights | None,
        requests: Sequence[tuple[int, Any]],
        size: int,
        seed: int,
    ) -> Written:
        """``size`` completions for each (group, request), by these weights.

        Args:
            push: name of these weights; those that are held already are not taken again. A version is no name: after a restart
                of the workers the same number may come again with others.
            version: of the weights.
            weights: of the adapter; None for those that the writer was made with.
            requests: groups.
            size: completions of a group.
            seed: the completions are a function of weights and seed.
        """
        began = time.perf_counter()
        if weights is not None and push != self._held:
            self._writer.load(version, weights)
            self._held = push
        loaded = time.perf_counter()
        completions = self._writer.write(requests, size, seed)
        return Written(tuple(completions), time.perf_counter() - loaded, loaded - began)
