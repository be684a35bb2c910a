"""Fits the weights: an ordinal logistic model of bags of grams, sentence by sentence, by Adam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rewriter.detector.calibration import CUTS, Floats
from rewriter.detector.config import DetectorConfig
from rewriter.detector.corpus import Batch, Corpus, Packed, Places, Vocabulary
from rewriter.detector.features import PairTable
from rewriter.detector.weights import DIMENSIONS


@dataclass(frozen=True, slots=True)
class Fitted:
    """Weights as in ``DetectorWeights``."""

    vocabulary: Vocabulary
    pairs: PairTable
    weight: Floats
    thresholds: Floats


class Scorer(torch.nn.Module):
    """The same function as ``BundledDetector.score``, on batches and with gradients."""

    def __init__(self, vocabulary: Vocabulary, config: DetectorConfig, above: NDArray[np.float32]) -> None:
        super().__init__()
        self._config = config
        self.idf = torch.from_numpy(vocabulary.idf.astype(np.float32))
        self.bag = torch.nn.EmbeddingBag(len(vocabulary.grams), DIMENSIONS, mode="sum")
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


def fit(
    corpus: Corpus,
    texts: Places,
    above: NDArray[np.float32],
    config: DetectorConfig,
    told: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Fitted:
    """Fit the weights.

    The loss is that of a cumulative-logit model with soft targets (McCullagh 1980): binary cross-entropy between
    sigmoid(z + threshold k) and the share of judges whose label is above cut k.

    Args:
        corpus: holds the texts.
        texts: (n,) places of those to fit on.
        above: (n, 10, 4) from ``Labelled.shares_above``.
        config: settings; all randomness comes from its seed.
        told: is given the epoch (from 1) and its mean loss, nats.
    """
    pairs = corpus.pairs(texts, config.pair_topics)
    weighed = corpus.weigh(texts, pairs, config.scoring.one_side)
    vocabulary = corpus.vocabulary(weighed, config.min_texts)
    packed, targets = Packed(weighed, vocabulary), torch.from_numpy(above)
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
            (loss + config.decay * model.bag.weight.square().sum()).backward()  # type: ignore[no-untyped-call]  # untyped in torch
            optimiser.step()
            model.limit()
            losses.append(loss.item())
            step += 1
        told(epoch, float(np.mean(losses)))
    # Half precision, as on disk.
    weight = model.bag.weight.detach().numpy().astype(np.float16).astype(np.float64)
    return Fitted(vocabulary, pairs, weight, model.thresholds.detach().numpy().astype(np.float64))


def scores_of(fitted: Fitted, corpus: Corpus, texts: Places, config: DetectorConfig) -> Floats:
    """(n, 10) scores of the texts at these places."""
    packed = Packed(corpus.weigh(texts, fitted.pairs, config.scoring.one_side), fitted.vocabulary)
    model = Scorer(fitted.vocabulary, config, np.full((1, DIMENSIONS, len(CUTS)), 0.5, dtype=np.float32))
    rows = []
    with torch.inference_mode():
        model.bag.weight.copy_(torch.from_numpy(fitted.weight))
        for start in range(0, len(texts), 512):
            batch = packed.batch(np.arange(start, min(start + 512, len(texts))))
            rows.append(model(batch).numpy().astype(np.float64))
    return np.concatenate(rows)
