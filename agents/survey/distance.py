"""How far one distribution of answers is from another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from negotiation.errors import GameError


def wasserstein(left: Sequence[float], right: Sequence[float], positions: Sequence[float] | None) -> float:
    """Wasserstein-1 distance between two distributions over the same options, in [0, 1]; lower is nearer.

    Ordered options lie on a line, scaled to length 1, and the distance is the area between the cumulative distributions:
    ``W = sum_k |F(k) - G(k)| * (x_{k+1} - x_k) / (x_K - x_1)`` (Vallender 1974; used for survey answers of language models by
    Santurkar et al. 2023, arXiv 2303.17548, section 3.2). Options without order are all at distance 1 from each other, and
    the distance is the total variation, ``sum_k |p_k - q_k| / 2``.

    Args:
        left: (K,) shares, >= 0, summing to 1 (within 1e-6).
        right: (K,) likewise.
        positions: (K,) strictly increasing places of the options on their scale, or None if they have no order.

    Raises:
        GameError: if a row is no distribution, the lengths differ, or positions do not increase.

    >>> wasserstein([1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1, 2, 3])
    1.0
    >>> wasserstein([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1, 2, 3])
    0.5
    >>> wasserstein([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], None)
    1.0
    """
    p, q = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    for name, row in (("left", p), ("right", q)):
        if row.ndim != 1 or len(row) < 2 or not np.isfinite(row).all() or (row < 0.0).any():
            raise GameError(f"{name} is {row}; it must be two or more shares, each 0 or more")
        if abs(row.sum() - 1.0) > 1e-6:
            raise GameError(f"{name} sums to {row.sum()}; shares must sum to 1")
    if p.shape != q.shape:
        raise GameError(f"left has {len(p)} options and right {len(q)}; compare answers to the same item")
    if positions is None:
        return float(np.abs(p - q).sum() / 2.0)
    places = np.asarray(positions, dtype=np.float64)
    gaps = np.diff(places)
    if places.shape != p.shape or not (gaps > 0.0).all():
        raise GameError(f"positions are {places}; give one for each of {len(p)} options, strictly increasing")
    return float(np.abs(np.cumsum(p - q)[:-1]) @ gaps / (places[-1] - places[0]))
