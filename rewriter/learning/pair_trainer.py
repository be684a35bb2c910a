"""Steps of SFT, DPO and SimPO from given texts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.tuning.crew import Crew
from negotiation.errors import ConfigurationError
from rewriter.learning.config import DPOConfig, PairConfig, SFTConfig, SimPOConfig
from rewriter.learning.dpo import dpo_loss
from rewriter.learning.policy import Policy
from rewriter.learning.rows import Pass, one_pass, passes
from rewriter.learning.simpo import simpo_loss
from rewriter.learning.supervised import supervised_loss
from rewriter.learning.trainer import Updater
from rewriter.learning.vocabulary import PairFigures, PreferenceRow, SupervisedRow

_log = logging.getLogger(__name__)

Row = SupervisedRow | PreferenceRow


class PairTrainer:
    """Learns from given rewritings (SFT), or from pairs of a better and a worse one (DPO, SimPO).

    Args:
        policy: learns; for DPO what it began as is the reference.
        rows: to learn, the same on every worker: ``PreferenceRow`` for DPO and SimPO; SFT learns the chosen of these too.
        config: how.
        crew: the workers; one if None.

    Attributes:
        config: how.

    Raises:
        ConfigurationError: if there are no rows or rows of the wrong kind, or fewer rows in a step than workers.
        TextError: if a row does not fit the model's window.
    """

    def __init__(
        self, policy: Policy, rows: Sequence[Row], config: PairConfig, crew: Crew | None = None
    ) -> None:
        self._updater = Updater(policy, config, crew, {"rows": len(rows)})
        self._crew, self._policy, self.config = self._updater.crew, policy, config
        if not rows:
            raise ConfigurationError("there are no rows to learn; give at least one")
        if config.batch < self._crew.size:
            raise ConfigurationError(
                f"batch is {config.batch} for {self._crew.size} workers; each needs a row in every step"
            )
        self._prompts, self._answers = self._encoded(rows)

    @property
    def steps_done(self) -> int:
        """Steps done."""
        return self._updater.steps_done

    @property
    def trained(self) -> int:
        """Answer tokens that went through backward passes since the beginning, of all workers."""
        return self._updater.trained

    @property
    def done(self) -> bool:
        """Whether all steps are done, or the budget is spent."""
        return self._updater.done

    def _encoded(
        self, rows: Sequence[Row]
    ) -> tuple[list[tuple[int, ...]], list[tuple[tuple[int, ...], ...]]]:
        """Prompts and answers of all rows: one answer each for SFT, else the chosen and the rejected."""
        prompts, answers = [], []
        for place, row in enumerate(rows):
            if isinstance(row, PreferenceRow):
                texts = (row.chosen,) if isinstance(self.config, SFTConfig) else (row.chosen, row.rejected)
            elif isinstance(self.config, SFTConfig):
                texts = (row.answer,)
            else:
                raise ConfigurationError(
                    f"row {place} has one answer; {self.config.method} needs a chosen and a rejected one"
                )
            tokens = tuple(self._policy.tokens.answer(text) for text in texts)
            prompts.append(self._policy.tokens.prompt(row.request, max(map(len, tokens))))
            answers.append(tokens)
        return prompts, answers

    def places(self, step: int) -> list[int]:
        """The rows of a step, of all workers: epochs follow each other, each in an order of its own."""
        count, batch, seed = len(self._prompts), self.config.batch, self.config.seed
        wanted = range(step * batch, (step + 1) * batch)
        orders = {
            epoch: np.random.default_rng([seed, epoch]).permutation(count)
            for epoch in {place // count for place in wanted}
        }
        return [int(orders[place // count][place % count]) for place in wanted]

    def step(self) -> PairFigures:
        """Learn from the next rows. Every worker must call it."""
        rows = self.places(self.steps_done)
        mine = rows[self._crew.rank :: self._crew.size]
        tokens = sum(len(answer) for row in rows for answer in self._answers[row])
        rate = self._updater.rate
        prompts = [self._prompts[row] for row in mine for _ in self._answers[row]]
        answers = [answer for row in mine for answer in self._answers[row]]
        sums = np.zeros(3)  # of losses, margins, and of pairs that are in the right order
        if isinstance(self.config, SFTConfig):
            share = self.config.share_prompts and self._policy.shares
            given = passes(prompts, answers, self.config.pass_tokens, share=share)

            def loss(part: Pass, logprobs: Tensor, entropy: Tensor) -> Tensor:
                found = supervised_loss(logprobs, tokens)
                sums[0] += float(found.detach())
                return found

        else:
            given = self._pair_passes(prompts, answers)

            def loss(part: Pass, logprobs: Tensor, entropy: Tensor) -> Tensor:
                losses, margins = self._preferences(part, logprobs)
                sums[:] += [float(losses.detach().sum()), float(margins.sum()), float((margins > 0).sum())]
                return losses.sum() / len(rows)

        norm = self._updater.update(given, loss)
        return self._figures(sums, len(rows), tokens, norm, rate)

    def _pair_passes(
        self, prompts: Sequence[tuple[int, ...]], answers: Sequence[tuple[int, ...]]
    ) -> list[Pass]:
        """Passes that hold both answers of each pair, the chosen first: places are even for chosen answers."""
        share = self.config.share_prompts and self._policy.shares
        lengths = [
            len(prompts[place]) * (1 if share else 2) + len(answers[place]) + len(answers[place + 1])
            for place in range(0, len(answers), 2)
        ]
        parts: list[list[int]] = []
        for pair in sorted(range(len(lengths)), key=lambda pair: (lengths[pair], pair)):
            if parts and (len(parts[-1]) + 1) * lengths[pair] <= self.config.pass_tokens:
                parts[-1].append(pair)
            else:
                parts.append([pair])
        given = []
        for part in parts:
            places = [place for pair in part for place in (2 * pair, 2 * pair + 1)]
            chosen = [prompts[place] for place in places], [answers[place] for place in places]
            given.append(one_pass(*chosen, share=share))
        return given

    def _preferences(self, part: Pass, logprobs: Tensor) -> tuple[Tensor, Tensor]:
        """(P,) losses and margins of the pairs of a pass."""
        config = self.config
        chosen, rejected = _summed(part, logprobs)
        if isinstance(config, DPOConfig):
            reference = _summed(part, self._policy.reference(part))
            return dpo_loss(chosen, rejected, *reference, beta=config.beta)
        assert isinstance(config, SimPOConfig)
        lengths = _summed(part, torch.ones_like(logprobs))
        return simpo_loss(chosen, rejected, lengths, beta=config.beta, gamma=config.gamma)

    def _figures(
        self, sums: NDArray[np.float64], rows: int, tokens: int, norm: float | None, rate: float
    ) -> PairFigures:
        loss, margin, right = self._crew.total(sums.tolist())
        self._updater.steps_done += 1
        supervised = isinstance(self.config, SFTConfig)
        if norm is None:
            self._updater.skips += 1
            _log.warning("step %d: the gradient is not finite; the step is skipped", self.steps_done)
        else:
            self._updater.trained += tokens
        return PairFigures(
            step=self.steps_done,
            loss=None if norm is None else loss if supervised else loss / rows,
            margin=None if supervised or norm is None else margin / rows,
            accuracy=None if supervised or norm is None else right / rows,
            gradient_norm=norm,
            learning_rate=rate,
            tokens=0 if norm is None else tokens,
            trained=self._updater.trained,
            skips=self._updater.skips,
        )

    @torch.no_grad()
    def evaluate(self, rows: Sequence[Row]) -> float:
        """Mean nats an answer token of rows, of the chosen answers; lower is better. Each worker computes it alone."""
        prompts, answers = self._encoded(rows)
        given = passes(
            prompts,
            [both[0] for both in answers],
            self.config.pass_tokens,
            share=self.config.share_prompts and self._policy.shares,
        )
        total = sum(float(self._policy.scored(part).sum()) for part in given)
        return -total / sum(len(both[0]) for both in answers)

    def save(self, folder: Path) -> None:
        """Write parameters, optimiser state and counters; the order of rows is a function of seed and step."""
        self._updater.save(folder)

    def load(self, folder: Path) -> None:
        """Go on from a saved state: the next step is the one that would have come, to the bit.

        Raises:
            RecordError: if it is damaged, or of another training.
        """
        self._updater.load(folder)


def _summed(part: Pass, values: Tensor) -> tuple[Tensor, Tensor]:
    """(P,) sums over tokens of the chosen and of the rejected answers; a pass holds both of each pair."""
    answers = torch.stack([own.sum() for own in torch.split(values, list(part.lengths))])
    place = {answer: number for number, answer in enumerate(part.places)}
    chosen = [place[answer] for answer in sorted(place) if answer % 2 == 0]
    rejected = [place[answer] for answer in sorted(place) if answer % 2 == 1]
    return answers[chosen], answers[rejected]
