"""Sampling of completions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from negotiation.errors import ConfigurationError
from rewriter.learning.rollout import PolicyRollouts
from rewriter.learning.rows import passes
from tests.unit.rewriter.learning.examples import request

MakePolicy = Callable[..., Any]
ASKED = [
    (3, request("Trust grows slowly.")),
    (4, request("Let each side report.")),
    (9, request("Free speech.")),
]


def test_recorded_log_probabilities_are_those_of_the_policy(make_policy: MakePolicy) -> None:
    policy = make_policy(stirred=0.1)
    found = PolicyRollouts(policy, max_tokens=24).write(ASKED, 5, seed=1)
    assert [one.group for one in found] == [3] * 5 + [4] * 5 + [9] * 5
    for part in passes([one.prompt for one in found], [one.tokens for one in found], 4096, share=False):
        recorded = np.concatenate([found[place].logprobs for place in part.places])
        np.testing.assert_allclose(policy.scored(part), recorded, atol=5e-5)


def test_completions_end_at_their_end_or_bound(make_policy: MakePolicy) -> None:
    found = PolicyRollouts(make_policy(stirred=0.1), max_tokens=40).write(ASKED, 16, seed=2)
    lengths = {len(one.tokens) for one in found}
    assert len(lengths) > 5  # rows end at different times, so that the loop is cut down in all its ways
    for one in found:
        if one.finish == "stop":
            assert one.tokens[-1] == 2
        else:
            assert len(one.tokens) == 40
        assert 2 not in one.tokens[:-1]
        assert one.text == one.text.strip()


def test_a_completion_does_not_hang_on_its_company(make_policy: MakePolicy) -> None:
    policy = make_policy(stirred=0.1)
    together = PolicyRollouts(policy, max_tokens=24).write(ASKED, 4, seed=1)
    few = PolicyRollouts(policy, max_tokens=24, rows=4).write(ASKED, 4, seed=1)
    alone = [
        one for asked in ASKED for one in PolicyRollouts(policy, max_tokens=24).write([asked], 4, seed=1)
    ]
    policy.shares = False
    apart = PolicyRollouts(policy, max_tokens=24).write(ASKED, 4, seed=1)
    for other in (few, alone, apart):
        assert [one.tokens for one in other] == [one.tokens for one in together]


def test_seeds_and_members_differ(make_policy: MakePolicy) -> None:
    writer = PolicyRollouts(make_policy(), max_tokens=12)
    first, second = (writer.write(ASKED[:1], 4, seed=seed) for seed in (1, 2))
    assert len({one.tokens for one in [*first, *second]}) == 8


def test_frequencies_are_the_probabilities(make_policy: MakePolicy) -> None:
    policy = make_policy()
    found = PolicyRollouts(policy, max_tokens=1, rows=4096).write(ASKED[:1], 4000, seed=0)
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([found[0].prompt])).logits[0, -1]
    probabilities = torch.softmax(logits.float(), dim=0).numpy()
    counts = np.bincount([one.tokens[0] for one in found], minlength=len(probabilities))
    # Six standard deviations; the tokens that are seen at all often.
    likely = probabilities > 0.005
    spread = np.sqrt(probabilities * (1 - probabilities) * 4000)
    assert (np.abs(counts - 4000 * probabilities)[likely] < 6 * spread[likely]).all()


def test_the_log_probability_is_of_temperature_one(make_policy: MakePolicy) -> None:
    policy = make_policy(stirred=0.1)
    (one,) = PolicyRollouts(policy, max_tokens=8, temperature=0.5).write(ASKED[:1], 1, seed=0)
    (part,) = passes([one.prompt], [one.tokens], 4096, share=True)
    np.testing.assert_allclose(policy.scored(part), one.logprobs, atol=5e-5)


def test_new_weights_are_taken_with_their_version(make_policy: MakePolicy) -> None:
    learner, policy = make_policy(stirred=0.2), make_policy()
    writer = PolicyRollouts(policy, max_tokens=8)
    before = writer.write(ASKED, 2, seed=0)
    writer.load(7, learner.weights())
    after = writer.write(ASKED, 2, seed=0)
    assert {one.version for one in before} == {0}
    assert {one.version for one in after} == {7}
    expected = PolicyRollouts(learner, max_tokens=8).write(ASKED, 2, seed=0)
    assert [one.tokens for one in after] == [one.tokens for one in expected]
    assert [one.tokens for one in after] != [one.tokens for one in before]


def test_the_window_bounds_a_completion(make_policy: MakePolicy) -> None:
    policy = make_policy(stirred=0.1)
    prompt = len(policy.tokens.prompt(ASKED[0][1]))
    policy.window = prompt + 3
    found = PolicyRollouts(policy, max_tokens=40).write(ASKED[:1], 8, seed=0)
    assert max(len(one.tokens) for one in found) == 3


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"temperature": 0.0}, {"rows": 0}])
def test_numbers_out_of_range_are_refused(make_policy: MakePolicy, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        PolicyRollouts(make_policy(), **{"max_tokens": 4} | wrong)
