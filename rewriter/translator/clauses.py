"""Instructions cut into clauses, and what each asks: which way, how far, and of which named values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from rewriter.translator.lexicon import Lexicon, Mark, Way

_TOKEN = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*|[,;.!?:\n&+/()]")
_SOFT = frozenset({",", "and", "or", "nor", "plus", "&", "+", "/"})
"""Between these a short clause takes its direction from the one before."""
_HARD = frozenset(
    [*";.!?:\n()", "but", "while", "yet", "whereas", "though", "although", "however", "with", "then", "than"]
)
_TURNS = frozenset({"without", "instead of", "rather than"})
"""Directions that begin a clause."""
_MOST_INHERITING = 3
"""Words with meaning up to which a clause counts as one more item of a list."""
_HEAVIEST = 1.5
"""Bound on the movement that one clause asks for."""

Boundary = Literal["soft", "hard"]


@dataclass(frozen=True, slots=True)
class Asking:
    """Which way and how far.

    Attributes:
        movement: in [-1.5, 1.5]; 0 to keep what is.
        keeps: told to keep, which is not the same as asking nothing.
    """

    movement: float
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """A value that a clause names.

    Attributes:
        value: index of the value.
        word: as it stands in the clause.
        asking: which way and how far.
    """

    value: int
    word: str
    asking: Asking


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of an instruction.

    Attributes:
        text: its words.
        named: values it names, in order; may be empty.
        rest: what is left for meaning when nothing is named: without words of direction and intensity; may be empty.
        asking: which way and how far the whole clause asks.
    """

    text: str
    named: tuple[Named, ...]
    rest: str
    asking: Asking


