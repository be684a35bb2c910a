"""Reading what a language model replied: strictly, or not at all.

A reply that is not of the asked form is refused with what is wrong with it; nothing is repaired or guessed.
"""

from __future__ import annotations

import math

from negotiation.errors import MalformedReplyError
from negotiation.oracle import Draft

LABELS = ("Heading", "Reason", "Description")
"""The three lines of a guideline, in this order."""

MAX_HEADING_CHARS = 120
"""Longest heading accepted, in characters."""

WORDS_OVER = 1.25
"""A statement may be this many times longer than asked before it is refused."""


def parse_guideline(text: str, kind: str) -> Draft:
    r"""Read a guideline of three lines: ``Heading: ...``, ``Reason: ...``, ``Description: ...``.

    White space round a line and round the whole is allowed, anything else is not.

    Args:
        text: the reply.
        kind: the kind that was asked for; it is not in the reply.

    Raises:
        MalformedReplyError: saying what is wrong: empty, a number of lines other than three, a line with
            another label or without text, a heading longer than ``MAX_HEADING_CHARS``, or bytes that are no
            text.

    >>> parse_guideline("Heading: Open days\nReason: Trust.\nDescription: Visit.", "initial").content
    'Open days'
    """
    lines = [line.strip() for line in _readable(text).split("\n")]
    if len(lines) != len(LABELS):
        raise MalformedReplyError(
            f"guideline has {len(lines)} line{'s' * (len(lines) != 1)}; expected three: {', '.join(LABELS)}"
        )
    parts = []
    for number, (label, line) in enumerate(zip(LABELS, lines, strict=True), start=1):
        if not line.startswith(f"{label}:"):
            raise MalformedReplyError(f"guideline line {number} begins {line[:30]!r}; expected '{label}:'")
        part = line[len(label) + 1 :].strip()
        if not part:
            raise MalformedReplyError(f"guideline line {number}: nothing follows '{label}:'")
        parts.append(part)
    heading, reason, description = parts
    if len(heading) > MAX_HEADING_CHARS:
        raise MalformedReplyError(
            f"guideline heading has {len(heading)} characters; at most {MAX_HEADING_CHARS} are allowed"
        )
    return Draft(kind=kind, content=heading, reason=reason, description=description)


def parse_statement(text: str, max_words: int) -> str:
    """Read a statement: any text, not empty, at most a quarter longer than the ``max_words`` asked for.

    Raises:
        MalformedReplyError: if it is empty, too long, or holds bytes that are no text.

    >>> parse_statement(" We agree. ", 100)
    'We agree.'
    """
    statement = _readable(text)
    words, limit = len(statement.split()), math.floor(WORDS_OVER * max_words)
    if words > limit:
        raise MalformedReplyError(
            f"statement has {words} words; {max_words} were asked for and at most {limit} are accepted"
        )
    return statement


def _readable(text: str) -> str:
    """The text without white space round it, its line ends as newlines."""
    stripped = text.strip()
    if not stripped:
        raise MalformedReplyError("reply is empty")
    if "\ufffd" in stripped:
        raise MalformedReplyError("reply holds bytes that are no text (U+FFFD); the model wrote broken UTF-8")
    return stripped.replace("\r\n", "\n").replace("\r", "\n")
