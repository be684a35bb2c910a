"""Fits the weights: an ordinal logistic model of bags of grams, sentence by sentence, by Adam."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rewriter.detector.calibration import CUTS, Floats
from rewriter.detector.config import DetectorConfig
from rewriter.detector.features import PairTable, weighted_grams
from rewriter.detector.weights import DIMENSIONS

Words = Sequence[Sequence[str]]
"""Of a text: one row a sentence, from ``sentences``."""
Weighted = Sequence[tuple[str, float]]
"""Of a sentence: from ``weighted_grams``."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The grams that count.

    Attributes:
        rows: gram to row, in the order of the alphabet.
        idf: (V,) 1 + log(texts / texts with the gram).
    """

    rows: dict[str, int]
    idf: Floats

    @classmethod
    def of(cls, texts: Sequence[Sequence[Weighted]], min_texts: int) -> Vocabulary:
        """Every gram of at least ``min_texts`` texts."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update({gram for sentence in text for gram, _ in sentence})
        kept = sorted(gram for gram, count in counts.items() if count >= min_texts)
        idf = np.array([1.0 + np.log(len(texts) / counts[gram]) for gram in kept])
        # As it will be kept on disk, so that the fitted model and the saved one are the same.
        return cls({gram: row for row, gram in enumerate(kept)}, idf.astype(np.float16).astype(np.float64))


@dataclass(frozen=True, slots=True)
class Fitted:
    """Weights as in ``DetectorWeights``."""

    vocabulary: Vocabulary
    pairs: PairTable
    weight: Floats
    thresholds: Floats


