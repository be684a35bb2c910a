"""Bootstrap intervals, permutation tests and correlation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.intervals import bootstrap, correlation, sign_flip_p_value
from negotiation.errors import GameError


def test_interval_of_a_mean_has_the_width_of_theory() -> None:
    rng = np.random.default_rng(1)
    units = rng.normal(2.0, 3.0, size=400)
    found = bootstrap(units, rng, resamples=4000)
    half = 1.96 * units.std() / np.sqrt(400)
    assert found.estimate == pytest.approx(units.mean())
    assert found.high - found.low == pytest.approx(2 * half, rel=0.08)


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        found = bootstrap(rng.normal(size=60), rng, resamples=400, level=0.9)
        covered += found.low <= 0.0 <= found.high
    assert 0.85 <= covered / 400 <= 0.94


def test_another_statistic_and_the_same_seed() -> None:
    units = np.random.default_rng(3).normal(size=(50, 2))

    def ratio(drawn: np.ndarray) -> np.ndarray:
        return drawn[:, :, 0].sum(axis=1) / np.abs(drawn[:, :, 1]).sum(axis=1)

    one = bootstrap(units, np.random.default_rng(4), statistic=ratio)
    assert one == bootstrap(units, np.random.default_rng(4), statistic=ratio)
    assert one.estimate == pytest.approx(units[:, 0].sum() / np.abs(units[:, 1]).sum())


def test_sign_flips_counted_by_hand() -> None:
    differences = np.array([0.5, -0.1, 0.4])
    means = [abs(np.mean(differences * signs)) for signs in itertools.product((1, -1), repeat=3)]
    expected = np.mean([mean >= abs(differences.mean()) - 1e-12 for mean in means])
    assert sign_flip_p_value(differences, np.random.default_rng(0)) == expected


def test_p_values_of_nothing_are_uniform_and_of_something_small() -> None:
    rng = np.random.default_rng(5)
    values = np.array([sign_flip_p_value(rng.normal(size=30), rng, 500) for _ in range(300)])
    # Kolmogorov-Smirnov at the 0.1% level: 1.95 / sqrt(300).
    places = np.arange(1, 301) / 300
    assert np.abs(np.sort(values) - places).max() < 1.95 / np.sqrt(300)
    assert sign_flip_p_value(rng.normal(1.0, 1.0, size=60), rng) < 1e-3


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8))
def test_p_value_is_a_share_and_ignores_the_sign(differences: list[float]) -> None:
    rng = np.random.default_rng(0)
    value = sign_flip_p_value(np.array(differences), rng)
    assert 0.0 < value <= 1.0
    assert value == sign_flip_p_value(-np.array(differences), rng)


def test_correlation_by_hand_and_against_numpy() -> None:
    assert correlation(np.array([0.0, 1.0]), np.array([3.0, -1.0])) == -1.0
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 9))
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: bootstrap(np.array([]), rng), "no units"),
        (lambda rng: bootstrap(np.array([1.0, np.nan]), rng), "unit 1 is nan; missing units"),
        (lambda rng: bootstrap(np.array([1.0]), rng, level=1.0), r"level is 1\.0"),
        (lambda rng: sign_flip_p_value(np.array([]), rng), "one or more finite"),
        (lambda rng: sign_flip_p_value(np.array([np.inf]), rng), "one or more finite"),
        (lambda rng: correlation(np.zeros(3), np.zeros(2)), "of one length"),
        (lambda rng: correlation(np.zeros(3), np.arange(3.0)), "constant"),
    ],
)
def test_what_cannot_be_compared_is_refused(call: object, message: str) -> None:
    with pytest.raises(GameError, match=message):
        call(np.random.default_rng(0))  # type: ignore[operator]
