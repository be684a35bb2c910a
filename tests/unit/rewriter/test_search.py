"""Adaptive value search: the Pareto set, its budget, and a known trade-off."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from negotiation.errors import MalformedReplyError, TextError
from rewriter.injection import Injection
from rewriter.search import Point, SearchConfig, pareto, search
from rewriter.vocabulary import Consistency, RewriteRequest, Rewriting
from tests.unit.rewriter.fakes import ZERO, LengthJudge, NumberDetector, NumberRewriter, no_guards, numbers

SOURCE = RewriteRequest("a", ZERO, ZERO)


def point(gain: float, consistency: float, number: int = 0) -> Point:
    rewriting = Rewriting(SOURCE, f"text {number}", ZERO, Consistency(consistency, consistency))
    return Point(rewriting, gain, consistency, 0)


POINTS = st.lists(
    st.tuples(st.integers(-4, 4), st.integers(0, 4)).map(lambda pair: point(pair[0] / 4, pair[1] / 4)),
    max_size=30,
)


@given(POINTS)
def test_the_front_is_what_no_other_dominates(points):
    front = pareto(points)
    for one in points:
        dominated = any(other.dominates(one) for other in points)
        same = any((other.gain, other.consistency) == (one.gain, one.consistency) for other in front)
        assert same is not dominated
    assert not any(one.dominates(other) for one in front for other in front)
    assert [one.gain for one in front] == sorted({one.gain for one in front})


def test_a_front_by_hand():
    #            kept: best gain  kept   behind (1)        kept: most consistent  equal to (3)
    points = [point(0.9, 0.2), point(0.5, 0.6), point(0.5, 0.5), point(0.0, 1.0), point(0.0, 1.0, 1)]
    assert pareto(points) == (points[3], points[1], points[0])


class TradeJudge:
    """Consistency falls with the movement of the values, but for a movement of Tradition alone, which is free up to .6."""

    name = "trade"

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Consistency]:
        judged = []
        for source, text in pairs:
            moved = np.array(numbers(text)) - np.array(numbers(source))
            cost = float(np.linalg.norm(np.delete(moved, 7))) + max(0.0, abs(moved[7]) - 0.6)
            judged.append(Consistency(*[max(0.0, 1.0 - cost)] * 2))
        return judged


def parts(rewriter: NumberRewriter | None = None) -> Injection:
    return Injection(NumberDetector(), rewriter or NumberRewriter(), TradeJudge(), no_guards)


def test_the_known_free_direction_is_found():
    found = search(parts(), "a b c", SearchConfig(budget=300, seed=1))
    at = {round(one.gain, 2): one.consistency for one in found.front}
    best_free = max(one.gain for one in found.front if one.consistency >= 0.95)
    # Along any other value a gain of .5 costs .5; only Tradition goes farther for nothing.
    assert best_free >= 0.5, at
    free = [one.rewriting.after for one in found.front if one.gain > 0.2 and one.consistency >= 0.95]
    assert free
    assert all(abs(after[7]) == max(map(abs, after)) for after in free)
    first = search(parts(), "a b c", SearchConfig(budget=48, seed=1))
    assert _area(found.front) > _area(first.front)  # refinement pays


def _area(front: Sequence[Point]) -> float:
    """Under the staircase, gain from 0."""
    area, low = 0.0, 0.0
    for one in front:
        area += max(0.0, one.gain - low) * one.consistency
        low = max(low, one.gain)
    return area


@pytest.mark.parametrize("budget", [1, 7, 48, 50])
def test_the_budget_holds(budget):
    rewriter = NumberRewriter()
    found = search(parts(rewriter), "a b c", SearchConfig(budget=budget))
    assert sum(rewriter.batches) == budget
    assert found.tree()["tried"] == budget


def test_same_seed_same_search():
    one, again, other = (
        search(parts(), "a b", SearchConfig(budget=60, seed=seed)).tree() for seed in (3, 3, 4)
    )
    assert one == again
    assert one != other


def test_failures_and_collapses_are_no_points():
    class Halting(NumberRewriter):
        def rewrite(self, requests):
            if any(request.target[0] > 0.3 for request in requests):
                raise MalformedReplyError("no whole reply")
            return ["collapsed" if request.target[0] < -0.3 else "a [1:0.1]" for request in requests]

    found = search(parts(Halting()), "a", SearchConfig(budget=48))
    tree = found.tree()
    assert tree["failures"] > 0
    assert tree["collapsed"] > 0
    assert len(found.front) + len(found.dominated) + tree["failures"] + tree["collapsed"] == 48
    assert all("collapsed" not in one.rewriting.text for one in (*found.front, *found.dominated))


def test_when_all_fail_the_front_is_empty():
    whole = Injection(NumberDetector(), NumberRewriter(), LengthJudge(), no_guards)
    found = search(whole, "stuck", SearchConfig(budget=60))
    assert found.front == ()
    assert found.failures == 60


def test_what_is_found_is_plain_json():
    tree = search(parts(), "a [2:0.5]", SearchConfig(budget=20)).tree()
    assert json.loads(json.dumps(tree, allow_nan=False)) == tree
    assert tree["values_before"][2] == 0.5
    assert all(abs(value) <= 1 for one in tree["front"] for value in one["target"])


def test_a_blank_text_is_refused():
    with pytest.raises(TextError):
        search(parts(), "  ")
