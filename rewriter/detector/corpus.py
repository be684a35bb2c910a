"""The training texts as arrays: known pairs, contexts and vocabulary of any part of them come without a loop over words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from rewriter.detector.calibration import Floats
from rewriter.detector.features import PAIR_BITS, PairTable, pair_places

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The grams that count.

    Attributes:
        grams: V strings, in the order of the alphabet.
        rows: (all grams of the corpus,) the row of each, -1 for one that does not count.
        idf: (V,) 1 + log(texts / texts with the gram).
    """

    grams: tuple[str, ...]
    rows: Places
    idf: Floats


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of a step.

    Attributes:
        grams: (G,) rows of the vocabulary, sentence after sentence.
        context: (G,) weight of each one's context, above 0.
        counts: (S,) grams of each sentence, at least 1.
        owner: (S,) text of each sentence.
        texts: number of texts.
    """

    grams: torch.Tensor
    context: torch.Tensor
    counts: torch.Tensor
    owner: torch.Tensor
    texts: int


@dataclass(frozen=True, slots=True)
class Weighed:
    """The grams of some texts, each once a sentence, with the weight of its context: as ``weighted_grams`` gives them.

    Attributes:
        gram: (E,) ids of the corpus, sentence after sentence.
        context: (E,) above 0.
        sentence: (E,) number of the sentence, from 0 over these texts.
        text: (sentences,) place of each sentence's text among these texts, rising.
        texts: number of texts.
    """

    gram: Places
    context: NDArray[np.float32]
    sentence: Places
    text: Places
    texts: int


class Corpus:
    """Texts with their topics.

    Args:
        texts: n, each as ``sentences`` gives it.
        topics: (n,).
    """

    def __init__(self, texts: Sequence[Sequence[Sequence[str]]], topics: Places) -> None:
        ids: dict[str, int] = {}
        single: list[int] = []
        double: list[int] = []
        places: list[int] = []
        lengths: list[int] = []
        for text in texts:
            for words in text:
                single += [ids.setdefault(word, len(ids)) for word in words]
                double += [ids.setdefault(f"{one} {two}", len(ids)) for one, two in pairwise(words)]
                double.append(-1)  # the last word of a sentence begins no pair
                places += pair_places(words)
                lengths.append(len(words))
        self.topics = topics
        self._grams = list(ids)
        self._single, self._double = np.array(single, dtype=np.int64), np.array(double, dtype=np.int64)
        self._places = np.array(places, dtype=np.int64)
        self._lengths = np.array(lengths, dtype=np.int64)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._counts = np.array([len(text) for text in texts], dtype=np.int64)
        self._firsts = np.cumsum(self._counts) - self._counts

    def pairs(self, texts: Places, least: int) -> PairTable:
        """The pairs of words that stand in these texts on at least ``least`` topics."""
        sentences = ranges(self._firsts[texts], self._counts[texts])
        topic = np.repeat(np.repeat(self.topics[texts], self._counts[texts]), self._lengths[sentences] + 1)
        place = self._places[ranges(self._starts[sentences] + sentences, self._lengths[sentences] + 1)]
        _, topic = np.unique(topic, return_inverse=True)
        seen = np.unique(place * (int(topic.max(initial=0)) + 1) + topic)
        return PairTable(np.bincount(seen // (int(topic.max(initial=0)) + 1), minlength=PAIR_BITS) >= least)

    def weigh(self, texts: Places, pairs: PairTable, one_side: float) -> Weighed:
        """The weighted grams of these texts."""
        sentences = ranges(self._firsts[texts], self._counts[texts])
        lengths = self._lengths[sentences]
        at = ranges(self._starts[sentences], lengths)
        number = np.repeat(np.arange(len(sentences)), lengths)
        before = at + np.repeat(
            sentences, lengths
        )  # each earlier sentence has one pair more than it has words
        known = pairs.taken[self._places].astype(np.int64)
        weights = np.array([0.0, one_side, 1.0], dtype=np.float32)
        has_next = self._double[at] >= 0
        gram = np.concatenate([self._single[at], self._double[at][has_next]])
        sides = np.concatenate(
            [known[before] + known[before + 1], known[before[has_next]] + known[before[has_next] + 2]]
        )
        sentence, context = np.concatenate([number, number[has_next]]), weights[sides]
        # Of a gram that comes several times in a sentence, the greatest context counts.
        order = np.lexsort((-context, gram, sentence))
        gram, sentence, context = gram[order], sentence[order], context[order]
        first = np.ones(len(gram), dtype=np.bool_)
        first[1:] = (gram[1:] != gram[:-1]) | (sentence[1:] != sentence[:-1])
        kept = first & (context > 0)
        owner = np.repeat(np.arange(len(texts)), self._counts[texts])
        return Weighed(gram[kept], context[kept], sentence[kept], owner, len(texts))

    def vocabulary(self, weighed: Weighed, least: int) -> Vocabulary:
        """Every gram of at least ``least`` of the texts."""
        total = len(self._grams)
        each = np.unique(weighed.text[weighed.sentence] * total + weighed.gram)
        counts = np.bincount(each % total, minlength=total)
        kept = sorted(np.flatnonzero(counts >= least).tolist(), key=self._grams.__getitem__)
        rows = np.full(total, -1, dtype=np.int64)
        rows[kept] = np.arange(len(kept))
        idf = 1.0 + np.log(weighed.texts / counts[kept])
        # As it will be kept on disk, so that the fitted model and the saved one are the same.
        kept_idf = idf.astype(np.float16).astype(np.float64)
        return Vocabulary(tuple(self._grams[place] for place in kept), rows, kept_idf)


class Packed:
    """Weighed texts as rows of a vocabulary, cut into batches."""

    def __init__(self, weighed: Weighed, vocabulary: Vocabulary) -> None:
        rows = vocabulary.rows[weighed.gram]
        known = rows >= 0
        self._rows, self._context = rows[known], weighed.context[known]
        counts = np.bincount(weighed.sentence[known], minlength=len(weighed.text))
        filled = counts > 0  # sentences without a known gram are left out
        self._counts = counts[filled]
        self._starts = np.cumsum(self._counts) - self._counts
        self._sentences = np.bincount(weighed.text[filled], minlength=weighed.texts)
        self._firsts = np.cumsum(self._sentences) - self._sentences

    def batch(self, texts: Places) -> Batch:
        """The texts at these places."""
        sentences = ranges(self._firsts[texts], self._sentences[texts])
        counts = self._counts[sentences]
        at = ranges(self._starts[sentences], counts)
        owner = np.repeat(np.arange(len(texts)), self._sentences[texts])
        return Batch(
            torch.from_numpy(self._rows[at]),
            torch.from_numpy(self._context[at]),
            torch.from_numpy(counts),
            torch.from_numpy(owner),
            len(texts),
        )


def ranges(starts: Places, counts: Places) -> Places:
    """All places from each start on, as many as its count.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    offsets = np.cumsum(counts) - counts
    places: Places = np.repeat(starts - offsets, counts) + np.arange(counts.sum())
    return places
