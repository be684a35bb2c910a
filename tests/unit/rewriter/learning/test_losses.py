"""Losses against cases worked by hand, and their gradients against finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewriter.learning.config import Normalisation
from rewriter.learning.dpo import dpo_loss
from rewriter.learning.grpo import grpo_loss, token_weights
from rewriter.learning.simpo import simpo_loss
from rewriter.learning.supervised import supervised_loss

SETTINGS = {"epsilon_low": 0.2, "epsilon_high": 0.3, "beta": 0.1, "importance_bound": 2.0}


def double(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def loss_of(ratio: float, advantage: float, **settings: float) -> Any:
    logprobs = double(math.log(ratio) - 1.0).requires_grad_()
    terms = grpo_loss(
        logprobs,
        double(-1.0),
        double(-1.0),
        None,
        double(advantage),
        double(1.0),
        **SETTINGS | {"beta": 0.0} | settings,
    )
    terms.loss.backward()
    return terms, float(logprobs.grad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "clipped"),
    [
        (1.1, 2.0, -2.2, False),
        (1.5, 2.0, -2.6, True),  # not more than 1 + 0.3
        (1.5, -2.0, 3.0, False),  # the worse of both
        (0.5, 2.0, -1.0, False),
        (0.5, -2.0, 1.6, True),  # not less than 1 - 0.2
    ],
)
def test_the_ratio_is_clipped_on_the_side_that_would_gain(
    ratio: float, advantage: float, loss: float, clipped: bool
) -> None:
    terms, slope = loss_of(ratio, advantage)
    assert terms.loss.item() == pytest.approx(loss)
    assert bool(terms.clipped) is clipped
    assert slope == pytest.approx(0.0 if clipped else -advantage * ratio)


def test_the_upper_bound_can_be_wider_than_the_lower() -> None:
    assert bool(loss_of(1.25, 1.0)[0].clipped) is False
    assert bool(loss_of(1.25, 1.0, epsilon_high=0.2)[0].clipped) is True


def test_stale_tokens_weigh_as_much_more_as_the_policy_likes_them_more_up_to_a_bound() -> None:
    proximal = double(-1.0, -1.0, -1.0)
    sampled = double(-1.0 - math.log(1.5), -1.0 + math.log(4.0), -9.0)
    ones = double(1.0, 1.0, 1.0)
    terms = grpo_loss(proximal.clone(), proximal, sampled, None, ones, ones, **SETTINGS | {"beta": 0.0})
    assert terms.importance.tolist() == pytest.approx([1.5, 0.25, 2.0])
    assert float(terms.loss) == pytest.approx(-3.75)


def test_the_divergence_is_never_below_zero_and_weighs_beta() -> None:
    logprobs, reference = double(-1.0, -2.0), double(-2.0, -1.0)
    terms = grpo_loss(logprobs, logprobs, logprobs, reference, double(0, 0), double(0.5, 0.5), **SETTINGS)
    expected = [math.exp(-1) + 1 - 1, math.exp(1) - 1 - 1]
    assert terms.kl.tolist() == pytest.approx(expected)
    assert float(terms.loss) == pytest.approx(0.1 * sum(expected) / 2)


def test_with_its_factor_the_gradient_is_that_of_the_true_divergence() -> None:
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=5)).requires_grad_()
    reference = torch.log_softmax(torch.tensor(rng.normal(size=5)), dim=0)
    zeros = torch.zeros(5, dtype=torch.float64)

    def slope(unbiased: bool) -> torch.Tensor:
        logs = torch.log_softmax(logits, dim=0)
        old = logs.detach()
        # The mean over all tokens by the policy is the expectation itself.
        loss = grpo_loss(logs, old, old, reference, zeros, old.exp(), **SETTINGS, unbiased=unbiased).loss
        return torch.autograd.grad(loss, logits)[0] / SETTINGS["beta"]

    logs = torch.log_softmax(logits, dim=0)
    (expected,) = torch.autograd.grad((logs.exp() * (logs - reference)).sum(), logits)
    torch.testing.assert_close(slope(unbiased=True), expected)
    assert not torch.allclose(slope(unbiased=False), expected, atol=0.01)


def test_the_divergence_estimates_the_true_one() -> None:
    rng = np.random.default_rng(0)
    policy, reference = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5))
    logs, other = torch.tensor(np.log(policy)), torch.tensor(np.log(reference))
    zeros = torch.zeros(5, dtype=torch.float64)
    terms = grpo_loss(logs, logs, logs, other, zeros, zeros, **SETTINGS)
    # The mean over all tokens by the policy is the expectation itself.
    assert float((torch.tensor(policy) * terms.kl).sum()) == pytest.approx(
        float((policy * np.log(policy / reference)).sum())
    )


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        ("dapo", [0.2] * 5),
        ("grpo", [0.5, 0.125, 0.125, 0.125, 0.125]),
        ("dr_grpo", [0.05] * 5),
    ],
)
def test_weights_of_tokens(normalisation: Normalisation, expected: list[float]) -> None:
    assert token_weights([1, 4], normalisation, 10, tokens=5, completions=2).tolist() == pytest.approx(
        expected
    )


@given(st.lists(st.integers(1, 10), min_size=1, max_size=8), st.sampled_from(["dapo", "grpo"]))
def test_weights_sum_to_one(lengths: list[int], normalisation: Normalisation) -> None:
    found = token_weights(lengths, normalisation, 10, tokens=sum(lengths), completions=len(lengths))
    assert found.sum() == pytest.approx(1.0)


def test_the_supervised_loss_is_the_mean_over_all_workers_tokens() -> None:
    assert float(supervised_loss(double(-1.0, -3.0), tokens=8)) == pytest.approx(0.5)


def test_direct_preferences_by_hand() -> None:
    # 0.1 * ((-10 + 12) - (-20 + 19)) = 0.3
    losses, margins = dpo_loss(double(-10), double(-20), double(-12), double(-19), beta=0.1)
    assert margins.tolist() == pytest.approx([0.3])
    assert losses.tolist() == pytest.approx([math.log(1 + math.exp(-0.3))])


def test_simple_preferences_by_hand() -> None:
    # 2 * (-10 / 5 + 20 / 8) - 0.4 = 0.6
    lengths = double(5), double(8)
    losses, margins = simpo_loss(double(-10), double(-20), lengths, beta=2.0, gamma=0.4)
    assert margins.tolist() == pytest.approx([0.6])
    assert losses.tolist() == pytest.approx([math.log(1 + math.exp(-0.6))])


def points(count: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    return tuple(
        torch.randn(count, dtype=torch.float64, generator=generator).requires_grad_(place == 0)
        for place in range(4)
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b, c, d: grpo_loss(a, b, c, d, 3 * c, b.abs(), **SETTINGS).loss,
        lambda a, b, c, d: dpo_loss(a, b, c, d, beta=0.3)[0].sum(),
        lambda a, b, c, d: simpo_loss(a, b, (c.abs() + 1, d.abs() + 1), beta=2.0, gamma=0.5)[0].sum(),
        lambda a, b, c, d: supervised_loss(a, 7),
    ],
    ids=["grpo", "dpo", "simpo", "sft"],
)
def test_gradients_against_finite_differences(function: Callable[..., torch.Tensor]) -> None:
    assert torch.autograd.gradcheck(function, points(12))
