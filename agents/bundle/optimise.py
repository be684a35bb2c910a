"""The training loop shared by the base model and its adapters.

Matrices inside the decoder are trained with Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers"; the step size
matched to AdamW's as in Liu et al. 2025, arXiv 2502.16982, section 2.2), everything else with AdamW. The learning rate warms up,
stays, and falls linearly to zero over the last part (warmup-stable-decay, Hu et al. 2024, arXiv 2404.06395), so that a longer
run can go on from the checkpoint of a shorter one. The loss is the cross-entropy of answer tokens only, and only answer
positions go through the output head.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from agents.bundle.tokenize import Batch, TokenRow, batches

logger = logging.getLogger(__name__)

ANSWER_STEP = 512
"""Answer positions go through the head in multiples of this."""


class OptimiserConfig(BaseModel):
    """How long and how fast to train."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: int = Field(gt=0, description="tokens to train on in all, prompts and padding included")
    batch_tokens: int = Field(
        default=12_288, gt=0, description="tokens in a step, prompts and padding included"
    )
    matrix_learning_rate: float = Field(default=4e-3, gt=0, description="peak rate of Muon")
    learning_rate: float = Field(default=3e-3, gt=0, description="peak rate of AdamW")
    weight_decay: float = Field(default=0.1, ge=0, description="decoupled weight decay of matrices")
    warmup: float = Field(default=0.03, ge=0, lt=1, description="share of the steps that warm up")
    decay: float = Field(
        default=0.3, gt=0, le=1, description="share of the steps, at the end, over which the rate falls"
    )
    clip: float = Field(default=1.0, gt=0, description="bound on the gradient's norm")

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return max(1, self.tokens // self.batch_tokens)

    def rate(self, step: int) -> float:
        """Share of the peak learning rate at ``step`` (from 0), in (0, 1]."""
        warmup = max(1, math.ceil(self.warmup * self.steps))
        decay = max(1, math.ceil(self.decay * self.steps))
        return min(1.0, (step + 1) / warmup, (self.steps - step) / decay)


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of a training log; losses are mean nats an answer token."""

    step: int
    steps: int
    loss: float
    validation_loss: float | None
    tokens_per_s: float


class Trainer:
    """Trains the parameters of a causal language model that require gradients.

    Args:
        model: a transformers causal language model, or a PEFT model around one.
        config: how long and how fast.
        checkpoint: folder for checkpoints; training goes on from the one in it.
        seed: of the order of the examples.
        compile: compile the decoder with torch.compile (once a row length).
    """

    def __init__(
        self, model: nn.Module, config: OptimiserConfig, checkpoint: Path, *, seed: int, compile: bool = False
    ) -> None:
        self.model = model
        self.config = config
        self.checkpoint = checkpoint
        self.seed = seed
        self.device = next(model.parameters()).device
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        self.decoder = torch.compile(base.model) if compile else base.model
        self.head = base.lm_head
        self.optimisers = self._optimisers(adapters=base is not model)
        self.step = 0

    def _optimisers(self, *, adapters: bool) -> list[torch.optim.Optimizer]:
        config = self.config
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, parameter in self.parameters.items():
            # Muon's orthogonal updates suit full hidden matrices, not embeddings and not low-rank factors.
            hidden = parameter.ndim == 2 and "embed_tokens" not in name and not adapters
            (matrices if hidden else others).append(parameter)
        optimisers: list[torch.optim.Optimizer] = []
        if matrices:
            optimisers.append(
                torch.optim.Muon(
                    matrices,
                    lr=config.matrix_learning_rate,
                    weight_decay=config.weight_decay,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        optimisers.append(
            torch.optim.AdamW(others, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
        )
        return optimisers

    def loss(self, batch: Batch) -> tuple[Tensor, int]:
        """Sum of the answer tokens' cross-entropy in nats, and their number."""
        tokens = torch.from_numpy(batch.tokens).to(self.device)
        places, labels = _answers(batch.targets)
        targets = torch.from_numpy(labels).to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            hidden = self.decoder(input_ids=tokens, use_cache=False).last_hidden_state
            logits = self.head(hidden.flatten(0, 1)[torch.from_numpy(places).to(self.device)])
        loss = nn.functional.cross_entropy(logits.float(), targets, ignore_index=-100, reduction="sum")
        return loss, int((labels != -100).sum())

    @torch.no_grad()
    def evaluate(self, rows: Sequence[TokenRow], pad: int) -> float:
        """Mean nats an answer token; lower is better."""
        self.model.eval()
        total, count = 0.0, 0
        for batch in batches(rows, self.config.batch_tokens, pad, None):
            loss, tokens = self.loss(batch)
            total += float(loss.detach())
            count += tokens
        self.model.train()
        return total / count

    def train(
        self,
        rows: Sequence[TokenRow],
        validation: Sequence[TokenRow],
        pad: int,
        *,
        evaluate_every: int = 200,
        stop_after_s: float = math.inf,
    ) -> Iterator[Progress]:
        """Train to the configured number of steps, or until ``stop_after_s`` seconds have passed.

        Yields progress every ten steps, and validates and saves a checkpoint every ``evaluate_every``.
        """
        self.model.train()
        self._restore()
        begin = time.monotonic()
        since, losses, answers, tokens = begin, 0.0, 0, 0
        for batch in self._stream(rows, pad):
            loss, count = self.loss(batch)
            self._update(loss / max(1, count))
            losses, answers, tokens = (
                losses + float(loss.detach()),
                answers + count,
                tokens + batch.tokens.size,
            )
            self.step += 1
            over = self.step == self.config.steps or time.monotonic() - begin > stop_after_s
            checked = over or self.step % evaluate_every == 0
            if checked or self.step % 10 == 0:
                rate = tokens / (time.monotonic() - since)
                value = self.evaluate(validation, pad) if checked else None
                if checked:
                    self._save()
                yield Progress(self.step, self.config.steps, losses / max(1, answers), value, rate)
                since, losses, answers, tokens = time.monotonic(), 0.0, 0, 0
            if over:
                return

    def _stream(self, rows: Sequence[TokenRow], pad: int) -> Iterator[Batch]:
        """Batches from the present step on; the order of each epoch is a function of the seed and the epoch."""
        seen, epoch = 0, 0
        while self.step < self.config.steps:
            planned = batches(rows, self.config.batch_tokens, pad, np.random.default_rng([self.seed, epoch]))
            yield from planned[max(0, self.step - seen) :]
            seen += len(planned)
            epoch += 1

    def _update(self, loss: Tensor) -> None:
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(list(self.parameters.values()), self.config.clip)
        rate = self.config.rate(self.step)
        peaks = [self.config.matrix_learning_rate, self.config.learning_rate][-len(self.optimisers) :]
        for optimiser, peak in zip(self.optimisers, peaks, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * rate
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def _save(self) -> None:
        """Write weights, optimiser states and the step; the step last, so that a torn checkpoint is not taken up."""
        self.checkpoint.mkdir(parents=True, exist_ok=True)
        state = {f"model.{name}": p.detach().contiguous() for name, p in self.parameters.items()}
        for index, optimiser in enumerate(self.optimisers):
            for key, entry in optimiser.state_dict()["state"].items():
                state |= {f"optimiser.{index}.{key}.{name}": torch.as_tensor(v) for name, v in entry.items()}
        name = f"state-{self.step}.safetensors"
        save_file(state, self.checkpoint / name)
        temporary = self.checkpoint / "checkpoint.json.part"
        temporary.write_text(json.dumps({"step": self.step, "state": name}), encoding="utf-8")
        temporary.replace(self.checkpoint / "checkpoint.json")
        for old in self.checkpoint.glob("state-*.safetensors"):
            if old.name != name:
                old.unlink()

    def _restore(self) -> None:
        index = self.checkpoint / "checkpoint.json"
        if not index.is_file():
            return
        found = json.loads(index.read_text(encoding="utf-8"))
        state = load_file(self.checkpoint / found["state"])
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state[f"model.{name}"])
        for index_, optimiser in enumerate(self.optimisers):
            entries: dict[int, dict[str, Tensor]] = {}
            prefix = f"optimiser.{index_}."
            for key, value in state.items():
                if key.startswith(prefix):
                    number, name = key.removeprefix(prefix).split(".", 1)
                    entries.setdefault(int(number), {})[name] = value
            optimiser.load_state_dict(optimiser.state_dict() | {"state": entries})
        self.step = int(found["step"])
        logger.info("going on from step %d of %d", self.step, self.config.steps)


def _answers(targets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where answers stand in the flattened batch, and their tokens; filled up (-100) to a multiple of ``ANSWER_STEP``.

    Every other number of rows would be one more shape, and for each shape the CPU's matrix library keeps buffers: memory grew
    by a quarter of a gigabyte a minute.
    """
    flat = targets.reshape(-1)
    places = np.flatnonzero(flat != -100).astype(np.int64)
    filled = np.zeros(max(1, -(-len(places) // ANSWER_STEP)) * ANSWER_STEP, dtype=np.int64)
    labels = np.full(len(filled), -100, dtype=np.int64)
    filled[: len(places)], labels[: len(places)] = places, flat[places]
    return filled, labels
