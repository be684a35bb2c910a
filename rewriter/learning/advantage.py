"""How much better a completion is than the others of its group.

    A = sum over parts p of w_p (r_p - mean_g r_p) / (std_g r_p + eps)

mean_g and std_g being over the completion's group (Shao et al. 2024, arXiv 2402.03300, section 4.1.2). Each part of the reward is
normalised by itself and then weighted: summed first, a completion with more of one part and less of another would get the
advantage of one with the mean of both, and the part with the larger spread would decide alone (GDPO, Liu et al. 2026, arXiv
2601.05242, which normalises over the batch once more; here that is left out, so that a group's advantages are its own).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-4
"""Added to the standard deviation: rewards that differ by rounding only are not blown up to differences of size 1."""


def group_advantages(
    parts: Mapping[str, NDArray[np.float64]],
    groups: NDArray[np.int64],
    weights: Mapping[str, float],
    *,
    scale: bool = True,
) -> NDArray[np.float64]:
    """Advantages of completions within their groups.

    A group of one, or one with equal rewards, gets exactly 0.

    Args:
        parts: (N,) rewards by part, higher is better.
        groups: (N,) number of each completion's group.
        weights: by part, for the same parts.
        scale: divide by the standard deviation (with N - 1, as TRL does); else differences are only centred (Dr. GRPO, Liu
            et al. 2025, arXiv 2503.20783).

    Returns:
        (N,) advantages; they sum to 0 in each group.

    Raises:
        ValueError: if parts and weights differ, or a reward is not finite.

    >>> rewards = {"value": np.array([0.0, 1.0, 0.5])}
    >>> group_advantages(rewards, np.array([0, 0, 1]), {"value": 1.0}).round(3).tolist()
    [-0.707, 0.707, 0.0]
    """
    if set(parts) != set(weights):
        raise ValueError(f"rewards have parts {sorted(parts)}, weights are for {sorted(weights)}")
    advantages = np.zeros(len(groups))
    for name, rewards in parts.items():
        if not np.isfinite(rewards).all():
            place = int(np.flatnonzero(~np.isfinite(rewards))[0])
            raise ValueError(f"reward {name!r} of completion {place} is {rewards[place]}; skip the step")
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            own = rewards[rows]
            if (own == own[0]).all():
                continue  # exactly 0, which the mean's rounding might miss
            centred = own - own.mean()
            spread = own.std(ddof=1) + EPSILON if scale else 1.0
            advantages[rows] += weights[name] * centred / spread
    return advantages
