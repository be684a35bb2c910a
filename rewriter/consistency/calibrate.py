"""Learns the calibration of token matching, and measures how well the judge tells edits of known kinds.

``python -m rewriter.consistency.calibrate --data DIR`` reads ``value_labels.parquet`` there (text and topic only), makes
pairs by rule (``rewriter.consistency.pairs``), fits on all topics but those held out, measures on these, and writes
``calibration.json`` and ``figures.json``. The same data and seed give the same files, up to rounding.

The logistic map is fitted to sentences whose truth the edit tells; sentences with a changed negation, number or name are
left out, since those are told by rule. A penalty on the weights keeps the map less steep than these pairs alone
would have it: their paraphrases stay near their sources in wording, and a model's rewritings do not.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.bundle.corpus import held_out_topics
from negotiation.errors import ConcordatError, ConfigurationError
from rewriter.consistency.calibration import BUNDLED_CALIBRATION, FEATURES, Calibration
from rewriter.consistency.matching import EmbeddingMatchJudge, sentence_features
from rewriter.consistency.pairs import FACT_KINDS, KINDS, Kind, Pair, make_pair
from rewriter.consistency.tokens import TokenEncoder
from rewriter.sentences import split_sentences
from rewriter.vocabulary import Consistency, ConsistencyJudge

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

TEXTS_PER_TOPIC = 6
SENTENCES = (2, 6)
"""A passage has from 2 to 5 sentences."""
PENALTY = 3e-4
"""On the sum of squared weights, beside the mean log-loss."""
LIMITS = (
    "Paraphrases here keep most of their source's words; a model's do not, so scores of free rewritings lie lower.",
    "Negations, numbers and names were changed by rules like those that look for them: in texts by others fewer are seen.",
    "Matching alone cannot tell a contradiction, an exchange of who does what, or a like word with another meaning.",
    "A sentence of the same topic that adds nothing new counts as added; some of these are told as supported, rightly.",
    "English only: in other languages matching is weak, and negations and number words are not seen.",
)
"""What the figures do not show; kept with them."""
CACHE_TOKENS = 250_000
"""Token vectors kept, since most texts come up several times: at most 400 MB."""
CHUNK = 128
"""Pairs read at once."""
LAYER = 6
"""The last. Lower layers tell these pairs a little better, since they keep to the wording as these paraphrases do."""
CONTEXT_TOKENS = 0
"""Sentences are read alone, so that one that was kept word for word matches with 1, whatever stands beside it."""
DIRECTIONS = ("forward", "backward")


def read_passages(data: Path, generator: np.random.Generator) -> dict[int, list[str]]:
    """Passages of whole sentences by topic, from the texts of ``value_labels.parquet``.

    Raises:
        ConfigurationError: if the file is missing or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = data / "value_labels.parquet"
    try:
        table = pq.read_table(path, columns=["text", "topic_id"]).to_pydict()
    except (OSError, pa.ArrowException) as error:
        raise ConfigurationError(
            f"data {data}: value_labels.parquet with columns text and topic_id cannot be read ({error});"
            " give the folder that holds it"
        ) from error
    texts: dict[int, dict[str, None]] = defaultdict(dict)
    for text, topic_id in zip(table["text"], table["topic_id"], strict=True):
        texts[int(topic_id)][text] = None
    return {
        topic_id: [
            passage
            for index in generator.permutation(len(texts[topic_id]))[:TEXTS_PER_TOPIC]
            if (passage := _passage(list(texts[topic_id])[index], generator))
        ]
        for topic_id in sorted(texts)
    }


def make_pairs(
    passages: Mapping[int, Sequence[str]], topics: Sequence[int], a_topic: int, generator: np.random.Generator
) -> list[Pair]:
    """Pairs of every kind from the texts of these topics alone.

    Args:
        passages: by topic.
        topics: at least two of them.
        a_topic: pairs of each kind for a topic, at most; fewer where the texts give no hold.
        generator: draws.

    Raises:
        ConfigurationError: with fewer than two topics.
    """
    if len(topics) < 2:
        raise ConfigurationError(f"{len(topics)} topics to make pairs of; give texts of at least two")
    made = []
    for topic in topics:
        others = [other for other in topics if other != topic]
        own = passages[topic]
        for kind in KINDS:
            for place in generator.permutation(len(own))[:a_topic]:
                far = passages[others[int(generator.integers(len(others)))]]
                near = [text for index, text in enumerate(own) if index != place]
                pair = make_pair(kind, own[place], near, far, generator)
                if pair is not None and _splits_as_told(pair):
                    made.append(pair)
    return made


