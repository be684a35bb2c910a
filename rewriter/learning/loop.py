"""Training in one process: prompts, completions, rewards and steps one after the other, with curves and checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from agents.tuning.curves import Curves
from negotiation.errors import ConfigurationError
from rewriter.learning.config import GRPOSettings, PairConfig
from rewriter.learning.grpo_trainer import GRPOTrainer
from rewriter.learning.pair_trainer import PairTrainer, Row
from rewriter.learning.policy import Policy
from rewriter.learning.rollout import PolicyRollouts
from rewriter.learning.vocabulary import Judge, PairFigures, R, RolloutWriter, StepFigures

ADAPTER, CHECKPOINT = "adapter", "checkpoint"
"""Folders of the finished adapter and of the last state, in the work folder."""

_DRAWN = ("loss", "learning_rate", "kl", "entropy", "length", "margin", "accuracy", "tokens_per_s")

Told = Callable[[StepFigures | PairFigures], None]
"""Called with the figures of each step."""


class Phases:
    """Seconds by phase of a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count what happens in it towards a phase."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


def learn_from_rewards(
    policy: Policy,
    requests: Sequence[R],
    judge: Judge[R],
    config: GRPOSettings,
    work: Path | None = None,
    *,
    told: Told = lambda figures: None,
    writer: RolloutWriter[R] | None = None,
) -> GRPOTrainer:
    """GRPO from the state in ``work``, if there is one, to the last step or the end of the budget.

    Args:
        policy: learns.
        requests: what prompts are drawn from, an epoch after the other, each in an order of its own.
        judge: rewards.
        config: how.
        work: folder for ``events.jsonl``, the last state and, at the end, the adapter; nothing is kept if None.
        told: hears of each step.
        writer: samples completions; the policy itself if None.

    Raises:
        ConfigurationError: if there are fewer requests than a step has prompts.
        RecordError: if ``work`` holds a state of another training.
    """
    if len(requests) < config.prompts:
        raise ConfigurationError(
            f"{len(requests)} requests for {config.prompts} prompts in a step; give more, or lower prompts"
        )
    trainer = GRPOTrainer(policy, config)
    writer = writer or PolicyRollouts(policy, max_tokens=config.max_tokens, temperature=config.temperature)
    with _journal(work, trainer) as record:
        while not trainer.done:
            phases, step = Phases(), trainer.steps_done
            with phases.of("push"):
                writer.load(step, policy.weights())
            with phases.of("generate"):
                asked = [requests[place] for place in drawn(len(requests), step, config)]
                completions = writer.write(list(enumerate(asked)), config.group, step_seed(config, step))
            with phases.of("reward"):
                rewards = judge.judge(completions)
            with phases.of("learn"):
                figures = trainer.step(completions, rewards)
            told(figures)
            record(figures, phases)
    _finish(policy, work)
    return trainer


def learn_from_rows(
    policy: Policy,
    rows: Sequence[Row],
    config: PairConfig,
    work: Path | None = None,
    *,
    told: Told = lambda figures: None,
) -> PairTrainer:
    """SFT, DPO or SimPO from the state in ``work``, if there is one, to the last step or the end of the budget.

    Args:
        policy: learns.
        rows: what it learns from.
        config: how.
        work: as in ``learn_from_rewards``.
        told: hears of each step.

    Raises:
        ConfigurationError: if there are no rows, or rows of the wrong kind.
        RecordError: if ``work`` holds a state of another training.
    """
    trainer = PairTrainer(policy, rows, config)
    with _journal(work, trainer) as record:
        while not trainer.done:
            phases = Phases()
            with phases.of("learn"):
                figures = trainer.step()
            told(figures)
            record(figures, phases)
    _finish(policy, work)
    return trainer


def drawn(count: int, step: int, config: GRPOSettings) -> list[int]:
    """Places of the requests of a step: a function of seed and step."""
    wanted = range(step * config.prompts, (step + 1) * config.prompts)
    orders = {
        epoch: np.random.default_rng([config.seed, epoch]).permutation(count)
        for epoch in {place // count for place in wanted}
    }
    return [int(orders[place // count][place % count]) for place in wanted]


def step_seed(config: GRPOSettings, step: int) -> int:
    """Seed of the sampling in a step: a function of seed and step."""
    return int(np.random.SeedSequence([config.seed, step]).generate_state(1, np.uint64)[0])


@contextmanager
def _journal(
    work: Path | None, trainer: GRPOTrainer | PairTrainer
) -> Iterator[Callable[[StepFigures | PairFigures, Phases], None]]:
    """Goes on from the last state, and gives what writes a step's figures and, from time to time, the state."""
    if work is None:
        yield lambda figures, phases: None
        return
    place = work / CHECKPOINT
    if (place / "state.json").is_file():
        trainer.load(place)
    with Curves(work, trainer.steps_done) as curves:

        def record(figures: StepFigures | PairFigures, phases: Phases) -> None:
            curves.point(*_point(figures, phases.seconds))
            if trainer.done or trainer.steps_done % trainer.config.check_every == 0:
                trainer.save(place)
                curves.saved(trainer.steps_done)

        yield record


def _point(
    figures: StepFigures | PairFigures, seconds: Mapping[str, float]
) -> tuple[dict[str, Any], list[str]]:
    """A point of the curve, and which of its numbers are drawn."""
    values = asdict(figures)
    values |= {f"reward_{name}": reward for name, reward in values.pop("rewards", {}).items()}
    total = sum(seconds.values())
    values |= {f"{name}_s": spent for name, spent in seconds.items()}
    values["tokens_per_s"] = figures.tokens / total if total else None
    drawn_names = [name for name in values if name in _DRAWN or name.startswith("reward_")]
    return values, drawn_names


def _finish(policy: Policy, work: Path | None) -> None:
    if work is not None:
        (work / ADAPTER).mkdir(parents=True, exist_ok=True)
        policy.save(work / ADAPTER)
