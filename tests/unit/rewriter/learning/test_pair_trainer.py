"""Steps of SFT, DPO and SimPO."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from negotiation.errors import ConfigurationError, TextError
from rewriter.learning.config import DPOConfig, PairConfig, SFTConfig, SimPOConfig
from rewriter.learning.pair_trainer import PairTrainer
from rewriter.learning.vocabulary import PreferenceRow, SupervisedRow
from tests.unit.rewriter.learning.examples import request

MakePolicy = Callable[..., Any]
ROWS = [
    PreferenceRow(
        request(f"Case {number}: trust grows slowly."), f"Case {number}: trust.", f"Free speech {number}."
    )
    for number in range(5)
]
COMMON: dict[str, Any] = {"learning_rate": 1e-2, "warmup": 0.0, "steps": 8, "rank": 4, "batch": 3}
METHODS: list[PairConfig] = [SFTConfig(**COMMON), DPOConfig(**COMMON), SimPOConfig(**COMMON)]


def by_method(config: PairConfig) -> str:
    return config.method


@pytest.mark.parametrize("config", METHODS, ids=by_method)
def test_the_loss_falls_on_what_is_learned(make_policy: MakePolicy, config: PairConfig) -> None:
    trainer = PairTrainer(make_policy(), ROWS, config.model_copy(update={"batch": 5}))
    losses = [trainer.step().loss for _ in range(8)]
    assert all(loss is not None for loss in losses)
    assert losses[-1] < 0.7 * losses[0]  # type: ignore[operator]
    assert trainer.done


def test_preferences_put_the_chosen_above_the_rejected(make_policy: MakePolicy) -> None:
    trainer = PairTrainer(make_policy(), ROWS, DPOConfig(**COMMON | {"batch": 5}))
    first, *_, last = [trainer.step() for _ in range(8)]
    assert first.margin == pytest.approx(0.0, abs=1e-5)  # the policy is the reference yet
    assert first.loss == pytest.approx(np.log(2), abs=1e-5)
    assert last.accuracy == 1.0


@pytest.mark.parametrize("config", METHODS, ids=by_method)
@pytest.mark.parametrize("more", [{"pass_tokens": 1}, {"share_prompts": False}, {"pass_tokens": 500}])
def test_passes_change_nothing_but_the_rounding(
    make_policy: MakePolicy, config: PairConfig, more: dict[str, Any]
) -> None:
    outcomes = []
    for settings in (config, config.model_copy(update=more)):
        policy = make_policy(stirred=0.05)
        figures = PairTrainer(policy, ROWS, settings).step()
        outcomes.append((figures, policy.weights()))
    (one, weights), (other, others) = outcomes
    assert one.loss == pytest.approx(other.loss, abs=1e-4)
    assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-3)
    assert one.tokens == other.tokens
    for name, weight in weights.items():
        np.testing.assert_allclose(weight, others[name], atol=2e-3)


@pytest.mark.parametrize("config", METHODS, ids=by_method)
def test_going_on_gives_the_same_next_step_to_the_bit(
    make_policy: MakePolicy, tmp_path: Path, config: PairConfig
) -> None:
    policy = make_policy()
    trainer = PairTrainer(policy, ROWS, config)
    for _ in range(2):
        trainer.step()
    trainer.save(tmp_path)
    expected = [trainer.step() for _ in range(2)]
    other = make_policy(seed=3)
    fresh = PairTrainer(other, ROWS, config)
    fresh.load(tmp_path)
    assert [fresh.step() for _ in range(2)] == expected
    assert all(np.array_equal(other.weights()[name], w) for name, w in policy.weights().items())


def test_epochs_see_every_row_once_each(make_policy: MakePolicy) -> None:
    trainer = PairTrainer(make_policy(), ROWS, SFTConfig(**COMMON))
    seen = [place for step in range(5) for place in trainer.places(step)]
    for epoch in range(3):
        assert sorted(seen[5 * epoch : 5 * epoch + 5]) == [0, 1, 2, 3, 4]
    assert seen[:5] != seen[5:10]


def test_supervision_learns_the_chosen_of_pairs(make_policy: MakePolicy) -> None:
    pairs = PairTrainer(make_policy(), ROWS, SFTConfig(**COMMON)).step()
    plain = [SupervisedRow(row.request, row.chosen) for row in ROWS]
    assert PairTrainer(make_policy(), plain, SFTConfig(**COMMON)).step() == pairs


def test_evaluation_is_the_loss_of_supervision(make_policy: MakePolicy) -> None:
    policy = make_policy()
    trainer = PairTrainer(policy, ROWS, SFTConfig(**COMMON | {"batch": 5}))
    before = trainer.evaluate(ROWS)
    assert trainer.step().loss == pytest.approx(before, abs=1e-5)


def test_rows_of_the_wrong_kind_are_refused(make_policy: MakePolicy) -> None:
    with pytest.raises(ConfigurationError, match="row 0 has one answer; dpo needs"):
        PairTrainer(make_policy(), [SupervisedRow(request(), "Trust.")], DPOConfig())
    with pytest.raises(ConfigurationError, match="no rows"):
        PairTrainer(make_policy(), [], SFTConfig())


def test_an_answer_that_does_not_fit_is_refused(make_policy: MakePolicy) -> None:
    with pytest.raises(TextError, match="for the answer"):
        PairTrainer(make_policy(), [SupervisedRow(request(), "Trust grows. " * 200)], SFTConfig())


def test_blank_answers_are_refused() -> None:
    with pytest.raises(TextError, match="the answer"):
        SupervisedRow(request(), "  ")
    with pytest.raises(TextError, match="rejected"):
        PreferenceRow(request(), "Trust.", "")
