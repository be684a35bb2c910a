"""Trains the bundled detector: weights on four fifths of the topics, calibration out of fold, figures on the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rewriter.detector.bundled import expected_agreement
from rewriter.detector.calibration import Floats, match_means, match_quantiles, signs
from rewriter.detector.config import DetectorConfig
from rewriter.detector.fit import Fitted, Grams, fit, scores_of
from rewriter.detector.weights import DIMENSIONS, DetectorWeights

Listener = Callable[[str], None]


def calibrated(fitted: Fitted, config: DetectorConfig, scores: Floats, labels: Floats) -> DetectorWeights:
    """A detector from weights and their scores of texts they were not fitted on.

    Args:
        fitted: the weights.
        config: of the training.
        scores: (n, 10) of unseen texts.
        labels: (n, 10) of the judge, of the same texts.
    """
    answers = tuple(match_quantiles(scores[:, place], labels[:, place]) for place in range(DIMENSIONS))
    said = np.stack([answers[place](scores[:, place]) for place in range(DIMENSIONS)], axis=1)
    shared = (signs(said) == signs(labels)).mean(axis=1)
    agreement = match_means(expected_agreement(scores, said, fitted.thresholds), shared)
    return DetectorWeights(
        config.scoring,
        fitted.vocabulary.rows,
        fitted.weight,
        fitted.vocabulary.idf,
        fitted.thresholds,
        answers,
        agreement,
        said.mean(axis=0),
    )


def out_of_fold(
    texts: Sequence[Grams],
    above: NDArray[np.float32],
    folds: NDArray[np.int64],
    config: DetectorConfig,
    told: Listener,
) -> Floats:
    """(n, 10) scores of every text by weights that were fitted on the other folds."""
    scores = np.empty((len(texts), DIMENSIONS))
    for fold in np.unique(folds):
        rest, part = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        fitted = fit([texts[place] for place in rest], above[rest], config)
        scores[part] = scores_of(fitted, [texts[place] for place in part], config)
        told(f"out of fold {fold}: {len(part)} texts scored")
    return scores


def train_weights(
    texts: Sequence[Grams],
    above: NDArray[np.float32],
    judged: Floats,
    folds: NDArray[np.int64],
    config: DetectorConfig,
    told: Listener,
) -> DetectorWeights:
    """A detector for these texts, calibrated by models that did not see the topics they were scored on.

    Args:
        texts: n.
        above: (n, 10, 4) soft targets.
        judged: (n, 10) labels of the judge.
        folds: (n,) by topic, for the calibration.
        config: settings.
        told: is given lines of progress.
    """
    unseen = out_of_fold(texts, above, folds, config, told)
    fitted = fit(
        texts, above, config, lambda epoch, loss: told(f"epoch {epoch}/{config.epochs}: {loss:.4f} nats")
    )
    return calibrated(fitted, config, unseen, judged)
