"""Pairs of texts of which it is known by construction what is kept, lost and invented; for calibration and tests.

Nothing is asked of a person or a model: a text is edited by rule, and the edit tells the truth of every sentence.
The rules are coarse, so a small share of paraphrases reads oddly and a small share of edits changes less than it
should (a sentence of the same topic may say again what the text says already).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import yaml

from negotiation.errors import TextError
from rewriter.sentences import split_sentences

_SYNONYMS = Path(__file__).parent.parent / "data" / "consistency" / "synonyms.yaml"

Kind = Literal[
    "identical", "paraphrase", "dropped", "added", "added_near", "negation", "number", "name", "unrelated"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""``added`` takes a sentence from a text of another topic, ``added_near`` one from a text of the same topic."""

FACT_KINDS: tuple[Kind, ...] = ("negation", "number", "name")
"""Edits within a sentence, which embeddings miss."""

_AUXILIARIES = "should|must|will|would|may|can|is|are|was|were"
_INSERT = re.compile(rf"\b({_AUXILIARIES})\b(?! not| never)(?=\s\w)", re.IGNORECASE)
_REMOVE = re.compile(rf"\b({_AUXILIARIES}) ?not\b(?! only| just| merely)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.]\d)")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})*")

_NUMBER_SENTENCES = (
    "This touches {} of every hundred families.",
    "The rule has stood for {} years.",
    "It was agreed upon in {}.",
    "Some {} percent of those asked are in favor.",
)
_NAME_SENTENCES = (
    "The mayor of {} has said as much.",
    "A teacher named {} wrote of it first.",
    "Talks on this were held in {}.",
    "The proposal comes from {}.",
)
_NAMES = ("Lisbon", "Elena Torres", "Nairobi", "Samuel Okoro", "Kyoto", "Lake Geneva", "Priya Nair", "Oslo")


@dataclass(frozen=True, slots=True)
class Pair:
    """A source and an edited text.

    Attributes:
        source: as it was.
        text: after the edit.
        kind: of the edit.
        source_kept: for each sentence of the source, whether the text still says it.
        text_supported: for each sentence of the text, whether the source says it.
    """

    source: str
    text: str
    kind: Kind
    source_kept: tuple[bool, ...]
    text_supported: tuple[bool, ...]

    @property
    def forward(self) -> bool:
        """Whether nothing was invented."""
        return all(self.text_supported)

    @property
    def backward(self) -> bool:
        """Whether nothing was lost."""
        return all(self.source_kept)


def make_pair(
    kind: Kind, text: str, near: Sequence[str], far: Sequence[str], generator: np.random.Generator
) -> Pair | None:
    """Edit a text.

    Args:
        kind: of the edit.
        text: to edit.
        near: other texts of its topic.
        far: texts of other topics.
        generator: draws what is edited.

    Returns:
        The pair; None if the text gives no hold for the edit (one sentence cannot lose one, say).

    Raises:
        TextError: if the text is blank.
    """
    sentences = split_sentences(text)
    if not sentences:
        raise TextError("a text to edit is empty; give at least a sentence")
    makers: dict[Kind, Callable[[], Pair | None]] = {
        "identical": lambda: _whole(kind, sentences, sentences, True),
        "paraphrase": lambda: _paraphrased(sentences, generator),
        "dropped": lambda: _dropped(sentences, generator),
        "added": lambda: _added(kind, sentences, far, generator),
        "added_near": lambda: _added(kind, sentences, near, generator),
        "negation": lambda: _changed(kind, sentences, _negate, generator),
        "number": lambda: _with_fact(kind, sentences, _change_number, _NUMBER_SENTENCES, generator),
        "name": lambda: _with_fact(kind, sentences, _change_name, _NAME_SENTENCES, generator),
        "unrelated": lambda: _unrelated(sentences, far, generator),
    }
    return makers[kind]()


def paraphrase(sentence: str, generator: np.random.Generator, share: float = 0.7) -> str:
    """The sentence with clauses moved and words replaced, its meaning kept.

    Args:
        sentence: one.
        generator: draws.
        share: of the known words to replace, in [0, 1].

    >>> paraphrase("Since rice is cheap, many people buy it.", np.random.default_rng(0), share=1.0)
    'Numerous persons purchase it since rice is cheap.'
    """
    return _replace_words(_move_clauses(sentence, generator), generator, share)


def _whole(kind: Kind, source: Sequence[str], text: Sequence[str], same: bool) -> Pair:
    return Pair(" ".join(source), " ".join(text), kind, (same,) * len(source), (same,) * len(text))


def _paraphrased(sentences: list[str], generator: np.random.Generator) -> Pair | None:
    changed = [_capital(paraphrase(sentence, generator)) for sentence in sentences]
    if len(changed) > 1 and generator.random() < 0.5:
        changed = [changed[index] for index in generator.permutation(len(changed))]
    if sorted(changed) == sorted(sentences):
        return None
    return _whole("paraphrase", sentences, changed, True)


def _dropped(sentences: list[str], generator: np.random.Generator) -> Pair | None:
    if len(sentences) < 2:
        return None
    out = int(generator.integers(len(sentences)))
    rest = [sentence for index, sentence in enumerate(sentences) if index != out]
    if generator.random() < 0.5:
        rest = [_capital(paraphrase(sentence, generator)) for sentence in rest]
    kept = tuple(index != out for index in range(len(sentences)))
    return Pair(" ".join(sentences), " ".join(rest), "dropped", kept, (True,) * len(rest))


