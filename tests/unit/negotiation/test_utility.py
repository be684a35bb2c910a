"""Utilities against values worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pytest

from negotiation.errors import ConfigurationError, GameError
from negotiation.guideline import Pool
from negotiation.utility import Acceptance, Consistency, Novelty, Utility
from tests.unit.negotiation.games import pool

# In the plane: east, north-east, north, and west.
EAST, NORTH_EAST, NORTH, WEST = [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [-1.0, 0.0]
HALF = 1 / sqrt(2)  # cos 45 degrees


def test_consistency_is_the_cosine_to_the_first_guideline():
    values = Consistency(1.0).own(pool(0, [EAST, NORTH_EAST, NORTH, WEST]))
    np.testing.assert_allclose(values, [1.0, HALF, 0.0, -1.0], atol=1e-15)


def test_novelty_looks_at_earlier_own_guidelines_only():
    # north-east: 1 - cos 45 to east; north: nearest earlier is north-east; west: nearest earlier is north, 90 degrees.
    values = Novelty(1.0).own(pool(0, [EAST, NORTH_EAST, NORTH, WEST]))
    np.testing.assert_allclose(values, [0.0, 1 - HALF, 1 - HALF, 1.0], atol=1e-15)


def test_first_novelty_is_zero_by_convention():
    assert Novelty(1.0).own(pool(0, [NORTH])).tolist() == [0.0]


def test_novelty_of_a_repetition_is_zero():
    np.testing.assert_allclose(Novelty(1.0).own(pool(0, [EAST, NORTH, EAST])), [0.0, 1.0, 0.0], atol=1e-15)


def test_acceptance_has_own_guidelines_on_the_first_axis():
    values = Acceptance(1.0).pair(pool(0, [EAST, NORTH]), pool(1, [NORTH_EAST, WEST, NORTH]))
    np.testing.assert_allclose(values, [[HALF, -1.0, 0.0], [HALF, 0.0, 1.0]], atol=1e-15)


def test_standard_utility_by_hand():
    # Player 0 holds east and north; the other plays north-east with 1/4 and west with 3/4.
    #   east:  .5 * 1 + .5 * (.25 * HALF - .75) + .2 * 0
    #   north: .5 * 0 + .5 * (.25 * HALF)       + .2 * 1
    mine, other = pool(0, [EAST, NORTH]), pool(1, [NORTH_EAST, WEST])
    values = Utility.standard(0.5, 0.5, 0.2).values(mine, [other], [np.array([0.25, 0.75])])
    np.testing.assert_allclose(values, [0.5 + 0.125 * HALF - 0.375, 0.125 * HALF + 0.2], atol=1e-15)


def test_parts_are_unweighted_and_averaged_over_opponents():
    mine = pool(0, [EAST, NORTH])
    others = [pool(1, [NORTH_EAST, WEST]), pool(2, [NORTH])]
    parts = Utility.standard(0.5, 0.5, 0.0).parts(mine, others, [np.array([0.25, 0.75]), np.array([1.0])])
    assert list(parts) == ["consistency", "acceptance", "novelty"]
    np.testing.assert_allclose(parts["consistency"], [1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(parts["acceptance"], [(0.25 * HALF - 0.75 + 0.0) / 2, (0.25 * HALF + 1.0) / 2])
    np.testing.assert_allclose(parts["novelty"], [0.0, 1.0], atol=1e-15)


@dataclass(frozen=True)
class Length:
    """A term of a user's own: long headings are worth more."""

    weight: float
    name: str = "length"

    def own(self, pool: Pool) -> np.ndarray:
        return np.array([float(len(guideline.content)) for guideline in pool.guidelines])


def test_a_user_adds_a_term():
    utility = Utility((Acceptance(1.0), Length(0.1)))
    mine, other = pool(0, [EAST, NORTH]), pool(1, [EAST])
    np.testing.assert_allclose(utility.own(mine), [0.9, 0.9])
    np.testing.assert_allclose(utility.values(mine, [other], [np.ones(1)]), [1.9, 0.9])
    assert utility.parts(mine, [other], [np.ones(1)])["length"].tolist() == [9.0, 9.0]


class Broken(Length):
    def own(self, pool: Pool) -> np.ndarray:
        return np.array([np.nan] * len(pool))


class Short(Length):
    def own(self, pool: Pool) -> np.ndarray:
        return np.zeros(len(pool) + 1)


@pytest.mark.parametrize(
    ("term", "message"), [(Broken(1.0), "not finite"), (Short(1.0), "expected finite \\(2,\\)")]
)
def test_a_broken_term_is_named(term, message):
    with pytest.raises(GameError, match=f"'length' of player 0.*{message}"):
        Utility((term,)).own(pool(0, [EAST, NORTH]))


class Nothing:
    name, weight = "nothing", 1.0


class Both(Length):
    def pair(self, pool: Pool, other: Pool) -> np.ndarray:
        return np.zeros((len(pool), len(other)))


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ((Consistency(0.0), Acceptance(0.0), Novelty(0.0)), "all weights"),
        ((), "all weights"),
        ((Consistency(-0.1),), "weight of consistency is -0.1"),
        ((Acceptance(float("nan")),), "weight of acceptance is nan"),
        ((Acceptance(1.0), Length(1.0, name="acceptance")), "names must differ"),
        ((Nothing(),), "either an own or a pair"),
        ((Both(1.0),), "either an own or a pair"),
    ],
)
def test_bad_utilities_are_refused(terms, message):
    with pytest.raises(ConfigurationError, match=message):
        Utility(terms)


def test_mixtures_must_fit_their_pools():
    utility, mine = Utility.standard(0.5, 0.5, 0.2), pool(0, [EAST])
    with pytest.raises(GameError, match="player 1: mixture has shape \\(2,\\), its pool 3"):
        utility.parts(mine, [pool(1, [EAST, NORTH, WEST])], [np.full(2, 0.5)])
    with pytest.raises(GameError, match="one mixture an opponent"):
        utility.parts(mine, [], [])
