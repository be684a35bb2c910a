"""Steps of GRPO from completions and their rewards."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.tuning.crew import Crew
from negotiation.errors import ConfigurationError
from rewriter.learning.advantage import group_advantages
from rewriter.learning.config import GRPOConfig
from rewriter.learning.grpo import grpo_loss, token_weights
from rewriter.learning.policy import Policy
from rewriter.learning.rows import Pass, passes
from rewriter.learning.trainer import Updater
from rewriter.learning.vocabulary import Completion, Reward, StepFigures

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sums:
    """Sums over the tokens that went through backward passes, and over updates."""

    tokens: float = 0.0
    loss: float = 0.0
    kl: float = 0.0
    entropy: float = 0.0
    ratio: float = 0.0
    clipped: float = 0.0
    importance: float = 0.0
    norms: list[float] = field(default_factory=list)


class GRPOTrainer:
    """Learns from completions and rewards.

    Args:
        policy: learns.
        config: how.
        crew: the workers; one if None. Each gives its own share of a step's groups, whole groups each.

    Attributes:
        config: how.
    """

    def __init__(self, policy: Policy, config: GRPOConfig, crew: Crew | None = None) -> None:
        self._policy, self.config = policy, config
        self._updater = Updater(policy, config, crew)
        self._crew = self._updater.crew

    @property
    def steps_done(self) -> int:
        """Steps done, the skipped too; also the version of the weights."""
        return self._updater.steps_done

    @property
    def trained(self) -> int:
        """Answer tokens that went through backward passes since the beginning, of all workers."""
        return self._updater.trained

    @property
    def done(self) -> bool:
        """Whether all steps are done, or the budget is spent."""
        return self._updater.done

    def step(self, completions: Sequence[Completion], rewards: Sequence[Reward]) -> StepFigures:
        """Learn from a step's completions. Every worker must call it.

        A reward that is not finite, on any worker, skips the step for all: it is counted and told, and nothing is learned.

        Raises:
            ConfigurationError: if a worker has no completions, or not one reward each.
        """
        empty, odd, infinite = self._crew.total(
            [
                float(not completions),
                float(len(completions) != len(rewards)),
                float(sum(not reward.finite for reward in rewards)),
            ]
        )
        if empty or odd:
            raise ConfigurationError(
                f"a step has {len(completions)} completions and {len(rewards)} rewards at worker {self._crew.rank};"
                " give each worker completions, and one reward each"
            )
        rate = self._updater.rate
        advantages = np.zeros(len(completions))
        sums: _Sums | None = None
        if infinite:
            _log.warning(
                "step %d: %d rewards are not finite; the step is skipped", self.steps_done + 1, infinite
            )
        else:
            advantages = self._advantages(completions, rewards)
            sums = self._learn(completions, advantages)
        self._updater.steps_done += 1
        return self._figures(completions, rewards, advantages, sums, rate)

    def _advantages(
        self, completions: Sequence[Completion], rewards: Sequence[Reward]
    ) -> NDArray[np.float64]:
        weights = self.config.reward.weights
        parts = {
            name: np.array([reward.parts[name] for reward in rewards], dtype=np.float64)
            for name in (rewards[0].parts if rewards else ())
        }
        groups = np.array([completion.group for completion in completions], dtype=np.int64)
        # A part that no weight is configured for counts once, so that a judge of one's own needs no settings.
        chosen = {name: weights.get(name, 1.0) for name in parts}
        return group_advantages(parts, groups, chosen, scale=self.config.scale_rewards)

    def _learn(self, completions: Sequence[Completion], advantages: NDArray[np.float64]) -> _Sums | None:
        """The updates of a step; None if one of them was not finite."""
        config, sums = self.config, _Sums()
        proximal = self._proximal(completions)
        for epoch in range(config.epochs):
            order = np.random.default_rng([config.seed, self.steps_done, epoch, self._crew.rank])
            for places in self._minibatches(completions, order):
                norm = self._update(completions, advantages, places, proximal, sums)
                if norm is None:
                    _log.warning(
                        "step %d: the gradient is not finite; the rest of the step is skipped",
                        self.steps_done + 1,
                    )
                    return None
                sums.norms.append(norm)
        return sums

    def _minibatches(self, completions: Sequence[Completion], order: np.random.Generator) -> list[list[int]]:
        """Places of the completions of each update: whole groups, since these share their prompts."""
        groups: dict[int, list[int]] = {}
        for place, completion in enumerate(completions):
            groups.setdefault(completion.group, []).append(place)
        count = self.config.minibatches
        if count == 1:
            return [list(range(len(completions)))]
        shuffled = [list(groups.values())[place] for place in order.permutation(len(groups))]
        return [sorted(chain.from_iterable(shuffled[start::count])) for start in range(count)]

    def _proximal(self, completions: Sequence[Completion]) -> list[Tensor] | None:
        """Log-probabilities of each completion's tokens before the step's first update; None if there is one update only:
        they are those of its own pass then.
        """
        if self.config.epochs * self.config.minibatches == 1:
            return None
        places = list(range(len(completions)))
        found: dict[int, Tensor] = {}
        for part in self._passes(completions, places):
            scored = torch.split(self._policy.scored(part), list(part.lengths))
            found |= dict(zip(part.places, scored, strict=True))
        return [found[place] for place in places]

    def _passes(self, completions: Sequence[Completion], places: Sequence[int]) -> list[Pass]:
        """Passes whose places are those in ``places``."""
        return passes(
            [completions[place].prompt for place in places],
            [completions[place].tokens for place in places],
            self.config.pass_tokens,
            share=self.config.share_prompts and self._policy.shares,
        )

    def _update(
        self,
        completions: Sequence[Completion],
        advantages: NDArray[np.float64],
        places: list[int],
        proximal: list[Tensor] | None,
        sums: _Sums,
    ) -> float | None:
        config = self.config
        tokens, count = self._crew.total(
            [float(sum(len(completions[place].tokens) for place in places)), float(len(places))]
        )
        # A worker without a share of this update joins in with a pass that counts nothing.
        counts = 1.0 if places else 0.0
        chosen = places or [0]
        given = self._passes(completions, chosen)

        def loss(part: Pass, logprobs: Tensor, entropy: Tensor) -> Tensor:
            own = [chosen[place] for place in part.places]
            weights = counts * token_weights(
                part.lengths, config.normalisation, config.max_tokens, max(1, int(tokens)), max(1, int(count))
            )
            terms = grpo_loss(
                logprobs,
                logprobs.detach() if proximal is None else torch.cat([proximal[place] for place in own]),
                self._tensor(np.concatenate([completions[place].logprobs for place in own]), logprobs),
                self._policy.reference(part) if config.beta else None,
                self._tensor(np.repeat(advantages[own], part.lengths), logprobs),
                self._tensor(weights, logprobs),
                epsilon_low=config.epsilon_low,
                epsilon_high=config.epsilon_high,
                beta=config.beta,
                importance_bound=config.importance_bound,
                unbiased=config.unbiased_kl,
            )
            sums.tokens += counts * len(logprobs)
            sums.loss += float(terms.loss.detach())
            for name, values in (
                ("kl", terms.kl),
                ("entropy", entropy),
                ("ratio", terms.ratio),
                ("clipped", terms.clipped),
                ("importance", terms.importance),
            ):
                setattr(sums, name, getattr(sums, name) + counts * float(values.sum()))
            return terms.loss

        return self._updater.update(given, loss)

    def _tensor(self, array: NDArray[Any], like: Tensor) -> Tensor:
        return torch.from_numpy(np.asarray(array, dtype=np.float64)).to(device=like.device, dtype=like.dtype)

    def _figures(
        self,
        completions: Sequence[Completion],
        rewards: Sequence[Reward],
        advantages: NDArray[np.float64],
        sums: _Sums | None,
        rate: float,
    ) -> StepFigures:
        """Sums over workers, as means."""
        skipped = sums is None
        sums = sums or _Sums()
        names = sorted(rewards[0].parts)
        groups = np.array([completion.group for completion in completions])
        idle = [not advantages[groups == group].any() for group in np.unique(groups)]
        values = [[reward.parts[name] for reward in rewards] for name in names]
        totals = self._crew.total(
            [
                *(sums.tokens, sums.loss, sums.kl, sums.entropy, sums.ratio, sums.clipped, sums.importance),
                float(len(completions)),
                float(sum(len(completion.tokens) for completion in completions)),
                float(sum(completion.finish == "stop" for completion in completions)),
                float(sum(reward.copied for reward in rewards)),
                float(sum(reward.collapsed for reward in rewards)),
                float(sum(idle)),
                float(len(idle)),
                *(float(np.sum(np.array(part)[np.isfinite(part)])) for part in values),
                *(float(np.isfinite(part).sum()) for part in values),
            ]
        )
        tokens, loss, *means = totals[:7]
        count, length, finished, copied, collapsed, still, all_groups = totals[7:14]
        earned, finite = totals[14 : 14 + len(names)], totals[14 + len(names) :]
        self._updater.trained += int(tokens)
        self._updater.skips += skipped
        updates = max(1, len(sums.norms))
        kl, entropy, ratio, clipped, importance = (
            (None,) * 5 if skipped else (mean / max(1.0, tokens) for mean in means)
        )
        return StepFigures(
            step=self.steps_done,
            skipped=skipped,
            loss=None if skipped else loss / updates,
            kl=kl if self.config.beta else None,
            entropy=entropy,
            ratio=ratio,
            clipped=clipped,
            importance=importance,
            gradient_norm=None if skipped else sum(sums.norms) / updates,
            learning_rate=rate,
            tokens=int(tokens),
            trained=self._updater.trained,
            rewards={
                name: total / number
                for name, total, number in zip(names, earned, finite, strict=True)
                if number
            },
            length=length / count,
            finished=finished / count,
            copied=copied / count,
            collapsed=collapsed / count,
            idle=still / all_groups,
            skips=self._updater.skips,
        )

    def save(self, folder: Path) -> None:
        """Write parameters, optimiser state and counters; random numbers are functions of seed and step."""
        self._updater.save(folder)

    def load(self, folder: Path) -> None:
        """Go on from a saved state: the next step is the one that would have come, to the bit.

        Raises:
            RecordError: if it is damaged, or of another training.
        """
        self._updater.load(folder)
