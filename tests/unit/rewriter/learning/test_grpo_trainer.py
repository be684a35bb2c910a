"""Steps of GRPO: what changes, what does not, and going on."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from negotiation.errors import ConfigurationError, RecordError
from rewriter.learning.config import GRPOConfig
from rewriter.learning.grpo_trainer import GRPOTrainer
from rewriter.learning.rollout import PolicyRollouts
from rewriter.learning.vocabulary import Completion, Reward
from tests.unit.rewriter.learning.examples import completion, random_completions, request

MakePolicy = Callable[..., Any]


def config(**settings: Any) -> GRPOConfig:
    return GRPOConfig(**{"learning_rate": 1e-2, "steps": 10, "warmup": 0.0, "rank": 4} | settings)


def rewards(count: int, seed: int = 0) -> list[Reward]:
    rng = np.random.default_rng(seed)
    return [Reward({"value": float(a), "consistency": float(b)}) for a, b in rng.random((count, 2))]


def as_sampled(policy: Any, completions: list[Completion]) -> list[Completion]:
    """The completions as if the policy itself had sampled them."""
    from dataclasses import replace

    from rewriter.learning.rows import passes

    found = {}
    for part in passes(
        [one.prompt for one in completions], [one.tokens for one in completions], 4096, share=False
    ):
        scored = torch.split(policy.scored(part), list(part.lengths))
        found |= {place: tuple(own.tolist()) for place, own in zip(part.places, scored, strict=True)}
    return [replace(one, logprobs=found[place]) for place, one in enumerate(completions)]


def test_a_first_step_has_ratio_one_and_no_divergence(make_policy: MakePolicy) -> None:
    policy = make_policy()
    completions = as_sampled(policy, random_completions(3, 4))
    figures = GRPOTrainer(policy, config()).step(completions, rewards(12))
    assert figures.ratio == pytest.approx(1.0)
    assert figures.importance == pytest.approx(1.0, abs=1e-4)
    assert figures.kl == pytest.approx(0.0, abs=1e-6)
    assert figures.clipped == 0.0
    assert figures.tokens == figures.trained == sum(len(one.tokens) for one in completions)
    assert figures.entropy is not None
    assert figures.entropy > 0
    assert figures.gradient_norm is not None
    assert figures.gradient_norm > 0
    assert figures.step == 1


def test_figures_of_rewards_and_lengths(make_policy: MakePolicy) -> None:
    completions = [
        completion(0, (5, 6, 2)),
        completion(0, (5,), finish="length"),
        completion(1, (7, 2)),
        completion(1, (8, 2)),
    ]
    earned = [
        Reward({"value": 0.0}, copied=True),
        Reward({"value": 1.0}, collapsed=True),
        Reward({"value": 0.5}),
        Reward({"value": 0.5}),
    ]
    figures = GRPOTrainer(make_policy(), config()).step(completions, earned)
    assert figures.rewards == {"value": 0.5}
    assert (figures.length, figures.finished, figures.copied, figures.collapsed) == (2.0, 0.75, 0.25, 0.25)
    assert figures.idle == 0.5


@pytest.mark.parametrize("sizes", ["one", "equal"])
def test_groups_of_one_or_of_equal_rewards_change_nothing(make_policy: MakePolicy, sizes: str) -> None:
    policy = make_policy(stirred=0.1)
    before = policy.weights()
    completions = random_completions(4, 1) if sizes == "one" else random_completions(2, 3)
    earned = rewards(4) if sizes == "one" else [Reward({"value": 0.1 / 3})] * 6
    figures = GRPOTrainer(policy, config(beta=0.0)).step(completions, earned)
    assert figures.gradient_norm == 0.0
    assert figures.idle == 1.0
    assert all(np.array_equal(before[name], weight) for name, weight in policy.weights().items())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_reward_that_is_no_number_skips_the_step_which_is_counted_and_told(
    make_policy: MakePolicy, bad: float, caplog: pytest.LogCaptureFixture
) -> None:
    policy = make_policy()
    before = policy.weights()
    trainer = GRPOTrainer(policy, config())
    completions, earned = random_completions(2, 2), rewards(4)
    with caplog.at_level(logging.WARNING):
        figures = trainer.step(completions, [Reward({"value": bad, "consistency": 0.5}), *earned[1:]])
    assert figures.skipped
    assert (figures.skips, figures.step, figures.loss, figures.tokens) == (1, 1, None, 0)
    assert figures.rewards["value"] == pytest.approx(np.mean([one.parts["value"] for one in earned[1:]]))
    assert "not finite" in caplog.text
    assert all(np.array_equal(before[name], weight) for name, weight in policy.weights().items())
    assert not trainer.step(completions, earned).skipped


def test_better_completions_become_likelier(make_policy: MakePolicy) -> None:
    policy = make_policy()
    good, bad = completion(0, (5, 6, 2)), completion(0, (9, 8, 2))
    trainer = GRPOTrainer(policy, config(beta=0.0))

    def difference() -> float:
        now = as_sampled(policy, [good, bad])
        return sum(now[0].logprobs) - sum(now[1].logprobs)

    start = difference()
    for _ in range(3):
        trainer.step(as_sampled(policy, [good, bad]), [Reward({"value": 1.0}), Reward({"value": 0.0})])
    assert difference() > start + 0.5


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"epochs": 2, "minibatches": 2},
        {"normalisation": "grpo"},
        {"normalisation": "dr_grpo", "scale_rewards": False},
    ],
)
def test_passes_change_nothing_but_the_rounding(make_policy: MakePolicy, settings: dict[str, Any]) -> None:
    completions, earned = random_completions(4, 3), rewards(12)
    outcomes = []
    for more in ({}, {"pass_tokens": 40}, {"share_prompts": False}):
        policy = make_policy(stirred=0.1)
        figures = GRPOTrainer(policy, config(**settings | more)).step(as_sampled(policy, completions), earned)
        outcomes.append((figures, policy.weights()))
    for figures, weights in outcomes[1:]:
        assert figures.loss == pytest.approx(outcomes[0][0].loss, abs=1e-4)
        assert (
            figures.tokens
            == outcomes[0][0].tokens
            == sum(len(one.tokens) for one in completions) * settings.get("epochs", 1)
        )
        for name, weight in weights.items():
            np.testing.assert_allclose(weight, outcomes[0][1][name], atol=2e-3)


def test_several_updates_move_the_ratio_from_one(make_policy: MakePolicy) -> None:
    policy = make_policy()
    completions = as_sampled(policy, random_completions(4, 4))
    figures = GRPOTrainer(policy, config(epochs=4, learning_rate=0.05)).step(completions, rewards(16))
    assert figures.clipped is not None
    assert figures.clipped > 0
    assert figures.importance == pytest.approx(1.0, abs=1e-4)


def _double_norm(norm: Any, given: torch.Tensor) -> torch.Tensor:
    return norm.weight * given * torch.rsqrt(given.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon)


def test_the_gradient_of_a_step_against_finite_differences(
    make_policy: MakePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In double precision, over a whole pass of the tiny model."""
    from rewriter.learning.grpo import grpo_loss, token_weights
    from rewriter.learning.rows import passes

    policy = make_policy(stirred=0.3)
    policy.model.double()
    norms = {type(part) for name, part in policy.model.named_modules() if name.endswith("norm")}
    for norm in norms:  # which compute in single precision whatever they are given
        monkeypatch.setattr(norm, "forward", _double_norm)
    completions = random_completions(2, 2, longest=4)
    part, *rest = passes(
        [one.prompt for one in completions], [one.tokens for one in completions], 4096, share=True
    )
    assert not rest
    old = policy.scored(part) + 0.05
    reference = policy.reference(part)
    advantages = torch.repeat_interleave(
        torch.tensor([1.0, -1.0, 0.5, -0.5]).double(), torch.tensor(part.lengths)
    )
    weights = torch.from_numpy(token_weights(part.lengths, "grpo", 8, sum(part.lengths), 4))

    def loss() -> torch.Tensor:
        return grpo_loss(
            policy.logprobs(part)[0],
            old,
            old,
            reference,
            advantages,
            weights,
            epsilon_low=0.2,
            epsilon_high=0.2,
            beta=0.1,
            importance_bound=2.0,
        ).loss

    loss().backward()
    rng = np.random.default_rng(0)
    for parameter in list(policy.parameters.values())[::5]:
        place = tuple(int(rng.integers(size)) for size in parameter.shape)
        slope = float(parameter.grad[place])
        step = 1e-5
        with torch.no_grad():
            value = float(parameter[place])
            parameter[place] = value + step
            above = float(loss())
            parameter[place] = value - step
            below = float(loss())
            parameter[place] = value
        assert slope == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-9)


