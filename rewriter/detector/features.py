"""From a text to its sentences, and from a sentence to the words and pairs of words that the bundled detector weighs.

A gram counts by its context: a word that stands between words which it never stood between in any training text was pasted in
rather than written, and counts for nothing.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MIN_WORDS = 4
"""A shorter sentence is joined to the one before it: a slogan of three words gets no sentence of its own."""
MAX_WORDS = 40
"""A longer sentence is read in parts, so that one without full stops counts as much as one with."""
EDGES = ("^", "$")
"""Stand before the first and behind the last word of a sentence."""
PAIR_BITS = 2**22
"""Places of the table of pairs; about 1 in 70 unknown pairs falls on a place that is taken."""

_APOSTROPHE = "\u2019"
_ENDS = re.compile(r"(?<=[.!?;:])[\"')\]*\u201d\u2019]*\s+|\n+")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def sentences(text: str) -> list[list[str]]:
    """The words of each sentence, in small letters; numbers, signs and empty sentences are left out.

    A colon, a semicolon and a line's end close a sentence too. (``rewriter.sentences`` splits for people; this splitting belongs
    to the weights and changes only with them.)

    >>> sentences("We keep old customs. Why? Open the old harbour: its gates stay shut!")
    [['we', 'keep', 'old', 'customs', 'why'], ['open', 'the', 'old', 'harbour'], ['its', 'gates', 'stay', 'shut']]
    """
    found: list[list[str]] = []
    for part in _ENDS.split(text.lower().replace(_APOSTROPHE, "'")):
        words = _WORD.findall(part)
        if found and (len(words) < MIN_WORDS):
            found[-1] += words
        elif words:
            found.append(words)
    return [words[start : start + MAX_WORDS] for words in found for start in range(0, len(words), MAX_WORDS)]


class PairTable:
    """Which pairs of neighbouring words are known, as a hashed table of bits (Bloom 1970, with one hash).

    Args:
        taken: (PAIR_BITS,) bool.
    """

    def __init__(self, taken: NDArray[np.bool_]) -> None:
        if taken.shape != (PAIR_BITS,) or taken.dtype != np.bool_:
            raise ValueError(
                f"pairs have shape {taken.shape} and type {taken.dtype}; expected {PAIR_BITS} bits"
            )
        self.taken = taken
        self._bytes = taken.tobytes()  # indexing bytes is several times as fast as indexing an array

    def known(self, words: Sequence[str]) -> list[bool]:
        """(words + 1) flags: of the pair before each word, and of the pair behind the last."""
        return [bool(self._bytes[place]) for place in pair_places(words)]


def weighted_grams(words: Sequence[str], known: Sequence[bool], one_side: float) -> list[tuple[str, float]]:
    """Each word and each pair of neighbours once, in the order of the alphabet, with the weight of its context.

    Args:
        words: of a sentence.
        known: from ``PairTable.known``.
        one_side: in [0, 1], weight of a gram that is known beside one neighbour; it is 1 with both, and 0 with none: such a
            gram is left out. Of a gram that comes several times the greatest weight counts: saying it twice adds nothing.

    >>> weighted_grams(["we", "trust", "them"], [True, True, True, False], 0.1)
    [('them', 0.1), ('trust', 1.0), ('trust them', 0.1), ('we', 1.0), ('we trust', 1.0)]
    """
    weights = (0.0, one_side, 1.0)
    found: dict[str, float] = {}
    for place, word in enumerate(words):
        weight = weights[known[place] + known[place + 1]]
        if weight > found.get(word, 0.0):
            found[word] = weight
    for place, (first, second) in enumerate(pairwise(words)):
        weight = weights[known[place] + known[place + 2]]
        gram = f"{first} {second}"
        if weight > found.get(gram, 0.0):
            found[gram] = weight
    return sorted(found.items())


def pair_places(words: Sequence[str]) -> list[int]:
    """(words + 1) places in the table: of the pair before each word, and of the pair behind the last."""
    return [
        zlib.crc32(f"{first} {second}".encode()) % PAIR_BITS
        for first, second in pairwise([EDGES[0], *words, EDGES[1]])
    ]
