"""Preference pairs from rewarded samples."""

from __future__ import annotations

import math

import pytest

from negotiation.errors import ConfigurationError
from rewriter.pairs.preferences import preference_rows
from rewriter.vocabulary import RewriteRequest

REQUEST = RewriteRequest("A text.", (0.0,) * 10, (0.5,) * 10)
OTHER = RewriteRequest("Another text.", (0.0,) * 10, (0.5,) * 10)


def test_best_against_worst_then_second_against_second() -> None:
    rows = preference_rows(
        [REQUEST, OTHER],
        [["a", "b", "c", "d", "e"], ["f", "g"]],
        [[0.1, 0.9, 0.5, 0.3, 0.7], [0.2, 0.8]],
        pairs_per_request=5,
    )
    assert [(row.request, row.chosen, row.rejected) for row in rows] == [
        (REQUEST, "b", "a"),
        (REQUEST, "e", "d"),
        (OTHER, "g", "f"),
    ]


def test_pairs_within_the_margin_are_left_out() -> None:
    assert preference_rows([REQUEST], [["a", "b"]], [[0.5, 0.55]], margin=0.1) == []
    assert len(preference_rows([REQUEST], [["a", "b"]], [[0.5, 0.61]], margin=0.1)) == 1


def test_blank_and_unrewarded_samples_and_twins_make_no_pair() -> None:
    assert preference_rows([REQUEST], [["a", " ", "b"]], [[0.9, 0.1, math.nan]]) == []
    assert preference_rows([REQUEST], [["a", "a"]], [[0.9, 0.1]]) == []
    assert preference_rows([REQUEST], [[]], [[]]) == []


def test_numbers_must_agree() -> None:
    with pytest.raises(ConfigurationError, match="as many of each"):
        preference_rows([REQUEST], [], [])
    with pytest.raises(ConfigurationError, match="request 0: 2 samples and 1 rewards"):
        preference_rows([REQUEST], [["a", "b"]], [[0.1]])
    with pytest.raises(ConfigurationError, match="margin is 0"):
        preference_rows([REQUEST], [["a"]], [[0.1]], margin=0.0)
