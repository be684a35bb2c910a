"""The loss of direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290, equation 7).

    L = -log sigmoid(m),   m = beta ((log pi(y_w) - log pi_ref(y_w)) - (log pi(y_l) - log pi_ref(y_l)))

y_w being the chosen and y_l the rejected answer, each log-probability the sum over its tokens.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid


def dpo_loss(
    chosen: Tensor, rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor, *, beta: float
) -> tuple[Tensor, Tensor]:
    """The losses of pairs.

    Args:
        chosen: (P,) nats, sum over the chosen answer's tokens under the policy, with gradient.
        rejected: (P,) of the rejected answer.
        reference_chosen: (P,) under the reference.
        reference_rejected: (P,) under the reference.
        beta: how closely the policy is held to the reference.

    Returns:
        (P,) losses, (P,) margins m without gradient.
    """
    margins = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return -logsigmoid(margins), margins.detach()
