"""The words of rewriting: value vectors, readings, consistency, shifts and requests, and the roles that give them.

Every value here is frozen, checks itself and pickles; importing this loads neither torch nor transformers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.values import SCHWARTZ_VALUES
from negotiation.errors import TargetError, TextError

ValueVector = tuple[float, ...]
"""Ten numbers in [-1, 1] in the order of ``agents.values.SCHWARTZ_VALUES``: for a value, against it, or (0) neither."""


def value_vector(numbers: Iterable[float], what: str, bound: float = 1.0) -> ValueVector:
    """Check ten numbers.

    Args:
        numbers: to check.
        what: names them in errors.
        bound: largest magnitude; 1 for a vector, 2 for the difference of two.

    Raises:
        TargetError: if they are not ten, or one is not finite or outside ``[-bound, bound]``.

    >>> value_vector([0] * 10, "target")[:2]
    (0.0, 0.0)
    """
    vector = tuple(float(number) for number in numbers)
    if len(vector) != len(SCHWARTZ_VALUES):
        raise TargetError(
            f"{what} has {len(vector)} numbers; give {len(SCHWARTZ_VALUES)}, one for each of"
            f" {', '.join(SCHWARTZ_VALUES)}"
        )
    for name, number in zip(SCHWARTZ_VALUES, vector, strict=True):
        if not (math.isfinite(number) and abs(number) <= bound):
            raise TargetError(f"{what}: {name} is {number}; give a number from {-bound:g} to {bound:g}")
    return vector


@dataclass(frozen=True, slots=True)
class ValueReading:
    """What a detector reads in a text.

    Attributes:
        values: (10,) in [-1, 1]; above 0 the text speaks for a value, below 0 against it.
        confidence: in [0, 1]; higher is surer. Each detector says what it means by it.
    """

    values: ValueVector
    confidence: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", value_vector(self.values, "values read"))
        if not 0.0 <= self.confidence <= 1.0:
            raise TargetError(f"confidence is {self.confidence}; it lies from 0 to 1")

    @property
    def vector(self) -> NDArray[np.float64]:
        """The values as (10,) float64."""
        return np.array(self.values, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Consistency:
    """How well a rewriting keeps what its source says.

    Attributes:
        forward: in [0, 1]; how far the source supports the rewriting: 1 if nothing is invented.
        backward: in [0, 1]; how far the rewriting supports the source: 1 if nothing is lost.
        faults: what was seen to be lost or invented, in words (numbers, negations, names).
    """

    forward: float
    backward: float
    faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("forward", "backward"):
            number = getattr(self, name)
            if not 0.0 <= number <= 1.0:
                raise TargetError(f"consistency {name} is {number}; it lies from 0 to 1")

    @property
    def mean(self) -> float:
        """Mean of both directions, in [0, 1]; higher is better (VISA section 3)."""
        return (self.forward + self.backward) / 2.0


@dataclass(frozen=True, slots=True)
class Shift:
    """A wanted movement of values.

    Attributes:
        values: (10,) in [-2, 2], to be added to what a text has; 0 where no movement is asked for.
        explanation: what was read in the instruction, one line a value that was found.
    """

    values: ValueVector
    explanation: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", value_vector(self.values, "shift", bound=2.0))

    def target(self, before: ValueVector) -> ValueVector:
        """``clip(before + shift, -1, 1)`` (VISA section 3).

        >>> Shift((0.5, *(0.0,) * 9)).target((0.8, *(0.1,) * 9))[:2]
        (1.0, 0.1)
        """
        moved = np.array(value_vector(before, "values before")) + np.array(self.values)
        return tuple(np.clip(moved, -1.0, 1.0).tolist())


@dataclass(frozen=True, slots=True)
class RewriteRequest:
    """A text to be moved.

    Attributes:
        source: the text, not blank.
        before: (10,) in [-1, 1], the values that a detector reads in it.
        target: (10,) in [-1, 1], the values that are wanted.
        sample: number of this rewriting among several of the same text and target, from 0: the same request with another number
            is written with another seed.
    """

    source: str
    before: ValueVector
    target: ValueVector
    sample: int = 0

    def __post_init__(self) -> None:
        check_text(self.source, "the text to rewrite")
        if self.sample < 0:
            raise TargetError(f"sample is {self.sample}; count from 0")
        object.__setattr__(self, "before", value_vector(self.before, "values before"))
        object.__setattr__(self, "target", value_vector(self.target, "target"))


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A text that was moved, with what was measured of it.

    Attributes:
        request: what was asked.
        text: the rewriting.
        after: (10,) in [-1, 1], the values that the detector reads in it.
        consistency: with the source.
        faults: what went wrong in the making, such as a reply that was cut.
    """

    request: RewriteRequest
    text: str
    after: ValueVector
    consistency: Consistency
    faults: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        check_text(self.text, "the rewriting")
        object.__setattr__(self, "after", value_vector(self.after, "values after"))


def check_text(text: str, what: str) -> None:
    """Refuse a blank text.

    Raises:
        TextError: naming it.
    """
    if not text.strip():
        raise TextError(f"{what} is empty; give at least a sentence")


class Detector(Protocol):
    """Reads values in texts."""

    name: str

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        """One reading a text, in order; a text's reading is the same in any company.

        Raises:
            TextError: a blank text, by its place.
        """
        ...


class ConsistencyJudge(Protocol):
    """Compares rewritings with their sources."""

    name: str

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Consistency]:
        """One judgement a (source, rewriting), in order.

        Raises:
            TextError: a blank text, by its place.
        """
        ...


class Translator(Protocol):
    """Reads wanted movements of values in plain words."""

    name: str

    def translate(self, instructions: Sequence[str]) -> list[Shift]:
        """One shift an instruction, in order.

        Raises:
            TargetError: an instruction in which no value is found.
        """
        ...


class Rewriter(Protocol):
    """Writes texts anew."""

    name: str

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """One text a request, in order, never blank.

        Raises:
            MalformedReplyError: if a model wrote nothing usable within its bound.
            TextError: a source that is too long for the model.
        """
        ...