@dataclass(slots=True)
class _Part:
    """Tokens between two boundaries: words, each with the mark that begins there (``None``: unknown)."""

    boundary: Boundary
    items: list[tuple[str, Mark | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Force:
    """Words of direction and intensity as they were met."""

    ways: tuple[Way, ...] = ()
    negated: bool = False
    limited: bool = False
    intensity: float | None = None

    @property
    def empty(self) -> bool:
        return self == _Force()


def read_clauses(instruction: str, lexicon: Lexicon) -> list[Clause]:
    """Cut an instruction at commas, stops and joining words, and read each part.

    A direction and an intensity hold for the values named after them; where none stands before, the one after counts. A part
    without any that is no longer than three words goes the way of the one before it (as in "less power, status and wealth").

    >>> from rewriter.translator.lexicon import load_lexicon
    >>> [(one.word, one.asking.movement) for part in read_clauses("a little more tradition, no power", load_lexicon())
    ...  for one in part.named]
    [('tradition', 0.25), ('power', -1.0)]
    """
    clauses: list[Clause] = []
    before = _Force()
    for part in _parts(instruction, lexicon):
        force = _force([mark for _, mark in part.items], lexicon)
        rest = _rest(part, lexicon)
        if force.empty and part.boundary == "soft" and len(_content(part, lexicon)) <= _MOST_INHERITING:
            force = before
            named = _named(part, lexicon, force)
        else:
            named = _named(part, lexicon, _Force())
        before = force
        if named or rest:
            text = " ".join(word for word, _ in part.items)
            clauses.append(Clause(text, named, "" if named else rest, _asking(force, lexicon)))
    return clauses


def _parts(instruction: str, lexicon: Lexicon) -> list[_Part]:
    text = instruction.casefold().replace("\u2019", "'").replace("\u2018", "'")
    words = _TOKEN.findall(text)
    parts = [_Part("hard")]
    place = 0
    while place < len(words):
        mark = lexicon.find(words, place)
        count = 1 if mark is None else mark.words
        word = " ".join(words[place : place + count])
        if word in _TURNS:
            parts.append(_Part("hard"))
        if mark is None and (word in _SOFT or word in _HARD):
            parts.append(_Part("soft" if word in _SOFT and parts[-1].items else "hard"))
        elif word == "over" and _prefers(parts[-1]):
            parts.append(_Part("hard", [(word, replace(_LESS, words=1))]))
        else:
            parts[-1].items.append((word, mark))
        place += count
    return [part for part in parts if part.items]


_LESS = Mark("direction", 1, way="less")


def _prefers(part: _Part) -> bool:
    """Whether "over" after this part sets one thing above another ("community over ambition")."""
    names = [mark for _, mark in part.items if mark is not None and mark.kind == "name"]
    return bool(names) and part.items[-1][1] is names[-1] and part.items[-1][0] != "power"


def _content(part: _Part, lexicon: Lexicon) -> list[str]:
    return [
        word
        for word, mark in part.items
        if (mark is None and word not in lexicon.fillers) or (mark is not None and mark.kind == "name")
    ]


def _rest(part: _Part, lexicon: Lexicon) -> str:
    """The words that carry meaning: verbs of praise stay, since they say what about."""
    kept = [
        (word, word in lexicon.fillers)
        for word, mark in part.items
        if mark is None or mark.kind == "name" or (mark.kind == "direction" and mark.way == "praise")
    ]
    if not _content(part, lexicon):
        return ""
    while kept and kept[0][1]:
        kept.pop(0)
    while kept and kept[-1][1]:
        kept.pop()
    return " ".join(word for word, _ in kept)


def _force(marks: list[Mark | None], lexicon: Lexicon) -> _Force:
    force = _Force()
    for mark in marks:
        if mark is not None:
            force = _with(force, mark)
    return force


def _with(force: _Force, mark: Mark) -> _Force:
    if mark.kind == "direction":
        return replace(force, ways=(*force.ways, mark.way))
    if mark.kind == "intensity":
        return replace(force, intensity=mark.movement)
    if mark.kind == "negation":
        return replace(force, negated=not force.negated)
    if mark.kind == "limited":
        return replace(force, limited=True)
    if mark.kind == "no_more":
        return replace(force, ways=(*force.ways, "against"))
    if mark.kind == "no_less":
        return replace(force, ways=(*force.ways, "keep"))
    return force


def _named(part: _Part, lexicon: Lexicon, inherited: _Force) -> tuple[Named, ...]:
    """The values that a part names, each with the words of direction before it, else those after it."""
    places = [k for k, (_, mark) in enumerate(part.items) if mark is not None and mark.kind == "name"]
    found: list[Named] = []
    force = _Force()
    for number, place in enumerate(places):
        start = places[number - 1] + 1 if number else 0
        own = _force([mark for _, mark in part.items[start:place]], lexicon)
        if own.empty and number == 0:
            end = places[1] if len(places) > 1 else len(part.items)
            own = _force([mark for _, mark in part.items[place + 1 : end]], lexicon)
            own = inherited if own.empty else own
        elif not (own.empty or own.ways or own.negated or own.limited):
            own = replace(force, intensity=own.intensity)
        elif number == 0 and _only_keeps(part.items[place + 1 :]):
            own = replace(own, ways=(*own.ways, "keep"))
        force = force if own.empty else own
        word, mark = part.items[place]
        assert mark is not None
        asking = _asking(force, lexicon)
        if word in lexicon.comparatives and not force.ways:
            asking = _asking(replace(force, ways=("more",)), lexicon)
        found.append(Named(mark.value, word, replace(asking, movement=mark.sign * asking.movement + 0.0)))
    return tuple(found)


def _only_keeps(items: list[tuple[str, Mark | None]]) -> bool:
    """Whether "as it is" and the like follow."""
    ways = [mark.way for _, mark in items if mark is not None and mark.kind == "direction"]
    return bool(ways) and all(way == "keep" for way in ways)


def _asking(force: _Force, lexicon: Lexicon) -> Asking:
    """The movement that words of direction and intensity ask for.

    Signs multiply ("less praise" is less, "against more" is against). "No", "against" and "for" ask for more than a step. What is
    "not more" or "not less" is kept; "not" before a verb of praise, or alone, turns it round.
    """
    grammar = lexicon.grammar
    moving = [way for way in force.ways if way != "keep"]
    if force.limited:
        return Asking(-grammar.mild)
    if not moving and "keep" in force.ways:
        return Asking(-grammar.plain) if force.negated else Asking(0.0, keeps=True)
    sign = -1.0 if sum(way in ("less", "against") for way in moving) % 2 else 1.0
    firm = any(way in ("for", "against") for way in moving)
    if force.negated:
        if moving and (sign < 0 or set(moving) == {"more"}):
            return Asking(0.0, keeps=True)
        sign, firm = -sign, firm or not moving
    size = grammar.firm if firm else grammar.plain
    if force.intensity is not None:
        size = size / grammar.plain * force.intensity
    return Asking(sign * min(size, _HEAVIEST))
