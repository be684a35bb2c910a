"""What a detector is worth: agreement with a judge, spread, reliability and the meaning of its confidence."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.values import SCHWARTZ_VALUES
from rewriter.detector.calibration import Floats, signs

CLASSES = (-1, 0, 1)
RELIABILITY_BINS = 10
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def cosines(answers: Floats, labels: Floats, centre: Floats | float = 0.0) -> Floats:
    """(m,) cosine of each row's answer and label after subtracting ``centre`` from both, in [-1, 1], higher is better.

    Raw cosines (centre 0) flatter: labels of all texts look alike, and a constant answer has a high one. Rows of which one is
    all zero have no cosine and are left out.

    >>> cosines(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 0.0]])).round(3).tolist()
    [0.707]
    """
    left, right = answers - centre, labels - centre
    scale = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    there = scale > 0
    found: Floats = (left * right).sum(axis=1)[there] / scale[there]
    return found


def macro_f1(answers: Floats, labels: Floats) -> float:
    """Mean F1 over against, neither and for, in [0, 1], higher is better; a class that nobody gave is left out.

    Args:
        answers: (n,) in [-1, 1].
        labels: (n,) in [-1, 1].

    >>> round(macro_f1(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])), 3)
    0.667
    """
    said, true = signs(answers), signs(labels)
    scores = []
    for kind in CLASSES:
        both, either = ((said == kind) & (true == kind)).sum(), (said == kind).sum() + (true == kind).sum()
        if either:
            scores.append(2.0 * both / either)
    return float(np.mean(scores))


def agreement(answers: Floats, labels: Floats, centre: Floats) -> dict[str, Any]:
    """How well answers agree with a judge's labels.

    Args:
        answers: (n, 10).
        labels: (n, 10).
        centre: (10,) mean label of training texts.
    """
    by_value = [macro_f1(answers[:, place], labels[:, place]) for place in range(len(SCHWARTZ_VALUES))]
    return {
        "texts": len(answers),
        "cosine_centred": float(cosines(answers, labels, centre).mean()),
        "cosine_raw": float(cosines(answers, labels).mean()),
        "macro_f1": float(np.mean(by_value)),
        "macro_f1_by_value": dict(zip(SCHWARTZ_VALUES, by_value, strict=True)),
        "sign_agreement": float((signs(answers) == signs(labels)).mean()),
        "mean_absolute_error": float(np.abs(answers - labels).mean()),
    }


def majority(labels: Floats, training: Floats) -> Floats:
    """(n, 10) the answer that is always the commonest sign of the training labels, as -1, 0 or 1."""
    said = signs(training)
    counts = np.stack([(said == kind).sum(axis=0) for kind in CLASSES])
    commonest = np.array(CLASSES, dtype=np.float64)[counts.argmax(axis=0)]
    return np.tile(commonest, (len(labels), 1))


def spread(answers: Floats, labels: Floats) -> dict[str, Any]:
    """Standard deviations and quantiles of answers beside those of labels; a ratio of 1 is the aim, below 1 is shrunk."""
    ratios = answers.std(axis=0) / np.where(labels.std(axis=0) > 0, labels.std(axis=0), np.nan)
    return {
        "ratio": float(np.nanmean(ratios)),
        "ratio_by_value": {
            name: float(ratio)
            for name, ratio in zip(SCHWARTZ_VALUES, ratios, strict=True)
            if np.isfinite(ratio)
        },
        "at": list(QUANTILES),
        "quantiles_of_answers": {
            name: np.quantile(answers[:, place], QUANTILES).tolist()
            for place, name in enumerate(SCHWARTZ_VALUES)
        },
        "quantiles_of_labels": {
            name: np.quantile(labels[:, place], QUANTILES).tolist()
            for place, name in enumerate(SCHWARTZ_VALUES)
        },
    }


def bins_of(scores: Floats, outcomes: Floats, count: int = RELIABILITY_BINS) -> dict[str, Any]:
    """Mean score, mean outcome and number in bins of equal size, lowest first.

    Args:
        scores: (n,).
        outcomes: (n,).
        count: of bins; bins may be fewer than asked if there are fewer scores.
    """
    parts = [part for part in np.array_split(np.argsort(scores, kind="stable"), count) if len(part)]
    return {
        "answer": [float(scores[part].mean()) for part in parts],
        "outcome": [float(outcomes[part].mean()) for part in parts],
        "texts": [len(part) for part in parts],
    }


def reliability(answers: Floats, labels: Floats) -> dict[str, Any]:
    """Expected label by answer, for each value and for all answers together, with the slope of labels on answers.

    A slope of 1 would say that an answer is the expected label. Answers that are spread as the labels are have the slope of
    their correlation with them.
    """
    rows = {name: (answers[:, place], labels[:, place]) for place, name in enumerate(SCHWARTZ_VALUES)}
    rows["all"] = (answers.ravel(), labels.ravel())
    return {name: {**bins_of(said, true), "slope": _slope(said, true)} for name, (said, true) in rows.items()}


def confidence(confidences: Floats, answers: Floats, labels: Floats) -> dict[str, Any]:
    """Share of signs that the judge shares, by confidence, and the mean difference of the two over bins."""
    shared = (signs(answers) == signs(labels)).mean(axis=1)
    found = bins_of(confidences, shared)
    gaps = np.abs(np.array(found["answer"]) - np.array(found["outcome"]))
    return {**found, "mean": float(confidences.mean()), "calibration_error": float(gaps.mean())}


def _slope(said: Floats, true: Floats) -> float | None:
    """Least-squares slope of ``true`` on ``said``; None where all answers are the same."""
    moved = said - said.mean()
    variance = float(moved @ moved)
    return float(moved @ (true - true.mean())) / variance if variance else None
