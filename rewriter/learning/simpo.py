"""The loss of simple preference optimisation (Meng et al. 2024, arXiv 2405.14734, equation 6).

    L = -log sigmoid(m),   m = beta / |y_w| log pi(y_w) - beta / |y_l| log pi(y_l) - gamma

y_w being the chosen and y_l the rejected answer, |y| the number of its tokens. There is no reference.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid


def simpo_loss(
    chosen: Tensor, rejected: Tensor, lengths: tuple[Tensor, Tensor], *, beta: float, gamma: float
) -> tuple[Tensor, Tensor]:
    """The losses of pairs.

    Args:
        chosen: (P,) nats, sum over the chosen answer's tokens under the policy, with gradient.
        rejected: (P,) of the rejected answer.
        lengths: (P,) tokens of the chosen, (P,) of the rejected answers.
        beta: scale.
        gamma: margin by which the chosen is to win.

    Returns:
        (P,) losses, (P,) margins m without gradient.
    """
    margins = beta * (chosen / lengths[0] - rejected / lengths[1]) - gamma
    return -logsigmoid(margins), margins.detach()
