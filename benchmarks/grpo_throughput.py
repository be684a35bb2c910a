"""Speed of GRPO against TRL's trainer, and what both earn with equal tokens.

    python benchmarks/grpo_throughput.py --out FILE.json

Both train the same adapter on the bundled model from the same first weights, with the same prompts in the same order, group size,
bound on completions, reward function, loss, optimiser, rates and precision, in one process with one thread, step by step in turn:
so that whatever else the machine does falls on both alike.

    tokens_ratio      trained completion tokens a second of wall clock, ours over TRL's: sampling, rewards and learning, all
                      steps but the first, which warms up
    cpu_ratio         the same a second of processor time, which other processes hardly change
    reward            mean reward over the tokens that both have trained, to the nearest step: its first and last third
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.provenance import print_or_keep, provenance
from rewriter.learning.config import GRPOConfig
from rewriter.vocabulary import RewriteRequest

LEAST_RATIO = 1.5
LONG = 7
"""Letters of a long word: the reward is the share of these."""

SUBJECTS = (
    "schools", "rivers", "markets", "courts", "festivals", "borders", "harvests", "libraries",
    "families", "elections", "wages", "forests", "temples", "newspapers", "hospitals", "armies",
)  # fmt: skip


@dataclass(slots=True)
class Measured:
    """What was measured of one trainer, a number a step."""

    tokens: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def per_second(self, seconds: Sequence[float]) -> float:
        """Tokens a second of all steps but the first."""
        return sum(self.tokens[1:]) / sum(seconds[1:])

    def reward_by(self, tokens: int) -> tuple[float, float]:
        """Mean reward of the first and of the last third of the steps that come nearest to so many tokens."""
        steps = int(np.argmin(np.abs(np.cumsum(self.tokens) - tokens))) + 1
        third = max(1, steps // 3)
        return float(np.mean(self.rewards[:third])), float(np.mean(self.rewards[steps - third : steps]))


def requests(count: int, seed: int) -> list[RewriteRequest]:
    """Made-up texts with random targets."""
    rng = np.random.default_rng(seed)
    return [
        RewriteRequest(
            f"We hold that the {SUBJECTS[place % len(SUBJECTS)]} of our region belong to everyone. They were built by those who"
            " came before us, and each family pays its part. Whoever uses them should care for them, and whoever governs them"
            f" should answer to the people in year {place + 1}.",
            tuple(np.round(rng.uniform(-0.5, 0.5, 10), 2)),
            tuple(np.round(rng.uniform(-1, 1, 10), 2)),
        )
        for place in range(count)
    ]


def reward(text: str) -> float:
    """Share of words that are long."""
    words = text.split()
    return sum(len(word) >= LONG for word in words) / max(1, len(words))


@contextmanager
def timed(into: Measured) -> Iterator[None]:
    """Measure a step."""
    began, cpu = time.perf_counter(), time.process_time()
    yield
    into.seconds.append(time.perf_counter() - began)
    into.cpu_seconds.append(time.process_time() - cpu)


class Ours:
    """Trains with ``rewriter.learning``, a step a call."""

    def __init__(self, asked: Sequence[RewriteRequest], config: GRPOConfig) -> None:
        import torch

        from agents.models.config import BundledConfig
        from agents.tuning.adapter import Base
        from rewriter.learning.grpo_trainer import GRPOTrainer
        from rewriter.learning.policy import Policy
        from rewriter.learning.rollout import PolicyRollouts

        self.measured = Measured()
        self._asked, self._config = asked, config
        self._policy = Policy(
            Base.of(BundledConfig(device="cpu")), torch.device("cpu"), rank=config.rank, seed=config.seed
        )
        self._trainer = GRPOTrainer(self._policy, config)
        self._writer = PolicyRollouts(
            self._policy, max_tokens=config.max_tokens, temperature=config.temperature
        )

    def step(self) -> None:
        """Sample, reward, learn."""
        from rewriter.learning.loop import step_seed
        from rewriter.learning.vocabulary import Reward

        config, step = self._config, self._trainer.steps_done
        with timed(self.measured):
            self._writer.load(step, self._policy.weights())
            mine = self._asked[step * config.prompts : (step + 1) * config.prompts]
            completions = self._writer.write(list(enumerate(mine)), config.group, step_seed(config, step))
            rewards = [reward(completion.text) for completion in completions]
            figures = self._trainer.step(completions, [Reward({"long": earned}) for earned in rewards])
        self.measured.tokens.append(figures.tokens)
        self.measured.rewards.append(float(np.mean(rewards)))


def settings_of(config: GRPOConfig, folder: Path) -> Any:
    """The same settings for TRL, bfloat16 where we have it too."""
    import torch
    from trl import GRPOConfig as Settings

    from agents.tuning.trainer import use_bfloat16

    return Settings(
        output_dir=str(folder),
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        logging_steps=config.steps,
        use_cpu=True,
        bf16=use_bfloat16(config.precision, torch.device("cpu")),
        gradient_checkpointing=False,
        per_device_train_batch_size=config.prompts * config.group,
        num_generations=config.group,
        max_completion_length=config.max_tokens,
        temperature=config.temperature,
        max_steps=config.steps,
        shuffle_dataset=False,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0,
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip,
        beta=config.beta,
        epsilon=config.epsilon_low,
        epsilon_high=config.epsilon_high,
        loss_type=config.normalisation,
        seed=config.seed,
    )


def trl(
    asked: Sequence[RewriteRequest], config: GRPOConfig, folder: Path, before: Callable[[], None]
) -> Measured:
    """Train with TRL's GRPOTrainer, with the same settings; ``before`` is called before each step."""
    import torch
    from datasets import Dataset
    from trl import GRPOTrainer as Trainer

    from agents.models.config import BundledConfig
    from agents.models.loading import load_base, load_tokenizer
    from agents.tuning.adapter import Base, fresh_adapter
    from rewriter.prompts import RewritePrompts

    base, device = Base.of(BundledConfig(device="cpu")), torch.device("cpu")
    prompts = RewritePrompts.load()
    rows = [
        {"prompt": [{"role": turn.role, "content": turn.content} for turn in prompts.messages(one)]}
        for one in asked
    ]
    measured = Measured()

    class Timed(Trainer):  # type: ignore[misc]  # it ships no types that hold
        """Measures its steps."""

        def training_step(self, *given: Any, **more: Any) -> Any:
            before()
            with timed(measured):
                return super().training_step(*given, **more)

    def earned(completions: list[Any], completion_ids: list[list[int]], **more: Any) -> list[float]:
        rewards = [reward(completion[0]["content"]) for completion in completions]
        measured.tokens.append(sum(map(len, completion_ids)))
        measured.rewards.append(float(np.mean(rewards)))
        return rewards

    trainer = Timed(
        model=fresh_adapter(
            load_base(base.config, base.path, torch.float32, device), config.rank, config.seed
        ),
        reward_funcs=earned,
        args=settings_of(config, folder),
        train_dataset=Dataset.from_list(rows),
        processing_class=load_tokenizer(base.config, base.path),
    )
    trainer.train()
    return measured


