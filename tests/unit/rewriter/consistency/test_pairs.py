"""Pairs of known truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from negotiation.errors import TextError
from rewriter.consistency.facts import find_faults
from rewriter.consistency.pairs import KINDS, Kind, make_pair, paraphrase
from rewriter.sentences import split_sentences

TEXT = (
    "Schools should open at nine because children need sleep. Many families in Oslo support the rule."
    " The council pays 40 dollars to each home."
)
NEAR = ["Teachers must begin at eight in all schools of the town."]
FAR = ["Rockets burn oxygen and cool their nozzles with cold fuel. The moon pulls at the sea."]


def pair_of(kind: Kind, seed: int = 0, text: str = TEXT) -> Any:
    return make_pair(kind, text, NEAR, FAR, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_truth_is_told_for_every_sentence(kind: Kind, seed: int) -> None:
    pair = pair_of(kind, seed)
    assert pair is not None
    assert len(pair.source_kept) == len(split_sentences(pair.source))
    assert len(pair.text_supported) == len(split_sentences(pair.text))
    assert (pair.text == pair.source) == (kind == "identical")
    expected = {
        "identical": (True, True),
        "paraphrase": (True, True),
        "dropped": (True, False),
        "added": (False, True),
        "added_near": (False, True),
    }.get(kind, (False, False))
    assert (pair.forward, pair.backward) == expected


def test_what_was_dropped_or_added_is_the_sentence_that_is_told() -> None:
    for seed in range(5):
        dropped = pair_of("dropped", seed)
        lost = split_sentences(dropped.source)[dropped.source_kept.index(False)]
        assert lost not in dropped.text
        added = pair_of("added", seed)
        assert split_sentences(added.text)[added.text_supported.index(False)] in FAR[0]
        near = pair_of("added_near", seed)
        assert split_sentences(near.text)[near.text_supported.index(False)] == NEAR[0]


def test_facts_are_changed_in_the_sentence_that_is_told() -> None:
    assert find_faults([TEXT], [pair_of("number").text]).words[0] == "number lost: 40"
    assert "name lost: Oslo" in find_faults([TEXT], [pair_of("name").text]).words
    turned = pair_of("negation")
    assert "should not open" in turned.text
    assert turned.text_supported == (False, True, True)


def test_a_text_without_facts_is_first_given_one() -> None:
    plain = "Rice grows in wet fields. Farmers tend it."
    for kind in ("number", "name"):
        pair = pair_of(kind, text=plain)
        assert pair.source.startswith(plain)
        assert len(split_sentences(pair.source)) == 3
        assert pair.source_kept == (True, True, False)


def test_edits_without_a_hold_are_none() -> None:
    assert pair_of("dropped", text="Only one sentence here.") is None
    assert pair_of("negation", text="Rice grows.") is None
    assert make_pair("added", TEXT, [], [], np.random.default_rng(0)) is None
    assert pair_of("paraphrase", text="Rice grows.") is None
    with pytest.raises(TextError, match="empty"):
        pair_of("identical", text=" ")


def test_the_same_seed_gives_the_same_pairs() -> None:
    for kind in KINDS:
        assert pair_of(kind, 3) == pair_of(kind, 3)


def test_paraphrases_move_clauses_and_replace_words() -> None:
    sentence = "When the rain ends, many people begin to plant rice."
    told = {paraphrase(sentence, np.random.default_rng(seed), 1.0) for seed in range(40)}
    assert any(
        text.endswith("when the rain ends.") or text.endswith("when the rain concludes.") for text in told
    )
    assert all("people" not in text for text in told)
    moved = {paraphrase(sentence, np.random.default_rng(seed), 0.0) for seed in range(40)}
    assert moved == {sentence, "Many people begin to plant rice when the rain ends."}


@given(st.text(max_size=120), st.integers(0, 9))
def test_any_sentence_is_taken(text: str, seed: int) -> None:
    assert isinstance(paraphrase(text, np.random.default_rng(seed)), str)
