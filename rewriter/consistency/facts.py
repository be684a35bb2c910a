# ruff: noqa: RUF001 - both apostrophes and all quotation marks are meant
"""Numbers, names and negations that a rewriting lost, invented or turned round: what embeddings miss, told in words.

By rule, on the surface of both texts:

- numbers: digits, English number words, percentages, decades; compared as values, each value once. "One" and ordinals in
  words count as no numbers, since they mostly are none;
- names: words in capitals inside a sentence, joined where they follow each other; first words are no names. A name is kept if
  the other text has one of its words, a word of the same stem ("Islam", "Islamic") or its initials. In German and in
  headings, where capitals tell little, the check says nothing, as it does in scripts without capitals;
- negations: sentences that say much the same are compared. The direction of each is the parity of its negating words,
  "not" and "forbid" alike, so "does not allow" agrees with "forbids" and "not forbidden" with "allowed". Only a
  difference that rests on a plain "not" (or never, no, without, ...) is told, or one between sentences that are
  otherwise nearly the same words. English only.

Each fault multiplies its direction by ``KEEP`` of its kind:

    factor = KEEP[number] ^ numbers * KEEP[name] ^ names * KEEP[negation] ^ negations

A lost fact lowers backward, an invented one forward, a turned negation both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rewriter.consistency.numerals import numbers_in

FactKind = Literal["number", "name", "negation"]
KEEP: dict[FactKind, float] = {"number": 0.7, "name": 0.85, "negation": 0.6}
"""What a fault leaves of a direction's score: our choice, not learned. A name may be reworded, a number may not."""

