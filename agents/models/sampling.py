"""Sampling that belongs to the request: its own temperature, nucleus and random numbers in any batch.

``generate`` of transformers draws from torch's global generator, for a whole batch with one temperature. Here
each request draws its uniforms up front from its own seed, a logits processor inverts the distribution function
at them, and greedy decoding takes what it chose. So a reply does not depend on its neighbours, except through the
rounding of matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import LogitsProcessor, StoppingCriteria

from agents.models.protocol import GenerationRequest
from negotiation.errors import ModelError

_TOP = 256
"""On the CPU a nucleus is looked for among so many tokens before all are sorted."""


class RequestSampler(LogitsProcessor):  # type: ignore[misc]  # transformers ships no types
    """Puts all probability on one token a row: the sampled one, or for temperature 0 leaves the row as it is.

    Args:
        requests: (B) in the order of the rows.
        prompt_length: padded length of the prompts.
        steps: most tokens to be generated.
        device: where logits are.
    """

    def __init__(
        self,
        requests: Sequence[GenerationRequest],
        prompt_length: int,
        steps: int,
        device: torch.device,
    ) -> None:
        hot = [row for row, request in enumerate(requests) if request.temperature > 0]
        # The nth token of a reply takes the nth number, whatever the budget of the batch.
        uniforms = np.array(
            [np.random.Generator(np.random.PCG64(requests[row].seed)).random(steps) for row in hot]
        ).reshape(len(hot), steps)
        self._prompt_length = prompt_length
        self._all = len(hot) == len(requests)
        self._rows = torch.tensor(hot, dtype=torch.long, device=device)
        # MPS has no float64; there numbers are less fine.
        self._exact = torch.float32 if device.type == "mps" else torch.float64
        self._uniforms = torch.tensor(uniforms, dtype=self._exact, device=device)
        self._temperatures = _column([requests[row].temperature for row in hot], device)
        top_ps = [requests[row].top_p for row in hot]
        self._top_p = _column(top_ps, device) if any(top_p < 1 for top_p in top_ps) else None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """(B, V) logits to (B, V) with argmax at each row's token."""
        step = input_ids.shape[1] - self._prompt_length
        if step == 0 and not bool(torch.isfinite(scores.max(dim=1).values).all()):
            raise ModelError("the model's logits are not finite; use dtype float32 or another model")
        if not len(self._rows):
            return scores
        logits = scores if self._all else scores[self._rows]
        # A step past the end (a stop that is noticed late) is thrown away; any number will do.
        uniforms = self._uniforms[:, min(step, self._uniforms.shape[1] - 1)]
        chosen = sample(logits, self._temperatures, self._top_p, uniforms)
        decided = torch.full_like(scores, -torch.inf) if self._all else scores.clone()
        decided[self._rows] = -torch.inf
        decided[self._rows, chosen] = 0.0
        return decided


class Ending(StoppingCriteria):  # type: ignore[misc]  # transformers ships no types
    """Ends each row at its end token or its own bound, and all of them when few are left.

    Rows that are done still cost as much as the others. Ended early, the batch can go on with the rest alone.

    Args:
        last: (B,) length, prompt and padding included, at which each row is full.
        ends: tokens that end a reply.
        fewest: the call ends once at most so many rows are not done; 0 waits for all.
        device: where token ids are.

    Attributes:
        done: (B,) whether a row is done, as a list.
    """

    def __init__(self, last: Sequence[int], ends: Sequence[int], fewest: int, device: torch.device) -> None:
        self._last = torch.tensor(last, device=device)
        self._ends = torch.tensor(list(ends), device=device)
        self._fewest = fewest
        self._done = torch.zeros(len(last), dtype=torch.bool, device=device)

    @property
    def done(self) -> list[bool]:
        """(B,) whether a row is done."""
        rows: list[bool] = self._done.tolist()
        return rows

    def __call__(self, input_ids: torch.Tensor, scores: object, **kwargs: object) -> torch.Tensor:
        """(B,) whether a row is to get no more tokens."""
        self._done |= torch.isin(input_ids[:, -1], self._ends) | (self._last <= input_ids.shape[1])
        if int((~self._done).sum()) <= self._fewest:
            return torch.ones_like(self._done)
        return self._done.clone()


def sample(
    logits: torch.Tensor, temperatures: torch.Tensor, top_p: torch.Tensor | None, uniforms: torch.Tensor
) -> torch.Tensor:
    """Tokens at which the distribution function, over tokens in order of their ids, passes the uniforms.

    Args:
        logits: (B, V).
        temperatures: (B, 1) above 0.
        top_p: (B, 1) in (0, 1], or None for 1. The nucleus is the smallest set of most probable tokens that
            reaches it, with all tokens as probable as its last (so that ties do not hang on a sort's order).
        uniforms: (B,) in [0, 1).

    Returns:
        (B,) token ids.
    """
    # Taking the maximum off first keeps a tiny temperature from making infinities.
    shifted = (logits.float() - logits.max(dim=1, keepdim=True).values.float()) / temperatures
    probabilities = torch.softmax(shifted, dim=1)
    if top_p is not None:
        probabilities = torch.where(probabilities >= _threshold(probabilities, top_p), probabilities, 0.0)
    # Vocabulary order, not order of probability: there rounding noise would swap neighbours.
    cumulative = torch.cumsum(probabilities, dim=1, dtype=uniforms.dtype)
    total = cumulative[:, -1:].contiguous()
    found = torch.searchsorted(cumulative, uniforms[:, None] * total, right=True)
    # Should the product round up to the total: the last token with any probability.
    last = torch.searchsorted(cumulative, total, right=False)
    return torch.minimum(found, last)[:, 0]


def _threshold(probabilities: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """(B, 1) the least probability within the nucleus; 0 where top_p is 1."""
    size = probabilities.shape[1]
    if probabilities.device.type == "cpu" and size > 2 * _TOP:
        top = torch.topk(probabilities, _TOP, dim=1).values
        reached = torch.cumsum(top, dim=1, dtype=torch.float64)
        if bool(((reached[:, -1:] >= top_p) | (top_p >= 1)).all()):
            return _cut(top, reached, top_p)
    top = torch.sort(probabilities, dim=1, descending=True).values
    return _cut(top, torch.cumsum(top, dim=1), top_p)


def _cut(top: torch.Tensor, reached: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    within = (reached < top_p).sum(dim=1, keepdim=True).clamp(max=top.shape[1] - 1)
    return torch.where(top_p >= 1, torch.zeros_like(top[:, :1]), top.gather(1, within))


def _column(values: Sequence[float], device: torch.device) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device).reshape(-1, 1)
