"""Largest remainder, by hand and by property."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.voices.apportion import apportion
from negotiation.errors import ConfigurationError


@pytest.mark.parametrize(
    ("shares", "total", "counts"),
    [
        # Quotas 4.7, 1.6, 1.55, 1.3, 0.55, 0.3: floors 4 1 1 1 0 0, the three left over go to .7, .6 and, of the two
        # .55, to the larger share.
        ((0.47, 0.16, 0.155, 0.13, 0.055, 0.03), 10, (5, 2, 2, 1, 0, 0)),
        ((0.25, 0.25, 0.25, 0.25), 6, (2, 2, 1, 1)),  # all tied: the earlier options
        ((1 / 3, 1 / 3, 1 / 3), 10, (4, 3, 3)),
        ((0.1, 0.2, 0.7), 10, (1, 2, 7)),  # exact: 10 * 0.7 must not lose one to rounding
        ((0.29, 0.71), 100, (29, 71)),  # 100 * 0.29 is 28.999999999999996
        ((0.0, 1.0), 3, (0, 3)),
        ((0.5, 0.5), 0, (0, 0)),
    ],
)
def test_by_hand(shares: tuple[float, ...], total: int, counts: tuple[int, ...]) -> None:
    assert apportion(shares, total) == counts


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=12).filter(any), st.integers(0, 500))
def test_counts_sum_to_the_total_and_stay_within_one_of_the_quota(weights: list[int], total: int) -> None:
    shares = [weight / sum(weights) for weight in weights]
    counts = apportion(shares, total)
    assert sum(counts) == total
    for weight, share, count in zip(weights, shares, counts, strict=True):
        assert count >= 0
        assert abs(count - total * share) < 1
        assert count == 0 or weight > 0
    # An option with more answers never gets fewer pairs.
    ranked = sorted(zip(weights, counts, strict=True))
    assert all(low[1] <= high[1] for low, high in itertools.pairwise(ranked) if low[0] < high[0])


@pytest.mark.parametrize(
    ("shares", "total", "message"),
    [
        ((0.5, 0.4), 10, "sum to 0.9"),
        ((1.5, -0.5), 10, "share 0 is 1.5"),
        ((math.nan, 1.0), 10, "share 0 is nan"),
        ((0.5, 0.5), -1, "total is -1"),
    ],
)
def test_wrong_shares_are_refused(shares: tuple[float, ...], total: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        apportion(shares, total)
