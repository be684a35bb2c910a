"""The bundled model's tokenizer, and examples as token rows of few fixed lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bundle.corpus import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, SYSTEM, USER, ASSISTANT, END = "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LENGTHS = (192, 256, 320, 384, 448, 512, 640, 768, 1024)
"""Row lengths that examples are padded to: few, since memory grows with their number."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenRow:
    """One example in tokens.

    Attributes:
        tokens: (T,) prompt and answer, the answer's end token included.
        prompt: number of prompt tokens; the loss is on ``tokens[prompt:]``.
        characters: length of the answer's text.
    """

    tokens: NDArray[np.int32]
    prompt: int
    characters: int


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows padded on the right to one of ``LENGTHS``.

    Attributes:
        tokens: (B, T) int64.
        targets: (B, T) int64, the next token where it belongs to an answer, else -100.
    """

    tokens: NDArray[np.int64]
    targets: NDArray[np.int64]


def train_tokenizer(examples: Sequence[Example], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE on the answers, and on the questions and system messages as often as they are seen."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()

    def texts() -> Iterator[str]:
        for example in examples:
            yield example.answer
        for text in sorted({example.topic for example in examples}):
            yield from [text] * 20
        for text in sorted({example.messages[0].content for example in examples}):
            yield from [text] * 200

    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, SYSTEM, USER, ASSISTANT, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
        model_max_length=2048,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Read the tokenizer of a model folder."""
    from transformers import PreTrainedTokenizerFast

    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(str(folder))
    return tokenizer


def encode(examples: Sequence[Example], tokenizer: PreTrainedTokenizerFast) -> list[TokenRow]:
    """Examples as token rows; those longer than the longest of ``LENGTHS`` are left out (fewer than one in a hundred)."""
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in example.messages],
            tokenize=False,
            add_generation_prompt=True,
        )
        for example in examples
    ]
    fast = tokenizer.backend_tokenizer
    heads = fast.encode_batch(prompts, add_special_tokens=False)
    tails = fast.encode_batch([example.answer + END for example in examples], add_special_tokens=False)
    rows = [
        TokenRow(np.array(head.ids + tail.ids, dtype=np.int32), len(head.ids), len(example.answer))
        for example, head, tail in zip(examples, heads, tails, strict=True)
    ]
    return [row for row in rows if len(row.tokens) <= LENGTHS[-1] + 1]


def batches(
    rows: Sequence[TokenRow], tokens_per_batch: int, pad: int, rng: np.random.Generator | None
) -> list[Batch]:
    """Group rows by padded length into batches of about ``tokens_per_batch`` tokens.

    Batches of one length have the same shape, the last one being filled up with empty rows. With ``rng`` rows and batches
    are shuffled, else they keep their order within a length.
    """
    order = rng.permutation(len(rows)) if rng is not None else np.arange(len(rows))
    by_length: dict[int, list[TokenRow]] = {length: [] for length in LENGTHS}
    for index in order:
        row = rows[index]
        by_length[next(length for length in LENGTHS if len(row.tokens) - 1 <= length)].append(row)
    result = []
    for length, members in by_length.items():
        size = max(1, tokens_per_batch // length)
        for start in range(0, len(members), size):
            result.append(_batch(members[start : start + size], size, length, pad))
    if rng is not None:
        result = [result[index] for index in rng.permutation(len(result))]
    return result


def _batch(rows: Sequence[TokenRow], size: int, length: int, pad: int) -> Batch:
    tokens = np.full((size, length), pad, dtype=np.int64)
    targets = np.full((size, length), -100, dtype=np.int64)
    for index, row in enumerate(rows):
        width = len(row.tokens) - 1
        tokens[index, :width] = row.tokens[:-1]
        targets[index, row.prompt - 1 : width] = row.tokens[row.prompt :]
    return Batch(tokens, targets)