def _added(
    kind: Kind, sentences: list[str], others: Sequence[str], generator: np.random.Generator
) -> Pair | None:
    foreign = _sentence_from(others, generator)
    if foreign is None or foreign in sentences:
        return None
    place = int(generator.integers(len(sentences) + 1))
    rest = list(sentences)
    if generator.random() < 0.5:
        rest = [_capital(paraphrase(sentence, generator)) for sentence in rest]
    text = [*rest[:place], foreign, *rest[place:]]
    supported = tuple(index != place for index in range(len(text)))
    return Pair(" ".join(sentences), " ".join(text), kind, (True,) * len(sentences), supported)


def _unrelated(sentences: list[str], far: Sequence[str], generator: np.random.Generator) -> Pair | None:
    if not far:
        return None
    other = split_sentences(far[int(generator.integers(len(far)))])
    return _whole("unrelated", sentences, other, False) if other else None


def _changed(
    kind: Kind,
    sentences: list[str],
    change: Callable[[str, np.random.Generator], str],
    generator: np.random.Generator,
) -> Pair | None:
    """Change one of the sentences that can be changed."""
    candidates = [(index, change(sentence, generator)) for index, sentence in enumerate(sentences)]
    candidates = [(index, changed) for index, changed in candidates if changed != sentences[index]]
    if not candidates:
        return None
    place, changed = candidates[int(generator.integers(len(candidates)))]
    text = [changed if index == place else sentence for index, sentence in enumerate(sentences)]
    same = tuple(index != place for index in range(len(sentences)))
    return Pair(" ".join(sentences), " ".join(text), kind, same, same)


def _with_fact(
    kind: Kind,
    sentences: list[str],
    change: Callable[[str, np.random.Generator], str],
    templates: Sequence[str],
    generator: np.random.Generator,
) -> Pair | None:
    """Change a fact of a sentence; where there is none, the source first gets a sentence that has one."""
    if all(change(sentence, generator) == sentence for sentence in sentences):
        template = templates[int(generator.integers(len(templates)))]
        fact = _NAMES[int(generator.integers(len(_NAMES)))] if kind == "name" else _number(generator)
        sentences = [*sentences, template.format(fact)]
    return _changed(kind, sentences, change, generator)


def _negate(sentence: str, generator: np.random.Generator) -> str:
    """Take a negation out, or else put one in."""
    if _REMOVE.search(sentence):
        return _REMOVE.sub(r"\1 ", sentence, count=1)
    places = list(_INSERT.finditer(sentence))
    if not places:
        return sentence
    end = places[int(generator.integers(len(places)))].end()
    return sentence[:end] + " not" + sentence[end:]


def _change_number(sentence: str, generator: np.random.Generator) -> str:
    found = _NUMBER.search(sentence)
    if found is None:
        return sentence
    new = found.group()
    while new == found.group():
        new = _number(generator)
    return sentence[: found.start()] + new + sentence[found.end() :]


def _change_name(sentence: str, generator: np.random.Generator) -> str:
    found = _NAME.search(sentence)
    if found is None:
        return sentence
    others = [name for name in _NAMES if name not in sentence]
    return sentence[: found.start()] + others[int(generator.integers(len(others)))] + sentence[found.end() :]


def _number(generator: np.random.Generator) -> str:
    return str(int(generator.integers(3, 99)))


def _sentence_from(texts: Sequence[str], generator: np.random.Generator) -> str | None:
    """A whole sentence of at least six words."""
    if not texts:
        return None
    sentences = [
        sentence
        for sentence in split_sentences(texts[int(generator.integers(len(texts)))])
        if len(sentence.split()) >= 6 and sentence.endswith((".", "!", "?"))
    ]
    return sentences[int(generator.integers(len(sentences)))] if sentences else None


def _move_clauses(sentence: str, generator: np.random.Generator) -> str:
    """A clause that opens with a subordinating word goes to the other end."""
    if generator.random() < 0.2:
        return sentence
    front = re.fullmatch(
        r"((?:When|While|If|Since|Because|Although|After|Before|In|For|From|Through|By|With|As)\b[^,;:]{4,90}), ([^;:]+)([.!?])",
        sentence,
    )
    if front:
        clause, rest, mark = front.groups()
        return f"{_capital(rest)} {clause[0].lower()}{clause[1:]}{mark}"
    back = re.fullmatch(
        r"([^,;:]{10,}?),? ((?:when|while|if|because|although|after|before)\b[^,;:]{8,90})([.!?])", sentence
    )
    if back:
        rest, clause, mark = back.groups()
        return f"{_capital(clause)}, {_small(rest)}{mark}"
    return sentence


def _replace_words(sentence: str, generator: np.random.Generator, share: float) -> str:
    pattern, others = _synonyms()

    def replacement(found: re.Match[str]) -> str:
        word = found.group()
        if generator.random() >= share:
            return word
        choices = others[word.lower()]
        chosen = choices[int(generator.integers(len(choices)))]
        return _capital(chosen) if word[0].isupper() else chosen

    return pattern.sub(replacement, sentence)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _small(text: str) -> str:
    """First letter small, unless the first word is I or looks like a name."""
    second = re.match(r"[A-Z]\w*\s+([A-Z])", text)
    return text if re.match(r"I\b|[A-Z]{2}", text) or second else text[:1].lower() + text[1:]


@lru_cache(maxsize=1)
def _synonyms() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    groups = yaml.safe_load(_SYNONYMS.read_text(encoding="utf-8"))
    others: dict[str, list[str]] = {}
    for group in groups:
        for word in group:
            others.setdefault(word, []).extend(
                other for other in group if other != word and other not in others.get(word, [])
            )
    words = sorted(others, key=lambda word: (-len(word), word))
    return re.compile(r"\b(" + "|".join(map(re.escape, words)) + r")\b", re.IGNORECASE), others
