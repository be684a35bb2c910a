# ruff: noqa: RUF001 - marks of many scripts are meant as they stand
"""Sentences and paragraphs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewriter.sentences import split_paragraphs, split_sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("It costs $3.50 a day. Pay 1,200.75 then.", ["It costs $3.50 a day.", "Pay 1,200.75 then."]),
        ("Dr. Wu met Prof. J. K. Rao. They agreed.", ["Dr. Wu met Prof. J. K. Rao.", "They agreed."]),
        ("Use rice, e.g. Basmati. Cook it.", ["Use rice, e.g. Basmati.", "Cook it."]),
        (
            "The U.S. Congress met. We left the U.S. The rest stayed.",
            ["The U.S. Congress met.", "We left the U.S.", "The rest stayed."],
        ),
        ("Bring pens, paper, etc. The rest is here.", ["Bring pens, paper, etc.", "The rest is here."]),
        ('He said: "Go." Then he left.', ['He said: "Go."', "Then he left."]),
        ('"Why?" she asked. "Because."', ['"Why?" she asked.', '"Because."']),
        ("(It rained.) We went in.", ["(It rained.)", "We went in."]),
        ("Wait... what is it? No.", ["Wait... what is it?", "No."]),
        ("So do I. You too.", ["So do I.", "You too."]),
        (
            "See no. 5 of the list. It says no. Five said yes.",
            ["See no. 5 of the list.", "It says no.", "Five said yes."],
        ),
        ("all in small. no capitals here.", ["all in small.", "no capitals here."]),
        ("Wrapped at the\nmargin of a page. Next.", ["Wrapped at the\nmargin of a page.", "Next."]),
        ("Points:\n- first one\n- second one", ["Points:", "- first one", "- second one"]),
        ("Points:\n1. First one. Twice.\n2. Second", ["Points:", "1. First one.", "Twice.", "2. Second"]),
        ("A heading\n\nA text. More", ["A heading", "A text.", "More"]),
        ("我们同意。他们不同意！为什么？", ["我们同意。", "他们不同意！", "为什么？"]),
        ("Ana llegó. ¿Por qué? Élla no.", ["Ana llegó.", "¿Por qué?", "Élla no."]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected


def test_paragraphs_are_parted_by_blank_lines_of_any_kind() -> None:
    assert split_paragraphs("\n\na\nb\r\n\r\nc\n \t\n\nd\n") == ["a\nb", "c", "d"]
    assert split_paragraphs("  ") == []


@given(st.text(alphabet="aB1 .!?…\"')(\n-。Mr", max_size=80))
def test_nothing_is_lost_but_white_space(text: str) -> None:
    for split in (split_sentences, split_paragraphs):
        parts = split(text)
        assert "".join("".join(parts).split()) == "".join(text.split())
        assert all(part.strip() == part and part for part in parts)


@given(st.text(alphabet="aB .!?\n", max_size=60))
def test_a_sentence_stays_whole_when_split_alone_or_is_split_no_further_than_its_marks(text: str) -> None:
    for sentence in split_sentences(text):
        assert len(split_sentences(sentence)) <= 1 + sum(sentence.count(mark) for mark in ".!?")
