"""What a writer could do to please the detector without saying anything, and how far it gets with it.

Every edit here leaves a text's own words as they are and pastes something in: names of values, keywords, slogans, or the very
words that the detector weighs most. None changes what the text argues for, so a reading should hardly move. How far it moves
along the pasted value is set against how far readings of texts lie apart that a judge found to differ in that value, on the
same topic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agents.values import SCHWARTZ_VALUES
from rewriter.detector.calibration import Floats

PHRASES_FILE = Path(__file__).parent.parent / "data" / "detector" / "phrases.yaml"


class ValuePhrases(BaseModel):
    """What can be pasted for one value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: tuple[str, ...] = Field(min_length=4, description="names and keywords")
    slogans: tuple[str, ...] = Field(min_length=1, description="sentences for the value, without a subject")
    against: tuple[str, ...] = Field(min_length=1, description="sentences against it")


class _PhrasesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    values: dict[str, ValuePhrases]


@lru_cache(maxsize=1)
def load_phrases() -> tuple[ValuePhrases, ...]:
    """One for each value, in the order of ``SCHWARTZ_VALUES``."""
    found = _PhrasesFile.model_validate(yaml.safe_load(PHRASES_FILE.read_text(encoding="utf-8")))
    return tuple(found.values[name] for name in SCHWARTZ_VALUES)


@dataclass(frozen=True, slots=True)
class Paste:
    """What to paste.

    Attributes:
        value: place of the value in ``SCHWARTZ_VALUES``.
        sign: 1 to please for it, -1 against it.
        words: keywords, or whatever else the detector weighs.
        sentences: whole ones.
    """

    value: int
    sign: int
    words: tuple[str, ...]
    sentences: tuple[str, ...]


Edit = Callable[[str, Paste, np.random.Generator], str]


def words_at_end(text: str, paste: Paste, rng: np.random.Generator) -> str:
    """All words as a list behind the text."""
    return f"{text} {', '.join(_shuffled(paste.words, rng)).capitalize()}."


def words_in_front(text: str, paste: Paste, rng: np.random.Generator) -> str:
    """Three words as a heading."""
    return f"{', '.join(_shuffled(paste.words, rng)[:3]).capitalize()}: {text}"


def words_scattered(text: str, paste: Paste, rng: np.random.Generator) -> str:
    """Every word once, anywhere between the text's words."""
    parts = text.split(" ")
    for word in paste.words:
        parts.insert(int(rng.integers(1, len(parts) + 1)), word)
    return " ".join(parts)


def words_after_sentences(text: str, paste: Paste, rng: np.random.Generator) -> str:
    """A word before each full stop."""
    parts = text.split(". ")
    drawn = [str(word) for word in rng.choice(paste.words, len(parts))]
    last = parts[-1].rstrip(".")
    pasted = [f"{part}, {word}" for part, word in zip([*parts[:-1], last], drawn, strict=True)]
    return ". ".join(pasted) + "."


def word_repeated(text: str, paste: Paste, rng: np.random.Generator) -> str:
    """One word ten times."""
    word = str(rng.choice(paste.words))
    return f"{text} {' '.join([word] * 10).capitalize()}."


def words_glued(text: str, paste: Paste, rng: np.random.Generator) -> str:
    """The words with little words between them, so that they look like prose."""
    glue = ("and the", "of our", "for the", "in the", "with our", "to the")
    joined = " ".join(f"{rng.choice(glue)} {word}" for word in _shuffled(paste.words, rng))
    return f"{text} We stand {joined}."


def slogan_at_end(text: str, paste: Paste, rng: np.random.Generator) -> str:
    """One sentence behind the text."""
    return f"{text} {rng.choice(paste.sentences)}"


def slogan_in_front(text: str, paste: Paste, rng: np.random.Generator) -> str:
    """One sentence before the text."""
    return f"{rng.choice(paste.sentences)} {text}"


def slogan_repeated(text: str, paste: Paste, rng: np.random.Generator) -> str:
    """One sentence four times."""
    return f"{text} {' '.join([str(rng.choice(paste.sentences))] * 4)}"


EDITS: Mapping[str, Edit] = {
    "words at the end": words_at_end,
    "words in front": words_in_front,
    "words scattered": words_scattered,
    "a word after each sentence": words_after_sentences,
    "one word repeated": word_repeated,
    "words glued together": words_glued,
    "a slogan at the end": slogan_at_end,
    "a slogan in front": slogan_in_front,
    "a slogan repeated": slogan_repeated,
}


