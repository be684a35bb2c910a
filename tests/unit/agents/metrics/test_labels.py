"""Value labels and the agreement of judges."""

from __future__ import annotations

import numpy as np
import pytest

from agents.metrics import labels as la
from negotiation.errors import GameError, TargetError


def test_the_cut_is_that_of_the_detector() -> None:
    from rewriter.detector.calibration import SIGN_CUT

    assert la.SIGN_CUT == SIGN_CUT


def test_thresholds() -> None:
    readings = np.array([[-1.0, -0.25, -0.2499, 0.0, 0.2499, 0.25, 1.0]])
    assert la.labels_of(readings).tolist() == [[-1, -1, 0, 0, 0, 1, 1]]


@pytest.mark.parametrize("wrong", [1.01, -7.0, np.nan, np.inf])
def test_a_judge_that_answers_outside_its_range_is_refused(wrong: float) -> None:
    readings = np.zeros((3, 10))
    readings[2, 4] = wrong
    with pytest.raises(TargetError, match=r"stern judge: text 2, value 4 is .*from -1 to 1"):
        la.labels_of(readings, "stern judge")


def test_self_consistency_by_hand() -> None:
    before = np.array([[1] * 10, [0] * 10])
    after = np.array([[1] * 7 + [0, -1, -1], [0] * 10])
    assert la.self_consistency(before, after).tolist() == [0.7, 1.0]
    with pytest.raises(GameError, match="2 is no label"):
        la.self_consistency(before, 2 * after)


def test_krippendorffs_alpha_by_hand() -> None:
    # Two judges, four units: (1,1) (0,0) (1,0) (-1,-1). Coincidences: o_11 = 2, o_00 = 2, o_-- = 2, o_10 = o_01 = 1; n = 8.
    # n_1 = 3, n_0 = 3, n_- = 2. D_o = 2, D_e = 64 - (9 + 9 + 4) = 42; alpha = 1 - 7 * 2 / 42 = 2/3.
    ratings = np.array([[1, 0, 1, -1], [1, 0, 0, -1]], dtype=float)
    assert la.krippendorff_alpha(ratings) == pytest.approx(2 / 3)


def test_krippendorffs_alpha_with_missing_ratings_by_hand() -> None:
    # A unit with one rating is left out; a unit of three judges (1, 1, 0) counts its pairs by 1/2.
    # o_11 = 2/2 = 1, o_10 = o_01 = 2/2 = 1; second unit (0, 0): o_00 = 2. n = 5, n_1 = 2, n_0 = 3.
    # D_o = 2, D_e = 25 - 13 = 12; alpha = 1 - 4 * 2 / 12 = 1/3.
    nan = np.nan
    ratings = np.array([[1, 0, -1], [1, 0, nan], [0, nan, nan]])
    assert la.krippendorff_alpha(ratings) == pytest.approx(1 / 3)


def test_chance_agreement_has_alpha_near_0_and_none_where_nothing_can_be_said() -> None:
    rng = np.random.default_rng(0)
    assert la.krippendorff_alpha(rng.integers(-1, 2, (3, 5000)).astype(float)) == pytest.approx(0, abs=0.02)
    assert la.krippendorff_alpha(np.ones((2, 5))) is None
    assert la.krippendorff_alpha(np.array([[1.0, np.nan], [np.nan, 1.0]])) is None
    with pytest.raises(GameError, match="labels other"):
        la.krippendorff_alpha(np.array([[0.5, 1.0], [1.0, 1.0]]))


def test_agreement_of_judges_in_pairs_and_all() -> None:
    same = np.array([[1, 0], [-1, 0]])
    found = la.agreement({"a": same, "b": same, "c": -same})
    assert found["a/b"] == 1.0
    assert found["shared"] == 0.5
    assert found["a/c"] is not None
    assert found["a/c"] < 0.5
    with pytest.raises(GameError, match="two or more judges"):
        la.agreement({"a": same})
