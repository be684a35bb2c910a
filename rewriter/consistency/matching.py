"""The bundled judge of consistency: greedy matching of tokens, baseline-rescaled and calibrated by sentence.

Each token of one text is matched with the nearest token of the other by the cosine of their vectors in the MiniLM
embedder (BERTScore, Zhang et al. 2020, arXiv 1904.09675, section 3): precision asks it of the rewriting's tokens,
recall of the source's. BERTScore takes the mean over a text. Here it is taken by sentence, and a logistic map learned
from pairs of known truth gives p(supported) of each; a text's score is their mean, weighted by tokens:

    forward  = sum_s |s| p(s | source) / sum_s |s|        over sentences s of the rewriting
    backward = the same with both texts changing places

times what ``rewriter.consistency.facts`` takes off for numbers, negations and names. So one sentence in four that the
source does not hold costs about a quarter, as it does when an entailment model is asked sentence by sentence.

What it cannot do: it compares words in their sentences, it does not reason. "Allow" and "forbid" lie near each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import TextError
from rewriter.consistency.calibration import FEATURES, Calibration
from rewriter.consistency.facts import find_faults
from rewriter.consistency.tokens import CACHE_TOKENS, NumberFormat, TokenEncoder, TokenText
from rewriter.vocabulary import Consistency, check_text

Floats = NDArray[np.float64]


def sentence_features(text: TokenText, other: TokenText) -> tuple[Floats, Floats]:
    """How well each sentence of a text is matched by another text.

    Args:
        text: S sentences.
        other: R sentences.

    Returns:
        (S, 3) features as named in ``calibration.FEATURES``, and (S, R) mean match of each sentence of the text within each
        sentence of the other; all are cosines, at most 1.
    """
    cosines = np.minimum(text.vectors @ other.vectors.T, 1.0)  # (T, U)
    by_sentence = np.maximum.reduceat(cosines, other.bounds[:-1], axis=1).astype(np.float64)  # (T, R)
    best = by_sentence.max(axis=1)
    sizes = np.diff(text.bounds)
    within = np.add.reduceat(by_sentence, text.bounds[:-1], axis=0) / sizes[:, None]  # (S, R)
    support = np.add.reduceat(best, text.bounds[:-1]) / sizes
    weakest = [
        float(np.sort(best[start:end])[: -(-(end - start) // 4)].mean())
        for start, end in zip(text.bounds[:-1], text.bounds[1:], strict=True)
    ]
    return np.column_stack([support, weakest, within.max(axis=1)]), within


class EmbeddingMatchJudge:
    """Judges consistency by matching tokens in the MiniLM embedder's space; no entailment model.

    Args:
        calibration: the map to p(supported); the one that ships if None.
        device: ``"auto"``, or a torch device.
        num_threads: CPU threads of torch for the whole process; None leaves them.
        number_format: of the embedder's weights, as in ``TokenEncoder``.
        cache_tokens: token vectors kept, as there.
        encoder: of token vectors, in place of one as the calibration asks for; the four settings before are then unused.

    Raises:
        ModelError: if the embedder cannot be loaded.
        ConfigurationError: if the calibration cannot be read.
    """

    def __init__(
        self,
        calibration: Calibration | None = None,
        *,
        device: str = "auto",
        num_threads: int | None = None,
        number_format: NumberFormat = "auto",
        cache_tokens: int = CACHE_TOKENS,
        encoder: TokenEncoder | None = None,
    ) -> None:
        self._calibration = calibration or Calibration.load()
        self._encoder = encoder or TokenEncoder(
            device,
            num_threads,
            number_format,
            layer=self._calibration.layer,
            context_tokens=self._calibration.context_tokens,
            cache_tokens=cache_tokens,
        )
        self.name = f"minilm-token-matching ({self._encoder.name})"

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Consistency]:
        """One judgement a (source, rewriting), in order; the same in any company.

        Raises:
            TextError: a blank text, by its place.
        """
        check_pairs(pairs)
        sides = self._encoder.encode([text for pair in pairs for text in pair])
        judged: dict[tuple[str, str], Consistency] = {}
        for index, pair in enumerate(pairs):
            if pair not in judged:
                judged[pair] = self._judge(sides[2 * index], sides[2 * index + 1])
        return [judged[pair] for pair in pairs]

    def _judge(self, source: TokenText, text: TokenText) -> Consistency:
        forward, there = self._direction(text, source)
        backward, back = self._direction(source, text)
        faults = find_faults(source.sentences, text.sentences, (there.T + back) / 2.0)
        return Consistency(
            forward=forward * faults.forward, backward=backward * faults.backward, faults=faults.words
        )

    def _direction(self, text: TokenText, other: TokenText) -> tuple[float, Floats]:
        """Share of a text that another supports, and (S, R) rescaled match of each two sentences."""
        features, within = sentence_features(text, other)
        supported = self._calibration.probability(features)
        baseline = self._calibration.baseline[FEATURES.index("together")]
        return float(np.average(supported, weights=np.diff(text.bounds))), (within - baseline) / (
            1.0 - baseline
        )


def check_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse blank texts.

    Raises:
        TextError: naming the first by its place.
    """
    for index, pair in enumerate(pairs):
        if isinstance(pair, str) or len(pair) != 2:
            raise TextError(f"pair {index} is {pair!r}; give a source and a rewriting")
        for text, what in zip(pair, ("source", "rewriting"), strict=True):
            check_text(text, f"{what} {index}")
