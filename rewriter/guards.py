"""Guards against the two ways of earning reward for nothing: the trivial copy and the collapsed reply.

A copy is consistent by construction and gains no value; a collapsed reply is blank, cut, far from its source's length,
repeats itself or loops. Each guard gives its reason in words, which begin with one of ``REASONS`` so that reasons can be
counted. Both look at the texts alone: whether a copy moved its values is for the caller to weigh.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.models.protocol import Finish

Reason = Literal["copy", "blank", "cut", "short", "long", "repetition", "loop"]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""What a reason in words begins with."""

# Words; in scripts that put no space between them (Chinese, Japanese, Thai) single signs.
_WORD = re.compile(
    r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]|[^\W_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+"
)


class GuardsConfig(BaseModel):
    """From where on a reply is a copy or collapsed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    copy_words: int = Field(
        3, ge=1, description="length in words of the runs that are compared to tell a copy"
    )
    copy_share: float = Field(
        0.9, gt=0, le=1, description="share of common runs (Dice) from which on a reply is a copy"
    )
    shortest: float = Field(0.4, ge=0, description="least length, as a multiple of the source's characters")
    longest: float = Field(2.5, gt=0, description="greatest length, as a multiple of the source's characters")
    slack_characters: int = Field(
        40, ge=0, description="allowed beyond both lengths; matters for short sources"
    )
    cut_collapses: bool = Field(
        True, description="whether a reply that was cut at its bound of tokens counts as collapsed"
    )
    repeated_words: int = Field(
        4, ge=1, description="length in words of the runs that are counted for repetition"
    )
    repeated_share: float = Field(
        0.3,
        gt=0,
        le=1,
        description="share of runs that came before in the reply, above which it repeats itself",
    )
    loop_times: int = Field(3, ge=2, description="a reply loops if it ends with the same words so many times")
    loop_words: int = Field(8, ge=2, description="so many words at its end must be of the loop")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.shortest >= self.longest:
            raise ValueError(f"shortest ({self.shortest:g}) must be below longest ({self.longest:g})")
        return self


DEFAULT_GUARDS = GuardsConfig()


def is_copy(source: str, text: str, config: GuardsConfig = DEFAULT_GUARDS) -> str | None:
    """Why a reply is a near-verbatim copy of its source; None if it is none.

    Runs of words are compared, whatever the case and punctuation:

        Dice = 2 |runs of both| / (|runs of source| + |runs of text|)        in [0, 1]

    >>> is_copy("We honor the old ways.", "we honor the old ways")
    "copy: 100% of its runs of 3 words are the source's"
    >>> is_copy("We honor the old ways.", "We try new ways.") is None
    True
    """
    left, right = _runs(source, config.copy_words), _runs(text, config.copy_words)
    if not left or not right:
        return None
    share = 2 * (left & right).total() / (left.total() + right.total())
    if share < config.copy_share:
        return None
    return f"copy: {share:.0%} of its runs of {config.copy_words} words are the source's"


def is_collapsed(
    source: str, text: str, finish: Finish = "stop", config: GuardsConfig = DEFAULT_GUARDS
) -> str | None:
    """The first reason why a reply is collapsed; None if it is not.

    Args:
        source: what was to be rewritten.
        text: the reply.
        finish: ``"length"`` if the reply was cut at its bound of tokens.
        config: the thresholds.

    >>> is_collapsed("We honor the old ways of our village.", "  ")
    'blank: the reply has no words'
    """
    words = _words(text)
    if not words:
        return "blank: the reply has no words"
    loop = _loop(words, config)
    if loop:
        return loop
    ratio = len(text.strip()) / max(1, len(source.strip()))
    if len(text.strip()) + config.slack_characters < config.shortest * len(source.strip()):
        return f"short: {ratio:.2f} times the source's length, below {config.shortest:g}"
    if len(text.strip()) - config.slack_characters > config.longest * len(source.strip()):
        return f"long: {ratio:.2f} times the source's length, above {config.longest:g}"
    repeated = repetition(text, config.repeated_words)
    if repeated > max(config.repeated_share, repetition(source, config.repeated_words)):
        return f"repetition: {repeated:.0%} of its runs of {config.repeated_words} words came before"
    if finish == "length" and config.cut_collapses:
        return "cut: the reply reached its bound of tokens"
    return None


def repetition(text: str, run: int) -> float:
    """Share of runs of words that came before in the same text, in [0, 1].

    >>> repetition("a b a b a b", 2)
    0.6
    """
    words = _words(text)
    runs = [words[start : start + run] for start in range(len(words) - run + 1)]
    return 1.0 - len(set(runs)) / len(runs) if runs else 0.0


def _loop(words: tuple[str, ...], config: GuardsConfig) -> str | None:
    """The loop that a reply ends in."""
    for period in range(1, len(words) // config.loop_times + 1):
        times = max(config.loop_times, -(-config.loop_words // period))
        tail = words[-times * period :]
        if len(tail) == times * period and tail[period:] == tail[:-period]:
            return f"loop: it ends with {' '.join(tail[:period])[:40]!r} {times} times or more"
    return None


@lru_cache(maxsize=512)
def _runs(text: str, run: int) -> Counter[tuple[str, ...]]:
    """Runs of words with their counts, those at both ends filled up, so that a text of one word has some."""
    words = _words(text)
    if not words:
        return Counter()
    padded = ("",) * (run - 1) + words + ("",) * (run - 1)
    return Counter(padded[start : start + run] for start in range(len(padded) - run + 1))


@lru_cache(maxsize=512)
def _words(text: str) -> tuple[str, ...]:
    return tuple(found.group() for found in _WORD.finditer(text.casefold()))
