"""Whole trainings in one process, on the tiny model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.tuning.curves import read_events
from negotiation.errors import ConfigurationError
from rewriter.learning.config import DPOConfig, GRPOConfig, SFTConfig
from rewriter.learning.loop import ADAPTER, learn_from_rewards, learn_from_rows
from rewriter.learning.vocabulary import Completion, PairFigures, PreferenceRow, Reward, StepFigures
from tests.unit.rewriter.learning.examples import request

MakePolicy = Callable[..., Any]
REQUESTS = [request(f"Case {number}.") for number in range(6)]


class Vowels:
    """Pays for the share of letters that are vowels, and for letters at all."""

    def judge(self, completions: Sequence[Completion]) -> list[Reward]:
        return [
            Reward(
                {
                    "vowels": sum(letter in "aeiou" for letter in one.text) / max(1, len(one.text)),
                    "letters": sum(letter.isalpha() for letter in one.text) / max(1, len(one.text)),
                }
            )
            for one in completions
        ]


def config(**settings: Any) -> GRPOConfig:
    common = {"learning_rate": 5e-3, "warmup": 0.0, "rank": 4, "prompts": 4, "group": 8, "max_tokens": 12}
    return GRPOConfig(**common | {"steps": 24, "beta": 0.0} | settings)


def smoothed(curve: Sequence[float], window: int) -> list[float]:
    return [float(np.mean(curve[place : place + window])) for place in range(0, len(curve), window)]


def test_the_smoothed_reward_rises_throughout(make_policy: MakePolicy) -> None:
    figures: list[StepFigures | PairFigures] = []
    learn_from_rewards(make_policy(), REQUESTS, Vowels(), config(), told=figures.append)
    rewards = [sum(one.rewards.values()) for one in figures if isinstance(one, StepFigures)]
    curve = smoothed(rewards, 6)
    assert len(curve) == 4
    assert all(after > before for before, after in itertools.pairwise(curve)), curve
    assert curve[-1] > curve[0] + 0.2


def test_a_training_that_stops_goes_on_as_if_it_had_not(make_policy: MakePolicy, tmp_path: Path) -> None:
    settings = config(steps=4, check_every=2)
    whole: list[Any] = []
    learn_from_rewards(make_policy(), REQUESTS, Vowels(), settings, tmp_path / "whole", told=whole.append)

    class Stop(Exception):
        pass

    def stop(figures: Any) -> None:
        if figures.step == 3:
            raise Stop

    with pytest.raises(Stop):
        learn_from_rewards(make_policy(), REQUESTS, Vowels(), settings, tmp_path / "torn", told=stop)
    rest: list[Any] = []
    learn_from_rewards(make_policy(seed=1), REQUESTS, Vowels(), settings, tmp_path / "torn", told=rest.append)
    assert rest == whole[2:]
    for work in ("whole", "torn"):
        points = [event for event in read_events(tmp_path / work) if event["event"] == "progress"]
        assert [point["step"] for point in points] == [1, 2, 3, 4]
        assert {"loss", "reward_vowels", "generate_s", "learn_s", "tokens_per_s", "entropy"} <= set(points[0])
    kept = [
        (tmp_path / work / ADAPTER / "adapter_model.safetensors").read_bytes() for work in ("whole", "torn")
    ]
    assert kept[0] == kept[1]


def test_the_budget_is_one_measure_for_all_methods(make_policy: MakePolicy) -> None:
    rows = [PreferenceRow(one, "Trust grows.", "Free speech.") for one in REQUESTS]
    supervised = learn_from_rows(make_policy(), rows, SFTConfig(rank=4, batch=2, steps=100, budget=60))
    preferred = learn_from_rows(make_policy(), rows, DPOConfig(rank=4, batch=2, steps=100, budget=60))
    rewarded = learn_from_rewards(make_policy(), REQUESTS, Vowels(), config(steps=100, budget=60))
    for trainer in (supervised, preferred, rewarded):
        assert trainer.trained >= 60
        assert trainer.steps_done < 100
    assert preferred.steps_done < supervised.steps_done


def test_too_few_requests_are_refused(make_policy: MakePolicy) -> None:
    with pytest.raises(ConfigurationError, match="lower prompts"):
        learn_from_rewards(make_policy(), REQUESTS[:2], Vowels(), config())
