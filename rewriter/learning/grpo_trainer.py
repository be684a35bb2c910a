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
from rewriter.learning.config import GRPOSettings
from rewriter.learning.grpo import grpo_loss, token_weights
from rewriter.learning.policy import Policy
from rewriter.learning.rows import Pass, passes
from rewriter.learning.trainer import Updater
from rewriter.learning.vocabulary import Completion, Reward, StepFigures

_log = logging.getLogger(__name__)


_SUMMED = ("tokens", "loss", "kl", "entropy", "ratio", "clipped", "importance")


@dataclass(slots=True)
class _Sums:
    """Sums over the tokens that went through this worker's backward passes, and the gradients' norms of all updates."""

    tokens: float = 0.0
    loss: float = 0.0
    kl: float = 0.0
    entropy: float = 0.0
    ratio: float = 0.0
    clipped: float = 0.0
    importance: float = 0.0
    norms: list[float] = field(default_factory=list)


def _summed(sums: _Sums | None) -> dict[str, float]:
    """By name; nothing if nothing was learned."""
    return {name: 0.0 if sums is None else getattr(sums, name) for name in _SUMMED}


class GRPOTrainer:
    """Learns from completions and rewards.

    Args:
        policy: learns.
        config: how.
        crew: the workers; one if None. Each gives its own share of a step's groups, whole groups each.

    Attributes:
        config: how.
    """

    def __init__(self, policy: Policy, config: GRPOSettings, crew: Crew | None = None) -> None:
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

    def step(self, completions: Sequence[Completion[Any]], rewards: Sequence[Reward]) -> StepFigures:
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
        self, completions: Sequence[Completion[Any]], rewards: Sequence[Reward]
    ) -> NDArray[np.float64]:
        weights = self.config.weights
        parts = {
            name: np.array([reward.parts[name] for reward in rewards], dtype=np.float64)
            for name in (rewards[0].parts if rewards else ())
        }
        groups = np.array([completion.group for completion in completions], dtype=np.int64)
        # A part that no weight is configured for counts once, so that a judge of one's own needs no settings.
        chosen = {name: weights.get(name, 1.0) for name in parts}
        return group_advantages(parts, groups, chosen, scale=self.config.scale_rewards)

    def _learn(self, completions: Sequence[Completion[Any]], advantages: NDArray[np.float64]) -> _Sums | None:
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

    def _minibatches(
        self, completions: Sequence[Completion[Any]], order: np.random.Generator
    ) -> list[list[int]]:
        """Places of the completions of each update: whole groups, since these share their prompts."""
        groups: dict[int, list[int]] = {}
        for place, completion in enumerate(completions):
            groups.setdefault(completion.group, []).append(place)
        count = self.config.minibatches
        if count == 1:
            return [list(range(len(completions)))]
        shuffled = [list(groups.values())[place] for place in order.permutation(len(groups))]
        return [sorted(chain.from_iterable(shuffled[start::count])) for start in range(count)]

    def _proximal(self, completions: Sequence[Completion[Any]]) -> list[Tensor] | None:
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

    def _passes(self, completions: Sequence[Completion[Any]], places: Sequence[int]) -> list[Pass]:
        """Passes whose places are those in ``places``."""
        return passes(
            [completions[place].prompt for place in places],
            [completions[place].tokens for place in places],
            self.config.pass_tokens,
            share=self.config.share_prompts and self._policy.shares,
        )

    def _update(
        self,
        completions: Sequence[Completion[Any]],
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
        completions: Sequence[Completion[Any]],
        rewards: Sequence[Reward],
        advantages: NDArray[np.float64],
        sums: _Sums | None,
        rate: float,
    ) -> StepFigures:
        """Sums over workers, as means."""
        counted = self._counted(completions, rewards, advantages) | _summed(sums)
        total = dict(zip(counted, self._crew.total(list(counted.values())), strict=True))
        tokens, count = int(total["tokens"]), total["completions"]
        self._updater.trained += tokens
        self._updater.skips += sums is None

        def learned(name: str) -> float | None:
            return None if sums is None else total[name] / max(1, tokens)

        def updated(value: float) -> float | None:
            return None if sums is None else value / len(sums.norms)

        return StepFigures(
            step=self.steps_done,
            skipped=sums is None,
            loss=updated(total["loss"]),
            kl=learned("kl") if self.config.beta else None,
            entropy=learned("entropy"),
            ratio=learned("ratio"),
            clipped=learned("clipped"),
            importance=learned("importance"),
            gradient_norm=updated(sum(sums.norms) if sums else 0.0),
            learning_rate=rate,
            tokens=tokens,
            trained=self._updater.trained,
            rewards={
                name: total[f"part {name}"] / total[f"finite {name}"]
                for name in sorted(rewards[0].parts)
                if total[f"finite {name}"]
            },
            length=total["length"] / count,
            finished=total["finished"] / count,
            copied=total["copied"] / count,
            collapsed=total["collapsed"] / count,
            idle=total["idle"] / total["groups"],
            skips=self._updater.skips,
        )

    def _counted(
        self,
        completions: Sequence[Completion[Any]],
        rewards: Sequence[Reward],
        advantages: NDArray[np.float64],
    ) -> dict[str, float]:
        """Sums over this worker's completions; in the same order on every worker."""
        groups = np.array([completion.group for completion in completions])
        idle = [not advantages[groups == group].any() for group in np.unique(groups)]
        counted = {
            "completions": len(completions),
            "length": sum(len(completion.tokens) for completion in completions),
            "finished": sum(completion.finish == "stop" for completion in completions),
            "copied": sum(reward.copied for reward in rewards),
            "collapsed": sum(reward.collapsed for reward in rewards),
            "idle": sum(idle),
            "groups": len(idle),
        }
        sums = {name: float(value) for name, value in counted.items()}
        for name in sorted(rewards[0].parts):
            values = np.array([reward.parts[name] for reward in rewards])
            finite = np.isfinite(values)
            sums |= {f"part {name}": float(values[finite].sum()), f"finite {name}": float(finite.sum())}
        return sums

    def save(self, folder: Path) -> None:
        """Write parameters, optimiser state and counters; random numbers are functions of seed and step."""
        self._updater.save(folder)

    def load(self, folder: Path) -> None:
        """Go on from a saved state: the next step is the one that would have come, to the bit.

        Raises:
            RecordError: if it is damaged, or of another training.
        """
        self._updater.load(folder)
