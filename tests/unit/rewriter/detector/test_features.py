"""Sentences, contexts and the corpus as arrays, by hand and against the plain way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewriter.detector.corpus import Corpus, Packed
from rewriter.detector.features import MAX_WORDS, PAIR_BITS, PairTable, pair_places, sentences, weighted_grams

WORDS = st.lists(
    st.sampled_from(["old", "customs", "keep", "us", "safe", "and", "free", "here"]), min_size=1, max_size=9
)


def table_of(*pairs: tuple[str, ...]) -> PairTable:
    taken = np.zeros(PAIR_BITS, dtype=np.bool_)
    for words in pairs:
        taken[pair_places(words)] = True
    return PairTable(taken)


def test_short_sentences_join_the_one_before() -> None:
    assert sentences("We keep old customs. Always so! They want all gates open.") == [
        ["we", "keep", "old", "customs", "always", "so"],
        ["they", "want", "all", "gates", "open"],
    ]


def test_long_sentences_are_read_in_parts_and_nothing_is_lost() -> None:
    parts = sentences(" ".join(["word"] * (2 * MAX_WORDS + 3)))
    assert [len(part) for part in parts] == [MAX_WORDS, MAX_WORDS, 3]


@pytest.mark.parametrize("text", ["", "  ", "123 456!", "...", "\n\n"])
def test_a_text_without_words_has_no_sentences(text: str) -> None:
    assert sentences(text) == []


def test_a_text_of_slogans_alone_is_one_sentence() -> None:
    assert sentences("Trust us. Trust us.") == [["trust", "us", "trust", "us"]]


def test_both_apostrophes_are_one() -> None:
    assert sentences("People\u2019s rights don\u2019t end here") == sentences(
        "People's rights don't end here"
    )


def test_known_pairs_are_those_of_the_table_with_the_edges() -> None:
    table = table_of(("we", "keep", "faith"))
    assert table.known(["we", "keep", "faith"]) == [True] * 4
    assert table.known(["we", "faith"]) == [True, False, True]


def test_a_pasted_word_counts_for_nothing() -> None:
    table = table_of(("we", "keep", "our", "word"))
    words = ["we", "keep", "liberty", "our", "word"]
    found = dict(weighted_grams(words, table.known(words), 0.1))
    assert "liberty" not in found
    assert found["we"] == 1.0  # the sentence's start and the word behind it are known
    assert found["keep"] == 0.1  # one neighbour is a stranger
    assert found["keep liberty"] == 0.1
    assert found["word"] == 1.0


def test_saying_it_twice_adds_nothing() -> None:
    table = table_of(("we", "trust", "we", "trust"))
    words = ["we", "trust", "we", "trust"]
    assert dict(weighted_grams(words, table.known(words), 0.1)) == {
        "we": 1.0,
        "trust": 1.0,
        "we trust": 1.0,
        "trust we": 1.0,
    }


def test_tables_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs have shape"):
        PairTable(np.zeros(8, dtype=np.bool_))


def test_pairs_are_known_from_the_second_topic_on() -> None:
    corpus = Corpus([[["a", "b"]], [["a", "b"]], [["a", "c"]]], np.array([4, 4, 9]))
    everything = np.arange(3)
    assert corpus.pairs(everything, 1).known(["a", "b"]) == [True, True, True]
    assert corpus.pairs(everything, 2).known(["a", "b"]) == [
        True,
        False,
        False,
    ]  # only "^ a" is in both topics
    assert corpus.pairs(np.array([0, 1]), 2).taken.sum() == 0


@settings(max_examples=15, deadline=None)  # the table of pairs is large
@given(st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=1, max_size=4))
def test_the_arrays_give_what_the_plain_way_gives(texts: list[list[list[str]]]) -> None:
    corpus = Corpus(texts, np.arange(len(texts)))
    chosen = np.arange(len(texts))[::-1].copy()
    pairs = corpus.pairs(chosen, 2)
    weighed = corpus.weigh(chosen, pairs, 0.25)
    vocabulary = corpus.vocabulary(weighed, 1)
    packed = Packed(weighed, vocabulary)
    batch = packed.batch(np.arange(len(texts)))
    plain = [
        (owner, [(gram, weight) for gram, weight in weighted_grams(words, pairs.known(words), 0.25)])
        for owner, text in enumerate(texts[place] for place in chosen.tolist())
        for words in text
    ]
    plain = [(owner, grams) for owner, grams in plain if grams]
    assert batch.owner.tolist() == [owner for owner, _ in plain]
    assert batch.counts.tolist() == [len(grams) for _, grams in plain]
    found = [
        (vocabulary.grams[row], weight)
        for row, weight in zip(batch.grams.tolist(), batch.context.tolist(), strict=True)
    ]
    start = 0
    for _, grams in plain:
        assert dict(found[start : start + len(grams)]) == pytest.approx(dict(grams))
        start += len(grams)
    assert list(vocabulary.grams) == sorted(vocabulary.grams)


def test_idf_counts_texts_and_not_sentences() -> None:
    corpus = Corpus([[["a", "b"], ["a", "b"]], [["c", "b"]]], np.array([0, 1]))
    weighed = corpus.weigh(np.arange(2), corpus.pairs(np.arange(2), 1), 0.1)
    vocabulary = corpus.vocabulary(weighed, 1)
    idf = dict(zip(vocabulary.grams, vocabulary.idf.tolist(), strict=True))
    assert idf["b"] == 1.0
    assert idf["a"] == pytest.approx(1 + np.log(2), abs=1e-3)
    assert corpus.vocabulary(weighed, 2).grams == ("b",)
