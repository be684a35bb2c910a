"""Schwartz's values, the culture map and Hofstede's dimensions, against numbers computed by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.survey.distributions import Sample
from agents.survey.profile import HofstedeConstants
from agents.survey.scores import (
    MAP_VARIABLES,
    fit_culture_map,
    hofstede_figures,
    person_values,
    post_materialism,
    schwartz_figures,
    varimax,
)
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import CultureError

SELF = [axis == "self_expression" for _, axis in MAP_VARIABLES]


def test_values_are_centred_within_person_and_then_reversed() -> None:
    # Means 2.5 and 3; self-direction 1 and 3: scores 1.5 and 0, weighted 3 to 1 = 1.125.
    answers = np.array([[1.0, 2, 3, 4, 1, 2, 3, 4, 1, 4], [3, 3, 3, 3, 3, 3, 3, 3, 1, 5]])
    assert person_values(answers)[:, 0].tolist() == [1.5, 0]
    found = schwartz_figures(answers, Sample.of(np.array([3.0, 1.0])), "made up")
    assert tuple(found) == SCHWARTZ_VALUES
    assert found["Self-Direction"].value == pytest.approx(1.125)
    assert found["Universalism"].value == pytest.approx((3 * -1.5 + -2) / 4)
    # Influence: .75 (1.5 - 1.125) = .28125 and -.28125; var = 2 * 2 * .28125^2.
    assert found["Self-Direction"].standard_error == pytest.approx(2 * 0.28125)
    assert found["Self-Direction"].source == "made up"


def test_a_person_who_answers_eight_of_ten_counts_and_one_with_seven_does_not() -> None:
    answers = np.full((2, 10), 2.0)
    answers[0, :2] = np.nan
    answers[1, :3] = np.nan
    scores = person_values(answers)
    assert scores[0, 2:].tolist() == [0] * 8
    assert np.isnan(scores[0, :2]).all()
    assert np.isnan(scores[1]).all()


def test_without_one_of_the_ten_there_are_no_values() -> None:
    answers = np.full((3, 10), 2.0)
    answers[:, 4] = np.nan
    assert schwartz_figures(answers, Sample.of(np.ones(3)), "made up") == {}


@given(st.lists(st.lists(st.integers(1, 6), min_size=10, max_size=10), min_size=1, max_size=8))
def test_ten_answered_scores_sum_to_zero_and_liking_more_on_the_whole_changes_nothing(
    rows: list[list[int]],
) -> None:
    answers = np.array(rows, dtype=np.float64)
    scores = person_values(answers)
    assert np.allclose(scores.sum(axis=1), 0)
    assert np.allclose(person_values(answers + 1), scores)


def people(pairs: list[tuple[int, int]]) -> NDArray[np.float64]:
    """People who answer every item of self-expression alike, and every item of secular-rational values alike."""
    return np.array(
        [[expression if mark else secular for mark in SELF] for secular, expression in pairs], dtype=float
    )


def test_the_map_of_people_who_answer_by_two_attitudes_is_those_attitudes() -> None:
    # Four people at (+-1, +-1): both attitudes have mean 0 and deviation 1, so that a country of means (s, e) lies at
    # secular 1.61 s - .01 and expression 1.81 e + .38, whichever two components the equal eigenvalues give.
    secular, traditional = people([(1, 1), (1, -1)]), people([(-1, 1), (-1, -1)])
    both = Sample.of(np.ones(2))
    axes = fit_culture_map([(secular, both), (traditional, both)])
    place = axes.place(secular, both, "made up")
    assert place["secular_rational"].value == pytest.approx(1.60)
    assert place["self_expression"].value == pytest.approx(0.38)
    # The mean of 1 and -1 has the error 1: var = 2 (.5^2 + .5^2) = 1.
    assert place["self_expression"].standard_error == pytest.approx(1.81)
    assert place["secular_rational"].standard_error == pytest.approx(0, abs=1e-12)
    assert axes.place(traditional, both, "made up")["secular_rational"].value == pytest.approx(-1.62)
    assert np.allclose(axes.loadings, np.array([[not mark, mark] for mark in SELF], dtype=float))


def drawn(seed: int, mean: tuple[float, float], size: int = 400) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    attitudes = rng.normal(mean, 1.0, (size, 2))
    return attitudes[:, [int(mark) for mark in SELF]] + rng.normal(size=(size, 10))


def test_countries_are_ordered_by_their_attitudes_on_each_axis() -> None:
    means = [(2.0, 2.0), (2.0, -1.0), (-1.0, 1.0), (-2.0, -2.0), (0.0, 0.0)]
    samples = [(drawn(seed, mean), Sample.of(np.ones(400))) for seed, mean in enumerate(means)]
    axes = fit_culture_map(samples)
    places = [axes.place(*pair, "made up") for pair in samples]
    for column, axis in enumerate(("secular_rational", "self_expression")):
        by_figure = sorted(range(5), key=lambda country: places[country][axis].value)
        assert [means[country][column] for country in by_figure] == sorted(mean[column] for mean in means)


def test_loadings_are_correlations_of_items_with_scores() -> None:
    values = np.concatenate([drawn(seed, mean) for seed, mean in enumerate([(1.0, 0.0), (-1.0, 0.5)])])
    axes = fit_culture_map([(values, Sample.of(np.ones(len(values))))])
    scores = (values - axes.means) / axes.deviations @ axes.coefficients
    assert np.allclose(np.corrcoef(scores.T), np.eye(2), atol=1e-9)
    assert np.allclose(scores.std(axis=0), 1)
    assert np.allclose(np.corrcoef(values.T, scores.T)[:10, 10:], axes.loadings)


@given(st.floats(1e-3, 1e3))
def test_neither_the_unit_of_weights_nor_that_of_an_item_moves_the_map(factor: float) -> None:
    samples = [(drawn(seed, (seed - 1.0, 1.0 - seed), 50), np.ones(50)) for seed in range(3)]
    first = fit_culture_map([(values, Sample.of(weight)) for values, weight in samples])
    second = fit_culture_map([(values * factor, Sample.of(weight * factor)) for values, weight in samples])
    assert np.allclose(first.loadings, second.loadings)
    place = first.place(samples[0][0], Sample.of(samples[0][1]), "s")
    again = second.place(samples[0][0] * factor, Sample.of(samples[0][1]), "s")
    assert place["self_expression"].value == pytest.approx(again["self_expression"].value)


def test_missing_answers_are_left_out_of_means_and_correlations() -> None:
    values = drawn(0, (0.0, 0.0))
    holes = values.copy()
    holes[np.random.default_rng(1).random(values.shape) < 0.05] = np.nan
    sample = Sample.of(np.ones(400))
    whole, holed = fit_culture_map([(values, sample)]), fit_culture_map([(holes, sample)])
    assert np.abs(whole.loadings - holed.loadings).max() < 0.1


def test_a_country_without_one_item_is_not_on_the_map() -> None:
    values = drawn(0, (0.0, 0.0))
    axes = fit_culture_map([(values, Sample.of(np.ones(400)))])
    values[:, 3] = np.nan
    assert axes.place(values, Sample.of(np.ones(400)), "s") == {}


def test_no_countries_and_an_item_that_tells_nothing_are_refused() -> None:
    with pytest.raises(CultureError, match="culture map: no country has all ten items"):
        fit_culture_map([])
    values = drawn(0, (0.0, 0.0))
    values[:, 4] = 1.0
    with pytest.raises(CultureError, match="culture map: god has the same answer from everybody"):
        fit_culture_map([(values, Sample.of(np.ones(400)))])


def test_varimax_is_better_than_any_other_angle() -> None:
    loadings = np.random.default_rng(3).normal(size=(10, 2))
    rows = loadings / np.linalg.norm(loadings, axis=1, keepdims=True)

    def simplicity(rotated: NDArray[np.float64]) -> float:
        return float((rotated**4).mean(axis=0).sum() - ((rotated**2).mean(axis=0) ** 2).sum())

    best = simplicity(rows @ varimax(loadings))
    for angle in np.linspace(0, np.pi, 500):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        assert simplicity(rows @ turn) <= best + 1e-12


def test_post_materialism_by_both_choices() -> None:
    # 1 order, 2 more say, 3 prices, 4 free speech
    expected = {(1, 3): 1, (3, 1): 1, (2, 4): 3, (4, 2): 3}
    for first, second in itertools.product(range(-1, 6), repeat=2):
        found = post_materialism(np.array([first]), np.array([second]))[0]
        if 1 <= first <= 4 and 1 <= second <= 4 and first != second:
            assert found == expected.get((first, second), 2)
        else:
            assert np.isnan(found)


def test_hofstede_by_the_manuals_formulas() -> None:
    answers = np.full((2, 24), 3.0)
    for item, score in {7: 4, 2: 2, 20: 5, 23: 1, 18: 1, 15: 2}.items():
        answers[:, item - 1] = score
    answers[1, 6] = 5  # m07: 4 and 5, mean 4.5
    found = hofstede_figures(answers, Sample.of(np.ones(2)), HofstedeConstants(IDV=7.5), "made up")
    assert found["PDI"].value == pytest.approx(35 * 2.5 + 25 * 4)
    assert found["PDI"].standard_error == pytest.approx(35 * 0.5)
    assert found["IDV"].value == pytest.approx(35 * (3 - 3) + 35 * (3 - 3) + 7.5)
    assert found["UAI"].value == pytest.approx(40 * (1 - 2))
    assert found["MAS"].value == found["LTO"].value == found["IVR"].value == 0


@pytest.mark.parametrize(
    ("dimension", "plus", "minus", "value"),
    [
        ("IDV", 4, 1, 35), ("IDV", 9, 6, 35), ("MAS", 5, 3, 35), ("MAS", 8, 10, 35), ("UAI", 21, 24, 25),
        ("LTO", 13, 14, 40), ("LTO", 19, 22, 25), ("IVR", 12, 11, 35), ("IVR", 17, 16, 40),
    ],
)  # fmt: skip
def test_each_item_of_hofstede_counts_where_it_should(
    dimension: str, plus: int, minus: int, value: float
) -> None:
    answers = np.full((1, 24), 3.0)
    answers[0, plus - 1], answers[0, minus - 1] = 3.5, 2.5
    found = hofstede_figures(answers, Sample.of(np.ones(1)), HofstedeConstants(), "made up")
    assert {name: figure.value for name, figure in found.items() if figure.value} == {dimension: value}


def test_hofstede_without_one_item_is_nothing() -> None:
    answers = np.full((2, 24), 3.0)
    answers[:, 5] = np.nan
    assert hofstede_figures(answers, Sample.of(np.ones(2)), HofstedeConstants(), "made up") == {}
