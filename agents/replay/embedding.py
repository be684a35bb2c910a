"""Many texts embedded at once, for a whole file of published negotiations.

``agents.embedding`` gives a text the same bits in any company, one text at a time. Here thousands are wanted in minutes: each
distinct text goes once through the model, in batches of texts of like length, one batch a core at a time, and products are in
bfloat16 where the processor has it. Batches depend on the set of texts alone, so the same texts give the same bits on the same
machine, whatever the number of cores. Cosines differ from those of ``agents.embedding`` by some 1e-3 with bfloat16, 1e-6 without.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from agents.embedding import MINILM_MAX_TOKENS, MiniLMEncoder
from negotiation.guideline import unit_rows

BATCH = 32
"""Texts that go through the model together."""

Vectors = Mapping[str, NDArray[np.float64]]
"""Text to its (D,) unit vector."""
Told = Callable[[int, int], None]
"""How many are done, of how many."""


class BatchEncoder(MiniLMEncoder):
    """all-MiniLM-L6-v2 on batches; arguments as ``MiniLMEncoder``."""

    def __init__(self, device: str = "auto", num_threads: int | None = None) -> None:
        super().__init__(device, num_threads)
        from agents.tuning.trainer import use_bfloat16

        self.bfloat16 = use_bfloat16("auto", self._device)

    def encode_batch(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, 384) means over the tokens of each text, not normalised."""
        torch = self._torch
        tokens = self._tokenizer(
            list(texts), truncation=True, max_length=MINILM_MAX_TOKENS, padding=True, return_tensors="pt"
        ).to(self._device)
        cast = (
            torch.autocast(self._device.type, dtype=torch.bfloat16)
            if self.bfloat16
            else contextlib.nullcontext()
        )
        with torch.inference_mode(), cast:
            hidden = self._model(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"][..., None]
        means: NDArray[np.float64] = ((hidden * mask).sum(dim=1) / mask.sum(dim=1)).double().cpu().numpy()
        return means


def embed_distinct(
    texts: Sequence[str], told: Told = lambda done, total: None, encoder: BatchEncoder | None = None
) -> Vectors:
    """Embed each distinct text once.

    Args:
        texts: any number, none blank.
        told: hears of the progress.
        encoder: the model; a new one with a thread a core if None.

    Raises:
        EmbeddingError: if a vector is zero or not finite.
    """
    encoder = encoder or BatchEncoder(num_threads=1)
    # Texts of like length pad little; ties are broken by the text, so that batches depend on nothing else.
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    batches = [distinct[start : start + BATCH] for start in range(0, len(distinct), BATCH)]
    vectors: dict[str, NDArray[np.float64]] = {}
    pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1)
    try:
        for batch, rows in zip(batches, pool.map(encoder.encode_batch, batches), strict=True):
            vectors.update(zip(batch, unit_rows(rows, encoder.name), strict=True))
            told(len(vectors), len(distinct))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nobody waits for the rest
    return vectors
