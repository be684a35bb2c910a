"""What completions earn: values that come close to the target, and consistency with the source (VISA section 3).

    value        cos(D(y1), v*), in [-1, 1]; or another closeness, see ``RewardConfig.value``
    consistency  mean(entail(y0 -> y1), entail(y1 -> y0)), in [0, 1]; counted up to ``RewardConfig.consistency_enough``

Parts are kept apart: the trainer normalises each within its group, and then weighs them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rewriter.guards import is_collapsed, is_copy
from rewriter.learning.config import RewardConfig, ValuePart
from rewriter.learning.vocabulary import Completion, Reward
from rewriter.vocabulary import ConsistencyJudge, Detector

FLOOR = {"value": -1.0, "consistency": 0.0}
"""Rewards of what is refused: the least there are; a distance can come out lower."""

Guards = Callable[[str, str], tuple[bool, bool]]
"""From a source and a reply to (copied, collapsed)."""


class RewriteJudge:
    """Rewards completions, all of them in one call of the detector and one of the judge.

    Args:
        detector: reads values.
        judge: compares with the source.
        config: which parts, and what is refused.
        guards: tell copies and collapses; those of ``rewriter.guards`` if None.
    """

    def __init__(
        self,
        detector: Detector,
        judge: ConsistencyJudge,
        config: RewardConfig | None = None,
        guards: Guards | None = None,
    ) -> None:
        self._detector, self._judge = detector, judge
        self._guards = copied_and_collapsed if guards is None else guards
        self._config = RewardConfig() if config is None else config

    def judge(self, completions: Sequence[Completion]) -> list[Reward]:
        """One reward a completion, in order.

        A blank reply gets the least rewards there are, whatever the settings: it has no values to be read.
        """
        seen = [self._guards(completion.request.source, completion.text) for completion in completions]
        refused = [
            not completion.text.strip()
            or (copied and self._config.copy_floor)
            or (collapsed and self._config.collapse_floor)
            or (completion.finish == "length" and self._config.cut_floor)
            for completion, (copied, collapsed) in zip(completions, seen, strict=True)
        ]
        left = [completion for completion, out in zip(completions, refused, strict=True) if not out]
        readings = self._detector.read([completion.text for completion in left])
        judged = self._judge.judge([(completion.request.source, completion.text) for completion in left])
        values = [
            closeness(reading.vector, np.array(completion.request.target), self._config.value)
            for reading, completion in zip(readings, left, strict=True)
        ]
        earned = iter(
            {"value": value, "consistency": min(consistency.mean, self._config.consistency_enough)}
            for value, consistency in zip(values, judged, strict=True)
        )
        return [
            Reward(dict(FLOOR) if out else next(earned), copied, collapsed)
            for out, (copied, collapsed) in zip(refused, seen, strict=True)
        ]


def copied_and_collapsed(source: str, text: str) -> tuple[bool, bool]:
    """Whether a reply repeats its source, and whether it is blank, degenerate or far from its source's length."""
    return is_copy(source, text) is not None, is_collapsed(source, text) is not None


def closeness(values: NDArray[np.float64], target: NDArray[np.float64], kind: ValuePart) -> float:
    """How close values come to a target; higher is closer.

    Args:
        values: (10,) read.
        target: (10,) wanted.
        kind: ``"cosine"`` in [-1, 1], as in VISA: it does not see the length of a vector, and texts that speak for what nearly
            all speak for have a high one anyway; ``"centred_cosine"`` in [-1, 1], of both less their means over the ten;
            ``"distance"``, ``1 - |values - target| / 2``, at most 1, in which the joint success rate draws its line (at 0.6).
            The cosine of a vector without direction is 0.

    >>> closeness(np.array([1.0] + [0.0] * 9), np.array([0.5] + [0.0] * 9), "cosine")
    1.0
    """
    if kind == "distance":
        return float(1.0 - np.linalg.norm(values - target) / 2.0)
    if kind == "centred_cosine":
        values, target = values - values.mean(), target - target.mean()
    scale = float(np.linalg.norm(values) * np.linalg.norm(target))
    return float(values @ target) / scale if scale > 1e-12 else 0.0
