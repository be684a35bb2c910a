"""Movement on the map, against planted relations and leave-one-out by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from agents.metrics.map_movement import (
    PENALTIES,
    ValueMap,
    learn_value_map,
    map_movements,
    shipped_value_map,
)
from agents.metrics.measured import Measured
from agents.survey.profile import MAP_AXES
from agents.values import SCHWARTZ_VALUES
from negotiation.outcome import Method


def test_a_planted_relation_is_found() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(60, 10)) * np.linspace(0.2, 2.0, 10)
    slopes = rng.normal(size=(10, 2))
    standardised = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    found = learn_value_map(scores, standardised @ slopes + [3.0, -1.0])
    assert found.slopes == pytest.approx(slopes, abs=0.02)
    assert found.explained == pytest.approx([1.0, 1.0], abs=0.001)
    assert found.countries == 60


def test_what_is_explained_is_what_leaving_one_out_by_hand_explains() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(15, 10))
    places = scores[:, :2] + rng.normal(size=(15, 2))
    found = learn_value_map(scores, places)
    # The standardisation is of all countries; only the regression and the mean leave one out.
    z = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    shares = []
    for penalty in PENALTIES:
        misses, nothing_known = [], []
        for k in range(15):
            rest = np.arange(15) != k
            # The closed form keeps the penalty of all fifteen, and the mean as one more column without penalty.
            design = np.hstack([np.ones((14, 1)), z[rest]])
            ridge = penalty * 15 * np.diag([0.0] + [1.0] * 10)
            weights = np.linalg.solve(design.T @ design + ridge, design.T @ places[rest])
            misses.append(places[k] - np.concatenate([[1.0], z[k]]) @ weights)
            nothing_known.append(places[k] - places[rest].mean(axis=0))
        shares.append(1.0 - np.square(misses).sum(axis=0) / np.square(nothing_known).sum(axis=0))
    totals = [np.abs(share - found.explained).max() for share in shares]
    assert min(totals) < 1e-9


def test_noise_explains_nothing() -> None:
    rng = np.random.default_rng(2)
    found = learn_value_map(rng.normal(size=(400, 10)), rng.normal(size=(400, 2)))
    assert (found.explained < 0.05).all()


def test_what_ships_has_the_known_directions() -> None:
    """Tradition lies down and left, universalism and self-direction right (Dobewall and Rudnev 2014)."""
    found = shipped_value_map()
    slope = dict(zip(SCHWARTZ_VALUES, found.slopes, strict=True))
    assert (slope["Tradition"] < 0).all()
    assert slope["Universalism"][1] > 0
    assert slope["Self-Direction"][1] > 0
    assert (found.explained > 0.2).all()


def one(topic: str, opening: float, consensus: float, method: Method = "psro", value: int = 7) -> Measured:
    """Two sides; the first one's consensus differs in one value, the second one's statements stay."""
    values = np.zeros((2, 2, 10))
    values[0, 0, value], values[1, 0, value] = opening, consensus
    return Measured(method, topic, "any", ("confucian", "latin-america"), 0, {}, values=values)


def test_more_tradition_moves_toward_tradition_and_a_side_that_stays_stays() -> None:
    assert SCHWARTZ_VALUES[7] == "Tradition"
    found = map_movements([one("a", 0.1, 0.5), one("b", -0.1, 0.5)], np.random.default_rng(0))
    moved = {movement.culture: movement for movement in found}
    assert set(moved) == {"confucian", "latin-america"}
    assert moved["confucian"].negotiations == 2
    for axis in MAP_AXES:
        assert moved["confucian"].axes[axis].high < 0
        assert moved["latin-america"].axes[axis].estimate == 0


def test_the_unit_is_the_spread_of_the_openings() -> None:
    """By hand: the only openings' readings are .2 and -.2 on one value for one side and 0 for the other."""
    found = map_movements([one("a", 0.2, 0.4), one("b", -0.2, 0.0)], np.random.default_rng(0))
    # Centred within a text: .2 on one value becomes .18 there and -.02 elsewhere; the same factor falls on reading and unit.
    spread = np.std([0.2, -0.2, 0.0, 0.0])
    step = np.full(10, -0.02) * (0.2 / 0.2)
    step[7] = 0.18
    unit = np.full(10, spread / 10)
    unit[7] = 0.9 * spread
    expected = (step / unit) @ shipped_value_map().slopes
    assert isinstance(shipped_value_map(), ValueMap)
    confucian = next(movement for movement in found if movement.culture == "confucian")
    assert [confucian.axes[axis].estimate for axis in MAP_AXES] == pytest.approx(expected)


def test_without_readings_nothing_is_said() -> None:
    silent = Measured("psro", "a", "any", ("confucian", "latin-america"), 0, {})
    assert map_movements([silent], np.random.default_rng(0)) == []
