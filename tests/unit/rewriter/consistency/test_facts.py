# ruff: noqa: RUF001 - marks of many scripts are meant as they stand
"""Numbers, names and negations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewriter.consistency.facts import KEEP, Faults, find_faults
from rewriter.consistency.numerals import numbers_in


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It cost $1,250.50 in 2019.", ["1250.5", "2019"]),
        ("Twenty-five people, a dozen eggs, two hundred and six bones.", ["25", "12", "206"]),
        ("Three million five hundred thousand and twelve.", ["3500012"]),
        ("2.5 million, 40 per cent, 40 percent, 40%", ["2500000", "40%", "40%", "40%"]),
        ("In nineteen eighty-four and in the 1990s", ["1984", "1990"]),
        ("One must choose one of us; one percent, one hundred.", ["1%", "100"]),
        ("First, the third way.", []),
        ("2. The second point has 3 parts.", ["3"]),
        ("Version 1.2.3 is out.", []),
        ("٣ من ٤٠ و 12", ["3", "40", "12"]),
        ("three, five and seven", ["3", "5", "7"]),
        ("3,5 liters", ["3.5"]),
        ("007 and 7.0", ["7", "7"]),
        ("", []),
    ],
)
def test_numbers_are_values(text: str, numbers: list[str]) -> None:
    assert numbers_in(text) == numbers


@given(st.integers(2, 10**12))
def test_a_number_has_one_value_with_and_without_commas(number: int) -> None:
    assert numbers_in(f"about {number} of them") == numbers_in(f"about {number:,} of them") == [str(number)]


def told(source: str, text: str) -> tuple[str, ...]:
    return find_faults([source], [text]).words


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        # Numbers
        ("It takes 40 days.", "It takes forty days.", ()),
        ("It takes 40 days.", "It takes 50 days.", ("number lost: 40", "number invented: 50")),
        ("It takes 40 days.", "It takes some days.", ("number lost: 40",)),
        ("Half agree.", "Some 50% agree.", ("number invented: 50%",)),
        ("Of 40 homes 40 burned.", "All 40 homes burned.", ()),
        # Names
        ("A letter went to Oslo.", "A letter went to Bergen.", ("name lost: Oslo", "name invented: Bergen")),
        ("We met Elena Torres there.", "Torres met us there.", ()),
        ("We met Elena Torres there.", "We met Elena Torres and Li Wei there.", ("name invented: Li Wei",)),
        ("The faith of Islam holds.", "An Islamic faith holds.", ()),
        ("The United Nations met.", "It is the UN that met.", ()),
        ("It is the UN that met.", "The United Nations met.", ()),
        ("Kenya's coast is warm in Africa.", "In Africa it is warm on the coast of Kenya.", ()),
        ("Yesterday it rained.", "Rain fell yesterday.", ()),
        ("It was said: Nobody came.", "No one came, it was said.", ()),
        ("He and I left.", "I left with him.", ()),
        ("Asking Elena Torres would help.", "Asking Li Wei would help.", ("name lost: Elena Torres", "name invented: Li Wei")),
        ("It is the Sino-Indian border.", "It is the Sino-Russian border.", ("name lost: Indian", "name invented: Russian")),
        ("We met Elena and then Elena Torres.", "Torres and Elena met us.", ()),
        ("It keeps the harmony of the village.", "It keeps the peace of the village.", ()),
        # German writes all nouns with capitals, and some scripts have none.
        ("Der Rat der Stadt erlaubt den Bau.", "Die Stadt duldet die Arbeit.", ()),
        ("他去了北京。", "他去了上海。", ()),
        # Negations
        ("The law does not allow hunting here.", "The law forbids hunting here.", ()),
        ("The law doesn't allow hunting here.", "Here the law prohibits hunting.", ()),
        ("The law allows hunting here.", "The law does not forbid hunting here.", ()),
        ("No one may enter the park.", "Nobody may enter the park.", ()),
        ("Neither he nor she may enter the park.", "He and she may not enter the park.", ()),
        ("Not only the old may enter the park.", "The old may enter the park.", ()),
        ("Trust must not be broken by the state.", "Trust must be kept by the state.", ()),
        ("They cannot ignore the poor.", "They must hear the poor.", ()),
        ("Rice grows in the wet fields.", "Nobody sings at the gates.", ()),
        (
            "The law allows hunting here.",
            "The law doesn’t allow hunting here.",
            ("negation turned: The law allows hunting here.",),
        ),
        (
            "The law allows hunting here.",
            "The law forbids hunting here.",
            ("negation turned: The law allows hunting here.",),
        ),
        (
            "Without water the fields can live.",
            "With water the fields can live.",
            ("negation turned: Without water the fields can live.",),
        ),
    ],
)  # fmt: skip
def test_faults_are_told(source: str, text: str, expected: tuple[str, ...]) -> None:
    assert told(source, text) == expected


def test_each_fault_lowers_its_direction_by_the_stated_factor() -> None:
    faults = find_faults(
        ["It costs 40 dollars in Oslo.", "Farmers may sell their land."],
        ["It costs 45 or 50 dollars.", "Farmers may not sell their land."],
    )
    assert faults.words == (
        "number lost: 40",
        "number invented: 45",
        "number invented: 50",
        "name lost: Oslo",
        "negation turned: Farmers may sell their land.",
    )
    assert faults.forward == pytest.approx(KEEP["number"] ** 2 * KEEP["negation"])
    assert faults.backward == pytest.approx(KEEP["number"] * KEEP["name"] * KEEP["negation"])
    assert Faults(()).forward == Faults(()).backward == 1.0


def test_sentences_are_matched_wherever_they_stand() -> None:
    source = ["Farmers may sell their land.", "Children may not work in mines."]
    assert find_faults(source, source[::-1]).words == ()
    turned = find_faults(source, ["Children may work in mines.", "Farmers may sell their land."])
    assert turned.words == ("negation turned: Children may not work in mines.",)


def test_likeness_may_come_from_outside() -> None:
    source, text = ["Hunters are not welcome."], ["People who shoot animals are invited."]
    assert find_faults(source, text).words == (), "no words in common"
    assert find_faults(source, text, np.array([[0.8]])).words == (
        "negation turned: Hunters are not welcome.",
    )


SENTENCES = st.lists(
    st.sampled_from(
        [
            "Oslo has 40 parks.",
            "We met Li Wei in May.",
            "No dog may enter.",
            "A dog may enter.",
            "It failed twice.",
            "It is 5 percent.",
        ]
    ),
    min_size=1,
    max_size=5,
)


@given(SENTENCES)
def test_a_text_has_no_faults_against_itself(sentences: list[str]) -> None:
    assert find_faults(sentences, sentences).words == ()


@given(SENTENCES, SENTENCES)
def test_changing_places_changes_lost_and_invented(source: list[str], text: list[str]) -> None:
    one, other = find_faults(source, text), find_faults(text, source)
    for kind in ("number", "name"):
        lost = [fault.words for fault in one.found if (fault.kind, fault.what) == (kind, "lost")]
        invented = [fault.words for fault in other.found if (fault.kind, fault.what) == (kind, "invented")]
        assert lost == invented


@given(st.lists(st.text(max_size=40), max_size=3), st.lists(st.text(max_size=40), max_size=3))
def test_any_sentences_are_taken(source: list[str], text: list[str]) -> None:
    faults = find_faults(source, text)
    assert 0.0 < faults.forward <= 1.0
    assert 0.0 < faults.backward <= 1.0
