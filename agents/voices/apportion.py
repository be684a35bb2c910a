"""Whole numbers from shares: how many pairs an item's options get."""

from __future__ import annotations

import math
from collections.abc import Sequence

from negotiation.errors import ConfigurationError

_SAME = 1e-9
"""Remainders that differ by less are equal: shares come from sums, whose rounding must not decide."""


def apportion(shares: Sequence[float], total: int) -> tuple[int, ...]:
    """Split ``total`` by shares, by largest remainder (Hamilton; Balinski and Young 2001, chapter 2).

    Each option gets ``floor(total * share)``; what is left goes to the largest remainders, ties to the larger share and then
    to the earlier option.

    Args:
        shares: (K options,) each in [0, 1], summing to 1 (within 1e-6).
        total: how many to split, at least 0.

    Returns:
        (K options,) at least 0, summing to ``total``; each within 1 of ``total * share``.

    Raises:
        ConfigurationError: if a share or the sum is wrong, or the total is negative.

    >>> apportion((0.5, 0.3, 0.2), 4)
    (2, 1, 1)
    """
    if total < 0:
        raise ConfigurationError(f"total is {total}; it must be at least 0")
    for place, share in enumerate(shares):
        if not (math.isfinite(share) and 0.0 <= share <= 1.0):
            raise ConfigurationError(f"share {place} is {share}; it must lie in [0, 1]")
    whole = math.fsum(shares)
    if abs(whole - 1.0) > 1e-6:
        raise ConfigurationError(f"shares sum to {whole}; they must sum to 1")
    exact = [total * (share / whole) for share in shares]
    counts = [math.floor(value + _SAME) for value in exact]
    order = sorted(
        range(len(shares)),
        key=lambda place: (-round((exact[place] - counts[place]) / _SAME), -exact[place], place),
    )
    for place in order[: total - sum(counts)]:
        counts[place] += 1
    return tuple(counts)
