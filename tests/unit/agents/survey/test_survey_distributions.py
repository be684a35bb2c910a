"""Weighted shares, effective sample sizes and standard errors, against numbers computed by hand."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.survey.distributions import (
    Sample,
    answer_shares,
    mean_of_figures,
    mean_of_shares,
    weighted_means,
)
from agents.survey.profile import AnswerShares, Figure
from negotiation.errors import CultureError


def sample(weight: list[float], cluster: list[int] | None = None) -> Sample:
    return Sample.of(np.array(weight), None if cluster is None else np.array(cluster))


def shares_of(option: list[int], found: Sample, options: int = 2) -> AnswerShares:
    shares = answer_shares("a", np.array(option), options, found, "made up")
    assert shares is not None
    return shares


def test_shares_effective_size_and_errors_by_hand() -> None:
    # w = 1 1 2, options 0 0 1: p = .5 .5; influence on p_0 is w/4 (y - p) = .125 .125 -.25;
    # var = 3/2 (.125^2 + .125^2 + .25^2) = .140625; Kish (1+1+2)^2 / (1+1+4) = 16/6.
    found = shares_of([0, 0, 1], sample([1, 1, 2]))
    assert found.shares == (0.5, 0.5)
    assert found.standard_errors == pytest.approx((0.375, 0.375))
    assert found.effective == pytest.approx(16 / 6)
    assert found.respondents == 3


def test_clusters_that_agree_within_make_the_errors_larger() -> None:
    # Totals of the clusters {0, 1} and {2}: .25 and -.25; var = 2/1 (.0625 + .0625) = .25.
    found = shares_of([0, 0, 1], sample([1, 1, 2], [7, 7, 9]))
    assert found.standard_errors == pytest.approx((0.5, 0.5))


def test_a_respondent_without_a_cluster_is_one() -> None:
    assert shares_of([0, 0, 1], sample([1, 1, 2], [-1, -1, 9])).standard_errors == pytest.approx(
        (0.375, 0.375)
    )


def test_one_cluster_for_all_tells_nothing_and_counts_as_none() -> None:
    assert shares_of([0, 0, 1], sample([1, 1, 2], [5, 5, 5])).standard_errors == pytest.approx((0.375, 0.375))


def test_the_error_of_an_unweighted_share_is_the_textbooks() -> None:
    found = shares_of([0] * 30 + [1] * 70, sample([1.0] * 100))
    assert found.standard_errors is not None
    assert found.standard_errors[0] == pytest.approx(math.sqrt(0.3 * 0.7 / 99))


def test_missing_answers_and_zero_weights_do_not_count() -> None:
    found = shares_of([0, -1, 1, 1], sample([1, 5, 1, 0]))
    assert found.shares == (0.5, 0.5)
    assert found.respondents == 2
    assert found.effective == pytest.approx(2)


def test_errors_are_unknown_where_all_who_answered_are_of_one_cluster() -> None:
    assert shares_of([0, 1, -1], sample([1, 1, 1], [1, 1, 2])).standard_errors is None
    assert shares_of([0], sample([2])).standard_errors is None


def test_an_item_that_nobody_answered_has_no_shares() -> None:
    assert answer_shares("a", np.array([-1, -1]), 2, sample([1, 1]), "made up") is None
    assert answer_shares("a", np.array([-1, 0]), 2, sample([1, 0]), "made up") is None


@pytest.mark.parametrize("weight", [[], [0.0, 0.0]])
def test_a_sample_without_weight_is_refused(weight: list[float]) -> None:
    with pytest.raises(CultureError, match=f"sample: {len(weight)} respondents with weights that sum to 0"):
        sample(weight)


def test_means_are_over_those_who_answered_each() -> None:
    values = np.array([[1.0, np.nan], [3.0, 5.0], [np.nan, 9.0]])
    means, influence = weighted_means(values, sample([3, 1, 1]))
    assert means.tolist() == [1.5, 7.0]  # (3 + 3)/4, (5 + 9)/2
    assert influence.tolist() == [[-0.375, 0], [0.375, -1], [0, 1]]


def test_a_region_is_the_mean_of_its_countries_whatever_their_size() -> None:
    one = AnswerShares(
        item="a", shares=(0.2, 0.8), standard_errors=(0.3, 0.3), respondents=10, effective=8, source="s"
    )
    two = AnswerShares(
        item="a", shares=(0.6, 0.4), standard_errors=(0.4, 0.4), respondents=1000, effective=1000, source="s"
    )
    found = mean_of_shares([one, two], "mean")
    assert found.shares == pytest.approx((0.4, 0.6))
    assert found.standard_errors == pytest.approx((0.25, 0.25))  # sqrt(.09 + .16) / 2
    assert found.respondents == 1010
    assert found.effective == pytest.approx(4 / (1 / 8 + 1 / 1000))


def test_an_unknown_error_or_size_makes_a_regions_unknown() -> None:
    known = AnswerShares(
        item="a", shares=(0.5, 0.5), standard_errors=(0.1, 0.1), respondents=9, effective=9, source="s"
    )
    unknown = AnswerShares(item="a", shares=(0.5, 0.5), respondents=1, source="s")
    found = mean_of_shares([known, unknown], "mean")
    assert (found.standard_errors, found.effective) == (None, None)
    figures = [Figure(value=1, standard_error=1, source="s"), Figure(value=3, source="s")]
    assert mean_of_figures(figures, "mean") == Figure(value=2, source="mean")


@st.composite
def surveys(draw: st.DrawFn) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    size = draw(st.integers(2, 40))
    option = draw(st.lists(st.integers(-1, 3), min_size=size, max_size=size))
    weight = draw(st.lists(st.floats(0.01, 10), min_size=size, max_size=size))
    cluster = draw(st.lists(st.integers(-1, 5), min_size=size, max_size=size))
    return np.array(option), np.array(weight), np.array(cluster)


@given(surveys(), st.floats(1e-3, 1e3), st.randoms())
def test_neither_the_unit_of_weights_nor_the_order_of_people_matters(
    survey: tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]],
    factor: float,
    random: Random,
) -> None:
    option, weight, cluster = survey
    order = list(range(option.size))
    random.shuffle(order)
    first = answer_shares("a", option, 4, Sample.of(weight, cluster), "s")
    second = answer_shares("a", option[order], 4, Sample.of(factor * weight[order], cluster[order]), "s")
    assert (first is None) == (second is None) == (not (option >= 0).any())
    if first is None or second is None:
        return
    assert math.fsum(first.shares) == pytest.approx(1)
    assert first.shares == pytest.approx(second.shares)
    assert first.effective == pytest.approx(second.effective)
    assert first.effective is not None
    assert 1 - 1e-9 <= first.effective <= first.respondents
    assert first.respondents == second.respondents
    assert (first.standard_errors is None) == (second.standard_errors is None)
    if first.standard_errors is not None:
        assert first.standard_errors == pytest.approx(second.standard_errors, abs=1e-9)


@given(surveys())
def test_people_of_equal_weight_count_once_each(
    survey: tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]],
) -> None:
    option, _, cluster = survey
    found = answer_shares("a", option, 4, Sample.of(np.full(option.size, 0.7), cluster), "s")
    if found is not None:
        counts = np.bincount(option[option >= 0], minlength=4)
        assert found.shares == pytest.approx((counts / counts.sum()).tolist())
        assert found.effective == pytest.approx(found.respondents)


def test_errors_are_the_spread_over_repeated_samples_in_clusters() -> None:
    # 30 clusters of 8 people, whose clusters differ in how they answer; weights differ between people.
    rng = np.random.default_rng(0)
    shares, errors, naive = [], [], []
    for _ in range(400):
        leaning = np.repeat(rng.beta(2, 3, 30), 8)
        option = (rng.random(240) < leaning).astype(np.intp)
        weight = rng.lognormal(0, 0.5, 240)
        cluster = np.repeat(np.arange(30), 8)
        found = answer_shares("a", option, 2, Sample.of(weight, cluster), "s")
        alone = answer_shares("a", option, 2, Sample.of(weight), "s")
        assert found is not None
        assert alone is not None
        assert found.standard_errors is not None
        assert alone.standard_errors is not None
        shares.append(found.shares[1])
        errors.append(found.standard_errors[1])
        naive.append(alone.standard_errors[1])
    assert np.mean(errors) == pytest.approx(np.std(shares), rel=0.1)
    assert np.mean(naive) < 0.85 * np.std(shares)
