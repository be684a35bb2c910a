"""The whole way from a text to a text with other values: read, aim, rewrite, read again, compare.

    v0 = D(y0);  v* = clip(v0 + dv, -1, 1);  y1 = rewriter(y0, v*);  v1 = D(y1);  consistency(y0, y1)

(VISA section 3.) Every step is one batch over all texts. Nothing here knows where detector, rewriter and judge live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from negotiation.errors import ConfigurationError, MalformedReplyError, ModelError, TargetError, TextError
from rewriter import guards
from rewriter.targets import Wanted
from rewriter.vocabulary import (
    ConsistencyJudge,
    Detector,
    Rewriter,
    RewriteRequest,
    Rewriting,
    ValueReading,
    ValueVector,
    check_text,
)

Guards = Callable[[str, str], tuple[str | None, str | None]]
"""(source, rewriting) to how far it is a copy, and how it has collapsed, in words; None for each that it is not."""

COPIED, COLLAPSED = "copy: ", "collapse: "
"""Beginnings of the faults of rewritings that the guards tell."""


LEAST_CONSISTENCY = 0.3
"""Below it a rewriting no longer says what its source says (the line of the joint success rate, VISA section 4)."""

Unwritable: TypeAlias = MalformedReplyError | TextError | ModelError
"""What keeps one text from being rewritten: no usable reply, a sentence that is too long, a passage above the model's window."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A text that could not be rewritten.

    Attributes:
        request: what was asked.
        error: as it was raised.
    """

    request: RewriteRequest
    error: Unwritable = field(compare=False)

    @property
    def reason(self) -> str:
        """Why not, in words."""
        return str(self.error)


@dataclass(frozen=True, slots=True)
class Injected:
    """What came of a batch of texts.

    Attributes:
        outcomes: one a text, in order.
    """

    outcomes: tuple[Rewriting | Failure, ...]

    @property
    def rewritings(self) -> list[Rewriting]:
        """Those that there are."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Rewriting)]

    @property
    def failures(self) -> list[Failure]:
        """Those that there are."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Failure)]

    @property
    def copies(self) -> int:
        """Rewritings that repeat their source."""
        return sum(is_copied(rewriting) for rewriting in self.rewritings)

    @property
    def collapses(self) -> int:
        """Rewritings that have collapsed."""
        return sum(is_collapsed(rewriting) for rewriting in self.rewritings)


class Injection:
    """Moves texts to wanted values and measures what came of it.

    Args:
        detector: reads values.
        rewriter: writes.
        judge: compares what is said.
        guarded: tells copies and collapses; those of ``rewriter.guards`` if None.
        samples: rewritings of each text, of which ``best_of`` takes one.

    Raises:
        ConfigurationError: if samples is below 1.
    """

    def __init__(
        self,
        detector: Detector,
        rewriter: Rewriter,
        judge: ConsistencyJudge,
        guarded: Guards | None = None,
        samples: int = 1,
    ) -> None:
        if samples < 1:
            raise ConfigurationError(f"samples is {samples}; give at least 1")
        self.detector, self.rewriter, self.judge = detector, rewriter, judge
        self._guards = guarded or _guards
        self._samples = samples

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        """The values of texts.

        Raises:
            TextError: a blank text, by its place.
        """
        for place, text in enumerate(texts):
            check_text(text, f"text {place}")
        return self.detector.read(texts) if texts else []

    def inject(self, texts: Sequence[str], wanted: Sequence[Wanted]) -> Injected:
        """Move each text to where its aim says.

        Args:
            texts: n, none blank.
            wanted: n, or one for all.

        Raises:
            TextError: a blank text, by its place.
            TargetError: if texts and aims differ in number.
        """
        aims = list(wanted) * len(texts) if len(wanted) == 1 else list(wanted)
        if len(aims) != len(texts):
            raise TargetError(f"{len(texts)} texts with {len(aims)} targets; give one each, or one for all")
        return self.move(
            [
                RewriteRequest(text, reading.values, aim.target(reading.values))
                for text, reading, aim in zip(texts, self.read(texts), aims, strict=True)
            ]
        )

    def move(self, requests: Sequence[RewriteRequest]) -> Injected:
        """Rewrite, read and compare requests whose values were read before.

        A text that cannot be rewritten is a failure and does not stop the others.
        """
        if self._samples == 1:
            return self._move(requests)
        count = self._samples
        sampled = [replace(request, sample=k) for request in requests for k in range(count)]
        outcomes = self._move(sampled).outcomes
        return Injected(
            tuple(best_of(outcomes[place * count : (place + 1) * count]) for place in range(len(requests)))
        )

    def _move(self, requests: Sequence[RewriteRequest]) -> Injected:
        written = self._write(requests)
        done = [
            (request, text)
            for request, text in zip(requests, written, strict=True)
            if not isinstance(text, Failure)
        ]
        readings = self.detector.read([text for _, text in done]) if done else []
        judged = self.judge.judge([(request.source, text) for request, text in done]) if done else []
        rewritings = iter(
            [
                Rewriting(request, text, reading.values, consistency, self._faults(request.source, text))
                for (request, text), reading, consistency in zip(done, readings, judged, strict=True)
            ]
        )
        return Injected(tuple(text if isinstance(text, Failure) else next(rewritings) for text in written))

    def _write(self, requests: Sequence[RewriteRequest]) -> list[str | Failure]:
        """All at once; if one of them fails, in halves, so that the others are kept."""
        if not requests:
            return []
        try:
            return list(self.rewriter.rewrite(requests))
        except (MalformedReplyError, TextError, ModelError) as error:
            if len(requests) == 1:
                return [Failure(requests[0], error)]
        half = len(requests) // 2
        return self._write(requests[:half]) + self._write(requests[half:])

    def _faults(self, source: str, text: str) -> tuple[str, ...]:
        copied, collapsed = self._guards(source, text)
        faults = ((COPIED, copied), (COLLAPSED, collapsed))
        return tuple(kind + how.removeprefix(kind) for kind, how in faults if how is not None)


def best_of(outcomes: Sequence[Rewriting | Failure]) -> Rewriting | Failure:
    """Of several rewritings of one text the one to take.

    Of those that the guards let pass and whose consistency is above ``LEAST_CONSISTENCY`` the one nearest to the target; if there
    are none, the most consistent of those that the guards let pass; else the most consistent of all. Earlier ones win ties.

    Args:
        outcomes: at least one, all of one text and target.

    Returns:
        One of them; a failure only if all are.
    """
    written = [outcome for outcome in outcomes if isinstance(outcome, Rewriting)]
    if not written:
        return outcomes[0]
    passed = [rewriting for rewriting in written if not (is_copied(rewriting) or is_collapsed(rewriting))]
    kept = [rewriting for rewriting in passed if rewriting.consistency.mean > LEAST_CONSISTENCY]
    if kept:
        return min(kept, key=lambda rewriting: distance(rewriting.after, rewriting.request.target))
    return max(passed or written, key=lambda rewriting: rewriting.consistency.mean)


def distance(one: ValueVector, other: ValueVector) -> float:
    """Euclidean distance of two value vectors, in [0, 2 sqrt(10)].

    >>> distance((0.0,) * 10, (0.6, 0.8, *(0.0,) * 8))
    1.0
    """
    return float(np.linalg.norm(np.array(one) - np.array(other)))


def is_copied(rewriting: Rewriting) -> bool:
    """Whether the guards told a copy."""
    return any(fault.startswith(COPIED) for fault in rewriting.faults)


def is_collapsed(rewriting: Rewriting) -> bool:
    """Whether the guards told a collapse."""
    return any(fault.startswith(COLLAPSED) for fault in rewriting.faults)


def _guards(source: str, text: str) -> tuple[str | None, str | None]:
    return guards.is_copy(source, text), guards.is_collapsed(source, text)


def gain(before: ValueVector, after: ValueVector, target: ValueVector) -> float:
    """How far values moved in the direction that was asked.

        (after - before) . (target - before) / |target - before|

    In units of the value scale; the asked distance |target - before| if the target is met, 0 if nothing was asked.

    >>> gain((0.0,) * 10, (0.5, *(0.0,) * 9), (1.0, *(0.0,) * 9))
    0.5
    """
    start = np.array(before)
    asked = np.array(target) - start
    length = float(np.linalg.norm(asked))
    return float((np.array(after) - start) @ asked / length) if length > 0 else 0.0
