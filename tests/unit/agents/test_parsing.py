"""Replies are read strictly: round trips, and every way to be malformed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.parsing import MAX_HEADING_CHARS, parse_guideline, parse_statement
from agents.prompts import PromptSet
from agents.templates import one_line
from negotiation.errors import MalformedReplyError
from negotiation.oracle import Draft

PROMPTS = PromptSet.load()
# Anything that UTF-8 can hold but U+FFFD, which stands for bytes that it cannot.
texts = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\ufffd"), min_size=1, max_size=100
).filter(lambda text: bool(one_line(text)))


@given(content=texts, reason=texts, description=texts)
def test_what_is_rendered_as_a_reply_is_read_back(content: str, reason: str, description: str) -> None:
    draft = parse_guideline(PROMPTS.reply(content, reason, description), "innovative")
    assert draft == Draft("innovative", one_line(content), one_line(reason), one_line(description))


@pytest.mark.parametrize(
    "reply",
    [
        "Heading: H\nReason: R\nDescription: D",
        "\n  Heading: H  \r\n\tReason:R\r\nDescription:   D\n\n",
        "Heading: H\rReason: R\rDescription: D",
    ],
)
def test_white_space_round_lines_does_not_matter(reply: str) -> None:
    assert parse_guideline(reply, "initial") == Draft("initial", "H", "R", "D")


def test_labels_inside_a_line_are_text() -> None:
    draft = parse_guideline("Heading: Reason: H\nReason: Heading: R\nDescription: Reason: D", "initial")
    assert (draft.content, draft.reason, draft.description) == ("Reason: H", "Heading: R", "Reason: D")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("", "reply is empty"),
        (" \n\t\n", "reply is empty"),
        ("Heading: H", "guideline has 1 line; expected three: Heading, Reason, Description"),
        ("Heading: H\nReason: R", "guideline has 2 lines"),
        ("Heading: H\nReason: R\nDescription: D\nMore.", "guideline has 4 lines"),
        ("Heading: H\n\nReason: R\nDescription: D", "guideline has 4 lines"),
        ("Sure!\nHeading: H\nReason: R\nDescription: D", "guideline has 4 lines"),
        ("Reason: R\nHeading: H\nDescription: D", "line 1 begins 'Reason: R'; expected 'Heading:'"),
        ("Heading: H\nDescription: D\nReason: R", "line 2 begins 'Description: D'; expected 'Reason:'"),
        (
            "**Heading:** H\nReason: R\nDescription: D",
            r"line 1 begins '\*\*Heading:\*\* H';",
        ),
        ("heading: H\nReason: R\nDescription: D", "line 1 begins 'heading: H'"),
        ("Heading : H\nReason: R\nDescription: D", "line 1 begins 'Heading : H'"),
        ("Heading:\nReason: R\nDescription: D", "line 1: nothing follows 'Heading:'"),
        ("Heading: H\nReason:  \nDescription: D", "line 2: nothing follows 'Reason:'"),
        ("Heading: H\nReason: R\nDescription:", "line 3: nothing follows 'Description:'"),
        (f"Heading: {'h' * 121}\nReason: R\nDescription: D", "heading has 121 characters; at most 120"),
        ("Heading: H\nReason: R\ufffd\nDescription: D", r"bytes that are no text \(U\+FFFD\)"),
    ],
)
def test_a_malformed_guideline_is_refused(reply: str, message: str) -> None:
    with pytest.raises(MalformedReplyError, match=message):
        parse_guideline(reply, "initial")


def test_the_longest_heading_is_accepted() -> None:
    reply = PROMPTS.reply("h" * MAX_HEADING_CHARS, "R", "D")
    assert len(parse_guideline(reply, "initial").content) == MAX_HEADING_CHARS


@pytest.mark.parametrize(("words", "limit"), [(100, 125), (1, 1), (3, 3), (10, 12)])
def test_a_statement_may_be_a_quarter_longer_than_asked(words: int, limit: int) -> None:
    assert parse_statement(" " + "word " * limit, words) == ("word " * limit).strip()
    with pytest.raises(
        MalformedReplyError, match=rf"{limit + 1} words; {words} were asked for and at most {limit} are"
    ):
        parse_statement("word " * (limit + 1), words)


@pytest.mark.parametrize(("reply", "message"), [("", "empty"), ("\n", "empty"), ("a\ufffd", "no text")])
def test_an_empty_or_broken_statement_is_refused(reply: str, message: str) -> None:
    with pytest.raises(MalformedReplyError, match=message):
        parse_statement(reply, 100)
