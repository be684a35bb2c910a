"""The second detector and the trivial rewriters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.bundle.corpus import held_out_topics
from negotiation.errors import ConfigurationError, TextError
from rewriter.evaluation.references import CopyingRewriter, RetrievingRewriter
from rewriter.evaluation.second_reading import fit, fit_embedding_detector, with_constant
from rewriter.pairs.units import Unit
from rewriter.vocabulary import RewriteRequest
from tests.unit.rewriter.pairs.fakes import BagEmbedder, sentence, write_labels


def test_the_stretched_fit_has_the_labels_spread_and_mean() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 12))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    signal = features[:, :2] * 2.0 + 0.3
    labels = signal + rng.normal(0.0, 0.8, size=signal.shape)
    topics = np.arange(400) // 10
    weights, quality = fit(features, labels, topics)
    read = with_constant(features) @ weights
    # Plain ridge would have about half of the spread: the noise is larger than the signal.
    assert np.allclose(read.std(axis=0), labels.std(axis=0), rtol=0.15)
    assert np.allclose(read.mean(axis=0), labels.mean(axis=0), atol=0.02)
    assert 0.4 < quality < 0.8


def test_the_quality_of_noise_is_none() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(300, 5))
    _, quality = fit(features, rng.normal(size=(300, 3)), np.arange(300) // 10)
    assert abs(quality) < 0.15


def test_one_topic_is_too_few() -> None:
    with pytest.raises(ConfigurationError, match="two or more"):
        fit(np.ones((4, 2)), np.ones((4, 1)), np.zeros(4, dtype=np.intp))


class Counting(BagEmbedder):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts):  # type: ignore[no-untyped-def]
        self.seen += texts
        return super().embed(texts)


def test_the_second_detector_learns_from_training_topics_only_and_is_kept(tmp_path: Path) -> None:
    data, embedder = write_labels(tmp_path), Counting()
    detector = fit_embedding_detector(data, embedder, tmp_path / "work")
    out = held_out_topics(range(12))
    assert embedder.seen
    assert not [text for text in embedder.seen for topic in out if f"matter {topic} " in text]
    free, old = detector.read([sentence(1, "free", 1), sentence(1, "old", 1)])
    assert free.values[0] > old.values[0]
    assert free.values[7] < old.values[7]
    again = Counting()
    kept = fit_embedding_detector(data, again, tmp_path / "work")
    assert again.seen == []
    assert kept.read([sentence(2, "kind", 1)]) == detector.read([sentence(2, "kind", 1)])


def test_a_torn_file_is_made_anew(tmp_path: Path) -> None:
    data = write_labels(tmp_path)
    first = fit_embedding_detector(data, BagEmbedder(), tmp_path)
    [file] = tmp_path.glob("second-*.safetensors")
    file.write_bytes(file.read_bytes()[:40])
    assert fit_embedding_detector(data, BagEmbedder(), tmp_path).quality == first.quality


def test_a_blank_text_is_named(tmp_path: Path) -> None:
    detector = fit_embedding_detector(write_labels(tmp_path), BagEmbedder())
    with pytest.raises(TextError, match="text 1 is blank"):
        detector.read(["A text.", " "])


def test_copying_copies() -> None:
    request = RewriteRequest("A text.", (0.0,) * 10, (0.5,) * 10)
    assert CopyingRewriter().rewrite([request]) == ["A text."]


def test_retrieval_takes_the_values_among_the_nearest_in_meaning() -> None:
    high, low = (0.9, *(0.0,) * 9), (-0.9, *(0.0,) * 9)
    units = [Unit("free free", 1, low), Unit("free new", 1, high), Unit("old old", 2, (0.8, *(0.0,) * 9))]
    rewriter = RetrievingRewriter(units, BagEmbedder(), near=2)
    ask = RewriteRequest("free", (0.0,) * 10, (0.8, *(0.0,) * 9))
    assert rewriter.rewrite([ask]) == ["free new"]  # the third has the very values but another meaning
    assert rewriter.rewrite([]) == []
    with pytest.raises(ConfigurationError, match="no stored texts"):
        RetrievingRewriter([], BagEmbedder())