def fit(
    pairs: Sequence[Pair], encoder: TokenEncoder, layer: int, context_tokens: int, penalty: float = PENALTY
) -> Calibration:
    """The logistic map with non-negative weights that best tells supported sentences from others.

    Args:
        pairs: of kinds that matching can tell; the rest is left out.
        encoder: of token vectors.
        layer: that it reads, kept with the result.
        context_tokens: that it reads together, kept with the result.
        penalty: on squared weights.
    """
    from scipy.optimize import minimize

    told = [pair for pair in pairs if pair.kind not in FACT_KINDS]
    features: list[Floats] = []
    foreign: list[Floats] = []
    truth: list[bool] = []
    for start in range(0, len(told), CHUNK):
        chunk = told[start : start + CHUNK]
        texts = encoder.encode([text for pair in chunk for text in (pair.source, pair.text)])
        for pair, source, text in zip(chunk, texts[::2], texts[1::2], strict=True):
            for one, other, labels in (
                (text, source, pair.text_supported),
                (source, text, pair.source_kept),
            ):
                features.append(sentence_features(one, other)[0])
                truth.extend(labels)
                if pair.kind == "unrelated":
                    foreign.append(features[-1])
    measured, is_supported = np.concatenate(features), np.array(truth, dtype=np.float64)
    baseline = np.concatenate(foreign).mean(axis=0).round(4)
    inputs = np.column_stack([np.ones(len(measured)), (measured - baseline) / (1.0 - baseline)])

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = inputs @ weights
        slopes = inputs.T @ (1.0 / (1.0 + np.exp(-logits)) - is_supported) / len(is_supported)
        slopes[1:] += 2.0 * penalty * weights[1:]
        value = np.mean(np.logaddexp(0.0, logits) - is_supported * logits) + penalty * np.sum(
            weights[1:] ** 2
        )
        return float(value), slopes

    bounds = [(None, None), *[(0.0, None)] * len(FEATURES)]
    found = minimize(loss, np.zeros(1 + len(FEATURES)), jac=True, bounds=bounds, method="L-BFGS-B")
    intercept, *weights = (round(float(weight), 4) for weight in found.x)
    return Calibration(
        layer=layer,
        context_tokens=context_tokens,
        baseline=tuple(baseline.tolist()),
        weights=tuple(weights),
        intercept=intercept,
    )


def measure(judge: ConsistencyJudge, pairs: Sequence[Pair], cut: float) -> dict[str, Any]:
    """How well a judge tells each kind of edit from paraphrases.

    For a kind in a direction in which it is inconsistent: ``auc`` against paraphrases, and ``accuracy``, the mean of the shares
    told rightly of both, a pair being called consistent in a direction from the cut on. For all kinds the mean score, and the
    share of pairs in which a lost, invented or turned fact was told.

    Args:
        judge: to measure.
        pairs: with some of each kind.
        cut: in [0, 1].
    """
    judged = _judged(judge, pairs)
    scores: dict[Kind, Floats] = {}
    figures: dict[str, Any] = {}
    for kind in sorted(KINDS, key=lambda kind: kind != "paraphrase"):
        own = [(one, pair) for one, pair in zip(judged, pairs, strict=True) if pair.kind == kind]
        if not own:
            raise ConfigurationError(f"no pair of kind {kind!r} to measure; give more texts")
        scores[kind] = np.array([[one.forward, one.backward] for one, _ in own])
        told = float(np.mean([bool(one.faults) for one, _ in own]))
        figures[kind] = {"pairs": len(own), "with_faults": round(told, 4)}
        for column, direction in enumerate(DIRECTIONS):
            here, paraphrases = scores[kind][:, column], scores["paraphrase"][:, column]
            figures[kind][direction] = {"mean": round(float(here.mean()), 4)}
            if not getattr(own[0][1], direction):
                right = ((paraphrases >= cut).mean() + (here < cut).mean()) / 2
                figures[kind][direction]["auc"] = round(_auc(paraphrases, here), 4)
                figures[kind][direction]["accuracy"] = round(float(right), 4)
    return figures


