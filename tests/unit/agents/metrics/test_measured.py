"""All measures of one negotiation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from agents.metrics.catalogue import MEASURES
from agents.metrics.measured import Texts, measure
from agents.metrics.perplexity import Surprise
from tests.unit.agents.metrics.outcomes import outcome

ROOT = math.sqrt(0.5)
OPENINGS = np.array([[1.0, 0.0], [0.0, 1.0]])
MIDDLE = np.array([[ROOT, ROOT], [ROOT, ROOT]])


def texts(consensus: np.ndarray = MIDDLE) -> Texts:
    return Texts(OPENINGS, consensus, OPENINGS, consensus)


def test_without_readings_there_are_no_figures_of_them() -> None:
    found = measure(outcome(rounds=3), texts())
    assert set(found.figures) <= set(MEASURES)
    assert not any(name.startswith(("value", "log", "ppl")) for name in found.figures)
    assert found.figures["rounds"] == 3.0
    assert found.figures["converged"] is None
    assert "converged" in found.reasons
    assert found.figures["gap_closed"] == pytest.approx(1.0)
    assert found.figures["all_gain"] == 1.0


def test_everything_that_is_named_is_in_the_catalogue() -> None:
    values = np.zeros((2, 10))
    surprise = Surprise(np.log([[1, 2], [3, 1.0]]), np.log([[1, 2], [2, 1.0]]))
    full = replace(texts(), value_openings=values, value_consensus=values + 0.3, surprise=surprise)
    found = measure(outcome(rounds=1, converged=True), full)
    plain = {name for name, entry in MEASURES.items() if entry.ratio is None} - {"exploitability"}
    assert set(found.figures) == plain
    assert None not in found.figures.values()
    assert found.figures["ppl_distance_opening"] == pytest.approx(1.0)
    assert found.figures["ppl_distance_change"] == pytest.approx(1.0)
    assert found.figures["value_consistency"] == 0.0
    for entry in MEASURES.values():
        assert entry.ratio is None or set(entry.ratio) <= plain


def test_perplexities_that_failed_are_missing_and_never_a_number() -> None:
    found = measure(outcome(), replace(texts(), surprise="too long"))
    assert found.figures["ppl_distance_change"] is None
    assert found.reasons["log_ppl_drop"] == "too long"


def test_weird_measures_are_of_tables_with_the_english_speaking_only() -> None:
    to_the_first = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert measure(outcome(), texts(to_the_first)).figures["weird_index"] == pytest.approx(1.0)
    others = outcome(players=("confucian", "latin-america"))
    assert "weird_index" not in measure(others, texts(to_the_first)).figures
    second = outcome(players=("confucian", "english-speaking"))
    assert measure(second, texts(to_the_first)).figures["weird_index"] == pytest.approx(-1.0)


def test_where_nobody_gains_shares_are_missing() -> None:
    found = measure(outcome(), texts(-OPENINGS))
    assert found.figures["gini"] is None
    assert found.reasons["gini"] == "no side gains"
    assert found.figures["nash_product"] == 0.0
    assert found.figures["moved"] == pytest.approx(2.0)
