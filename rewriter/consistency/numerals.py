"""Numbers of a text as values, whether in digits or in English words."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

_UNITS = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen",
)
_TENS = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_VALUES = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
}
_PERCENT = frozenset(["%", "percent", "percentage", "pct"])

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|%|[^\W\d_]+")
_MARKER = re.compile(r"^\s*\(?\d{1,3}[.)]\s+(?=\S)")


def numbers_in(sentence: str) -> list[str]:
    """The numbers of a sentence in order, written out: ``"40"``, ``"3.5"``, ``"25%"``.

    A list's numbering is left out, and so is "one", which seldom counts.

    >>> numbers_in("1. Some 2,500 of twenty-five thousand, or ten percent, came in the 1990s.")
    ['2500', '25000', '10%', '1990']
    >>> numbers_in("One of 3.5 million people; a hundred and five more; 7%.")
    ['3500000', '105', '7%']
    >>> numbers_in("From nineteen eighty-four to twenty twenty it grew from three, five to eight.")
    ['1984', '2020', '3', '5', '8']
    """
    # Full-width and other digits become plain ones.
    text = _MARKER.sub("", unicodedata.normalize("NFKC", sentence)).lower()
    tokens = [(found.group(), found.start(), found.end()) for found in _TOKEN.finditer(text)]
    numbers, place = [], 0
    while place < len(tokens):
        value, after = _number(text, tokens, place)
        if value is None:
            place += 1
            continue
        percent = after < len(tokens) and (
            tokens[after][0] in _PERCENT or text[tokens[after][1] :].startswith("per cent")
        )
        bare_one = after == place + 1 and tokens[place][0] == "one" and not percent
        if not bare_one:
            numbers.append(_written(value) + "%" * percent)
        place = after
    return numbers


def _number(text: str, tokens: list[tuple[str, int, int]], place: int) -> tuple[Decimal | None, int]:
    """The number that begins at a token, and the token after it."""
    word = tokens[place][0]
    if word[0].isdigit():
        return _scaled(_digits(word), text, tokens, place + 1)
    if word == "a" and place + 1 < len(tokens) and tokens[place + 1][0] in _SCALES:
        return _worded(text, tokens, place + 1)
    if word in _VALUES or word in _SCALES:
        return _worded(text, tokens, place)
    return None, place


def _scaled(
    value: Decimal | None, text: str, tokens: list[tuple[str, int, int]], after: int
) -> tuple[Decimal | None, int]:
    while (
        value is not None
        and after < len(tokens)
        and tokens[after][0] in _SCALES
        and _adjacent(text, tokens, after)
    ):
        value *= _SCALES[tokens[after][0]]
        after += 1
    return value, after


def _worded(text: str, tokens: list[tuple[str, int, int]], place: int) -> tuple[Decimal | None, int]:
    """A number in words: groups below a thousand, each with its scale, added up."""
    total, group, start = 0, 0, place
    while place < len(tokens):
        word = tokens[place][0]
        if place > start and not _adjacent(text, tokens, place):
            break
        if word in _VALUES:
            if 13 <= group <= 20 and _VALUES[word] >= 10 and not total:
                group *= 100  # nineteen ninety-nine
            elif (group % 10 and place > start) or (group % 100 >= 10 and _VALUES[word] >= 10):
                break  # two numbers in a row: three five
            group += _VALUES[word]
        elif word in ("hundred", "dozen"):
            group = max(group, 1) * _SCALES[word]
        elif word in _SCALES:
            total += max(group, 1) * _SCALES[word]
            group = 0
        elif word == "and" and place > start and _joins(tokens, place):
            pass
        else:
            break
        place += 1
    return Decimal(total + group), place


def _joins(tokens: list[tuple[str, int, int]], place: int) -> bool:
    """Whether "and" stands inside a number: a hundred and five."""
    return (
        tokens[place - 1][0] in ("hundred", "thousand", "million")
        and place + 1 < len(tokens)
        and tokens[place + 1][0] in _VALUES
    )


def _adjacent(text: str, tokens: list[tuple[str, int, int]], place: int) -> bool:
    return text[tokens[place - 1][2] : tokens[place][1]] in (" ", "-", "\u2010", "\u2011")


def _digits(word: str) -> Decimal | None:
    """1,200 and 1,200.50 with commas between thousands; 3,5 and 3.5 with a decimal mark."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", word):
        word = word.replace(",", "")
    elif re.fullmatch(r"\d+,\d+", word):
        word = word.replace(",", ".")
    try:
        return Decimal(word)
    except InvalidOperation:
        return None  # a version, a date or a list of sections


def _written(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
