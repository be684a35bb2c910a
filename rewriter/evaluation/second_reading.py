"""A second detector, to see whether a rewriter moved values or only the detector that rewarded it.

Ridge regression from sentence embeddings to the labels of ``value_labels.parquet``, on the topics that everything is trained on.
It shares no features with word n-grams. Ridge shrinks towards the mean, so its answers are stretched about the mean until their
spread on topics that were left out matches that of the labels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from agents.bundle.corpus import held_out_topics
from negotiation.errors import ConfigurationError, TextError
from rewriter.pairs.units import labels_path
from rewriter.vocabulary import ValueReading

PENALTY = 3.0
"""Of the squared weights; embeddings have length 1."""
TEXTS = 3000
"""Labelled texts it is fitted on: more gave no better reading."""
CHARACTERS = 900
"""Longer texts are left out: the rewriter's are short, and the embedder reads 256 tokens."""


class Embedder(Protocol):
    """Texts to unit rows; ``agents.embedding.SentenceEmbedder`` is one."""

    @property
    def name(self) -> str:
        """For records."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, D) unit rows."""
        ...


class EmbeddingDetector:
    """Reads ten values as an affine function of a sentence embedding, cut at -1 and 1.

    Args:
        embedder: gives (n, D) unit rows.
        weights: (D + 1, 10); the last row is the constant.
        quality: correlation with the labels on topics that were left out of the fit, mean over the values; its confidence.
    """

    def __init__(self, embedder: Embedder, weights: NDArray[np.float64], quality: float) -> None:
        self.name = f"ridge on {embedder.name}"
        self.quality = quality
        self._embedder = embedder
        self._weights = weights

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        """One reading a text, in order.

        Raises:
            TextError: a blank text, by its place.
        """
        for place, text in enumerate(texts):
            if not text.strip():
                raise TextError(f"text {place} is blank; there are no values to read in it")
        if not texts:
            return []
        values = np.clip(with_constant(self._embedder.embed(list(texts))) @ self._weights, -1.0, 1.0)
        confidence = float(np.clip(self.quality, 0.0, 1.0))
        return [ValueReading(tuple(row), confidence) for row in values.tolist()]


def fit_embedding_detector(
    data: Path, embedder: Embedder, work: Path | None = None, *, texts: int = TEXTS, seed: int = 0
) -> EmbeddingDetector:
    """Fit the second detector on the training topics.

    Args:
        data: folder that holds ``value_labels.parquet``.
        embedder: of sentences.
        work: folder that keeps the fit; nothing is kept if None.
        texts: most texts to fit on.
        seed: of their choice.

    Raises:
        ConfigurationError: if the file is missing or holds too little.
    """
    path = labels_path(data)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps([embedder.name, texts, seed, PENALTY, CHARACTERS]).encode())
    kept = None if work is None else work / f"second-{digest.hexdigest()[:16]}.safetensors"
    if kept is not None and kept.is_file():
        try:
            state = load_file(kept)
            return EmbeddingDetector(embedder, state["weights"], float(state["quality"][0]))
        except (SafetensorError, KeyError, OSError):
            kept.unlink()  # torn by a stop; it is made anew
    chosen, labels, topics = _labelled(path, texts, seed)
    weights, quality = fit(embedder.embed(chosen), labels, topics)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_file({"weights": weights, "quality": np.array([quality])}, kept)
    return EmbeddingDetector(embedder, weights, quality)


def fit(
    features: NDArray[np.float64], labels: NDArray[np.float64], topics: NDArray[np.intp]
) -> tuple[NDArray[np.float64], float]:
    """Stretched ridge weights, and their correlation with the labels on topics left out.

    Args:
        features: (n, D).
        labels: (n, K).
        topics: (n,) ids; five folds are made by them, fewer if there are fewer topics.

    Returns:
        (D + 1, K) weights with the constant last, and the mean correlation.

    Raises:
        ConfigurationError: if there are fewer than two topics.
    """
    names = np.unique(topics)
    folds = min(5, len(names))
    if folds < 2:
        raise ConfigurationError(
            f"labelled texts are of {len(names)} topic; the second detector needs two or more"
        )
    fold = np.searchsorted(names, topics) % folds
    apart = np.zeros_like(labels)
    for k in range(folds):
        apart[fold == k] = with_constant(features[fold == k]) @ _ridge(features[fold != k], labels[fold != k])
    centred, truth = apart - apart.mean(axis=0), labels - labels.mean(axis=0)
    spread, wanted = centred.std(axis=0), truth.std(axis=0)
    stretch = np.where(spread > 1e-9, wanted / np.maximum(spread, 1e-9), 1.0)
    both = spread * wanted
    correlations = np.where(both > 1e-9, (centred * truth).mean(axis=0) / np.maximum(both, 1e-9), 0.0)
    weights = _ridge(features, labels)
    mean = with_constant(features).mean(axis=0) @ weights
    stretched: NDArray[np.float64] = weights * stretch
    stretched[-1] += mean * (1.0 - stretch)
    return stretched, float(correlations.mean())


def with_constant(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, D) to (n, D + 1): a last column of ones."""
    return np.hstack([features, np.ones((len(features), 1))])


def _ridge(features: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    design = with_constant(features)
    penalty = PENALTY * np.eye(design.shape[1])
    penalty[-1, -1] = 0.0  # the constant is free
    return np.asarray(np.linalg.solve(design.T @ design + penalty, design.T @ labels), dtype=np.float64)


def _labelled(path: Path, texts: int, seed: int) -> tuple[list[str], NDArray[np.float64], NDArray[np.intp]]:
    """Short texts of the training topics, their labels (mean over judges) and topics."""
    rows = pq.read_table(path, columns=["text", "values", "topic_id"]).to_pylist()
    out = held_out_topics(row["topic_id"] for row in rows)
    labels: dict[tuple[str, int], list[list[float]]] = {}
    for row in rows:
        if row["topic_id"] not in out and row["text"].strip() and len(row["text"]) <= CHARACTERS:
            labels.setdefault((row["text"], row["topic_id"]), []).append(row["values"])
    keys = list(labels)
    if not keys:
        raise ConfigurationError(f"data {path}: no text of up to {CHARACTERS} characters on a training topic")
    chosen = [keys[place] for place in np.random.default_rng(seed).permutation(len(keys))[:texts]]
    return (
        [text for text, _ in chosen],
        np.array([np.mean(labels[key], axis=0) for key in chosen]),
        np.array([topic for _, topic in chosen]),
    )
