"""Advantages against cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewriter.learning.advantage import EPSILON, group_advantages

WEIGHTS = {"value": 2.0, "consistency": 1.0}


def test_parts_are_normalised_each_by_itself_and_then_weighted() -> None:
    # value: mean 2, deviations -1 0 1, standard deviation 1; consistency: mean 1/3, std sqrt(1/3).
    parts = {"value": np.array([1.0, 2.0, 3.0]), "consistency": np.array([1.0, 0.0, 0.0])}
    spread = 3**-0.5
    expected = [
        2 * -1 / (1 + EPSILON) + (2 / 3) / (spread + EPSILON),
        -(1 / 3) / (spread + EPSILON),
        2 / (1 + EPSILON) - (1 / 3) / (spread + EPSILON),
    ]
    found = group_advantages(parts, np.zeros(3, dtype=np.int64), WEIGHTS)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_trade_offs_that_sum_alike_are_told_apart() -> None:
    # Summed first, all three would have reward 1 and advantage 0.
    parts = {"value": np.array([1.0, 0.9, 0.0]), "consistency": np.array([0.0, 0.1, 1.0])}
    found = group_advantages(parts, np.zeros(3, dtype=np.int64), {"value": 2.0, "consistency": 1.0})
    assert len(set(found.round(6))) == 3


def test_without_scale_differences_are_only_centred() -> None:
    parts = {"value": np.array([1.0, 2.0, 6.0]), "consistency": np.zeros(3)}
    found = group_advantages(parts, np.zeros(3, dtype=np.int64), WEIGHTS, scale=False)
    np.testing.assert_allclose(found, [-4.0, -2.0, 6.0])


def test_a_group_of_one_and_a_group_of_equal_rewards_get_exactly_zero() -> None:
    # A third of a tenth is not exact: the mean of three of them is another number.
    parts = {
        "value": np.array([0.7, 0.1 / 3, 0.1 / 3, 0.1 / 3]),
        "consistency": np.array([0.2, 0.9, 0.9, 0.9]),
    }
    found = group_advantages(parts, np.array([0, 1, 1, 1]), WEIGHTS)
    assert found.tolist() == [0.0, 0.0, 0.0, 0.0]


def test_groups_do_not_see_each_other() -> None:
    values = np.array([1.0, 2.0, 10.0, 30.0])
    together = group_advantages({"value": values}, np.array([0, 0, 1, 1]), {"value": 1.0})
    alone = group_advantages({"value": values[:2]}, np.array([5, 5]), {"value": 1.0})
    assert together[:2].tolist() == alone.tolist()


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-5, 5), st.floats(0, 1)), min_size=1, max_size=20))
def test_advantages_sum_to_zero_in_each_group(rows: list[tuple[int, float, float]]) -> None:
    groups = np.array([row[0] for row in rows])
    parts = {"value": np.array([row[1] for row in rows]), "consistency": np.array([row[2] for row in rows])}
    found = group_advantages(parts, groups, WEIGHTS)
    for group in set(groups.tolist()):
        assert abs(found[groups == group].sum()) < 1e-6


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_reward_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="reward 'value' of completion 1"):
        group_advantages({"value": np.array([0.0, bad])}, np.zeros(2, dtype=np.int64), {"value": 1.0})


def test_parts_without_weight_are_refused() -> None:
    with pytest.raises(ValueError, match="parts"):
        group_advantages({"value": np.zeros(2)}, np.zeros(2, dtype=np.int64), WEIGHTS)
