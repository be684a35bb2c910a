"""Training text as dialogues, and dialogues as tokens with the loss on the answer only.

A pair is learned as the reply to the prompt that a culture agent is sent for an opening statement, with the pair's question
as the topic: so the adapter is asked in a negotiation in the form that it learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agents.cultures import Culture
from agents.prompts import PromptSet
from agents.tuning.chat import ChatTokens
from negotiation.errors import ConfigurationError, ModelError

LENGTH_STEP = 16
"""Rows are padded to a multiple of this: few shapes, for which the libraries below keep buffers."""

IGNORED = -100
"""In targets: not to be learned."""

COLUMNS = ("culture", "item", "question", "answer")
"""What a training file must hold; any further columns are provenance."""


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """One question and its answer; ``item`` is the survey item that both came from."""

    item: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One dialogue in tokens.

    Attributes:
        tokens: prompt, answer and end of turn.
        prompt: number of prompt tokens; the loss is on ``tokens[prompt:]``, at least one.
    """

    tokens: tuple[int, ...]
    prompt: int

    @property
    def answer(self) -> int:
        """Number of tokens that are learned."""
        return len(self.tokens) - self.prompt


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows padded on the left, so that answers stand at the right edge.

    Attributes:
        tokens: (B, T) int64.
        mask: (B, T) int64, 1 for a token and 0 for padding.
        targets: (B, A) int64, the last A tokens of each row where they belong to the answer, else ``IGNORED``.
    """

    tokens: NDArray[np.int64]
    mask: NDArray[np.int64]
    targets: NDArray[np.int64]


def read_pairs(data: Path, culture: str) -> list[TrainingPair]:
    """The pairs of one culture, in order of files and rows.

    Args:
        data: folder that ``concordat train voices`` made, or one with Parquet files of the columns ``COLUMNS``.
        culture: id of the culture.

    Raises:
        ConfigurationError: if there are no such files, a column is missing, or there is nothing of this culture.
    """
    files = sorted((data / "data").glob("*.parquet")) or sorted(data.glob("*.parquet"))
    if not files:
        raise ConfigurationError(
            f"data {data}: no Parquet files in it; give a folder made by 'concordat train voices'"
        )
    pairs, cultures = [], set()
    for file in files:
        try:
            rows = pq.read_table(file, columns=list(COLUMNS)).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise ConfigurationError(
                f"data {file}: {error}; give Parquet with the columns {', '.join(COLUMNS)}"
            ) from error
        cultures |= {row["culture"] for row in rows}
        pairs += [
            TrainingPair(row["item"], row["question"], row["answer"])
            for row in rows
            if row["culture"] == culture
        ]
    if not pairs:
        known = ", ".join(sorted(map(str, cultures))) or "nobody"
        raise ConfigurationError(
            f"data {data}: nothing of culture {culture!r} in it; there is text of {known}"
        )
    return pairs


def split_items(
    pairs: Sequence[TrainingPair], share: float, seed: int
) -> tuple[list[TrainingPair], list[TrainingPair]]:
    """Training and held-out pairs of disjoint items: at least one item on each side.

    Args:
        pairs: in order, which both sides keep.
        share: of the items to hold out, in (0, 1).
        seed: of the choice.

    Raises:
        ConfigurationError: if there are fewer than two items.
    """
    items = sorted({pair.item for pair in pairs})
    if len(items) < 2:
        raise ConfigurationError(
            f"data: {len(items)} item in it; one is held out to measure by, so give two or more"
        )
    count = min(len(items) - 1, max(1, round(share * len(items))))
    out = {items[place] for place in np.random.default_rng(seed).permutation(len(items))[:count]}
    return [pair for pair in pairs if pair.item not in out], [pair for pair in pairs if pair.item in out]


class Encoder:
    """Turns pairs of one culture into tokens, with the chat template of a model.

    Args:
        tokenizer: of the model, with a chat template.
        culture: who answers.
        answer_words: bound that prompts name.
        window: of the model, in tokens; None if it has none.
        template_options: variables for the chat template.
        prompts: the shipped set if None.
    """

    def __init__(
        self,
        tokenizer: Any,
        culture: Culture,
        *,
        answer_words: int,
        window: int | None = None,
        template_options: dict[str, Any] | None = None,
        prompts: PromptSet | None = None,
    ) -> None:
        self._chat = ChatTokens(tokenizer, template_options)
        self._culture = culture
        self._words = answer_words
        self._window = window
        self._prompts = PromptSet.load() if prompts is None else prompts

    def encode(self, pairs: Sequence[TrainingPair]) -> list[TokenRow]:
        """One row a pair.

        Raises:
            ModelError: if a dialogue does not fit the window.
        """
        rows = [self._row(pair) for pair in pairs]
        for pair, row in zip(pairs, rows, strict=True):
            if self._window is not None and len(row.tokens) > self._window:
                raise ModelError(
                    f"a pair of item {pair.item!r} has {len(row.tokens)} tokens; the model takes {self._window};"
                    " leave it out, or use a model with a longer window"
                )
        return rows

    def _row(self, pair: TrainingPair) -> TokenRow:
        head = self._chat.prompt(self._prompts.position(self._culture, pair.question, self._words))
        tail = [*self._chat.ids(pair.answer), self._chat.end]
        return TokenRow((*head, *tail), len(head))


def collate(rows: Sequence[TokenRow], pad: int) -> Batch:
    """Rows as one batch, padded on the left to a multiple of ``LENGTH_STEP``."""
    longest = max(len(row.tokens) for row in rows)
    length = -(-longest // LENGTH_STEP) * LENGTH_STEP
    answer = max(row.answer for row in rows)
    tokens = np.full((len(rows), length), pad, dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=np.int64)
    targets = np.full((len(rows), answer), IGNORED, dtype=np.int64)
    for place, row in enumerate(rows):
        tokens[place, length - len(row.tokens) :] = row.tokens
        mask[place, length - len(row.tokens) :] = 1
        targets[place, answer - row.answer :] = row.tokens[row.prompt :]
    return Batch(tokens, mask, targets)
