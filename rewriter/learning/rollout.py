"""Sampling of completions from the policy, with their log-probabilities under the weights that sampled.

The completions of a group go on side by side in one row, behind their prompt, whose keys and values are computed and kept once:

    cache     p0 p1 p2 a0 b0 c0 a1 b1 c1 ...
    queries   a2 b2 c2, each of which sees the prompt and its own completion's tokens

so that a step of the loop costs little more than the products of its new tokens. Finished completions leave the loop, and their
part of the cache is given up from time to time. Models whose attention does not take such a mask get a row a completion.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache
from transformers.generation import GenerateDecoderOnlyOutput

from agents.models.protocol import Finish
from agents.models.sampling import sample
from negotiation.errors import ConfigurationError, ModelError
from rewriter.learning.policy import Policy
from rewriter.learning.side_by_side import growing_cache, side_by_side
from rewriter.learning.vocabulary import Completion, R, Weights

# What models call the key-value cache; renamed in transformers 5.24.
_CACHE = "cache" if "cache" in GenerateDecoderOnlyOutput.__dataclass_fields__ else "past_key_values"
_LENGTH_STEP = 32
"""Prompts are padded to a multiple of this: few shapes, for which the libraries below keep buffers."""
_NOBODY = -1
"""Owner of a place in the cache or in the queries that is padding."""


@dataclass(frozen=True, slots=True)
class _Asked(Generic[R]):
    """A prompt and which completions of its group are to be sampled in its row."""

    group: int
    request: R
    prompt: tuple[int, ...]
    members: tuple[int, ...]


class PolicyRollouts:
    """Samples completions from a policy.

    Args:
        policy: samples; it may be one that learns, since its weights are left as they are found.
        max_tokens: bound on a completion; it is also cut at the model's window.
        temperature: above 0.
        rows: most completions at once.

    Attributes:
        version: of the weights.

    Raises:
        ConfigurationError: if a number is out of its range.
    """

    def __init__(self, policy: Policy, *, max_tokens: int, temperature: float = 1.0, rows: int = 128) -> None:
        if max_tokens < 1 or temperature <= 0 or rows < 1:
            raise ConfigurationError(
                f"max_tokens {max_tokens}, temperature {temperature}, rows {rows}: each must be above 0"
            )
        self._policy = policy
        self._max_tokens, self._temperature, self._rows = max_tokens, temperature, rows
        self.version = 0

    def load(self, version: int, weights: Weights) -> None:
        """Take new weights of the adapter."""
        self._policy.load(weights)
        self.version = version

    def write(self, requests: Sequence[tuple[int, R]], size: int, seed: int) -> list[Completion[R]]:
        """``size`` completions for each (group, request), all of a group together.

        A completion is a function of weights, request, seed, group and its number in the group; its neighbours matter only by
        the rounding of matrix products.

        Raises:
            TextError: if a request leaves no room for an answer in the model's window.
            ModelError: if the model's logits are not finite.
        """
        shares = self._policy.shares
        asked = [
            _Asked(group, request, self._policy.tokens.prompt(request), members)
            for group, request in requests
            for members in ([tuple(range(size))] if shares else [(member,) for member in range(size)])
        ]
        order = sorted(range(len(asked)), key=lambda place: (len(asked[place].prompt), place))
        width = max(1, self._rows // (size if shares else 1))
        found: dict[int, list[Completion[R]]] = {}
        with self._policy.merged(), torch.no_grad():
            for start in range(0, len(order), width):
                chosen = order[start : start + width]
                written = _Sampling(
                    self._policy,
                    [asked[place] for place in chosen],
                    self._max_tokens,
                    self._temperature,
                    seed,
                ).run()
                for place, rows in zip(chosen, written, strict=True):
                    found[place] = [self._completion(asked[place], *row) for row in rows]
        return [completion for place in range(len(asked)) for completion in found[place]]

    def _completion(self, asked: _Asked[R], tokens: list[int], logprobs: list[float]) -> Completion[R]:
        finish: Finish = "stop" if tokens[-1] in self._policy.ends else "length"
        return Completion(
            request=asked.request,
            group=asked.group,
            prompt=asked.prompt,
            tokens=tuple(tokens),
            logprobs=tuple(logprobs),
            text=self._policy.tokens.text(tokens),
            finish=finish,
            version=self.version,
        )


class _Sampling:
    """One batch of R prompts with S completions each, W <= S of which are sampled side by side in a row."""

    def __init__(
        self, policy: Policy, asked: Sequence[_Asked[Any]], max_tokens: int, temperature: float, seed: int
    ) -> None:
        self._policy, self._asked, self._temperature = policy, asked, temperature
        device = policy.device
        size = len(asked[0].members)
        window = policy.window
        self._budgets = np.array(
            [max_tokens if window is None else min(max_tokens, window - len(row.prompt)) for row in asked]
        )
        steps = int(self._budgets.max())
        self._uniforms = np.array(
            [
                [np.random.default_rng([seed, row.group, member]).random(steps) for member in row.members]
                for row in asked
            ]
        )
        self._alive = np.ones((len(asked), size), dtype=np.bool_)
        self._chosen = np.zeros((len(asked), size, steps), dtype=np.int64)
        self._logprobs = np.zeros((len(asked), size, steps))
        self._lengths = np.zeros((len(asked), size), dtype=np.int64)
        self._device = device
        # Rows still in the batch; the completions in their queries; whose each place in the cache is.
        self._rows = np.arange(len(asked))
        self._slots = np.tile(np.arange(size), (len(asked), 1))
        self._owners = np.zeros((len(asked), 0), dtype=np.int64)

    def run(self) -> list[list[tuple[list[int], list[float]]]]:
        """(tokens, log-probabilities) of each completion of each row."""
        logits = self._prefill()
        last = self._choose(logits[:, None].expand(-1, self._slots.shape[1], -1), 0)
        step = 1
        attending = (
            side_by_side(self._policy.model.get_base_model()) if self._policy.shares else nullcontext()
        )
        with attending:
            while self._alive.any():
                last = self._narrow(last)
                last = self._choose(self._forward(last, step), step)
                step += 1
        return [
            [
                (
                    self._chosen[row, member, :length].tolist(),
                    self._logprobs[row, member, :length].tolist(),
                )
                for member, length in enumerate(self._lengths[row])
            ]
            for row in range(len(self._asked))
        ]

    def _prefill(self) -> Tensor:
        """(R, V) logits behind the prompts; fills the cache."""
        longest = max(len(row.prompt) for row in self._asked)
        length = -(-longest // _LENGTH_STEP) * _LENGTH_STEP
        tokens = np.full((len(self._asked), length), self._policy.tokens.pad, dtype=np.int64)
        mask = np.zeros_like(tokens)
        for number, row in enumerate(self._asked):
            tokens[number, length - len(row.prompt) :] = row.prompt
            mask[number, length - len(row.prompt) :] = 1
        self._prompt_seen = mask.astype(np.bool_)
        self._cache = growing_cache() if self._policy.shares else DynamicCache()
        positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
        return self._logits(tokens, self._put(mask), positions, 1)[:, -1]

    def _forward(self, last: NDArray[np.int64], step: int) -> Tensor:
        """(R, W, V) logits behind the last tokens (R, W), which are token ``step`` - 1 of their completions."""
        self._owners = np.concatenate([self._owners, self._slots], axis=1)
        lengths = np.array([len(self._asked[row].prompt) for row in self._rows.tolist()])
        positions = np.repeat((lengths + step - 1)[:, None], last.shape[1], axis=1)
        own = self._owners[:, None, :] == self._slots[:, :, None]
        prompt = np.broadcast_to(self._prompt_seen[:, None, :], (*own.shape[:2], self._prompt_seen.shape[1]))
        seen = np.concatenate([prompt, own], axis=2)
        if self._policy.shares:
            halves = torch.bfloat16 if self._policy.logprobs.halves else self._policy.model.dtype
            mask = torch.zeros((), dtype=halves, device=self._device).masked_fill(
                ~self._put(seen[:, None]), -torch.inf
            )
        else:
            mask = self._put(seen[:, 0].astype(np.int64))
        return self._logits(last, mask, positions, last.shape[1])

    def _logits(
        self, tokens: NDArray[np.int64], mask: Tensor, positions: NDArray[np.int64], kept: int
    ) -> Tensor:
        takes = self._policy.logprobs.takes
        arguments: dict[str, Any] = {_CACHE: self._cache}
        if "position_ids" in takes:
            arguments["position_ids"] = self._put(positions)
        if "logits_to_keep" in takes:
            arguments["logits_to_keep"] = kept
        with self._policy.logprobs.casting(self._device):
            output = self._policy.model(
                input_ids=self._put(tokens), attention_mask=mask, use_cache=True, **arguments
            )
        logits: Tensor = output.logits[:, -kept:].float()
        return logits

    def _choose(self, logits: Tensor, step: int) -> NDArray[np.int64]:
        """Sample token ``step`` of the completions in the queries: (R, W, V) to (R, W)."""
        flat = logits.reshape(-1, logits.shape[-1])
        places = np.where(self._slots == _NOBODY, 0, self._slots)
        uniforms = self._uniforms[self._rows[:, None], places, step].reshape(-1)
        exact = torch.float32 if self._device.type == "mps" else torch.float64
        temperatures = torch.full((len(flat), 1), self._temperature, device=self._device)
        tokens = sample(flat, temperatures, None, self._put(uniforms).to(exact))
        logprobs = flat.gather(1, tokens[:, None])[:, 0] - flat.logsumexp(dim=1)
        chosen = tokens.cpu().numpy().reshape(self._slots.shape)
        scores = logprobs.double().cpu().numpy().reshape(self._slots.shape)
        rows, columns = np.nonzero(self._slots != _NOBODY)
        whole, members = self._rows[rows], self._slots[rows, columns]
        if not np.isfinite(scores[rows, columns]).all():
            raise ModelError("the model's logits are not finite; use precision float32 or another model")
        self._chosen[whole, members, step] = chosen[rows, columns]
        self._logprobs[whole, members, step] = scores[rows, columns]
        self._lengths[whole, members] = step + 1
        ended = np.isin(chosen[rows, columns], self._policy.ends) | (step + 1 >= self._budgets[whole])
        self._alive[whole[ended], members[ended]] = False
        return chosen

    def _narrow(self, last: NDArray[np.int64]) -> NDArray[np.int64]:
        """Take finished completions out of the queries and finished rows out of the batch; gives the last tokens left."""
        going = self._slots != _NOBODY
        going[going] = self._alive[np.repeat(self._rows, going.sum(axis=1)), self._slots[going]]
        if going.all():
            return last
        rows = np.flatnonzero(going.any(axis=1))
        width = int(going.sum(axis=1).max())
        order = np.argsort(~going[rows], axis=1, kind="stable")[:, :width]
        left = np.take_along_axis(going[rows], order, axis=1)
        self._slots = np.where(left, np.take_along_axis(self._slots[rows], order, axis=1), _NOBODY)
        last = np.take_along_axis(last[rows], order, axis=1)
        self._shrink(rows)
        return last

    def _shrink(self, rows: NDArray[np.intp]) -> None:
        """Keep some rows of the batch, and of the cache what somebody still needs once that is half of it or less."""
        fewer = len(rows) < len(self._rows)
        self._rows, self._owners = self._rows[rows], self._owners[rows]
        self._prompt_seen = self._prompt_seen[rows]
        needed = (self._owners[:, :, None] == self._slots[:, None, :]).any(axis=2) & (self._owners != _NOBODY)
        width = int(needed.sum(axis=1).max(initial=0))
        columns: NDArray[np.int64] | None = None
        if 2 * width <= self._owners.shape[1]:
            order = np.argsort(~needed, axis=1, kind="stable")[:, :width]
            left = np.take_along_axis(needed, order, axis=1)
            self._owners = np.where(left, np.take_along_axis(self._owners, order, axis=1), _NOBODY)
            prompt = self._prompt_seen.shape[1]
            columns = np.concatenate([np.tile(np.arange(prompt), (len(rows), 1)), prompt + order], axis=1)
        if not fewer and columns is None:
            return
        chosen = self._put(rows)
        for layer in self._cache.layers:
            for name in ("keys", "values"):
                kept = getattr(layer, name)[chosen] if fewer else getattr(layer, name)
                if columns is not None:
                    places = self._put(columns)[:, None, :, None].expand(-1, kept.shape[1], -1, kept.shape[3])
                    kept = kept.gather(2, places)
                setattr(layer, name, kept)

    def _put(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
