"""Attention and key-value cache for completions that go on side by side in one row.

The library's own attention copies keys and values for every head that shares them, and its cache copies itself for every
token. Where a few tokens look back on many, as here, that is most of the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.cache_utils import Cache, DynamicLayer

_NAME = "concordat_side_by_side"
_CAPACITY_STEP = 256


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention in which the query heads of a key head stand side by side as its queries.

    Args:
        module: of the model; not looked at.
        query: (R, H, W, D).
        key: (R, K, L, D), with H a multiple of K.
        value: (R, K, L, D).
        attention_mask: (R, 1, W, L), added to the products; in the format of the query.
        scaling: of the products.
        more: what other kinds of attention take.

    Returns:
        (R, W, H, D), and no weights.
    """
    rows, heads, width, size = query.shape
    shared = key.shape[1]
    packed = query.reshape(rows, shared, heads // shared * width, size)
    mask = attention_mask.to(query.dtype).repeat(1, 1, heads // shared, 1)
    found = nn.functional.scaled_dot_product_attention(packed, key, value, attn_mask=mask, scale=scaling)
    return found.reshape(rows, heads, width, size).transpose(1, 2).contiguous(), None


AttentionInterface.register(_NAME, attention)


@contextmanager
def side_by_side(model: Any) -> Iterator[None]:
    """The model attends by ``attention`` meanwhile; every call needs a mask of (R, 1, W, L)."""
    before = model.config.get_text_config()._attn_implementation
    model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


class _GrowingLayer(DynamicLayer):  # type: ignore[misc]  # transformers ships no types
    """Keys and values of a layer, with room for more, so that few tokens are written and not all copied."""

    keys: Tensor
    values: Tensor
    _room: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Add (R, K, W, D) keys and values; gives all, (R, K, L, D)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            shape = (*key_states.shape[:2], 0, key_states.shape[3])
            self.keys, self.values = self.keys.reshape(shape), self.values.reshape(shape)
        length = self.keys.shape[2]
        end = length + key_states.shape[2]
        room = self._room
        if room is None or room[0].shape[2] < end or self.keys.data_ptr() != room[0].data_ptr():
            room = (self._wider(self.keys, end), self._wider(self.values, end))
        room[0][:, :, length:end] = key_states
        room[1][:, :, length:end] = value_states
        self._room = room
        self.keys, self.values = room[0][:, :, :end], room[1][:, :, :end]
        return self.keys, self.values

    @staticmethod
    def _wider(held: Tensor, end: int) -> Tensor:
        capacity = (end // _CAPACITY_STEP + 1) * _CAPACITY_STEP
        wider = torch.empty((*held.shape[:2], capacity, held.shape[3]), dtype=held.dtype, device=held.device)
        wider[:, :, : held.shape[2]] = held
        return wider


def growing_cache() -> Any:
    """An empty key-value cache for full attention in every layer."""
    return Cache(layer_class_to_replicate=_GrowingLayer)
