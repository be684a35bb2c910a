# ruff: noqa: RUF001 - marks of many scripts are meant as they stand
"""Sentences and paragraphs of a text, by rule: nothing is lost but the white space between them.

Made for prose in scripts with or without capitals; no model and no language is named. It errs to the side of too few
sentences: a dot after an abbreviation or an initial ends nothing unless a usual first word follows.
"""

from __future__ import annotations

import re

_CLOSERS = "\"'”’»)]}」』）"
_ENDS = re.compile(rf"(?:[.!?…]+[{re.escape(_CLOSERS)}]*(?=\s)|[。！？]+[{re.escape(_CLOSERS)}]*)\s*")
_LIST_ITEM = re.compile(r"\n(?=[ \t]*(?:[-*•–]|\(?\d{1,3}[.)]|#{1,6})[ \t])")
_PARAGRAPH = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_LAST_WORD = re.compile(r"[^\s\"'“‘«(\[{]+$")
_NUMBERED = re.compile(r"(?:^|\n)[ \t]*\(?\d{1,3}$")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BEFORE_MORE = _words(
    "mr mrs ms dr prof st sr jr rev hon gen col lt sgt capt gov sen rep pres vs e.g i.e cf viz ca al fig figs eq eqs"
    " sec ch vol ed eds pp art nos resp approx est incl dept univ inc ltd co corp mt jan feb mar apr jun jul aug sep"
    " sept oct nov dec bzw z.b d.h u.a usw"
)
"""Abbreviations after which a sentence goes on; those that are words too (no, in, may) are not among them."""

_OFTEN_LAST = _words("etc a.m p.m u.s u.k u.n e.u ph.d b.c a.d inc ltd co corp jr sr usw")
"""Abbreviations that end a sentence where a usual first word follows."""

_FIRST_WORDS = _words(
    "a an the this that these those it its he she we they i you his her our their there here in on at by for from to of"
    " if when while as but and or so yet however although though because since after before each every all some many"
    " most no not what why how who which where"
)


def split_paragraphs(text: str) -> list[str]:
    r"""The paragraphs of a text, parted by blank lines; none of them blank.

    >>> split_paragraphs("One. Two.\n\n  Three.\n")
    ['One. Two.', 'Three.']
    """
    return [part.strip() for part in _PARAGRAPH.split(text.replace("\r\n", "\n")) if part.strip()]


def split_sentences(text: str) -> list[str]:
    """The sentences of a text in order; none of them blank, none of them over a paragraph's or list item's end.

    >>> split_sentences('Dr. Ito paid 3.5 dollars. "Why?" he asked. Nobody knew!')
    ['Dr. Ito paid 3.5 dollars.', '"Why?" he asked.', 'Nobody knew!']
    """
    return [
        sentence
        for paragraph in split_paragraphs(text)
        for item in _LIST_ITEM.split(paragraph)
        for sentence in _split_prose(item)
    ]


def _split_prose(text: str) -> list[str]:
    capitals = text != text.lower()
    sentences, start = [], 0
    for end in _ENDS.finditer(text):
        if end.end() < len(text) and _goes_on(
            text[start : end.start()], end.group(), text[end.end() :], capitals
        ):
            continue
        sentences.append(text[start : end.end()].strip())
        start = end.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _goes_on(before: str, mark: str, after: str, capitals: bool) -> bool:
    """Whether the sentence goes on after this mark."""
    first = after.lstrip(_CLOSERS + "“‘«([{-–—*_ ")
    if not first:
        return False
    if capitals and first[0].islower():
        return True
    if not mark.startswith(".") or mark.startswith(".."):
        return False
    if _NUMBERED.search(before):
        return True
    found = _LAST_WORD.search(before)
    word = found.group() if found else ""
    starter = re.split(r"[^\w]", first, maxsplit=1)[0].lower() in _FIRST_WORDS
    if word.lower() in _OFTEN_LAST or re.fullmatch(r"(?:\w\.)+\w", word):
        return not starter
    if len(word) == 1 and word.isupper() and word != "I":
        return not starter  # an initial: J. Smith
    return word.lower() in _BEFORE_MORE or (word.lower() == "no" and first[0].isdigit())