def best_cut(judge: ConsistencyJudge, pairs: Sequence[Pair]) -> float:
    """The score from which a pair is best called consistent in a direction: highest mean of both shares told rightly."""
    judged = _judged(judge, pairs)
    rows = [
        (getattr(one, direction), getattr(pair, direction))
        for one, pair in zip(judged, pairs, strict=True)
        for direction in DIRECTIONS
    ]
    scores, truth = np.array([score for score, _ in rows]), np.array([told for _, told in rows])
    cuts = np.arange(0.01, 1.0, 0.01)
    right = [((scores[truth] >= cut).mean() + (scores[~truth] < cut).mean()) / 2 for cut in cuts]
    return round(float(cuts[int(np.argmax(right))]), 2)


def calibrate(
    data: Path, folder: Path, seed: int = 0, fit_topics: int = 120, a_topic: int = 3
) -> dict[str, Any]:
    """Fit on training topics, measure on held-out ones, write ``calibration.json`` and ``figures.json``.

    Args:
        data: folder with ``value_labels.parquet``.
        folder: to write to.
        seed: of passages and edits; the topics held out are those of the bundled model.
        fit_topics: training topics to fit on, with a pair of each kind; for four numbers these suffice.
        a_topic: pairs of each kind for a held-out topic.

    Returns:
        The figures.

    Raises:
        ConfigurationError: if the data cannot be read.
        ModelError: if the embedder cannot be loaded.
    """
    generator = np.random.default_rng(seed)
    passages = {topic: texts for topic, texts in read_passages(data, generator).items() if texts}
    out = held_out_topics(passages)
    inside = [topic for topic in passages if topic not in out]
    inside = sorted(generator.permutation(inside)[:fit_topics].tolist())
    training = make_pairs(passages, inside, 1, generator)
    held_out = make_pairs(passages, sorted(out & set(passages)), a_topic, generator)
    logger.info("%d pairs to fit, %d to measure", len(training), len(held_out))
    encoder = TokenEncoder(layer=LAYER, context_tokens=CONTEXT_TOKENS, cache_tokens=CACHE_TOKENS)
    calibration = fit(training, encoder, LAYER, CONTEXT_TOKENS)
    judge = EmbeddingMatchJudge(calibration, encoder=encoder)
    cut = best_cut(judge, training)
    figures = {
        "judge": judge.name,
        "seed": seed,
        "pairs_fitted": len(training),
        "pairs_measured": len(held_out),
        "topics_held_out": len(out),
        "cut": cut,
        "limits": list(LIMITS),
        "kinds": measure(judge, held_out, cut),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "calibration.json").write_text(calibration.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Calibrate by command."""
    parser = argparse.ArgumentParser(prog="python -m rewriter.consistency.calibrate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with value_labels.parquet")
    parser.add_argument("--out", type=Path, default=BUNDLED_CALIBRATION.parent, help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="of passages and edits")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        figures = calibrate(given.data, given.out, given.seed)
    except ConcordatError as error:
        parser.exit(1, f"{error}\n")
    print(json.dumps(figures, indent=2))


def _judged(judge: ConsistencyJudge, pairs: Sequence[Pair]) -> list[Consistency]:
    texts = [(pair.source, pair.text) for pair in pairs]
    return [one for start in range(0, len(texts), CHUNK) for one in judge.judge(texts[start : start + CHUNK])]


def _passage(text: str, generator: np.random.Generator) -> str:
    """Some whole sentences in a row; empty if the text has none."""
    sentences = [sentence for sentence in split_sentences(text) if sentence.endswith((".", "!", "?"))]
    size = int(generator.integers(*SENTENCES))
    start = int(generator.integers(max(1, len(sentences) - size + 1)))
    return " ".join(sentences[start : start + size])


def _splits_as_told(pair: Pair) -> bool:
    """Whether the texts split into the sentences that the edit speaks of; a moved abbreviation may hinder it."""
    return len(split_sentences(pair.text)) == len(pair.text_supported) and len(
        split_sentences(pair.source)
    ) == len(pair.source_kept)


def _auc(higher: Floats, lower: Floats) -> float:
    """Chance that one of the first exceeds one of the second, ties counting half."""
    above = (higher[:, None] > lower[None, :]).mean() + 0.5 * (higher[:, None] == lower[None, :]).mean()
    return float(above)


if __name__ == "__main__":
    main()
