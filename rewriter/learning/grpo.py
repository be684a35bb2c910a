"""The loss of group relative policy optimisation.

For token t of a completion with advantage A, with r = pi / pi_prox the ratio of the policy's probability to that of the proximal
policy (the one before the step's first update) and c = min(pi_prox / pi_sampled, bound):

    L_t = -c min(r A, clip(r, 1 - eps_low, 1 + eps_high) A) + beta r (exp(d) - d - 1),    d = log pi_ref - log pi

The first term is the clipped surrogate (Shao et al. 2024, arXiv 2402.03300, equation 3) with DAPO's two bounds (Yu et al. 2025,
arXiv 2503.14476, section 3.1). c corrects for completions that older weights sampled, or the same weights at another precision
(truncated importance sampling, as in Espeholt et al. 2018, arXiv 1802.01561, section 4.1). The last term estimates
KL(pi || pi_ref) without bias and never below 0 (Schulman 2020, "Approximating KL divergence", k3); r makes its gradient that of
KL(pi || pi_ref) too, which without it is that of another divergence (DeepSeek-V3.2, arXiv 2512.02556). The loss is the weighted
sum over tokens:

    L = sum over t of w_t L_t

Departures from the paper: the tokens' weights can be chosen (``token_weights``), the two policies in its ratio, which are one
there, may differ, and the divergence has the factor r, unless it is switched off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rewriter.learning.config import Normalisation


@dataclass(frozen=True, slots=True)
class GRPOTerms:
    """The loss and what it is made of.

    Attributes:
        loss: scalar, to be minimised.
        kl: (N,) nats, the estimate at each token, without r; zeros without a reference.
        ratio: (N,) policy over proximal policy.
        clipped: (N,) bool, tokens whose ratio was clipped: they have no gradient but the divergence's.
        importance: (N,) truncated weights.
    """

    loss: Tensor
    kl: Tensor
    ratio: Tensor
    clipped: Tensor
    importance: Tensor


def grpo_loss(
    logprobs: Tensor,
    proximal: Tensor,
    sampled: Tensor,
    reference: Tensor | None,
    advantages: Tensor,
    weights: Tensor,
    *,
    epsilon_low: float,
    epsilon_high: float,
    beta: float,
    importance_bound: float,
    unbiased: bool = True,
) -> GRPOTerms:
    """The loss over the N tokens of some completions.

    Args:
        logprobs: (N,) nats under the policy, with gradient.
        proximal: (N,) under the policy before the step's first update.
        sampled: (N,) under the policy that sampled.
        reference: (N,) under the reference; None if beta is 0.
        advantages: (N,) of each token's completion.
        weights: (N,) as ``token_weights`` gives them.
        epsilon_low: bound below 1.
        epsilon_high: bound above 1.
        beta: weight of the divergence.
        importance_bound: largest weight of a token, at least 1.
        unbiased: the divergence has the factor r.
    """
    ratio = torch.exp(logprobs - proximal)
    bounded = ratio.clamp(1.0 - epsilon_low, 1.0 + epsilon_high)
    importance = torch.exp(proximal - sampled).clamp(max=importance_bound).detach()
    losses = -importance * torch.minimum(ratio * advantages, bounded * advantages)
    kl = torch.zeros_like(losses)
    if reference is not None:
        difference = reference - logprobs
        kl = torch.exp(difference) - difference - 1.0
        losses = losses + beta * (ratio * kl if unbiased else kl)
    clipped = ((ratio < 1.0 - epsilon_low) & (advantages < 0)) | (
        (ratio > 1.0 + epsilon_high) & (advantages > 0)
    )
    return GRPOTerms((weights * losses).sum(), kl.detach(), ratio.detach(), clipped, importance)


def token_weights(
    lengths: Sequence[int], normalisation: Normalisation, max_tokens: int, tokens: int, completions: int
) -> NDArray[np.float64]:
    """What each token counts in the loss of an update.

    ``"dapo"`` gives 1 / tokens (arXiv 2503.14476, section 3.3), ``"grpo"`` 1 / (completions * length) (arXiv 2402.03300),
    ``"dr_grpo"`` 1 / (completions * max_tokens) (arXiv 2503.20783); names as in TRL.

    Args:
        lengths: tokens of each completion at hand.
        normalisation: which.
        max_tokens: bound on a completion.
        tokens: of the whole update, of all workers.
        completions: of the whole update, of all workers.

    Returns:
        (sum of lengths,) weights; over a whole update they sum to 1, with ``"dr_grpo"`` to at most 1.

    >>> token_weights([1, 3], "grpo", 4, tokens=4, completions=2).round(3).tolist()
    [0.5, 0.167, 0.167, 0.167]
    """
    counts = np.asarray(lengths, dtype=np.int64)
    if normalisation == "dapo":
        return np.full(int(counts.sum()), 1.0 / tokens)
    per_token = 1.0 / (
        completions * (counts if normalisation == "grpo" else np.full_like(counts, max_tokens))
    )
    return np.repeat(per_token, counts)