class Packed:
    """Texts as rows of the vocabulary, flat, cut into batches without a loop over grams."""

    def __init__(self, texts: Sequence[Sequence[Weighted]], vocabulary: Vocabulary) -> None:
        flat: list[int] = []
        context: list[float] = []
        ends, texts_at = [0], [0]
        for text in texts:
            for sentence in text:
                known = [(vocabulary.rows[gram], c) for gram, c in sentence if gram in vocabulary.rows]
                if known:
                    flat += [row for row, _ in known]
                    context += [c for _, c in known]
                    ends.append(len(flat))
            texts_at.append(len(ends) - 1)
        self._flat = np.array(flat, dtype=np.int64)
        self._context = np.array(context, dtype=np.float32)
        self._ends = np.array(ends, dtype=np.int64)
        self._texts_at = np.array(texts_at, dtype=np.int64)

    def batch(self, places: NDArray[np.int64]) -> Batch:
        """The texts at these places."""
        first, last = self._texts_at[places], self._texts_at[places + 1]
        chosen = _ranges(first, last - first)
        counts = self._ends[chosen + 1] - self._ends[chosen]
        at = _ranges(self._ends[chosen], counts)
        return Batch(
            torch.from_numpy(self._flat[at]),
            torch.from_numpy(self._context[at]),
            torch.from_numpy(counts),
            torch.from_numpy(np.repeat(np.arange(len(places)), last - first)),
            len(places),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of a step.

    Attributes:
        grams: (G,) rows of the vocabulary, sentence after sentence.
        context: (G,) weight of each one's context, above 0.
        counts: (S,) grams of each sentence, at least 1.
        owner: (S,) text of each sentence.
        texts: number of texts.
    """

    grams: torch.Tensor
    context: torch.Tensor
    counts: torch.Tensor
    owner: torch.Tensor
    texts: int


class Scorer(torch.nn.Module):
    """The same function as ``BundledDetector.score``, on batches and with gradients."""

    def __init__(self, vocabulary: Vocabulary, config: DetectorConfig, above: NDArray[np.float32]) -> None:
        super().__init__()
        self._config = config
        self.idf = torch.from_numpy(vocabulary.idf.astype(np.float32))
        self.bag = torch.nn.EmbeddingBag(len(vocabulary.rows), DIMENSIONS, mode="sum")
        torch.nn.init.zeros_(self.bag.weight)
        shares = np.clip(above.mean(axis=0), 1e-3, 1 - 1e-3)
        self.thresholds = torch.nn.Parameter(torch.from_numpy(np.log(shares / (1 - shares))))

    def limit(self) -> None:
        """Bound each gram's contribution, so that no single word is worth pasting."""
        with torch.no_grad():
            bound = (self._config.limit / self.idf)[:, None]
            self.bag.weight.clamp_(-bound, bound)

    def forward(self, batch: Batch, kept: torch.Tensor | None = None) -> torch.Tensor:
        """(n, 10) scores; ``kept`` scales each gram."""
        scoring = self._config.scoring
        idf = self.idf[batch.grams] * batch.context
        sentence = torch.repeat_interleave(torch.arange(len(batch.counts)), batch.counts)
        squares = torch.zeros(len(batch.counts)).index_add_(0, sentence, idf * idf)
        starts = torch.cumsum(batch.counts, 0) - batch.counts
        summed = self.bag(batch.grams, starts, per_sample_weights=idf if kept is None else idf * kept)
        scored = summed / squares.sqrt().clamp(min=scoring.floor)[:, None]
        scored = scoring.clip * torch.tanh(scored / scoring.clip)
        contexts = torch.zeros(len(batch.counts)).index_add_(0, sentence, batch.context)
        share = contexts**scoring.power
        total = torch.zeros(batch.texts, DIMENSIONS).index_add_(0, batch.owner, scored * share[:, None])
        weight = torch.zeros(batch.texts).index_add_(0, batch.owner, share)
        return total / weight.clamp(min=1e-9)[:, None]


def weigh(texts: Sequence[Words], pairs: PairTable, config: DetectorConfig) -> list[list[Weighted]]:
    """The weighted grams of each sentence of each text."""
    one_side = config.scoring.one_side
    return [[weighted_grams(words, pairs.known(words), one_side) for words in text] for text in texts]


def fit(
    texts: Sequence[Words],
    topics: NDArray[np.int64],
    above: NDArray[np.float32],
    config: DetectorConfig,
    told: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Fitted:
    """Fit the weights.

    The loss is that of a cumulative-logit model with soft targets (McCullagh 1980): binary cross-entropy between
    sigmoid(z + threshold k) and the share of judges whose label is above cut k.

    Args:
        texts: n.
        topics: (n,) of the texts.
        above: (n, 10, 4) from ``Labelled.shares_above``.
        config: settings; all randomness comes from its seed.
        told: is given the epoch (from 1) and its mean loss, nats.
    """
    pairs = PairTable.of(zip(topics.tolist(), texts, strict=True), config.pair_topics)
    weighted = weigh(texts, pairs, config)
    vocabulary = Vocabulary.of(weighted, config.min_texts)
    packed, targets = Packed(weighted, vocabulary), torch.from_numpy(above)
    model = Scorer(vocabulary, config, above)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    rng, noise = np.random.default_rng(config.seed), torch.Generator().manual_seed(config.seed)
    size = min(config.batch, len(texts))
    steps, step = config.epochs * (len(texts) // size), 0
    for epoch in range(1, config.epochs + 1):
        order, losses = rng.permutation(len(texts)), []
        for start in range(0, len(texts) - size + 1, size):
            places = order[start : start + size]
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * min(1.0, (steps - step) / (0.7 * steps))
            batch = packed.batch(places)
            kept = (torch.rand(len(batch.grams), generator=noise) >= config.dropout) / (1.0 - config.dropout)
            logits = model(batch, kept)[:, :, None] + model.thresholds
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets[places])
            optimiser.zero_grad()
            (loss + config.decay * model.bag.weight.square().sum()).backward()
            optimiser.step()
            model.limit()
            losses.append(loss.item())
            step += 1
        told(epoch, float(np.mean(losses)))
    # Half precision, as on disk.
    weight = model.bag.weight.detach().numpy().astype(np.float16).astype(np.float64)
    return Fitted(vocabulary, pairs, weight, model.thresholds.detach().numpy().astype(np.float64))


def scores_of(fitted: Fitted, texts: Sequence[Words], config: DetectorConfig) -> Floats:
    """(n, 10) scores of texts."""
    packed = Packed(weigh(texts, fitted.pairs, config), fitted.vocabulary)
    model = Scorer(fitted.vocabulary, config, np.full((1, DIMENSIONS, len(CUTS)), 0.5, dtype=np.float32))
    rows = []
    with torch.inference_mode():
        model.bag.weight.copy_(torch.from_numpy(fitted.weight))
        for start in range(0, len(texts), 512):
            batch = packed.batch(np.arange(start, min(start + 512, len(texts))))
            rows.append(model(batch).numpy().astype(np.float64))
    return np.concatenate(rows)


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """All places from each start on, as many as its count."""
    offsets = np.cumsum(counts) - counts
    places: NDArray[np.int64] = np.repeat(starts - offsets, counts) + np.arange(counts.sum())
    return places