def _shuffled(words: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [words[place] for place in rng.permutation(len(words))]


class Reader(Protocol):
    """A detector that tells what it weighs."""

    def answers(self, texts: Sequence[str]) -> Floats:
        """(n, 10) values of texts."""
        ...

    def heaviest(self, value: int, sign: int, count: int) -> list[str]:
        """What it weighs most for or against a value."""
        ...


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two texts on one topic that a judge found to differ in a value.

    Attributes:
        higher: place of the text that is more for it.
        lower: place of the other.
        value: which.
    """

    higher: int
    lower: int
    value: int


PASTED = 8
"""Grams that an attacker who knows the weights pastes: the heaviest."""
SEARCHED = 16
"""Edits that the searching attacker tries on a text before it takes the best."""


def contrasts(
    topics: NDArray[np.int64], labels: Floats, least: float, tries: int, rng: np.random.Generator
) -> list[Contrast]:
    """Pairs of texts on one topic whose labels of a value differ by at least ``least``.

    Args:
        topics: (n,).
        labels: (n, 10).
        least: difference of labels.
        tries: pairs drawn a topic.
        rng: of the draws.
    """
    found = []
    for topic in np.unique(topics):
        members = np.flatnonzero(topics == topic)
        if len(members) < 2:
            continue
        for _ in range(tries):
            one, other = rng.choice(members, 2, replace=False).tolist()
            differences = labels[one] - labels[other]
            found += [
                Contrast(one, other, value) if differences[value] > 0 else Contrast(other, one, value)
                for value in np.flatnonzero(np.abs(differences) >= least).tolist()
            ]
    return found


def genuine_movement(answers: Floats, pairs: Sequence[Contrast]) -> Floats:
    """(10,) mean difference of the readings of contrasting texts along each value; NaN for a value without pairs.

    Args:
        answers: (n, 10) readings of the texts that the pairs point at.
        pairs: of contrasting texts.
    """
    by_value: list[list[float]] = [[] for _ in SCHWARTZ_VALUES]
    for pair in pairs:
        by_value[pair.value].append(answers[pair.higher, pair.value] - answers[pair.lower, pair.value])
    return np.array([np.mean(rows) if rows else np.nan for rows in by_value])


def movements(
    reader: Reader, texts: Sequence[str], genuine: Floats, rng: np.random.Generator
) -> dict[str, float]:
    """How far each edit moves readings along the pasted value, as a share of a genuine difference in that value.

    0 is no movement; 1 is as far as texts lie apart that a judge found to differ; below 0 the edit backfires. ``searched`` is
    the mean of the best of ``SEARCHED`` random edits of a text, as a policy in training would find it.

    Args:
        reader: the detector.
        texts: to be edited.
        genuine: (10,) from ``genuine_movement``.
        rng: of the edits.
    """
    phrases = load_phrases()
    values = [
        value for value in range(len(SCHWARTZ_VALUES)) if np.isfinite(genuine[value]) and genuine[value] > 0
    ]
    before = reader.answers(texts)
    heavy = {(v, sign): tuple(reader.heaviest(v, sign, PASTED)) for v in values for sign in (-1, 1)}
    moved: dict[str, float] = {}
    for name, edit in EDITS.items():
        for known in (False, True):
            if known and "slogan" in name:
                continue  # slogans are ours either way
            jobs = []
            for place in range(len(texts)):
                for value in values:
                    sign = 1 if not known and "slogan" not in name else int(rng.choice((-1, 1)))
                    jobs.append((place, _paste(phrases, heavy, value, sign, known)))
            edited = [edit(texts[place], paste, rng) for place, paste in jobs]
            shares = _shares(reader.answers(edited), before, jobs, genuine)
            moved[f"{name}, heaviest grams" if known else name] = float(shares.mean())
    searched = []
    for place, text in enumerate(texts):
        value, sign = int(rng.choice(values)), int(rng.choice((-1, 1)))
        jobs, edited = [], []
        for _ in range(SEARCHED):
            paste = _paste(phrases, heavy, value, sign, bool(rng.integers(2)) or sign < 0)
            jobs.append((place, paste))
            edited.append(EDITS[str(rng.choice(list(EDITS)))](text, paste, rng))
        searched.append(float(_shares(reader.answers(edited), before, jobs, genuine).max()))
    return moved | {"searched": float(np.mean(searched))}


def _paste(
    phrases: Sequence[ValuePhrases],
    heavy: Mapping[tuple[int, int], tuple[str, ...]],
    value: int,
    sign: int,
    known: bool,
) -> Paste:
    given = phrases[value]
    words = heavy[value, sign] if known else given.words
    return Paste(value, sign, words, given.slogans if sign > 0 else given.against)


def _shares(after: Floats, before: Floats, jobs: Sequence[tuple[int, Paste]], genuine: Floats) -> Floats:
    """(jobs,) movement along each job's value in its direction, as a share of the genuine one."""
    return np.array(
        [
            paste.sign * (row[paste.value] - before[place, paste.value]) / genuine[paste.value]
            for row, (place, paste) in zip(after, jobs, strict=True)
        ]
    )
