"""Scripted parts of the rewriter: values are numbers that stand in the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from negotiation.errors import MalformedReplyError
from rewriter.vocabulary import Consistency, RewriteRequest, ValueReading

ZERO = (0.0,) * 10


class NumberDetector:
    """Reads "[k:x]" as x on value k; all others are 0. Counts its batches."""

    name = "numbers"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        self.batches.append(len(texts))
        return [ValueReading(numbers(text), 1.0) for text in texts]


class NumberRewriter:
    """Writes the source's words with the target's numbers, or whatever ``write`` says. Counts its batches.

    A source with the word "stuck" cannot be rewritten.
    """

    name = "number rewriter"

    def __init__(self, write: Callable[[RewriteRequest], str] | None = None) -> None:
        self.batches: list[int] = []
        self._write = write or (lambda request: with_numbers(request.source, request.target))

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        self.batches.append(len(requests))
        if any("stuck" in request.source for request in requests):
            raise MalformedReplyError("no whole reply; use another model")
        return [self._write(request) for request in requests]


class LengthJudge:
    """Consistent as far as the words are the same."""

    name = "words"

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Consistency]:
        return [Consistency(*_shares(set(words(source)), set(words(text)))) for source, text in pairs]


def _shares(source: set[str], text: set[str]) -> tuple[float, float]:
    both = len(source & text)
    return both / max(1, len(text)), both / max(1, len(source))


def words(text: str) -> list[str]:
    return re.sub(r"\[[^]]*\]", "", text).split()


def numbers(text: str) -> tuple[float, ...]:
    values = [0.0] * 10
    for place, number in re.findall(r"\[(\d):(-?[\d.]+)\]", text):
        values[int(place)] = float(number)
    return tuple(values)


def with_numbers(text: str, values: Sequence[float]) -> str:
    marks = [f"[{place}:{value:.3f}]" for place, value in enumerate(values) if abs(value) >= 0.001]
    return " ".join([*words(text), *marks])


def no_guards(source: str, text: str) -> tuple[str | None, str | None]:
    return "the same" if source == text else None, "odd" if "collapsed" in text else None
