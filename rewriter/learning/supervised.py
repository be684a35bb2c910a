"""The loss of supervised fine-tuning: cross-entropy of given answers.

    L = - sum over answer tokens t of w_t log pi(t)

with w_t one over the number of answer tokens in the step.
"""

from __future__ import annotations

from torch import Tensor


def supervised_loss(logprobs: Tensor, tokens: int) -> Tensor:
    """The loss over the N answer tokens at hand.

    Args:
        logprobs: (N,) nats under the policy, with gradient.
        tokens: of the whole step, of all workers.
    """
    return -logprobs.sum() / tokens
