"""Nash's and Kalai and Smorodinsky's solutions on cases of the literature."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from negotiation.bargaining import solutions as module
from negotiation.bargaining.solutions import ideal_gains, kalai_smorodinsky, nash_solution
from negotiation.errors import GameError

# Kalai and Smorodinsky (1975): the second set holds the first, and gives player 2 more at every demand of player 1.
SMALL = np.array([[0.0, 1.0], [1.0, 0.0], [0.75, 0.75]])
LARGE = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.7]])


def test_nashs_own_example() -> None:
    # Nash (1950), "The Bargaining Problem": nine goods worth (to Bill, to Jack); the first five are Bill's.
    #   book 2,4  whip 2,2  ball 2,1  bat 2,2  box 4,1 | pen 10,1  toy 4,1  knife 6,2  hat 2,2
    # Bill gives book, whip, ball and bat; Jack gives pen, toy and knife.
    goods = np.array([(2, 4), (2, 2), (2, 1), (2, 2), (4, 1), (10, 1), (4, 1), (6, 2), (2, 2)], dtype=float)
    splits = np.array(list(itertools.product((0.0, 1.0), repeat=9)))  # 1: Bill has it
    points = np.stack([splits @ goods[:, 0], (1 - splits) @ goods[:, 1]], axis=1)
    found = nash_solution(points, np.array([12.0, 6.0]))
    assert found.point == pytest.approx([24.0, 11.0])
    assert found.product == pytest.approx(60.0)
    assert (splits[int(found.lottery[:-1].argmax())] == [0, 0, 0, 0, 1, 1, 1, 1, 0]).all()


def test_the_larger_set_hurts_player_two_under_nash_but_not_under_kalai_smorodinsky() -> None:
    zero = np.zeros(2)
    assert nash_solution(SMALL, zero).point == pytest.approx([0.75, 0.75])
    assert nash_solution(LARGE, zero).point == pytest.approx([1.0, 0.7])
    assert kalai_smorodinsky(SMALL, zero).point == pytest.approx([0.75, 0.75])
    assert kalai_smorodinsky(LARGE, zero).point == pytest.approx([1 / 1.3, 1 / 1.3])


def test_a_dollar_with_an_outside_option() -> None:
    found = nash_solution(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.4, 0.0]))
    assert found.point == pytest.approx([0.7, 0.3])  # split the difference


def test_three_share_alike() -> None:
    for solution in (nash_solution, kalai_smorodinsky):
        assert solution(np.eye(3), np.zeros(3)).point == pytest.approx([1 / 3] * 3, abs=1e-9)


def test_the_ideal_point_is_individually_rational() -> None:
    assert ideal_gains(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.0, 0.5])) == pytest.approx([0.5, 0.5])


def test_players_that_cannot_gain() -> None:
    found = nash_solution(np.array([[1.0, 0.0]]), np.array([0.5, 0.0]))
    assert found.product == 0.0
    assert found.point == pytest.approx([1.0, 0.0])
    assert kalai_smorodinsky(np.array([[0.0, 0.0]]), np.ones(2)).point == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("seed", range(6))
def test_nash_is_optimal_invariant_and_the_same_by_newton(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points: NDArray[np.float64] = rng.random((5, 2))
    zero = np.full(2, 0.1)
    found = nash_solution(points, zero)
    gains = points - zero
    if found.product > 0:  # no feasible direction raises the sum of the logarithms
        assert (gains @ (1 / found.gains)).max() <= 2 + 1e-9
    scaled = nash_solution(points * [3.0, 0.5] + [1.0, -2.0], zero * [3.0, 0.5] + [1.0, -2.0])
    assert scaled.point == pytest.approx(found.point * [3.0, 0.5] + [1.0, -2.0])
    rows = np.vstack([gains, np.zeros(2)])
    lottery, gap = module._nash_by_newton(rows, module._maximin(rows, np.ones(2)))
    assert gap < 1e-7
    assert lottery @ rows == pytest.approx(found.gains, abs=1e-6)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(GameError, match="disagreement point"):
        nash_solution(np.zeros((3, 2)), np.zeros(3))
