"""The whole way from text to text, with scripted parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from negotiation.errors import ConfigurationError, ModelError, ModelServerError, TargetError, TextError
from rewriter.injection import Failure, Injection, best_of, gain
from rewriter.targets import Absolute
from rewriter.vocabulary import Consistency, RewriteRequest, Rewriting, Shift
from tests.unit.rewriter.fakes import ZERO, LengthJudge, NumberDetector, NumberRewriter, no_guards

UP = Shift((0.5, *ZERO[1:]))


def injection(**parts: object) -> Injection:
    made = {"detector": NumberDetector(), "rewriter": NumberRewriter(), "judge": LengthJudge()} | parts
    return Injection(**made, guarded=no_guards)


def test_a_text_goes_where_its_aim_says():
    injected = injection().inject(["a b [0:0.2] [3:-0.4]"], [UP])
    (done,) = injected.rewritings
    assert done.request.before[:4] == (0.2, 0.0, 0.0, -0.4)
    assert done.request.target[:4] == pytest.approx((0.7, 0.0, 0.0, -0.4))
    assert done.after[:4] == pytest.approx((0.7, 0.0, 0.0, -0.4))
    assert done.consistency.mean == 1.0


def test_every_step_is_one_batch():
    whole = injection()
    whole.inject(["a", "b", "c"], [UP, Absolute(ZERO), UP])
    assert whole.detector.batches == [3, 3]
    assert whole.rewriter.batches == [3]


def test_one_aim_serves_all_and_other_numbers_do_not():
    assert len(injection().inject(["a", "b"], [UP]).rewritings) == 2
    with pytest.raises(TargetError, match="3 texts with 2 targets"):
        injection().inject(["a", "b", "c"], [UP, UP])


def test_a_blank_text_is_told_by_its_place():
    with pytest.raises(TextError, match="text 1 is empty"):
        injection().inject(["a", " "], [UP])


def test_nothing_in_nothing_out():
    assert injection().inject([], []).outcomes == ()


def test_copies_and_collapses_are_counted():
    texts = {"same": "same", "odd": "collapsed", "fine": "fine words"}
    whole = injection(rewriter=NumberRewriter(lambda request: texts[request.source]))
    injected = whole.inject(list(texts), [UP])
    assert (injected.copies, injected.collapses) == (1, 1)
    assert [done.faults for done in injected.rewritings] == [("copy: the same",), ("collapse: odd",), ()]


@pytest.mark.parametrize("error", [TextError("too long"), ModelError("above the window")])
def test_a_text_that_is_too_long_is_a_failure_of_its_own(error):
    class Narrow(NumberRewriter):
        def rewrite(self, requests):
            if any(len(request.source) > 10 for request in requests):
                raise error
            return super().rewrite(requests)

    injected = injection(rewriter=Narrow()).inject(["a", "b" * 11, "c"], [UP])
    assert [type(outcome) for outcome in injected.outcomes] == [Rewriting, Failure, Rewriting]
    assert injected.failures[0].error is error


def test_a_server_that_is_down_stops_everything():
    class Down(NumberRewriter):
        def rewrite(self, requests):
            raise ModelServerError("down")

    with pytest.raises(ModelServerError):
        injection(rewriter=Down()).inject(["a", "b"], [UP])


def test_one_text_that_fails_does_not_stop_the_others():
    whole = injection()
    injected = whole.inject(["a", "b", "stuck", "d", "e"], [UP])
    kinds = [type(outcome) for outcome in injected.outcomes]
    assert kinds == [Rewriting, Rewriting, Failure, Rewriting, Rewriting]
    assert [done.request.source for done in injected.rewritings] == ["a", "b", "d", "e"]
    assert injected.failures[0].reason == "no whole reply; use another model"
    assert whole.rewriter.batches == [5, 2, 3, 1, 2]


VECTORS = st.lists(st.floats(-1, 1), min_size=10, max_size=10).map(tuple)


@given(VECTORS, VECTORS)
def test_gain_is_the_asked_distance_where_the_target_is_met(before, target):
    distance = float(np.linalg.norm(np.array(target) - np.array(before)))
    assert gain(before, target, target) == pytest.approx(distance)
    assert gain(before, before, target) == pytest.approx(0.0)


def test_gain_by_hand():
    # asked (3, 4)/10: a unit direction of (.6, .8); moved (.5, -.1)
    assert gain(ZERO, (0.5, -0.1, *ZERO[2:]), (0.3, 0.4, *ZERO[2:])) == pytest.approx(0.5 * 0.6 - 0.1 * 0.8)


def test_the_guards_that_come_with_it_tell_a_copy():
    source = "Everyone decides freely how to live, and nobody has to ask the elders of the town."
    whole = Injection(NumberDetector(), NumberRewriter(lambda request: request.source), LengthJudge())
    assert whole.inject([source], [UP]).copies == 1
    blown = Injection(NumberDetector(), NumberRewriter(lambda request: "so on and " * 300), LengthJudge())
    assert blown.inject([source], [UP]).collapses == 1


def outcome(l2: float, kept: float, *faults: str) -> Rewriting:
    request = RewriteRequest("a", ZERO, ZERO)
    return Rewriting(request, "b", (l2, *ZERO[1:]), Consistency(kept, kept), faults)


@pytest.mark.parametrize(
    ("outcomes", "best"),
    [
        ([outcome(0.5, 0.9), outcome(0.2, 0.4)], 1),  # nearer, and still says what its source says
        ([outcome(0.5, 0.9), outcome(0.2, 0.3)], 0),  # 0.3 is not above the line
        ([outcome(0.0, 0.9, "copy: the same"), outcome(0.8, 0.4)], 1),
        (
            [outcome(0.0, 0.1), outcome(0.9, 0.2), outcome(0.0, 1.0, "copy: the same")],
            1,
        ),  # none is above the line
        (
            [outcome(0.1, 0.1, "collapse: short"), outcome(0.9, 0.2, "copy: the same")],
            1,
        ),  # the guards let none pass
        ([outcome(0.5, 0.9), outcome(0.5, 0.4)], 0),  # a tie
        ([Failure(RewriteRequest("a", ZERO, ZERO), TextError("long")), outcome(1.0, 0.0)], 1),
    ],
)
def test_the_best_of_several(outcomes, best):
    assert best_of(outcomes) is outcomes[best]


def test_each_sample_is_asked_for_by_its_number_in_one_batch():
    numbers = []

    def writes(request):
        numbers.append(request.sample)
        return f"a b [0:{0.1 * request.sample}]"

    whole = injection(rewriter=NumberRewriter(writes), samples=4)
    (done,) = whole.inject(["a b"], [Shift((0.2, *ZERO[1:]))]).outcomes
    assert numbers == [0, 1, 2, 3]
    assert whole.rewriter.batches == [4]
    assert done.after[0] == pytest.approx(0.2)
    assert done.request.sample == 2


def test_samples_below_one_are_refused():
    with pytest.raises(ConfigurationError, match="samples is 0"):
        injection(samples=0)
