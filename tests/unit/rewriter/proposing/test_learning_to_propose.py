"""GRPO on situations: a tiny model's proposals get better by the judge's parts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.prompts import PromptSet
from negotiation.errors import TextError
from rewriter.learning.loop import learn_from_rewards
from rewriter.learning.vocabulary import Completion, Reward
from rewriter.proposing.config import ProposalGRPOConfig
from rewriter.proposing.judge import ProposalJudge
from rewriter.proposing.situations import Situation, SituationPrompts
from tests.unit.agents.tiny import save_model, save_tokenizer
from tests.unit.rewriter.proposing.examples import situation


def letters(text: str) -> str:
    """What is readable of the noise that a random model writes."""
    return "".join(sign for sign in text if sign.isascii() and sign.isalpha())[:100] or "z"


class LettersInPlane:
    """Turns a text by up to a right angle: the more of its letters are vowels, the farther."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        found = [text.partition("@")[2].removesuffix(". y z") for text in texts]
        shares = np.array([sum(sign in "aeiou" for sign in text) / max(1, len(text)) for text in found])
        return np.stack([np.cos(shares * np.pi / 2), np.sin(shares * np.pi / 2)], axis=1)


class AnyReply(ProposalJudge):
    """Takes whatever a model without language writes for the heading of a guideline."""

    def judge(self, completions: Sequence[Completion[Situation]]) -> list[Reward]:
        return super().judge(
            [
                dataclasses.replace(
                    one,
                    text=f"Heading: @{letters(one.text)}\nReason: y\nDescription: z",
                    finish="stop",
                )
                for one in completions
            ]
        )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from agents.models import TransformersConfig
    from agents.tuning.adapter import Base

    folder: Path = tmp_path_factory.mktemp("proposing") / "model"
    tokenizer = save_tokenizer(folder)
    save_model(folder, len(tokenizer))
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"max_position_embeddings": 1024}))
    return Base.of(TransformersConfig(path=str(folder), device="cpu"))


def policy_of(base: Any) -> Any:
    import torch

    from rewriter.learning.policy import Policy

    short = PromptSet.load().model_copy(update={"system_template": "", "answer_format_template": ""})
    prompts = SituationPrompts(short)
    return Policy(base, torch.device("cpu"), rank=4, precision="float32", prompts=prompts)


def test_rewards_rise_where_the_opponents_mixture_pulls(base: Any) -> None:
    # The opponent stands at a right angle, own first at 0: acceptance wants vowels. Consistency weighs nothing here.
    asked = [
        situation(((0,), (90, 88)), ((1,), (0.5, 0.5)), kind=kind) for kind in ("adversarial", "innovative")
    ]
    config = ProposalGRPOConfig.model_validate(
        {
            "learning_rate": 1e-2,
            "warmup": 0.0,
            "prompts": 2,
            "group": 16,
            "max_tokens": 12,
            "steps": 24,
            "beta": 0.0,
        }
        | {"reward": {"consistency_weight": 0.0}}
    )
    figures: list[Any] = []
    learn_from_rewards(policy_of(base), asked, AnyReply(LettersInPlane()), config, told=figures.append)
    gained = [one.rewards["acceptance"] for one in figures]
    assert set(figures[0].rewards) == {"consistency", "acceptance", "novelty"}
    assert np.mean(gained[-4:]) > np.mean(gained[:4]) + 0.05
    assert np.mean([one.rewards["consistency"] for one in figures[-4:]]) < np.mean(
        [one.rewards["consistency"] for one in figures[:4]]
    )


def test_weights_decide_between_parts(base: Any) -> None:
    """The same training with the weight on one's own first guideline goes the other way."""
    asked = [situation(((90,), (0, 2)), ((1,), (0.5, 0.5)))]
    moved = {}
    for name in ("consistency", "acceptance"):
        others = {
            f"{other}_weight": 0.0 for other in ("consistency", "acceptance", "novelty") if other != name
        }
        config = ProposalGRPOConfig.model_validate(
            {
                "learning_rate": 5e-3,
                "warmup": 0.0,
                "prompts": 1,
                "group": 24,
                "max_tokens": 10,
                "steps": 8,
                "beta": 0.0,
            }
            | {"reward": others}
        )
        figures: list[Any] = []
        learn_from_rewards(policy_of(base), asked, AnyReply(LettersInPlane()), config, told=figures.append)
        moved[name] = figures[-1].rewards["consistency"] - figures[0].rewards["consistency"]
    assert moved["consistency"] > 0 > moved["acceptance"]


def test_a_situation_that_does_not_fit_the_window_is_told_of(base: Any) -> None:
    wide = situation(((0,), tuple(range(90))), ((1,), (1 / 90,) * 90))
    with pytest.raises(TextError, match=r"what confucian sees in round 2 on topic 'tax' makes \d+ tokens"):
        policy_of(base).tokens.prompt(wide)
