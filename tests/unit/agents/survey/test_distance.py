"""Distances between answer distributions: by hand, by properties, and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from agents.survey.distance import wasserstein
from negotiation.errors import GameError

shares = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).filter(lambda row: sum(row) > 0.01)


def normal(row: list[float]) -> list[float]:
    return (np.array(row) / np.sum(row)).tolist()


def test_by_hand() -> None:
    # A quarter of the people moves one step of three on a scale of four options.
    assert wasserstein([0.5, 0.25, 0.25, 0], [0.25, 0.5, 0.25, 0], [1, 2, 3, 4]) == pytest.approx(0.25 / 3)
    # Unequal steps: from place 0 to place 9 of 10.
    assert wasserstein([1, 0, 0], [0, 1, 0], [0, 9, 10]) == pytest.approx(0.9)
    assert wasserstein([0.6, 0.4], [0.1, 0.9], None) == pytest.approx(0.5)


@given(left=shares, right=shares, third=shares)
def test_it_is_a_metric_within_one(left: list[float], right: list[float], third: list[float]) -> None:
    p, q, r = normal(left), normal(right), normal(third)
    for places in ([1.0, 2.0, 4.0, 8.0], None):
        assert wasserstein(p, p, places) == pytest.approx(0.0, abs=1e-12)
        assert wasserstein(p, q, places) == pytest.approx(wasserstein(q, p, places))
        assert 0.0 <= wasserstein(p, q, places) <= 1.0 + 1e-9
        assert wasserstein(p, r, places) <= wasserstein(p, q, places) + wasserstein(q, r, places) + 1e-9


@given(left=shares, right=shares)
def test_it_is_that_of_scipy(left: list[float], right: list[float]) -> None:
    places = [1.0, 2.0, 4.0, 8.0]
    expected = wasserstein_distance(places, places, normal(left), normal(right)) / 7.0
    assert wasserstein(normal(left), normal(right), places) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("left", "right", "places", "message"),
    [
        ([1.0, 0.0], [0.5, 0.4], None, "right sums to 0.9"),
        ([1.5, -0.5], [0.5, 0.5], None, "left is"),
        ([1.0, 0.0], [0.5, 0.25, 0.25], None, "left has 2 options and right 3"),
        ([1.0, 0.0], [0.5, 0.5], [2.0, 1.0], "strictly increasing"),
        ([1.0, 0.0], [0.5, 0.5], [1.0], "strictly increasing"),
        ([1.0], [1.0], None, "two or more"),
    ],
)
def test_what_is_no_distribution_is_refused(
    left: list[float], right: list[float], places: list[float] | None, message: str
) -> None:
    with pytest.raises(GameError, match=message):
        wasserstein(left, right, places)
