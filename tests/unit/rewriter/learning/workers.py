"""One of two workers that learn together: ``python workers.py RANK FOLDER BASE``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.models import TransformersConfig
from agents.tuning.adapter import Base
from agents.tuning.crew import Crew, TorchCrew
from rewriter.learning.config import GRPOConfig, SimPOConfig
from rewriter.learning.grpo_trainer import GRPOTrainer
from rewriter.learning.pair_trainer import PairTrainer
from rewriter.learning.policy import Policy
from rewriter.learning.vocabulary import PreferenceRow, Reward
from rewriter.prompts import RewritePrompts
from tests.unit.rewriter.learning.conftest import PROMPTS
from tests.unit.rewriter.learning.examples import random_completions, request


def learn(base: Base, crew: Crew | None, rank: int, size: int) -> tuple[list[Any], dict[str, Any]]:
    """Two steps of GRPO, one with a reward that only one worker sees to be no number, and one of SimPO."""
    policy = Policy(
        base, torch.device("cpu"), rank=4, precision="float32", prompts=RewritePrompts.model_validate(PROMPTS)
    )
    config = GRPOConfig(rank=4, warmup=0.0, learning_rate=1e-2, minibatches=2, steps=4)
    trainer = GRPOTrainer(policy, config.model_copy(update={"minibatches": 1}), crew)
    # Groups of the workers differ in number and in tokens.
    completions = random_completions(3, 4)
    rng = np.random.default_rng(0)
    rewards = [Reward({"value": float(value)}) for value in rng.random(len(completions))]
    broken = [Reward({"value": float("nan")}) if place == 0 else one for place, one in enumerate(rewards)]
    mine = [place for place, one in enumerate(completions) if one.group % size == rank]
    figures: list[Any] = [
        trainer.step([completions[place] for place in mine], [given[place] for place in mine])
        for given in (rewards, broken, rewards)
    ]
    rows = [PreferenceRow(request(f"Case {n}"), "Trust grows.", "Free speech " * n) for n in range(1, 6)]
    pairs = PairTrainer(policy, rows, SimPOConfig(rank=4, batch=3, warmup=0.0, learning_rate=1e-2), crew)
    figures.append(pairs.step())
    return [asdict(one) for one in figures], dict(policy.weights())


def main() -> None:
    """Learn and keep what came of it."""
    rank, folder, path = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2
    )
    base = Base.of(TransformersConfig(path=path, device="cpu"))
    figures, weights = learn(base, TorchCrew(torch.device("cpu")), rank, 2)
    (folder / f"{rank}.json").write_text(json.dumps(figures))
    np.savez(folder / f"{rank}.npz", **weights)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
