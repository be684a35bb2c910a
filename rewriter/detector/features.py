"""From a text to its sentences, and from a sentence to the words and pairs of words that the bundled detector weighs."""

from __future__ import annotations

import re

MIN_WORDS = 4
"""A shorter sentence is joined to the one before it: a slogan gets no sentence of its own."""
MAX_WORDS = 40
"""A longer sentence is read in parts, so that one without full stops counts as much as one with."""

_ENDS = re.compile(r"(?<=[.!?;:])[\"')\]*”’]*\s+|\n+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def sentences(text: str) -> list[list[str]]:
    """The words of each sentence, in small letters; numbers, signs and empty sentences are left out.

    A colon, a semicolon and a line's end close a sentence too.

    >>> sentences("We keep old customs alive. Why? Open the harbour: its gates stay shut!")
    [['we', 'keep', 'old', 'customs', 'alive', 'why'], ['open', 'the', 'harbour', 'its', 'gates', 'stay', 'shut']]
    """
    found: list[list[str]] = []
    for part in _ENDS.split(text.lower()):
        words = _WORD.findall(part.replace("’", "'"))
        if not words:
            continue
        if found and (len(words) < MIN_WORDS or len(found[-1]) < MIN_WORDS):
            found[-1] += words
        else:
            found.append(words)
    return [words[start : start + MAX_WORDS] for words in found for start in range(0, len(words), MAX_WORDS)]


def grams(words: list[str]) -> list[str]:
    """Each word and each pair of neighbours once, in the order of the alphabet: saying a word twice adds nothing.

    >>> grams(["we", "trust", "we", "trust"])
    ['trust', 'trust we', 'we', 'we trust']
    """
    return sorted({*words, *(f"{first} {second}" for first, second in zip(words, words[1:], strict=False))})
