"""The network of a policy: two small perceptrons, for actions and for the value, and a mask on the actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from torch import nn

from cluster.bargaining.environment import MASK, OBSERVATIONS

FORBIDDEN = -1e9
"""Logit of an illegal action; its probability is 0 in float32, and unlike -inf it makes no NaN in entropies."""


class MaskedPolicy(TorchRLModule, ValueFunctionAPI):  # type: ignore[misc]  # RLlib is partly typed
    """Logits of actions, with illegal ones out of reach, and the value of an information state.

    ``model_config`` has ``width``, the units of both hidden layers.
    """

    def setup(self) -> None:
        """Build the networks; called by RLlib."""
        inputs = int(self.observation_space[OBSERVATIONS].shape[0])
        width = int(self.model_config["width"])
        self.policy = _perceptron(inputs, width, int(self.action_space.n))
        self.value = _perceptron(inputs, width, 1)

    def _forward(self, batch: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        seen = batch[Columns.OBS]
        return {Columns.ACTION_DIST_INPUTS: masked(self.policy(seen[OBSERVATIONS]), seen[MASK])}

    def compute_values(self, batch: Mapping[str, Any], embeddings: Any = None) -> Any:
        """(B,) values of information states."""
        return self.value(batch[Columns.OBS][OBSERVATIONS]).squeeze(-1)


def masked(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Logits with those of illegal actions (mask 0) at ``FORBIDDEN``."""
    return torch.where(mask > 0.5, logits, torch.full_like(logits, FORBIDDEN))


def _perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    last = nn.Linear(width, outputs)
    with torch.no_grad():
        last.weight.mul_(0.1)  # first policies are near to uniform play, and first values near to 0
    return nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), last)
