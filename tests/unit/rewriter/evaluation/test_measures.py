"""Measures of one rewriting, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewriter.evaluation.measures import Reply, measure, value_figures
from rewriter.pairs.requests import AskedUnit
from rewriter.vocabulary import RewriteRequest, ValueReading
from tests.unit.rewriter.pairs.fakes import WORDS, WordDetector, WordJudge

ZERO = (0.0,) * 10
FIRST = (0.5, *(0.0,) * 9)


def request(target: tuple[float, ...] = FIRST, before: tuple[float, ...] = ZERO) -> RewriteRequest:
    return RewriteRequest("Plain words here.", before, target)


def test_a_hand_computed_case() -> None:
    # asked: +0.5 of the first; done: +0.4 of the first and +0.3 of the second
    after = np.array([0.4, 0.3, *(0.0,) * 8])
    figures = value_figures(request(), after, 0.9)
    assert figures["l2"] == pytest.approx(math.hypot(0.1, 0.3))
    assert figures["cosine"] == pytest.approx(0.4 / 0.5)
    assert figures["progress"] == pytest.approx(0.8)
    assert figures["approach"] == pytest.approx(1.0 - math.hypot(0.1, 0.3) / 0.5)
    assert figures["drift"] == pytest.approx(0.3 / 3)  # nine values were to stay: sqrt(0.09 / 9)
    assert figures["success"] == 1.0


@pytest.mark.parametrize(
    ("consistency", "reached", "success"), [(0.3, 0.5, 0.0), (0.31, 0.5, 1.0), (0.9, -0.3, 0.0)]
)
def test_success_needs_both_strictly(consistency: float, reached: float, success: float) -> None:
    # -0.3 is 0.8 away from 0.5, which is not below 0.8 (nor above by rounding)
    after = np.array([reached, *(0.0,) * 9])
    assert value_figures(request(), after, consistency)["success"] == success


def test_what_does_not_exist_is_missing() -> None:
    assert "progress" not in value_figures(request(ZERO), np.array(FIRST), 0.9)
    assert "drift" not in value_figures(request((0.5,) * 10), np.array(FIRST), 0.9)
    assert value_figures(request(), np.zeros(10), 0.9)["cosine"] == 0.0


@given(
    after=arrays(np.float64, 10, elements=st.floats(-1, 1)),
    target=arrays(np.float64, 10, elements=st.floats(-1, 1)),
)
def test_reaching_the_target_is_best(after: np.ndarray, target: np.ndarray) -> None:
    asked = RewriteRequest("A text.", ZERO, tuple(target.tolist()))
    there, elsewhere = value_figures(asked, target, 1.0), value_figures(asked, after, 1.0)
    assert there["l2"] == 0.0 <= elsewhere["l2"]
    assert there["cosine"] >= elsewhere["cosine"] - 1e-9
    if "progress" in there:
        assert there["progress"] == pytest.approx(1.0)


def test_a_copy_and_a_blank_and_a_moved_text() -> None:
    source = "Plain words here."
    asked = [AskedUnit(RewriteRequest(source, ZERO, FIRST), 3, "sparse")] * 3
    replies = [Reply(source), Reply(" ", cut=True), Reply("Plain free words here.")]
    copy, blank, moved = measure(asked, replies, WordDetector(), WordJudge())
    assert (copy.figures["copied"], copy.figures["progress"], copy.figures["l2"]) == (1.0, 0.0, 0.5)
    assert copy.figures["consistency"] == 1.0
    assert blank.after is None
    assert "l2" not in blank.figures
    assert (blank.figures["consistency"], blank.figures["success"], blank.figures["cut"]) == (0.0, 0.0, 1.0)
    assert blank.figures["collapsed"] == 1.0
    assert (moved.figures["progress"], moved.figures["l2"], moved.figures["copied"]) == (1.0, 0.0, 0.0)
    assert moved.figures["backward"] == 1.0
    assert moved.figures["forward"] == pytest.approx(3 / 4)
    assert moved.topic_id == 3
    assert moved.size == 0.5


class Stubborn:
    """Reads 0.25 of the first value in everything."""

    name = "stubborn"

    def read(self, texts: list[str]) -> list[ValueReading]:
        return [ValueReading((0.25, *(0.0,) * 9), 1.0) for _ in texts]


def test_the_second_detector_is_set_the_same_movement_from_its_own_reading() -> None:
    asked = [AskedUnit(RewriteRequest("Plain words here.", ZERO, FIRST), 1, "sparse")]
    [found] = measure(asked, [Reply("Plain free words.")], WordDetector(), WordJudge(), Stubborn())
    # It saw nothing move: its target is 0.25 + 0.5, and it still reads 0.25.
    assert found.figures["second_progress"] == pytest.approx(0.0)
    assert found.figures["second_l2"] == pytest.approx(0.5)
    assert found.figures["progress"] == pytest.approx(1.0)


def test_words_of_the_fake_are_ten() -> None:
    assert len(WORDS) == 10