def test_going_on_gives_the_same_next_step_to_the_bit(make_policy: MakePolicy, tmp_path: Path) -> None:
    settings = config(epochs=2, minibatches=2)
    policy = make_policy()
    trainer = GRPOTrainer(policy, settings)
    steps = [(random_completions(4, 3, seed), rewards(12, seed)) for seed in range(4)]
    for step in steps[:2]:
        trainer.step(*step)
    trainer.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.json", "state.safetensors"]
    expected = [trainer.step(*step) for step in steps[2:]]

    other = make_policy(seed=9)
    fresh = GRPOTrainer(other, settings)
    fresh.load(tmp_path)
    assert fresh.steps_done == 2
    assert [fresh.step(*step) for step in steps[2:]] == expected
    weights = other.weights()
    assert all(np.array_equal(weights[name], weight) for name, weight in policy.weights().items())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": {"rank": 8}}, "another"),
        ({"identity": {"base": "other"}}, "it is of"),
        ({"trained": None}, "cannot be used"),
    ],
)
def test_a_state_of_another_training_is_refused(
    make_policy: MakePolicy, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    trainer = GRPOTrainer(make_policy(), config())
    trainer.step(random_completions(2, 2), rewards(4))
    trainer.save(tmp_path)
    index = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps(index | change))
    with pytest.raises(RecordError, match=told):
        trainer.load(tmp_path)


