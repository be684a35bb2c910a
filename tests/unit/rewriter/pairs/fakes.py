"""A detector and a judge that count words, and labelled texts on made-up topics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from negotiation.errors import TextError
from rewriter.vocabulary import Consistency, ValueReading

WORDS = ("free", "new", "fun", "win", "rule", "safe", "obey", "old", "kind", "fair")


class WordDetector:
    """Value k is 1 less than one in ``2 ** count`` of its word, and below 0 with "not" before it; a text alone."""

    name = "words"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        self.texts += texts
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> ValueReading:
        if not text.strip():
            raise TextError("text 0 is blank")
        words = text.lower().replace(".", " ").split()
        values = [1.0 - 0.5 ** words.count(word) for word in WORDS]
        return ValueReading(tuple(values), 1.0)


class WordJudge:
    """Share of one text's distinct words that the other has."""

    name = "shared words"

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Consistency]:
        found = []
        for source, text in pairs:
            one, two = set(source.lower().split()), set(text.lower().split())
            found.append(Consistency(len(one & two) / len(two), len(one & two) / len(one)))
        return found


class BagEmbedder:
    """Unit rows of which words a text holds."""

    name = "bag"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        rows = np.array([[0.3 + (word in text.lower()) for word in WORDS] for text in texts])
        unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


def sentence(topic: int, word: str, number: int) -> str:
    return f"On matter {topic} people who are {word} say thing {number} in so many words."


def write_labels(folder: Path, topics: int = 12, texts: int = 8) -> Path:
    """Texts of three sentences, each of which speaks for one value."""
    rng = np.random.default_rng(7)
    rows = []
    for topic in range(topics):
        for number in range(texts):
            words = rng.choice(WORDS, size=3, replace=False)
            text = " ".join(sentence(topic, word, number + place) for place, word in enumerate(words))
            values = [1.0 if word in words else 0.0 for word in WORDS]
            rows.append({"text": text, "topic_id": topic, "values": values})
    pq.write_table(pa.Table.from_pylist(rows), folder / "value_labels.parquet")
    return folder
