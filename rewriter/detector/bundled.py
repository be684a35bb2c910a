"""The detector that ships: words and pairs of words, weighed by sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from rewriter.detector.calibration import Floats, signs
from rewriter.detector.features import grams, sentences
from rewriter.detector.weights import DIMENSIONS, DetectorWeights
from rewriter.vocabulary import ValueReading, check_text


@dataclass(frozen=True, slots=True)
class Scores:
    """What the weights say of a text, before calibration.

    Attributes:
        logits: (10,) the text's score for each value.
        weight: of all its sentences together; 0 if nothing in it is known.
    """

    logits: Floats
    weight: float


class BundledDetector:
    """Reads values by an ordinal linear model of words and pairs of words.

    For a sentence s with the known grams G (each once):

        z_s  = sum over G of idf_g * weight_g  /  max(sqrt(sum over G of idf_g^2), floor)     (10,)
        u_s  = clip * tanh(z_s / clip)                                                       no sentence outshouts the rest
        z    = sum over s of a_s * u_s  /  sum of a_s,      a_s = |G|^power                  (10,)

    z goes through one rising map for each value to answers in [-1, 1], whose distribution on texts of unseen topics is that
    of the labels. A text is read by itself, so its reading is the same in any company.

    The confidence of a reading is the expected share of the ten values on which the judge of its training texts has the same
    sign (for, against, neither) as the reading, checked on unseen topics.

    Args:
        weights: what was trained.
        name: for records.
    """

    def __init__(self, weights: DetectorWeights, name: str = "bundled") -> None:
        self.name = name
        self._weights = weights

    @property
    def centre(self) -> Floats:
        """(10,) mean answer on training texts; subtract it before cosines, which a constant answer would flatter."""
        return self._weights.centre.copy()

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        """One reading a text, in order.

        Raises:
            TextError: a blank text, by its place.
        """
        for place, text in enumerate(texts):
            check_text(text, f"text {place} for the detector")
        return [self._read(text) for text in texts]

    def score(self, text: str) -> Scores:
        """The scores of a text before calibration."""
        weights, config = self._weights, self._weights.config
        logits, total = np.zeros(DIMENSIONS), 0.0
        for words in sentences(text):
            rows = [weights.vocabulary[gram] for gram in grams(words) if gram in weights.vocabulary]
            if not rows:
                continue
            idf = weights.idf[rows]
            length = max(float(np.sqrt(idf @ idf)), config.floor)
            scored = config.clip * np.tanh(idf @ weights.weight[rows] / length / config.clip)
            share = len(rows) ** config.power
            logits += share * scored
            total += share
        return Scores(logits / total if total else logits, total)

    def _read(self, text: str) -> ValueReading:
        scores = self.score(text)
        if scores.weight == 0.0:
            return ValueReading(tuple(self._weights.centre.tolist()), 0.0)
        answers = np.array(
            [answer(score) for answer, score in zip(self._weights.answers, scores.logits, strict=True)]
        )
        expected = expected_agreement(scores.logits[None], answers[None], self._weights.thresholds)
        confidence = float(np.clip(self._weights.agreement(expected)[0], 0.0, 1.0))
        return ValueReading(tuple(np.clip(answers, -1.0, 1.0).tolist()), confidence)


def expected_agreement(logits: Floats, answers: Floats, thresholds: Floats) -> Floats:
    """The share of values on which a judge's sign is the answer's, as the ordinal model expects it.

    Args:
        logits: (n, 10) scores.
        answers: (n, 10) in [-1, 1].
        thresholds: (10, 4) as in ``DetectorWeights``.

    Returns:
        (n,) in [0, 1].
    """
    above: Floats = expit(logits[:, :, None] + thresholds[None])
    against, speaks_for = 1.0 - above[:, :, 1], above[:, :, 2]
    neither = np.clip(1.0 - against - speaks_for, 0.0, 1.0)
    said = signs(answers)
    expected: Floats = np.where(said > 0, speaks_for, np.where(said < 0, against, neither)).mean(axis=1)
    return expected
