"""A text as token vectors of the MiniLM embedder, by sentence; the same text, the same bits, in any company.

Matrix products round differently with other shapes, so the model only ever sees a few fixed ones: always
``ROWS`` windows, each padded to a multiple of ``STEP`` tokens. With the shape the same, a row comes out bit for bit
the same whatever stands in the others (tested). In bfloat16 this is some four times as fast on a CPU that has it as
one text at a time in float32, which is exact too. Bits differ between machines, thread counts and number formats.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.embedding import MINILM_MAX_TOKENS, MINILM_NAME, MINILM_SHA256, checked_minilm_folder
from negotiation.errors import TextError
from rewriter.sentences import split_sentences

ROWS = 8
"""Windows in each pass of the model."""
STEP = 16
"""Windows are padded to a multiple of this many tokens."""
CACHE_TOKENS = 40_000
"""Token vectors kept by default: 384 float32 each, 61 MB."""

NumberFormat = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class TokenText:
    """A text as token vectors.

    Attributes:
        vectors: (T, D) float32 rows of unit length, the sentences' tokens in order, special tokens left out.
        ids: (T,) vocabulary indices.
        bounds: (S + 1,) sentence s has rows ``bounds[s]`` to ``bounds[s + 1]``; none is empty.
        sentences: the S sentences.
    """

    vectors: NDArray[np.float32]
    ids: NDArray[np.int64]
    bounds: NDArray[np.int64]
    sentences: tuple[str, ...]


class TokenEncoder:
    """all-MiniLM-L6-v2 as a source of token vectors, with a bounded cache of the texts used last.

    Args:
        device: as in ``agents.embedding.MiniLMEncoder``.
        num_threads: as there.
        number_format: of the weights; ``"auto"`` is bfloat16 on a CPU that computes in it, else float32.
        layer: whose hidden states are taken: 0 the embeddings, 6 the last.
        context_tokens: sentences are read together up to so many tokens, and alone if it is 0. A longer sentence is
            read in parts; nothing is cut off.
        cache_tokens: token vectors kept, 0 for none.
        folder: of the weights; the package's if None.

    Raises:
        ModelError: if the weights are missing or not the pinned ones.
    """

    def __init__(
        self,
        device: str = "auto",
        num_threads: int | None = None,
        number_format: NumberFormat = "auto",
        layer: int = 6,
        context_tokens: int = 0,
        cache_tokens: int = CACHE_TOKENS,
        folder: Path | None = None,
    ) -> None:
        folder = checked_minilm_folder(folder)
        import torch
        from transformers import AutoModel, AutoTokenizer

        from agents.models.loading import choose_device, quiet_loading, use_threads

        use_threads(num_threads)
        self._torch = torch
        self._device = choose_device(device)
        if number_format == "auto":
            number_format = "bfloat16" if _computes_bfloat16(self._device) else "float32"
        self.name = f"{MINILM_NAME}@{MINILM_SHA256[:12]}"
        self.number_format = number_format
        self._layer = layer
        self._context_tokens = min(context_tokens, MINILM_MAX_TOKENS - 2)
        self._cache_tokens = cache_tokens
        self._cache: OrderedDict[bytes, TokenText] = OrderedDict()
        self._cached = 0
        with quiet_loading():
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            model: Any = AutoModel.from_pretrained(
                folder, dtype=getattr(torch, number_format), trust_remote_code=False
            )
        self._model = model.to(self._device).eval()
        self._first, self._last = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        self.vocabulary_size = int(model.config.vocab_size)

    def encode(self, texts: Sequence[str]) -> list[TokenText]:
        """Token vectors of each text; one that stands here several times is read once.

        Raises:
            TextError: a text without a single token.
        """
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        known: dict[bytes, TokenText] = {key: self._cache[key] for key in keys if key in self._cache}
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        known.update(zip(new, self._read(list(new.values())), strict=True))
        for key in keys:
            self._keep(key, known[key])
        return [known[key] for key in keys]

    def _read(self, texts: list[str]) -> list[TokenText]:
        split = [self._sentences(text) for text in texts]
        windows: list[list[int]] = []
        for _, ids in split:
            windows.extend(self._windows(ids))
        vectors = iter(self._run(windows))
        read = []
        for sentences, ids in split:
            count = len(self._windows(ids))
            bounds = np.cumsum([0, *(len(sentence) for sentence in ids)])
            flat = np.array([token for sentence in ids for token in sentence], dtype=np.int64)
            rows = np.concatenate([next(vectors) for _ in range(count)])
            rows.setflags(write=False)
            read.append(TokenText(rows, flat, bounds, sentences))
        return read

    def _sentences(self, text: str) -> tuple[tuple[str, ...], list[list[int]]]:
        """Sentences that have tokens, and their vocabulary indices."""
        sentences = split_sentences(text)
        if not sentences:
            raise TextError("a text is empty; give at least a sentence")
        encoded = self._tokenizer(
            sentences, add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        kept = [(sentence, ids) for sentence, ids in zip(sentences, encoded, strict=True) if ids]
        if not kept:
            raise TextError(f"text {text[:60]!r} holds nothing that the model can read; give at least a word")
        return tuple(sentence for sentence, _ in kept), [ids for _, ids in kept]

    def _windows(self, sentences: list[list[int]]) -> list[list[int]]:
        """Pack sentences in order; one that is too long is parted."""
        whole = MINILM_MAX_TOKENS - 2
        windows: list[list[int]] = []
        for ids in sentences:
            parts = [ids[start : start + whole] for start in range(0, len(ids), whole)]
            if len(parts) == 1 and windows and len(windows[-1]) + len(ids) <= self._context_tokens:
                windows[-1] = windows[-1] + ids
            else:
                windows.extend(parts)
        return windows

    def _run(self, windows: list[list[int]]) -> list[NDArray[np.float32]]:
        """(T, D) unit rows a window."""
        torch = self._torch
        order = sorted(range(len(windows)), key=lambda index: len(windows[index]))
        vectors: dict[int, NDArray[np.float32]] = {}
        start = 0
        while start < len(order):
            length = _padded(len(windows[order[start]]) + 2)
            rows = [index for index in order[start : start + ROWS] if len(windows[index]) + 2 <= length]
            start += len(rows)
            ids = torch.zeros((ROWS, length), dtype=torch.long)
            mask = torch.zeros((ROWS, length), dtype=torch.long)
            mask[:, 0] = 1  # an empty row must attend to something
            for row, index in enumerate(rows):
                tokens = [self._first, *windows[index], self._last]
                ids[row, : len(tokens)] = torch.tensor(tokens)
                mask[row, : len(tokens)] = 1
            with torch.inference_mode():
                states = self._model(
                    input_ids=ids.to(self._device),
                    attention_mask=mask.to(self._device),
                    output_hidden_states=True,
                ).hidden_states[self._layer]
                unit = torch.nn.functional.normalize(states.float(), dim=-1).cpu().numpy()
            for row, index in enumerate(rows):
                vectors[index] = unit[row, 1 : 1 + len(windows[index])].copy()
        return [vectors[index] for index in range(len(windows))]

    def _keep(self, key: bytes, text: TokenText) -> None:
        if key in self._cache:
            self._cache.move_to_end(key)
            return
        if len(text.ids) > self._cache_tokens:
            return
        self._cache[key] = text
        self._cached += len(text.ids)
        while self._cached > self._cache_tokens:
            _, dropped = self._cache.popitem(last=False)
            self._cached -= len(dropped.ids)


def _padded(length: int) -> int:
    return -(-length // STEP) * STEP


def _computes_bfloat16(device: Any) -> bool:
    import torch

    if device.type != "cpu":
        return False
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
