"""The values of rewriting check themselves and pickle; the prompt names every value with number and words."""

from __future__ import annotations

import pickle

import pytest

from agents.values import SCHWARTZ_VALUES
from negotiation.errors import TargetError, TextError
from rewriter.prompts import RewritePrompts
from rewriter.vocabulary import Consistency, RewriteRequest, Rewriting, Shift, ValueReading, value_vector

ZERO = (0.0,) * 10
REQUEST = RewriteRequest("Elders decide, since they know.", ZERO, (0.8, -0.7, 0.24, *ZERO[3:]))


@pytest.mark.parametrize("value", [ValueReading(ZERO, 0.5), Consistency(0.2, 0.4, ("3 is lost",)), REQUEST])
def test_values_pickle(value):
    assert pickle.loads(pickle.dumps(value)) == value


def test_a_rewriting_pickles():
    done = Rewriting(REQUEST, "Each decides.", ZERO, Consistency(0.1, 0.3))
    assert pickle.loads(pickle.dumps(done)) == done
    assert done.consistency.mean == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("numbers", "part"),
    [([0.0] * 9, "9 numbers"), ([0.0] * 9 + [1.2], "Universalism is 1.2"), ([float("nan")] * 10, "nan")],
)
def test_a_wrong_vector_is_told_by_name_and_value(numbers, part):
    with pytest.raises(TargetError, match=part):
        value_vector(numbers, "target")


def test_a_blank_text_is_refused():
    with pytest.raises(TextError, match="text to rewrite"):
        RewriteRequest(" \n", ZERO, ZERO)


def test_a_target_is_clipped():
    assert Shift((1.5, -1.5, *ZERO[2:])).target((0.2, 0.2, *ZERO[2:]))[:3] == (1.0, -1.0, 0.0)


def test_the_prompt_names_each_value():
    system, user = RewritePrompts.load().messages(REQUEST)
    assert system.role == "system"
    assert "Elders decide, since they know." in user.content
    assert all(name in user.content for name in SCHWARTZ_VALUES)
    assert "Self-Direction +0.8: strongly for, much more" in user.content
    assert "Stimulation -0.7: against, less" in user.content
    assert "Hedonism +0.2: neutral, more" in user.content
    assert "Power +0.0: neutral, as it is" in user.content


def test_a_text_with_braces_is_only_a_text():
    odd = RewriteRequest("A {source} of {values}.", ZERO, ZERO)
    assert "A {source} of {values}." in RewritePrompts.load().messages(odd)[1].content
