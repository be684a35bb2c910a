"""The training of an adapter: one step, a look at held-out items, the state, and going on from it.

The loss of a step is the mean cross-entropy of the answers' tokens in nats, over the rows of all workers:

    L = sum over rows, answer tokens of -log p(token | dialogue) / number of answer tokens

Every worker knows all rows and their order, so that the number is known without asking the others.
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from agents.tuning.config import Precision, TuningConfig
from agents.tuning.crew import Alone, Crew
from agents.tuning.dialogues import IGNORED, Batch, TokenRow, collate
from negotiation.errors import ConfigurationError, ModelError, RecordError

STATE, INDEX = "state.safetensors", "state.json"
"""Files of a saved state: parameters and optimiser state; the step."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One point of the learning curve.

    Attributes:
        step: steps done, from 0.
        steps: steps in all.
        loss: mean nats an answer token since the point before; None before the first step.
        validation_loss: the same on held-out items, None if they were not looked at; lower is better.
        learning_rate: of the last step.
        tokens_per_s: prompt and answer tokens of all workers, a second; None before the first step.
    """

    step: int
    steps: int
    loss: float | None
    validation_loss: float | None
    learning_rate: float
    tokens_per_s: float | None


class AnswerLoss(nn.Module):
    """A causal language model together with its loss, so that it can be trained by several workers."""

    def __init__(self, model: nn.Module, bfloat16: bool) -> None:
        super().__init__()
        self.model = model
        self._bfloat16 = bfloat16
        outer: Any = model
        base = outer.get_base_model() if hasattr(outer, "get_base_model") else outer
        self._takes = frozenset(inspect.signature(base.forward).parameters) & {
            "logits_to_keep",
            "position_ids",
        }

    def forward(self, tokens: Tensor, mask: Tensor, targets: Tensor) -> Tensor:
        """Sum of the answer tokens' cross-entropy in nats, float32.

        Args:
            tokens: (B, T).
            mask: (B, T).
            targets: (B, A) as in ``Batch``.
        """
        kept = targets.shape[1] + 1
        arguments: dict[str, Any] = {}
        if "position_ids" in self._takes:
            arguments["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)
        if "logits_to_keep" in self._takes:
            arguments["logits_to_keep"] = kept
        cast: AbstractContextManager[Any] = nullcontext()
        if self._bfloat16:
            cast = torch.autocast(tokens.device.type, dtype=torch.bfloat16)
        with cast:
            logits = self.model(input_ids=tokens, attention_mask=mask, use_cache=False, **arguments).logits
        wanted = targets != IGNORED
        return nn.functional.cross_entropy(
            logits[:, -kept:-1][wanted].float(), targets[wanted], reduction="sum"
        )


class AdapterTrainer:
    """Trains the parameters of a model that require gradients. The model stays in evaluation mode: no dropout anywhere.

    Args:
        model: a PEFT model around a causal language model, on its device.
        training: rows to learn, the same on every worker.
        validation: rows of held-out items, the same on every worker.
        pad: token id for padding; it is masked.
        config: how to train.
        crew: the workers.

    Attributes:
        step: steps done.
        steps: steps in all.

    Raises:
        ConfigurationError: if there are no rows, or fewer rows in a step than workers.
    """

    def __init__(
        self,
        model: nn.Module,
        training: Sequence[TokenRow],
        validation: Sequence[TokenRow],
        pad: int,
        config: TuningConfig,
        crew: Crew | None = None,
    ) -> None:
        self._crew: Crew = Alone() if crew is None else crew
        if not training or not validation:
            raise ConfigurationError("training or held-out rows are empty; give text of two or more items")
        if config.batch < self._crew.size:
            raise ConfigurationError(
                f"batch is {config.batch} for {self._crew.size} workers; each needs a row in every step"
            )
        self._config = config
        self._training, self._validation, self._pad = training, validation, pad
        self._parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._device = next(iter(self._parameters.values())).device
        self._loss = AnswerLoss(model.eval(), use_bfloat16(config.precision, self._device))
        self._joined = self._crew.join(self._loss)
        self._optimiser = torch.optim.AdamW(
            self._parameters.values(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.step, self.steps = 0, config.total_steps(len(training))
        self._order = lru_cache(maxsize=2)(self._permutation)

    def train(self) -> Iterator[Progress]:
        """Train from the present step to the last.

        Yields a point of the curve before the first step, every ``log_every`` steps, and with a look at the held-out items
        every ``check_every`` steps and at the end. Every worker must draw all points.

        Raises:
            ModelError: if the loss is not finite.
        """
        if self.step == 0:
            yield Progress(0, self.steps, None, self.evaluate(), 0.0, None)
        since, losses, learned, seen = time.monotonic(), 0.0, 0, 0
        while self.step < self.steps:
            rows = [self._training[place] for place in self.places(self.step)]
            losses += self._update(rows)
            learned += sum(row.answer for row in rows)
            seen += sum(len(row.tokens) for row in rows)
            self.step += 1
            checked = self.step == self.steps or self.step % self._config.check_every == 0
            if not (checked or self.step % self._config.log_every == 0):
                continue
            speed = seen / max(1e-9, time.monotonic() - since)
            (total,) = self._crew.total([losses])
            self._check_finite(total)
            yield Progress(
                self.step,
                self.steps,
                total / learned,
                self.evaluate() if checked else None,
                self._config.rate(self.step - 1, self.steps),
                speed,
            )
            since, losses, learned, seen = time.monotonic(), 0.0, 0, 0

    def places(self, step: int) -> list[int]:
        """The training rows of a step, of all workers: epochs follow each other, each in an order of its own."""
        count, batch = len(self._training), self._config.batch
        return [
            int(self._order(place // count)[place % count])
            for place in range(step * batch, (step + 1) * batch)
        ]

    def _permutation(self, epoch: int) -> NDArray[np.intp]:
        return np.random.default_rng([self._config.seed, epoch]).permutation(len(self._training))

    def _update(self, rows: Sequence[TokenRow]) -> float:
        """One step; returns the sum of this worker's losses."""
        mine = rows[self._crew.rank :: self._crew.size]
        learned = sum(row.answer for row in rows)
        width = self._config.pass_rows or len(mine)
        passes = [mine[start : start + width] for start in range(0, len(mine), width)]
        summed = 0.0
        for number, part in enumerate(passes, start=1):
            # Gradients meet once, in the last pass; they are averaged there, so the others' number is taken out.
            apart = nullcontext() if number == len(passes) else self._crew.apart(self._joined)
            with apart:
                loss = self._joined(*self._tensors(collate(part, self._pad)))
                torch.autograd.backward(loss * (self._crew.size / learned))
            summed += float(loss.detach())
        nn.utils.clip_grad_norm_(list(self._parameters.values()), self._config.clip)
        for group in self._optimiser.param_groups:
            group["lr"] = self._config.rate(self.step, self.steps)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return summed

    @torch.no_grad()
    def evaluate(self) -> float:
        """Mean nats an answer token on the held-out items; every worker must call it."""
        order = sorted(self._validation, key=lambda row: len(row.tokens))
        width = self._config.pass_rows or max(1, self._config.batch // self._crew.size)
        parts = [order[start : start + width] for start in range(0, len(order), width)]
        summed, learned = 0.0, 0
        for part in parts[self._crew.rank :: self._crew.size]:
            summed += float(self._loss(*self._tensors(collate(part, self._pad))))
            learned += sum(row.answer for row in part)
        total, count = self._crew.total([summed, float(learned)])
        self._check_finite(total)
        return total / count

    def _check_finite(self, total: float) -> None:
        """Refuse a loss that all workers see alike, so that they end together."""
        if not np.isfinite(total):
            raise ModelError(
                f"step {self.step}: the loss is not finite; lower the learning rate, or use precision float32"
            )

    def _tensors(self, batch: Batch) -> list[Tensor]:
        return [
            torch.from_numpy(array).to(self._device) for array in (batch.tokens, batch.mask, batch.targets)
        ]

    def save(self, folder: Path) -> None:
        """Write parameters, optimiser state and step; the step last, so that a torn state is told."""
        state = {f"model.{name}": p.detach().contiguous() for name, p in self._parameters.items()}
        for key, entry in self._optimiser.state_dict()["state"].items():
            state |= {f"optimiser.{key}.{name}": torch.as_tensor(value) for name, value in entry.items()}
        save_file(state, folder / STATE)
        index = {"step": self.step, "steps": self.steps}
        (folder / INDEX).write_text(json.dumps(index) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Go on from a saved state.

        Raises:
            RecordError: if it is damaged, or of a training with other parameters or another number of steps.
        """
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            state = load_file(folder / STATE)
            if index["steps"] != self.steps:
                raise ValueError(f"it is of a training of {index['steps']} steps, this one has {self.steps}")
            with torch.no_grad():
                for name, parameter in self._parameters.items():
                    parameter.copy_(state[f"model.{name}"])
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise RecordError(
                f"checkpoint {folder} cannot be used ({error}); begin a new training"
            ) from error
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            if key.startswith("optimiser."):
                number, name = key.removeprefix("optimiser.").split(".", 1)
                entries.setdefault(int(number), {})[name] = value
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": entries})
        self.step = int(index["step"])


def use_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Whether matrix products are to be computed in bfloat16: where asked for, or with ``auto`` where it is fast."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Not exported by torch under a public name; without it bfloat16 on a CPU is slower than float32.
    has = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return device.type == "cpu" and has is not None and bool(has())
