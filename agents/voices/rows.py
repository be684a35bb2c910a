"""The rows of training text: what is wanted, what came of it, and what was dropped on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from agents.survey.codebook import Item
from agents.survey.profile import AnswerShares
from agents.voices.apportion import apportion
from negotiation.errors import ConfigurationError

Reason = Literal["malformed", "duplicate", "judged"]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why a pair is dropped: not of the asked form; the same pair is there for this item; it expresses another option."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An item with the answers of a culture's people.

    Raises:
        ConfigurationError: if the shares are another item's or do not fit its options.
    """

    item: Item
    shares: AnswerShares

    def __post_init__(self) -> None:
        if self.shares.item != self.item.id:
            raise ConfigurationError(
                f"item {self.item.id!r} is paired with the shares of {self.shares.item!r}; pair them by id"
            )
        if len(self.shares.shares) != len(self.item.options):
            raise ConfigurationError(
                f"item {self.item.id!r} has {len(self.item.options)} options and {len(self.shares.shares)} shares;"
                " give the shares in the order of the codebook's options"
            )


@dataclass(frozen=True, slots=True)
class Wanted:
    """One pair to be made.

    Attributes:
        item: what it is about.
        option: place of the option it is to express.
        number: of the pair among those of the option, from 0.
        share: of the culture's people who gave this answer, in [0, 1].
        source: survey, wave and years of the share.
    """

    item: Item
    option: int
    number: int
    share: float
    source: str


@dataclass(frozen=True, slots=True)
class Pair:
    """An open question and an answer to it in a culture's voice."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class VoiceRow:
    """One kept pair with its provenance.

    Attributes:
        culture: id of the culture that speaks.
        item: id of the survey item.
        category: of the item.
        option: place of the option that is expressed.
        option_label: its label.
        number: of the pair among those of the option, from 0.
        share: of the culture's people who gave this answer, in [0, 1].
        source: survey, wave and years of the share.
        question: the open question.
        answer: the answer.
        model: name of the model that wrote it, or "template".
        attempt: 0 for the first reply, 1 for the first retry, ...
        judge: name of the model that judged it, or "none".
        probability: that the judge gave the option, in [0, 1]; None if nobody judged.
        seed: of the whole text.
        prompts: name and version of the prompts.
    """

    culture: str
    item: str
    category: str
    option: int
    option_label: str
    number: int
    share: float
    source: str
    question: str
    answer: str
    model: str
    attempt: int
    judge: str
    probability: float | None
    seed: int
    prompts: str


@dataclass(frozen=True, slots=True)
class DroppedPair:
    """A reply that was not kept.

    Attributes:
        culture: id of the culture.
        item: id of the survey item.
        option: place of the option that was to be expressed.
        number: of the pair among those of the option.
        attempt: 0 for the first reply.
        model: name of the model that wrote it.
        reason: one of ``REASONS``.
        problem: what is wrong with it, in words.
        text: the reply's first characters.
        last: whether there was no retry left, so that the pair is missing.
    """

    culture: str
    item: str
    option: int
    number: int
    attempt: int
    model: str
    reason: Reason
    problem: str
    text: str
    last: bool


def wanted_of(answered: Sequence[Answered], pairs: int) -> list[Wanted]:
    """The pairs of some items in order: ``pairs`` an item, split by its answer shares."""
    return [
        Wanted(entry.item, option, number, entry.shares.shares[option], entry.shares.source)
        for entry in answered
        for option, count in enumerate(apportion(entry.shares.shares, pairs))
        for number in range(count)
    ]
