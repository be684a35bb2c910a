"""What all trainers have in common: an optimiser step over several passes and workers, and the saved state."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from agents.tuning.crew import Alone, Crew
from negotiation.errors import RecordError
from rewriter.learning.config import GRPOSettings, PairConfig
from rewriter.learning.policy import Policy
from rewriter.learning.rows import Pass

STATE, INDEX = "state.safetensors", "state.json"
"""Files of a saved state: parameters and optimiser state; the counters and what they belong to."""

_COUNTERS = ("steps_done", "trained", "skips")

Loss = Callable[[Pass, Tensor, Tensor], Tensor]
"""From a pass, its (N,) log-probabilities and entropies to this worker's part of an update's loss."""


class Updater:
    """AdamW on the adapter of a policy, for one worker or several.

    Args:
        policy: learns.
        config: how.
        crew: the workers; one if None.
        identity: what else a saved state must have in common with a training that goes on from it.

    Attributes:
        crew: the workers.
        steps_done: steps done, the skipped too; also the version of the weights.
        trained: answer tokens that went through backward passes, of all workers.
        skips: steps skipped because something was not finite.
    """

    def __init__(
        self,
        policy: Policy,
        config: GRPOSettings | PairConfig,
        crew: Crew | None = None,
        identity: Mapping[str, int] | None = None,
    ) -> None:
        self.crew: Crew = Alone() if crew is None else crew
        self.policy = policy
        self._config = config
        self._identity = {"base": policy.base.name, **(identity or {})}
        self.steps_done = self.trained = self.skips = 0
        self._joined = self.crew.join(policy.logprobs)
        self._optimiser = torch.optim.AdamW(
            policy.parameters.values(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    @property
    def done(self) -> bool:
        """Whether all steps are done, or the budget is spent."""
        budget = self._config.budget
        return self.steps_done >= self._config.steps or (budget is not None and self.trained >= budget)

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return self._config.rate(min(self.steps_done, self._config.steps - 1))

    def update(self, given: Sequence[Pass], loss: Loss) -> float | None:
        """One optimiser step: the loss is the sum over all passes of all workers.

        Every worker must call it, with at least one pass.

        Returns:
            The gradient's norm before clipping; None if it was not finite: nothing was learned then.
        """
        for number, part in enumerate(given, start=1):
            # Gradients meet once, in the last pass; they are averaged there, so the workers' number is taken out.
            apart = nullcontext() if number == len(given) else self.crew.apart(self._joined)
            with apart:
                logprobs, entropy = self._joined(part)
                torch.autograd.backward(loss(part, logprobs, entropy) * self.crew.size)
        norm = float(nn.utils.clip_grad_norm_(self.policy.parameters.values(), self._config.clip))
        finite = norm < float("inf")  # neither infinite nor NaN; workers see the same
        if finite:
            for group in self._optimiser.param_groups:
                group["lr"] = self.rate
            self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return norm if finite else None

    def save(self, folder: Path) -> None:
        """Write parameters, optimiser state and counters; the counters last, so that a torn state is told.

        Random numbers and the order of rows are functions of the seed and the number of steps done.
        """
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            f"model.{name}": p.detach().contiguous().clone() for name, p in self.policy.parameters.items()
        }
        for key, entry in self._optimiser.state_dict()["state"].items():
            state |= {f"optimiser.{key}.{name}": torch.as_tensor(value) for name, value in entry.items()}
        save_file(state, folder / STATE)
        index = {name: getattr(self, name) for name in _COUNTERS}
        index |= {"identity": self._identity, "settings": self._config.model_dump(mode="json")}
        (folder / INDEX).write_text(json.dumps(index) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Go on from a saved state.

        Raises:
            RecordError: if it is damaged, or of a training with another model, adapter, data or settings.
        """
        try:
            index: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            state = load_file(folder / STATE)
            counters = {name: int(index[name]) for name in _COUNTERS}
            if index["identity"] != self._identity:
                raise ValueError(f"it is of {index['identity']}, this training is of {self._identity}")
            settings = self._config.model_dump(mode="json")
            differing = [name for name in settings if index["settings"].get(name) != settings[name]]
            if differing:
                raise ValueError(f"it was made with another {', '.join(differing)}")
            wanted = {f"model.{name}": p.shape for name, p in self.policy.parameters.items()}
            if wanted != {name: value.shape for name, value in state.items() if name.startswith("model.")}:
                raise ValueError("it is of another adapter")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            raise RecordError(
                f"checkpoint {folder} cannot be used ({error}); begin a new training"
            ) from error
        with torch.no_grad():
            for name, parameter in self.policy.parameters.items():
                parameter.copy_(state[f"model.{name}"])
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            if key.startswith("optimiser."):
                number, name = key.removeprefix("optimiser.").split(".", 1)
                entries.setdefault(int(number), {})[name] = value
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": entries})
        self.steps_done, self.trained, self.skips = (counters[name] for name in _COUNTERS)
