"""The detector that ships: words and pairs of words, weighed by sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from rewriter.detector.calibration import Floats, signs
from rewriter.detector.features import sentences, weighted_grams
from rewriter.detector.weights import DIMENSIONS, DetectorWeights
from rewriter.vocabulary import ValueReading, check_text


@dataclass(frozen=True, slots=True)
class Scores:
    """What the weights say of a text, before calibration.

    Attributes:
        logits: (10,) the text's score for each value.
        weight: of all its sentences together; 0 if nothing in it is known.
        natural: share of its pairs of neighbouring words that are known, in [0, 1].
    """

    logits: Floats
    weight: float
    natural: float


class BundledDetector:
    """Reads values by an ordinal linear model of words and pairs of words.

    For a sentence s with the known grams G, each once, with the weight c_g of its context (``weighted_grams``):

        z_s  = sum over G of c_g * idf_g * weight_g  /  max(sqrt(sum over G of (c_g * idf_g)^2), floor)     (10,)
        u_s  = clip * tanh(z_s / clip)                                     no sentence outshouts the rest
        z    = sum over s of a_s * u_s  /  sum of a_s,      a_s = (sum over G of c_g)^power      (10,)

    z goes through one rising map for each value to answers in [-1, 1], whose distribution on texts of unseen topics is that
    of the labels. A text is read by itself, so its reading is the same in any company.

    The confidence of a reading is the expected share of the ten values on which the judge of its training texts has the same
    sign (for, against, neither) as the reading, checked on unseen topics. In a text with fewer known pairs of words than
    prose of its kind has, it falls in proportion: there the reading rests on little.

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

    def answers(self, texts: Sequence[str]) -> Floats:
        """(n, 10) the values of n texts, without confidences."""
        return np.array([reading.values for reading in self.read(texts)])

    def score(self, text: str) -> Scores:
        """The scores of a text before calibration."""
        weights, config = self._weights, self._weights.config
        logits, total = np.zeros(DIMENSIONS), 0.0
        pairs = known_pairs = 0
        for words in sentences(text):
            known = weights.pairs.known(words)
            pairs, known_pairs = pairs + len(known), known_pairs + sum(known)
            grams = weighted_grams(words, known, config.one_side)
            counted = [(weights.vocabulary[gram], c) for gram, c in grams if gram in weights.vocabulary]
            if not counted:
                continue
            rows, context = [row for row, _ in counted], np.array([c for _, c in counted])
            idf = weights.idf[rows] * context
            length = max(float(np.sqrt(idf @ idf)), config.floor)
            scored = config.clip * np.tanh(idf @ weights.weight[rows] / length / config.clip)
            share = float(context.sum()) ** config.power
            logits += share * scored
            total += share
        return Scores(logits / total if total else logits, total, known_pairs / pairs if pairs else 0.0)

    def heaviest(self, value: int, sign: int, count: int) -> list[str]:
        """The grams that weigh most for (sign 1) or against (-1) a value, the heaviest first: what an attacker would paste."""
        weights = self._weights
        words = list(weights.vocabulary)
        order = np.argsort(-sign * weights.weight[:, value] * weights.idf, kind="stable")
        return [words[place] for place in order[:count]]

    def _read(self, text: str) -> ValueReading:
        scores = self.score(text)
        if scores.weight == 0.0:
            return ValueReading(tuple(self._weights.centre.tolist()), 0.0)
        answers = self._weights.answer(scores.logits)
        expected = expected_agreement(scores.logits[None], answers[None], self._weights.thresholds)
        natural = min(1.0, scores.natural / self._weights.config.natural)
        confidence = float(np.clip(self._weights.agreement(expected)[0], 0.0, 1.0)) * natural
        return ValueReading(tuple(answers.tolist()), confidence)


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
