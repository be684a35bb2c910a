"""Distances, movement and fairness: hand-computed cases and what must hold for all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.metrics import geometry as geo
from negotiation.errors import GameError

EAST, NORTH = np.array([1.0, 0.0]), np.array([0.0, 1.0])
BETWEEN = np.array([math.sqrt(0.5), math.sqrt(0.5)])


def units(seed: int, count: int, size: int = 6) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, size))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 400))
def test_identical_texts_have_distance_exactly_0_and_opposite_ones_the_maximum(seed: int, size: int) -> None:
    vectors = units(seed, 3, size)
    assert (np.diag(geo.cosine_distances(vectors, vectors.copy())) == 0.0).all()
    assert np.diag(geo.cosine_distances(vectors, -vectors)) == pytest.approx(2.0, abs=1e-12)
    assert geo.cosine_distances(vectors, vectors) == pytest.approx(1.0 - vectors @ vectors.T, abs=1e-12)


def test_opposite_axes_have_exactly_the_maximum() -> None:
    assert geo.cosine_distances(EAST[None], -EAST[None])[0, 0] == 2.0
    assert geo.value_distances(np.ones((1, 10)), -np.ones((1, 10)))[0, 0] == 1.0
    assert geo.value_distances(np.ones((1, 10)), np.ones((1, 10)))[0, 0] == 0.0


def test_vectors_of_other_lengths_and_values_out_of_range_are_refused() -> None:
    with pytest.raises(GameError, match="unit length"):
        geo.cosine_distances(2 * EAST[None], EAST[None])
    with pytest.raises(GameError, match=r"\[-1, 1\]"):
        geo.value_distances(np.full((1, 10), 1.5), np.zeros((1, 10)))
    with pytest.raises(GameError, match=r"\[-1, 1\]"):
        geo.value_distances(np.full((1, 10), np.nan), np.zeros((1, 10)))
    with pytest.raises(GameError, match="shape"):
        geo.Movement(np.zeros((2, 2)), np.zeros((2, 3)), np.zeros((2, 2)))


def test_meeting_in_the_middle_by_hand() -> None:
    # Openings at a right angle: distance 1. Both end at 45 degrees: distance 1 - sqrt(1/2) from each opening.
    movement = geo.movement_of(np.stack([EAST, NORTH]), np.stack([BETWEEN, BETWEEN]))
    near = 1.0 - math.sqrt(0.5)
    assert geo.gap(movement.start) == pytest.approx(1.0)
    assert geo.gap(movement.among) == 0.0
    assert geo.moved(movement) == pytest.approx([near, near])
    assert geo.conceded(movement) == pytest.approx([1 - near, 1 - near])
    assert geo.reach(movement) == pytest.approx([near, near])
    assert geo.spread(geo.reach(movement)) == pytest.approx(0.0, abs=1e-15)
    # The other's opening is 1 away, the consensus 1 - sqrt(1/2): both gain sqrt(1/2), more than half of the gap.
    assert geo.gains(movement) == pytest.approx([math.sqrt(0.5), math.sqrt(0.5)])
    assert geo.nash_product(geo.gains(movement)) == pytest.approx(0.5)
    assert geo.gini(geo.gains(movement)) == pytest.approx(0.0, abs=1e-12)


def test_a_planted_unfair_consensus_is_seen_as_unfair() -> None:
    fair = geo.movement_of(np.stack([EAST, NORTH]), np.stack([BETWEEN, BETWEEN]))
    unfair = geo.movement_of(np.stack([EAST, NORTH]), np.stack([EAST, EAST]))
    assert geo.spread(geo.reach(unfair)) == pytest.approx(1.0)
    assert geo.spread(geo.reach(unfair)) > geo.spread(geo.reach(fair)) + 0.9
    assert geo.first_against_others(geo.reach(unfair)) == pytest.approx(-1.0)  # nearer to the first side
    assert geo.first_against_others(geo.conceded(unfair)) == pytest.approx(-1.0)  # which conceded less
    assert geo.gains(unfair) == pytest.approx([1.0, 0.0])
    assert geo.nash_product(geo.gains(unfair)) == 0.0
    assert geo.gini(geo.gains(unfair)) == pytest.approx(1.0)
    assert geo.drift_toward(unfair, 0) == pytest.approx(1.0)
    assert geo.drift_balance(unfair, 0) == pytest.approx(1.0)
    assert geo.drift_balance(unfair, 1) == pytest.approx(-1.0)


def test_who_stays_keeps_half_of_the_gap() -> None:
    openings = np.stack([EAST, NORTH])
    movement = geo.movement_of(openings, openings)
    assert geo.moved(movement).tolist() == [0.0] * 2
    assert geo.gains(movement).tolist() == [0.5, 0.5]


def test_who_goes_beyond_the_other_loses() -> None:
    apart = np.stack([EAST, NORTH])
    movement = geo.movement_of(apart, -apart)
    assert (geo.gains(movement) < 0).all()
    assert geo.nash_product(geo.gains(movement)) == 0.0
    assert geo.gini(geo.gains(movement)) is None


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sides=st.integers(2, 5))
def test_swapping_the_players_swaps_their_figures_and_leaves_the_others(seed: int, sides: int) -> None:
    openings, consensus = units(seed, sides), units(seed + 1, sides)
    order = np.random.default_rng(seed).permutation(sides)
    one, two = geo.movement_of(openings, consensus), geo.movement_of(openings[order], consensus[order])
    for of_sides in (geo.moved, geo.conceded, geo.reach, geo.gains):
        assert of_sides(two) == pytest.approx(of_sides(one)[order])
    for whole in (lambda m: geo.spread(geo.reach(m)), lambda m: geo.nash_product(geo.gains(m))):
        assert whole(two) == pytest.approx(whole(one))
    if sides == 2 and order[0] == 1:
        signed = [geo.first_against_others(geo.reach(m)) for m in (one, two)]
        assert signed[0] == pytest.approx(-signed[1])


def test_the_plane_keeps_distances_that_lie_in_it() -> None:
    places = np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 1.0], [2.0, 1.0]])
    lifted = places @ np.linalg.qr(np.random.default_rng(0).normal(size=(5, 2)))[0].T
    shown = geo.principal_plane(lifted)
    for i in range(4):
        for j in range(4):
            assert np.linalg.norm(shown[i] - shown[j]) == pytest.approx(
                np.linalg.norm(places[i] - places[j]), abs=1e-12
            )
    # From (2, 1) to (0, 0) and to (4, 0): the root of 5.
    assert geo.plane_reach(shown[:2], shown[2:]) == pytest.approx([math.sqrt(5)] * 2)


def test_equal_statements_have_one_place_on_the_plane() -> None:
    assert geo.principal_plane(np.ones((4, 3))).tolist() == [[0.0, 0.0]] * 4
