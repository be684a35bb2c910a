"""What is measured of a rewriting (VISA section 4), for one request and in the mean of a method.

For source y0 with values v0, target v*, rewriting y1 with values v1, a = v* - v0 and d = v1 - v0:

===============  ======================================================  ======
name             what                                                    better
===============  ======================================================  ======
forward          entailment y0 -> y1 (nothing invented), [0, 1]          higher
backward         entailment y1 -> y0 (nothing lost), [0, 1]              higher
consistency      mean of both                                            higher
l2               |v1 - v*|                                               lower
cosine           cos(v1, v*), [-1, 1]                                    higher
success          l2 < 0.8 and consistency > 0.3 (JSR), 0 or 1            higher
approach         1 - l2 / |a|: share of the distance that was closed    higher
progress         (d . a) / |a|^2: movement along the one asked for       1
drift            root mean square of d where |a_k| < 0.1                 lower
copied           the reply repeats its source (rewriter.guards)          lower
collapsed        blank, cut, degenerate or far from its source's length  lower
cut              the reply did not end within its bound                  lower
second_*         l2, approach, progress, success by another detector    as above
===============  ======================================================  ======

An unrelated text makes progress too: one half on average, if its values, the source's and the target are drawn alike. It does not
approach the target by that, so progress is to be read with approach: 0 for a copy, below 0 if a method ends farther from the
target than it began.

A blank reply has no values: it has consistency 0 and no success, and its distances are missing and counted. Progress and
approach are missing where nothing was asked to move, drift where everything was. The second detector has its own reading of the
source: it is set the same movement, v0' + a cut at -1 and 1, since its scale is its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewriter.guards import is_collapsed, is_copy
from rewriter.pairs.requests import STAYS, AskedUnit
from rewriter.vocabulary import ConsistencyJudge, Detector, RewriteRequest

SUCCESS_L2, SUCCESS_CONSISTENCY = 0.8, 0.3
"""Joint success asks for a smaller distance and a higher consistency (VISA section 4)."""

MEASURES = (
    "consistency",
    "forward",
    "backward",
    "l2",
    "cosine",
    "success",
    "approach",
    "progress",
    "drift",
    "copied",
    "collapsed",
    "cut",
    "second_l2",
    "second_approach",
    "second_progress",
    "second_success",
)
"""Names of measures, in the order of tables; those of a second detector are left out where there is none."""

LOWER_IS_BETTER = frozenset({"l2", "drift", "copied", "collapsed", "cut", "second_l2"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What a method wrote for a request.

    Attributes:
        text: stripped; blank if nothing was written.
        cut: it did not end within its bound.
    """

    text: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """One method's reply to one request, measured.

    Attributes:
        topic_id: of the source.
        size: |a|.
        reply: what was written.
        after: (10,) values read in it, None if it is blank.
        figures: by name; missing ones are not in it.
    """

    topic_id: int
    size: float
    reply: Reply
    after: tuple[float, ...] | None
    figures: Mapping[str, float]


def measure(
    asked: Sequence[AskedUnit],
    replies: Sequence[Reply],
    detector: Detector,
    judge: ConsistencyJudge,
    second: Detector | None = None,
) -> list[Measured]:
    """Measure one method's replies, in order."""
    written = [place for place, reply in enumerate(replies) if reply.text.strip()]
    texts = [replies[place].text for place in written]
    readings = detector.read(texts)
    judged = judge.judge(
        [(asked[place].request.source, text) for place, text in zip(written, texts, strict=True)]
    )
    others = second.read(texts) if second else []
    sources = second.read([asked[place].request.source for place in written]) if second else []
    found: list[Measured] = []
    order = {place: number for number, place in enumerate(written)}
    for place, (one, reply) in enumerate(zip(asked, replies, strict=True)):
        source = one.request.source
        figures = {
            "copied": float(is_copy(source, reply.text) is not None),
            "collapsed": float(
                is_collapsed(source, reply.text, "length" if reply.cut else "stop") is not None
            ),
            "cut": float(reply.cut),
        }
        number = order.get(place)
        if number is None:
            figures |= {"forward": 0.0, "backward": 0.0, "consistency": 0.0, "success": 0.0}
            figures |= {"second_success": 0.0} if second else {}
            found.append(Measured(one.topic_id, one.size, reply, None, figures))
            continue
        reading, consistency = readings[number], judged[number]
        figures |= {"forward": consistency.forward, "backward": consistency.backward}
        figures |= {"consistency": consistency.mean}
        figures |= value_figures(one.request, reading.vector, consistency.mean)
        if second:
            shifted = np.clip(sources[number].vector + one.asked, -1.0, 1.0)
            seen = RewriteRequest(one.request.source, sources[number].values, tuple(shifted.tolist()))
            by_second = value_figures(seen, others[number].vector, consistency.mean)
            figures |= {
                f"second_{name}": by_second[name]
                for name in ("l2", "approach", "progress", "success")
                if name in by_second
            }
        found.append(Measured(one.topic_id, one.size, reply, reading.values, figures))
    return found


def value_figures(
    request: RewriteRequest, after: NDArray[np.float64], consistency: float
) -> dict[str, float]:
    """Measures that come from values; see the head of this module.

    Args:
        request: with values before and target.
        after: (10,) values of the rewriting.
        consistency: mean of both directions.

    >>> request = RewriteRequest("A text.", (0.0,) * 10, (1.0, *(0.0,) * 9))
    >>> value_figures(request, np.array([0.5] + [0.0] * 9), 0.9)["progress"]
    0.5
    """
    before, target = np.array(request.before), np.array(request.target)
    asked, done = target - before, after - before
    l2 = float(np.linalg.norm(after - target))
    figures = {"l2": l2, "success": float(l2 < SUCCESS_L2 and consistency > SUCCESS_CONSISTENCY)}
    lengths = float(np.linalg.norm(after) * np.linalg.norm(target))
    # The zero vector has no direction; as a reward it would be worth nothing.
    figures["cosine"] = float(np.clip(after @ target / lengths, -1.0, 1.0)) if lengths > 1e-12 else 0.0
    if float(asked @ asked) > 1e-12:
        figures["progress"] = float(done @ asked / (asked @ asked))
        figures["approach"] = 1.0 - l2 / float(np.linalg.norm(asked))
    stays = np.abs(asked) < STAYS
    if stays.any():
        figures["drift"] = float(np.sqrt(np.mean(done[stays] ** 2)))
    return figures