def test_a_torn_state_is_refused(make_policy: MakePolicy, tmp_path: Path) -> None:
    trainer = GRPOTrainer(make_policy(), config())
    trainer.save(tmp_path)
    whole = (tmp_path / "state.safetensors").read_bytes()
    (tmp_path / "state.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordError, match="begin a new training"):
        trainer.load(tmp_path)


def test_steps_without_completions_or_rewards_are_refused(make_policy: MakePolicy) -> None:
    trainer = GRPOTrainer(make_policy(), config())
    with pytest.raises(ConfigurationError, match="0 completions"):
        trainer.step([], [])
    with pytest.raises(ConfigurationError, match="one reward each"):
        trainer.step(random_completions(1, 2), rewards(1))


def test_a_spent_budget_ends_the_training(make_policy: MakePolicy) -> None:
    trainer = GRPOTrainer(make_policy(), config(budget=10))
    assert not trainer.done
    trainer.step(random_completions(2, 4), rewards(8))
    assert trainer.done


def test_on_a_bandit_with_a_known_optimum_it_reaches_it(make_policy: MakePolicy) -> None:
    """One token a completion, 384 arms: the model's likeliest pays little, its third likeliest most."""
    policy = make_policy()
    asked = [(group, request()) for group in range(4)]
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([policy.tokens.prompt(request())])).logits[0, -1]
    decoy, better, best = logits.argsort(descending=True)[:3].tolist()
    pays = {decoy: 0.2, better: 0.5, best: 1.0}
    trainer = GRPOTrainer(policy, config(steps=40, beta=0.0))
    writer = PolicyRollouts(policy, max_tokens=1)
    for step in range(40):
        found = writer.write(asked, 16, seed=step)
        trainer.step(found, [Reward({"pay": pays.get(one.tokens[0], 0.0)}) for one in found])
    last = writer.write(asked, 100, seed=1000)
    assert np.mean([one.tokens[0] == best for one in last]) > 0.9
