"""Requests and completions for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewriter.learning.vocabulary import Completion
from rewriter.vocabulary import RewriteRequest


def request(source: str = "Trust grows slowly.", target: float = 0.5) -> RewriteRequest:
    return RewriteRequest(source, (0.0,) * 10, (target,) * 10)


def completion(
    group: int = 0,
    tokens: Sequence[int] = (5, 6, 2),
    *,
    prompt: Sequence[int] = (7, 8, 9),
    logprobs: Sequence[float] | None = None,
    text: str = "Trust grows.",
    finish: str = "stop",
    asked: RewriteRequest | None = None,
) -> Completion:
    return Completion(
        request=asked or request(),
        group=group,
        prompt=tuple(prompt),
        tokens=tuple(tokens),
        logprobs=tuple(logprobs) if logprobs else (-1.0,) * len(tokens),
        text=text,
        finish=finish,  # type: ignore[arg-type]
        version=0,
    )


def random_completions(groups: int, size: int, seed: int = 0, longest: int = 9) -> list[Completion]:
    """Completions of random tokens, whole groups."""
    rng = np.random.default_rng(seed)
    made = []
    for group in range(groups):
        prompt = rng.integers(3, 300, size=rng.integers(5, 20)).tolist()
        for _ in range(size):
            length = int(rng.integers(1, longest + 1))
            made.append(
                completion(
                    group,
                    rng.integers(3, 300, size=length).tolist(),
                    prompt=prompt,
                    logprobs=(-3.0 - rng.random(length)).tolist(),
                )
            )
    return made
