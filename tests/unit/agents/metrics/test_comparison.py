"""Means over topics, paired differences, and their p-values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from agents.metrics.comparison import compare, holm, summarise
from agents.metrics.measured import Measured
from negotiation.errors import GameError
from negotiation.outcome import Method

PAIR = ("english-speaking", "confucian")


def measured(
    topic: str,
    method: Method = "psro",
    players: tuple[str, ...] = PAIR,
    seed: int = 0,
    category: str = "c",
    **figures: float | None,
) -> Measured:
    return Measured(method, topic, category, players, seed, figures)


def test_means_are_over_negotiations_and_units_are_topics() -> None:
    rows = summarise([measured("a", gini=1.0), measured("a", seed=1, gini=0.0), measured("b", gini=0.2)])
    [row] = rows
    assert row.kind == "overall"
    assert (row.negotiations, row.topics) == (3, 2)
    found = row.figures["gini"]
    assert found.estimate == pytest.approx(0.4)
    assert found.units == 2
    # Resamples of two topics: a twice (.5), b twice (.2), both (.4).
    assert (found.low, found.high) == pytest.approx((0.2, 0.5))


def test_clusters_widen_intervals() -> None:
    rng = np.random.default_rng(0)
    values = [(f"t{k}", float(x)) for k, x in enumerate(rng.normal(size=20))]
    once = summarise([measured(topic, gini=x) for topic, x in values])[0].figures["gini"]
    thrice = summarise([measured(t, seed=s, gini=x) for t, x in values for s in range(3)])[0].figures["gini"]
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low)


def test_missing_figures_are_counted_and_those_without_sense_are_not() -> None:
    [row] = summarise([measured("a", gini=None, moved=0.1), measured("b", gini=0.4, moved=0.3)])
    assert row.missing == {"gini": 1}
    assert row.figures["gini"].estimate == 0.4
    assert "weird_index" not in row.figures


def test_a_ratio_is_of_sums() -> None:
    rows = summarise([
        measured("a", ppl_distance_opening=4.0, ppl_distance_consensus=1.0),
        measured("b", ppl_distance_opening=0.0, ppl_distance_consensus=1.0),
    ])  # fmt: skip
    assert rows[0].figures["ppl_distance_ratio"].estimate == pytest.approx(0.5)


def test_groups_are_pairs_and_categories_where_there_are_several() -> None:
    other = ("confucian", "latin-america")
    rows = summarise([
        measured("a", category="x", gini=1.0),
        measured("b", category="y", players=other, gini=0.0),
        measured("b", "debate", category="y", players=other, gini=0.0),
    ])  # fmt: skip
    shown = [(row.kind, row.group, row.method) for row in rows]
    assert shown == [
        ("overall", "", "psro"),
        ("overall", "", "debate"),
        ("pair", "confucian / latin-america", "psro"),
        ("pair", "confucian / latin-america", "debate"),
        ("pair", "english-speaking / confucian", "psro"),
        ("category", "x", "psro"),
        ("category", "y", "psro"),
        ("category", "y", "debate"),
    ]


def test_a_difference_is_taken_on_what_both_methods_held() -> None:
    psro = [measured(f"t{k}", gini=0.5) for k in range(6)]
    debate = [measured(f"t{k}", "debate", gini=0.5 - 0.1 * (k + 1)) for k in range(4)]
    [found] = compare([*psro, *debate])
    assert (found.method, found.other, found.measure) == ("psro", "debate", "gini")
    assert found.interval.estimate == pytest.approx(0.25)
    assert (found.common, found.left_out) == (4, 2)
    assert found.p_value == pytest.approx(2 / 16)  # all of one sign, of 2^4 patterns, both sides
    assert found.adjusted == found.p_value


def test_pairs_need_the_same_topic_players_and_seed() -> None:
    assert compare([measured("a", gini=1.0), measured("a", "debate", seed=1, gini=0.0)]) == []
    turned = ("confucian", "english-speaking")
    assert compare([measured("a", gini=1.0), measured("a", "debate", players=turned, gini=0.0)]) == []


def test_the_same_negotiation_twice_is_refused() -> None:
    with pytest.raises(GameError, match="twice; give each run once"):
        compare([measured("a", gini=1.0), measured("a", gini=1.0), measured("a", "debate", gini=0.0)])


def test_swapping_methods_turns_the_sign_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(2, 12))
    one = [measured(f"t{k}", "psro", gini=x) for k, x in enumerate(left)]
    one += [measured(f"t{k}", "debate", gini=x) for k, x in enumerate(right)]
    two = [measured(f"t{k}", "psro", gini=x) for k, x in enumerate(right)]
    two += [measured(f"t{k}", "debate", gini=x) for k, x in enumerate(left)]
    [first], [second] = compare(one), compare(two)
    assert first.interval.estimate == pytest.approx(-second.interval.estimate)
    assert first.interval.low == pytest.approx(-second.interval.high, abs=0.05)
    assert first.p_value == pytest.approx(second.p_value)


def test_p_values_of_shuffled_labels_are_uniform() -> None:
    rng = np.random.default_rng(7)
    found = []
    for trial in range(150):
        values = rng.gamma(2.0, size=(25, 2))  # skewed; each topic's two methods are exchanged at random
        rows = [measured(f"t{k}", "psro", gini=float(a)) for k, (a, _) in enumerate(values)]
        rows += [measured(f"t{k}", "debate", gini=float(b)) for k, (_, b) in enumerate(values)]
        found.append(compare(rows, seed=trial, permutations=499, resamples=10)[0].p_value)
    assert kstest(found, "uniform").pvalue > 0.05


def test_a_true_difference_is_found_among_shuffled_ones() -> None:
    rng = np.random.default_rng(3)
    rows = []
    for k in range(60):
        a, b = rng.normal(size=2)
        rows.append(measured(f"t{k}", "psro", gini=a + 1.5, moved=a))
        rows.append(measured(f"t{k}", "debate", gini=b, moved=b))
    found = {one.measure: one for one in compare(rows)}
    assert found["gini"].adjusted < 0.01
    assert found["moved"].adjusted > 0.05
    assert found["gini"].adjusted >= found["gini"].p_value


def test_holm_by_hand() -> None:
    # Sorted .01, .02, .03, .5 times 4, 3, 2, 1: .04, .06, .06, .5
    assert holm([0.03, 0.5, 0.01, 0.02]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
