"""Quantile matching, isotonic means and the measures, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.values import SCHWARTZ_VALUES
from rewriter.detector.adversary import Contrast, contrasts, genuine_movement
from rewriter.detector.bundled import expected_agreement
from rewriter.detector.calibration import (
    LEVELS,
    MonotoneMap,
    label_quantiles,
    match_means,
    match_quantiles,
    signs,
)
from rewriter.detector.measure import (
    agreement,
    bins_of,
    confidence,
    cosines,
    macro_f1,
    majority,
    reliability,
    spread,
)


def test_levels_are_spread_over_their_cells() -> None:
    labels = np.array([-1.0, -0.5, -0.5, 1.0])
    found = label_quantiles(labels, np.array([0.0, 0.125, 0.25, 0.5, 0.7, 1.0]))
    assert found == pytest.approx([-1.0, -0.875, -0.75, -0.5, -0.3, 1.0])


def test_shrunk_scores_get_the_spread_of_the_labels() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(LEVELS, 4000, p=(0.1, 0.2, 0.4, 0.2, 0.1))
    scores = 0.1 * labels + 0.05 * rng.normal(size=4000) + 3.0
    answers = match_quantiles(scores, labels)(scores)
    assert answers.std() == pytest.approx(labels.std(), rel=0.07)  # the outer levels are spread inwards
    assert [(signs(answers) == kind).mean() for kind in (-1, 0, 1)] == pytest.approx(
        [0.3, 0.4, 0.3], abs=0.03
    )


@settings(deadline=None)
@given(st.lists(st.sampled_from(LEVELS), min_size=5, max_size=60), st.integers(0, 99))
def test_the_map_rises_and_stays_in_range(labels: list[float], seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=len(labels))
    answers = match_quantiles(scores, np.array(labels))(np.linspace(-9, 9, 200))
    assert (np.diff(answers) >= 0).all()
    assert np.abs(answers).max() <= 1.0


def test_means_are_matched_by_isotonic_regression() -> None:
    scores = np.repeat([0.0, 1.0, 2.0], 40)
    outcomes = np.concatenate([np.full(40, 0.5), np.full(40, 0.1), np.full(40, 0.9)])
    found = match_means(scores, outcomes, bins=3)
    assert found(np.array([0.0, 1.0, 2.0])) == pytest.approx([0.3, 0.3, 0.9])  # the first two pool


@pytest.mark.parametrize(
    ("at", "to"),
    [([0.0, 1.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, 1.0]), ([0.0], [0.0]), ([0.0, np.nan], [0.0, 1.0])],
)
def test_maps_that_do_not_rise_are_refused(at: list[float], to: list[float]) -> None:
    with pytest.raises(ValueError, match="knots"):
        MonotoneMap(np.array(at), np.array(to))


def test_expected_agreement_by_hand() -> None:
    # logit 0 everywhere: every label lies above each cut with probability 1/2, so "neither" has probability 0.
    even = np.zeros((10, 4))
    assert expected_agreement(np.zeros((1, 10)), np.full((1, 10), 0.5), even)[0] == pytest.approx(0.5)
    assert expected_agreement(np.zeros((1, 10)), np.zeros((1, 10)), even)[0] == pytest.approx(0.0)
    sure = np.tile([9.0, 9.0, -9.0, -9.0], (10, 1))
    assert expected_agreement(np.zeros((1, 10)), np.zeros((1, 10)), sure)[0] == pytest.approx(1.0, abs=1e-3)


def test_cosines_are_centred_and_blank_rows_left_out() -> None:
    answers, labels = np.array([[2.0, 1.0], [1.0, 1.0]]), np.array([[1.0, 2.0], [3.0, 3.0]])
    assert cosines(answers, labels, np.array([1.0, 1.0])).tolist() == [0.0]
    assert cosines(answers, labels)[1] == pytest.approx(1.0)


def test_macro_f1_by_hand() -> None:
    answers = np.array([1.0, 1.0, 0.0, -1.0])
    labels = np.array([1.0, -1.0, 0.0, -1.0])
    # for: 2*1/(2+1), neither: 1, against: 2*1/(1+2)
    assert macro_f1(answers, labels) == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)


def test_majority_takes_the_commonest_sign_of_the_training() -> None:
    training = np.zeros((3, 10))
    training[:2, 4] = (-0.5, -1.0)
    found = majority(np.ones((2, 10)), training)
    assert found.shape == (2, 10)
    assert found[:, 4].tolist() == [-1.0, -1.0]
    assert found[:, 0].tolist() == [0.0, 0.0]


def test_perfect_answers_are_perfect() -> None:
    labels = np.random.default_rng(1).choice(LEVELS, (50, 10))
    found = agreement(labels, labels, labels.mean(axis=0))
    assert found["cosine_centred"] == pytest.approx(1.0)
    assert found["macro_f1"] == 1.0
    assert found["sign_agreement"] == 1.0
    assert spread(labels, labels)["ratio"] == pytest.approx(1.0)
    assert reliability(labels, labels)["all"]["slope"] == pytest.approx(1.0)
    assert spread(0.5 * labels, labels)["ratio"] == pytest.approx(0.5)


def test_bins_hold_every_text_once_and_rise() -> None:
    found = bins_of(np.arange(25.0), np.arange(25.0) * 2, 10)
    assert sum(found["texts"]) == 25
    assert found["answer"] == sorted(found["answer"])
    assert found["outcome"] == pytest.approx([2 * answer for answer in found["answer"]])


def test_confidence_that_means_what_it_says_has_no_error() -> None:
    labels = np.tile([1.0] * 5 + [-1.0] * 5, (40, 1))
    answers = np.ones((40, 10))
    assert confidence(np.full(40, 0.5), answers, labels)["calibration_error"] == pytest.approx(0.0)
    assert confidence(np.full(40, 0.9), answers, labels)["calibration_error"] == pytest.approx(0.4)


def test_contrasts_are_of_one_topic_and_far_enough_apart() -> None:
    labels = np.zeros((4, 10))
    labels[0, 7], labels[2, 7] = 1.0, 0.5
    found = contrasts(np.array([1, 1, 2, 2]), labels, 1.0, 5, np.random.default_rng(0))
    assert set(found) == {Contrast(0, 1, 7)}
    answers = np.zeros((4, 10))
    answers[0, 7], answers[1, 7] = 0.5, 0.1
    movement = genuine_movement(answers, found)
    assert movement[SCHWARTZ_VALUES.index("Tradition")] == pytest.approx(0.4)
    assert np.isnan(movement[0])
