"""Trains the bundled detector: weights on four fifths of the topics, calibration out of fold, figures on the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rewriter.detector.bundled import BundledDetector, expected_agreement
from rewriter.detector.calibration import Floats, match_means, match_quantiles, signs
from rewriter.detector.card import write_card
from rewriter.detector.config import DetectorConfig
from rewriter.detector.corpus import Corpus, Places
from rewriter.detector.features import sentences
from rewriter.detector.fit import Fitted, fit, scores_of
from rewriter.detector.held_out import held_out_figures
from rewriter.detector.labels import OTHER_JUDGE, Labelled, load_labels, topic_folds
from rewriter.detector.measure import agreement, spread
from rewriter.detector.weights import DIMENSIONS, DetectorWeights

Listener = Callable[[str], None]
HELD_OUT = 0
"""The fold that the kept detector never sees."""


@dataclass(frozen=True, slots=True)
class Job:
    """A round of fits.

    Attributes:
        name: for progress.
        folds: (n,) of the texts.
        config: settings.
        told: is given lines of progress.
    """

    name: str
    folds: NDArray[np.int64]
    config: DetectorConfig
    told: Listener


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
        {gram: row for row, gram in enumerate(fitted.vocabulary.grams)},
        fitted.pairs,
        fitted.weight,
        fitted.vocabulary.idf,
        fitted.thresholds,
        answers,
        agreement,
        said.mean(axis=0),
    )


def out_of_fold(data: Labelled, corpus: Corpus, texts: Places, job: Job) -> tuple[Floats, dict[int, Fitted]]:
    """Scores of texts by weights that were fitted on the other folds.

    Args:
        data: all texts.
        corpus: the same.
        texts: (n,) places of those that take part.
        job: folds of these texts, and settings.

    Returns:
        (n, 10) scores, and the weights that were fitted without each fold.
    """
    above, kept = data.shares_above(), {}
    scores = np.empty((len(texts), DIMENSIONS))
    for fold in np.unique(job.folds).tolist():
        rest, part = texts[job.folds != fold], job.folds == fold
        kept[fold] = fit(corpus, rest, above[rest], job.config)
        scores[part] = scores_of(kept[fold], corpus, texts[part], job.config)
        job.told(f"{job.name}: fold {fold}, {part.sum()} texts scored that it had not seen")
    return scores, kept


def train_detector(config: DetectorConfig, told: Listener = lambda line: None) -> dict[str, Any]:
    """Train, calibrate, measure and write a detector.

    The topics are cut into folds. The detector that is kept never sees the first of them; its figures are of that fold. Its
    answers are calibrated on scores of the other folds, each by weights that did not see it. The figures over all folds are of
    weights fitted on the others, calibrated on the scores of the others.

    Args:
        config: settings.
        told: is given lines of progress.

    Returns:
        The figures, as kept in ``figures.json``.

    Raises:
        ConfigurationError: if the data cannot be used.
    """
    began = monotonic()
    torch.set_num_threads(config.threads)
    data = load_labels(config.data)
    corpus = Corpus([sentences(text) for text in data.texts], data.topics)
    folds = topic_folds(data.topics, config.folds, np.random.default_rng(config.seed))
    told(f"{len(data.texts)} texts on {len(np.unique(data.topics))} topics")
    everything, own = np.arange(len(folds)), np.flatnonzero(folds != HELD_OUT)
    scores, kept = out_of_fold(data, corpus, everything, Job("all topics", folds, config, told))
    unseen, _ = out_of_fold(data, corpus, own, Job("training topics", folds[own], config, told))
    weights = calibrated(kept[HELD_OUT], config, unseen, data.judged[own])
    weights.save(config.out)
    detector = BundledDetector(DetectorWeights.load(config.out))
    told("measuring")
    figures = {
        "held_out": held_out_figures(detector, data, folds == HELD_OUT, np.random.default_rng(config.seed)),
        "five_fold": fold_figures(scores, kept, data, folds, config),
        "grams": len(weights.vocabulary),
        "pairs": int(weights.pairs.taken.sum()),
        "settings": config.model_dump(mode="json", exclude={"data", "out"}),
        "training_s": round(monotonic() - began, 1),
    }
    write_card(config, figures)
    return figures


def fold_figures(
    scores: Floats,
    kept: Mapping[int, Fitted],
    data: Labelled,
    folds: NDArray[np.int64],
    config: DetectorConfig,
) -> dict[str, Any]:
    """Agreement over all folds, each answered by the weights and the calibration of the others."""
    answers, centres = np.empty_like(scores), np.empty_like(scores)
    for fold, fitted in kept.items():
        part, rest = folds == fold, folds != fold
        weights = calibrated(fitted, config, scores[rest], data.judged[rest])
        answers[part] = weights.answer(scores[part])
        centres[part] = data.judged[rest].mean(axis=0)
    found = agreement(answers, data.judged, centres) | {"spread": spread(answers, data.judged)["ratio"]}
    both = ~np.isnan(data.labels[OTHER_JUDGE]).any(axis=1) if OTHER_JUDGE in data.labels else None
    if both is not None and both.any():
        bound = agreement(data.labels[OTHER_JUDGE][both], data.judged[both], centres[both])
        found["judge_against_judge"] = bound
        found["on_the_same_texts"] = agreement(answers[both], data.judged[both], centres[both])
    return found