ALIKE = 0.5
"""Sentences at least so alike, in [0, 1], are compared for negations."""
NEARLY_SAME = 0.75
"""Sentences with so large a share of common words, or that differ in one word, may differ in a word like "forbid" alone."""
CAPITALS = 0.6
"""Names are not looked for where a larger share of the words inside sentences is in capitals, as in headings."""
_GERMAN = re.compile(
    r"\b(?:der|die|das|den|dem|des|und|ein|eine|einen|einer|ist|sind|nicht|von|zu|mit|auf|für)\b", re.I
)
GERMAN = 0.15
"""Names are not looked for where a larger share of the words is of German's most common: it writes all nouns with capitals."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_OPENS = re.compile(r"(?:[:\"“‘«(\[]|^[\W\d_]*)\s*$")
_PLAIN_NEGATIONS = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|nowhere|neither|cannot|without|hardly|scarcely|barely)\b"
    r"|\b(?:ca|wo|sha|\w+)n['’]t\b|\bnor\b",
    re.IGNORECASE,
)
_NO_NEGATION = re.compile(
    r"\b(?:not (?:only|just|merely|simply|solely)|no (?:doubt|matter)|without (?:a )?doubt|(?:whether )?or not"
    r"|nothing (?:but|less)|no less|if not|why not|nos?\.)(?=\W|$)",
    re.IGNORECASE,
)
_NEGATIVE_WORDS = re.compile(
    r"\b(?:forb[ai]d\w*|prohibit\w*|ban(?:s|ned|ning)?|disallow\w*|den(?:y|ies|ied|ying|ial)|refus\w+|reject\w*|prevent\w*"
    r"|lack\w*|fail(?:s|ed|ing|ure)?|avoid\w*|oppos(?:e|es|ed|ing)|refrain\w*|exclud\w+|ignor(?:e|es|ed|ing)|neglect\w*"
    r"|overlook\w*|disregard\w*|unable|impossible|unlikely|unjust\w*|unfair\w*|unnecessar\w+|unwilling\w*|absen(?:t|ce)"
    r"|br(?:eak|eaks|oke|oken|eaking)|los(?:e|es|t|ing)|harm(?:s|ed|ful|ing)?|destroy\w*|violat\w+|weaken\w*|erod\w+|undermin\w+"
    r"|abstain\w*|cease\w*|decline\w* to|stop(?:s|ped|ping)?|disagree\w*|illegal\w*|unlawful\w*|unacceptable)\b",
    re.IGNORECASE,
)
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an the this that these those it its he she we they i you his her our their there here in on at by for from to of"
        " with as and or but so if when while who which what how be is are was were been being has have had do does did"
        " will would shall should can could may might must than then into over under about not no never none without nor"
        " neither also more most such through between among within",
    )
)
_TITLES = frozenset(["mr", "mrs", "ms", "dr", "prof", "st", "sir", "i"])


@dataclass(frozen=True, slots=True)
class Fault:
    """A fact that is not as it was.

    Attributes:
        kind: of fact.
        what: became of it.
        words: the fact; of a negation, the sentence.
    """

    kind: FactKind
    what: Literal["lost", "invented", "turned"]
    words: str

    def __str__(self) -> str:
        return f"{self.kind} {self.what}: {self.words}"


@dataclass(frozen=True, slots=True)
class Faults:
    """All faults of a rewriting.

    Attributes:
        found: in the order numbers, names, negations.
    """

    found: tuple[Fault, ...]

    @property
    def forward(self) -> float:
        """Factor in (0, 1] for what is invented or turned; 1 if nothing is."""
        return _factor(fault for fault in self.found if fault.what != "lost")

    @property
    def backward(self) -> float:
        """Factor in (0, 1] for what is lost or turned; 1 if nothing is."""
        return _factor(fault for fault in self.found if fault.what != "invented")

    @property
    def words(self) -> tuple[str, ...]:
        """The faults in words."""
        return tuple(str(fault) for fault in self.found)


def find_faults(
    source: Sequence[str], text: Sequence[str], alike: NDArray[np.float64] | None = None
) -> Faults:
    """Compare the facts of two texts.

    Args:
        source: its S sentences.
        text: the R sentences of the rewriting.
        alike: (S, R) in [0, 1], how alike each two sentences are; the share of common words if None.

    >>> find_faults(["It costs 40 dollars in Oslo."], ["In Oslo it costs fifty dollars."]).words
    ('number lost: 40', 'number invented: 50')
    """
    found: list[Fault] = []
    before, after = _numbers(tuple(source)), _numbers(tuple(text))
    found.extend(Fault("number", "lost", number) for number in before if number not in after)
    found.extend(Fault("number", "invented", number) for number in after if number not in before)
    names, new_names = _names(tuple(source)), _names(tuple(text))
    if names is not None and new_names is not None:
        words, new_words = _words(tuple(source)), _words(tuple(text))
        found.extend(
            Fault("name", "lost", name) for name in names if not _has_name(new_words, new_names, name)
        )
        found.extend(
            Fault("name", "invented", name) for name in new_names if not _has_name(words, names, name)
        )
    found.extend(Fault("negation", "turned", sentence) for sentence in _turned(source, text, alike))
    return Faults(tuple(found))


def _factor(faults: Iterable[Fault]) -> float:
    factor = 1.0
    for fault in faults:
        factor *= KEEP[fault.kind]
    return factor


@lru_cache(maxsize=1024)
def _numbers(sentences: tuple[str, ...]) -> dict[str, None]:
    return dict.fromkeys(number for sentence in sentences for number in numbers_in(sentence))


@lru_cache(maxsize=1024)
def _words(sentences: tuple[str, ...]) -> tuple[str, ...]:
    """All words, small and without possessive endings."""
    return tuple(dict.fromkeys(_base(found.group()) for text in sentences for found in _WORD.finditer(text)))


@lru_cache(maxsize=1024)
def _names(sentences: tuple[str, ...]) -> tuple[str, ...] | None:
    """Names in order, each once; None where capitals do not tell."""
    names: dict[str, None] = {}
    inside = capitals = 0
    for sentence in sentences:
        end, name = -1, ""
        for found in _WORD.finditer(sentence):
            if _OPENS.search(sentence[: found.start()]):
                continue  # a first word tells nothing by its capital
            word = re.sub(r"['’]s$", "", found.group())
            inside += 1
            if not word[0].isupper() or word.lower() in _TITLES:
                name = ""
                continue
            capitals += 1
            if name and sentence[end : found.start()] == " ":
                names.pop(name)
                name = f"{name} {word}"
            else:
                name = word
            end = found.end()
            names[name] = None
    german = sum(len(_GERMAN.findall(sentence)) for sentence in sentences)
    if inside and (capitals / inside > CAPITALS or german / (inside + len(sentences)) > GERMAN):
        return None
    return tuple(names)


def _has_name(words: tuple[str, ...], names: tuple[str, ...], name: str) -> bool:
    """Whether a text with these words and names has a name, in whole, in part, or as initials."""
    parts = [_base(part) for part in name.split()]
    initials = "".join(part[0] for part in parts)
    return (
        any(_same_stem(part, word) for part in parts for word in words)
        or (len(initials) > 1 and initials in words)
        or any(_base(name) == "".join(part[0] for part in other.split()).lower() for other in names)
    )


def _same_stem(one: str, other: str) -> bool:
    if one == other:
        return True
    shared = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        shared += 1
    return shared >= 4 and 2 * shared >= max(len(one), len(other))


def _base(word: str) -> str:
    return re.sub(r"['’]s$", "", word).casefold()


def _turned(source: Sequence[str], text: Sequence[str], alike: NDArray[np.float64] | None) -> list[str]:
    """Sentences of the source that the text says with the other sign."""
    if not source or not text:
        return []
    common = np.array([[_overlap(one, other) for other in text] for one in source])
    alike = common if alike is None else alike
    turned = []
    for row, sentence in enumerate(source):
        column = int(alike[row].argmax())
        if alike[row, column] < ALIKE or int(alike[:, column].argmax()) != row:
            continue
        plain, negative = _negations(sentence)
        new_plain, new_negative = _negations(text[column])
        if (plain + negative) % 2 == (new_plain + new_negative) % 2:
            continue
        if (
            plain != new_plain
            or common[row, column] >= NEARLY_SAME
            or _one_word_apart(sentence, text[column])
        ):
            turned.append(sentence)
    return turned


@lru_cache(maxsize=4096)
def _negations(sentence: str) -> tuple[int, int]:
    """Number of plain negations and of negative words.

    >>> _negations("It does not forbid it, not only here."), _negations("Neither he nor she refused.")
    ((1, 1), (1, 1))
    """
    rest = _NO_NEGATION.sub(" ", sentence)
    plain = [found.group().lower() for found in _PLAIN_NEGATIONS.finditer(rest)]
    if "neither" in plain or "not" in plain or "no" in plain:
        plain = [word for word in plain if word != "nor"]  # nor goes on with a negation
    return len(plain), len(_NEGATIVE_WORDS.findall(rest))


@lru_cache(maxsize=4096)
def _stems(sentence: str) -> frozenset[str]:
    words = (_base(found.group()) for found in _WORD.finditer(sentence))
    return frozenset(word[:6] for word in words if word not in _COMMON and not word.endswith(("n't", "n’t")))


def _one_word_apart(one: str, other: str) -> bool:
    left, right = _stems(one), _stems(other)
    return len(left - right) <= 1 and len(right - left) <= 1


def _overlap(one: str, other: str) -> float:
    """Dice coefficient of the stems of two sentences, in [0, 1]."""
    left, right = _stems(one), _stems(other)
    return 2 * len(left & right) / (len(left) + len(right)) if left or right else 0.0