def measure(config: GRPOConfig) -> dict[str, Any]:
    """Both, in turn."""
    import torch

    torch.set_num_threads(1)
    asked = requests(config.prompts * config.steps, config.seed)
    mine = Ours(asked, config)
    with tempfile.TemporaryDirectory() as folder:
        theirs = trl(asked, config, Path(folder), mine.step)
    return figures(mine.measured, theirs)


def figures(mine: Measured, theirs: Measured) -> dict[str, Any]:
    """Ratios, and what they are made of."""
    equal = min(sum(mine.tokens), sum(theirs.tokens))
    record: dict[str, Any] = {"tokens_compared": equal}
    for name, measured in (("ours", mine), ("trl", theirs)):
        first, last = measured.reward_by(equal)
        record[name] = {
            "tokens_per_s": measured.per_second(measured.seconds),
            "tokens_per_cpu_s": measured.per_second(measured.cpu_seconds),
            "tokens": sum(measured.tokens),
            "reward_first": first,
            "reward_last": last,
            "rewards": [round(earned, 4) for earned in measured.rewards],
            "step_s": [round(seconds, 2) for seconds in measured.seconds],
        }
    record["tokens_ratio"] = record["ours"]["tokens_per_s"] / record["trl"]["tokens_per_s"]
    record["cpu_ratio"] = record["ours"]["tokens_per_cpu_s"] / record["trl"]["tokens_per_cpu_s"]
    return record


def main() -> int:
    """Run the benchmark; exit status 1 if --check is given and the ratio is too small."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--prompts", type=int, default=2, help="in a step")
    parser.add_argument("--group", type=int, default=8, help="completions of a prompt")
    parser.add_argument("--max-tokens", type=int, default=64, help="bound on a completion")
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write; standard output if not given")
    parser.add_argument("--check", action="store_true", help="exit status 1 if the mark is missed")
    options = parser.parse_args()
    config = GRPOConfig(
        steps=options.steps,
        prompts=options.prompts,
        group=options.group,
        max_tokens=options.max_tokens,
        learning_rate=options.rate,
        warmup=0.0,
        seed=options.seed,
    )
    found = measure(config)
    record = {
        "benchmark": "grpo_throughput",
        **provenance(options.seed, ("torch", "transformers", "peft", "trl", "numpy"), ("rewriter",)),
        "model": "bundled",
        "settings": config.model_dump(
            mode="json", include={"steps", "prompts", "group", "max_tokens", "beta"}
        ),
        **found,
    }
    print_or_keep(record, options.out)
    print(
        f"tokens a second: {found['ours']['tokens_per_s']:.0f} ours, {found['trl']['tokens_per_s']:.0f} TRL,"
        f" ratio {found['tokens_ratio']:.2f} ({found['cpu_ratio']:.2f} by processor time)"
    )
    return 1 if options.check and found["tokens_ratio"] < LEAST_RATIO else 0


if __name__ == "__main__":
    raise SystemExit(main())
