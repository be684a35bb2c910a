"""Preference pairs from samples: for one request, a text that earned more and one that earned less."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from negotiation.errors import ConfigurationError
from rewriter.learning.vocabulary import PreferenceRow
from rewriter.vocabulary import RewriteRequest


def preference_rows(
    requests: Sequence[RewriteRequest],
    samples: Sequence[Sequence[str]],
    rewards: Sequence[Sequence[float]],
    *,
    margin: float = 0.1,
    pairs_per_request: int = 1,
) -> list[PreferenceRow]:
    """The best sample of each request against the worst, then the second best against the second worst, and so on.

    Samples whose reward is not finite and blank ones are left out: neither is an answer. A request whose samples are all
    alike gives nothing.

    Args:
        requests: n requests.
        samples: texts of each request, any number.
        rewards: of each text; higher is better.
        margin: least difference of rewards within a pair, above 0.
        pairs_per_request: most pairs of a request.

    Raises:
        ConfigurationError: if the numbers of requests, samples and rewards do not agree, or the margin is not above 0.

    >>> request = RewriteRequest("Text.", (0.0,) * 10, (0.5,) * 10)
    >>> [row.chosen for row in preference_rows([request], [["A", "B", "C"]], [[0.1, 0.9, 0.2]])]
    ['B']
    """
    if margin <= 0.0:
        raise ConfigurationError(f"margin is {margin}; give a number above 0")
    if not len(requests) == len(samples) == len(rewards):
        raise ConfigurationError(
            f"{len(requests)} requests, samples of {len(samples)} and rewards of {len(rewards)}; give as many of each"
        )
    rows: list[PreferenceRow] = []
    for place, (request, texts, earned) in enumerate(zip(requests, samples, rewards, strict=True)):
        if len(texts) != len(earned):
            raise ConfigurationError(
                f"request {place}: {len(texts)} samples and {len(earned)} rewards; give one reward a sample"
            )
        usable = {
            text: reward
            for text, reward in zip(texts, earned, strict=True)
            if text.strip() and np.isfinite(reward)
        }
        order = sorted(usable, key=lambda text: (-usable[text], text))
        for chosen, rejected in list(zip(order, reversed(order), strict=True))[: len(order) // 2][
            :pairs_per_request
        ]:
            if usable[chosen] - usable[rejected] >= margin:
                rows.append(PreferenceRow(request, chosen, rejected))
    return rows
