"""Tables from measured rewritings."""

from __future__ import annotations

import numpy as np
import pytest

from negotiation.errors import ConfigurationError
from rewriter.evaluation.measures import Measured, Reply
from rewriter.evaluation.runs import average
from rewriter.evaluation.summary import differences, summarise


def one(topic: int, size: float, **figures: float) -> Measured:
    return Measured(topic, size, Reply("text"), (0.0,) * 10, figures)


def test_rows_are_means_over_requests_with_topics_as_units() -> None:
    found = [one(1, 0.9, success=1.0), one(1, 1.3, success=0.0), one(2, 0.9, success=1.0)]
    overall, small, large = summarise({"m": found}, (0.8, 1.2, 1.6))
    assert overall.figures["success"].estimate == pytest.approx(2 / 3)
    assert overall.figures["success"].units == 2
    assert (small.sizes, small.requests, small.figures["success"].estimate) == ((0.8, 1.2), 2, 1.0)
    assert (large.requests, large.figures["success"].estimate) == (1, 0.0)
    assert "l2" not in overall.figures


def test_requests_without_a_reply_are_counted() -> None:
    blank = Measured(1, 0.9, Reply(""), None, {"success": 0.0})
    [row] = summarise({"m": [blank, one(1, 0.9, success=1.0)]}, ())
    assert row.blank == 1
    assert row.figures["success"].estimate == 0.5


def test_differences_are_paired_by_request() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(0.0, 5.0, size=40)
    low = [one(topic, 1.0, l2=value) for topic, value in enumerate(base)]
    high = [one(topic, 1.0, l2=value + 0.1) for topic, value in enumerate(base)]
    [found] = differences({"low": low, "high": high}, [("high", "low")], ("l2",))
    assert found.interval.estimate == pytest.approx(0.1)
    assert found.interval.low == pytest.approx(0.1)  # unpaired, the spread of 5 would hide it
    assert found.p_value < 0.01


def test_a_request_that_one_of_two_lacks_is_left_out_of_their_difference() -> None:
    a = [one(1, 1.0, l2=1.0), one(2, 1.0, success=0.0)]
    b = [one(1, 1.0, l2=0.5), one(2, 1.0, l2=9.0)]
    [found] = differences({"a": a, "b": b}, [("a", "b")], ("l2",))
    assert (found.interval.estimate, found.interval.units) == (0.5, 1)


def test_methods_on_other_requests_are_refused() -> None:
    found = {"a": [one(1, 1.0, l2=1.0)], "b": []}
    with pytest.raises(ConfigurationError, match="same ones"):
        summarise(found, ())
    with pytest.raises(ConfigurationError, match="same ones"):
        differences(found, [("a", "b")])


def test_runs_are_averaged_by_request() -> None:
    blank = Measured(1, 1.0, Reply(""), None, {"success": 0.0})
    [first, second] = average(
        [
            [one(1, 1.0, success=1.0, l2=0.4), one(2, 1.0, success=1.0)],
            [blank, one(2, 1.0, success=0.0)],
        ]
    )
    assert first.figures == {"success": 0.5, "l2": 0.4}
    assert first.after is None
    assert second.figures == {"success": 0.5}


def test_runs_must_be_over_the_same_requests() -> None:
    with pytest.raises(ConfigurationError, match=r"runs of \[1, 0\]"):
        average([[one(1, 1.0)], []])
    with pytest.raises(ConfigurationError, match="at least one"):
        average([])
