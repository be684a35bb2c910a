"""Plans and estimates."""

from __future__ import annotations

import pytest

from agents.baselines.config import BaselinesConfig, DebateConfig, MediatorConfig
from cluster.config import load_config
from cluster.plan import estimate_calls, make_plan, plan_of
from negotiation.config import GameConfig
from negotiation.errors import ConcordatError, TopicError
from negotiation.outcome import METHODS
from negotiation.topic import Topic

PLAYERS = ("confucian", "latin-america")


def test_one_negotiation_a_topic_in_their_order() -> None:
    plan = make_plan(PLAYERS, [Topic("b", "Two?"), Topic("a", "One?")], 0)
    assert [planned.topic.id for planned in plan] == ["b", "a"]
    assert all(planned.players == PLAYERS for planned in plan)
    assert len({planned.id for planned in plan}) == 2


SEVERAL = {
    "pairs": "all",
    "cultures": ["confucian", "latin-america", "protestant-europe"],
    "topics": ["One?", "Two?"],
    "seeds": [0, 5],
}


def test_all_pairs_meet_on_every_question_under_every_seed() -> None:
    plan = plan_of(load_config(SEVERAL, environment={}))
    assert len(plan) == 3 * 2 * 2
    assert len({planned.id for planned in plan}) == len(plan)
    met = {(planned.players, planned.topic.text, planned.seed) for planned in plan}
    assert len(met) == len(plan)
    assert {players for players, _, _ in met} == {
        ("confucian", "latin-america"),
        ("confucian", "protestant-europe"),
        ("latin-america", "protestant-europe"),
    }
    assert list(plan) == [plan[place] for place in range(len(plan))]
    assert plan[-1] == plan[len(plan) - 1]
    with pytest.raises(IndexError):
        plan[len(plan)]


def test_all_pairs_are_of_the_eight_if_none_are_named() -> None:
    assert len(plan_of(load_config({"pairs": "all", "topics": ["One?"]}, environment={}))) == 28


def test_a_table_of_a_larger_run_is_that_of_a_run_of_its_own() -> None:
    whole = plan_of(load_config(SEVERAL, environment={}))
    alone = load_config({"cultures": list(PLAYERS), "topics": ["Two?"], "seed": 5}, environment={})
    [planned] = plan_of(alone)
    assert planned in list(whole)
    assert "tables" not in alone.tree()
    assert "pairs" not in alone.tree()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pairs": "some"}, "pairs"),
        ({"tables": ["confucian+latin-america"], "pairs": "all"}, "pairs and tables are both given"),
        ({"tables": ["confucian"]}, "cultures"),
        ({"seeds": [0, 0]}, "seeds"),
    ],
)
def test_tables_that_cannot_be(settings: dict[str, object], message: str) -> None:
    tree = {"topics": ["One?"], "cultures": None} | settings
    given = {key: value for key, value in tree.items() if value is not None}
    if "seeds" in settings:
        given["cultures"] = list(PLAYERS)
    with pytest.raises(ConcordatError, match=message):
        load_config(given, environment={})


def test_ids_depend_on_seed_and_players_but_not_on_the_other_topics() -> None:
    alone = make_plan(PLAYERS, [Topic("a", "One?")], 0)[0].id
    assert alone == make_plan(PLAYERS, [Topic("b", "Two?"), Topic("a", "One?")], 0)[1].id
    assert alone != make_plan(PLAYERS, [Topic("a", "One?")], 1)[0].id
    assert alone != make_plan(PLAYERS[::-1], [Topic("a", "One?")], 0)[0].id


@pytest.mark.parametrize("second", ["a", "A"])
def test_twins_are_refused(second: str) -> None:
    with pytest.raises(TopicError, match="given twice"):
        make_plan(PLAYERS, [Topic("a", "One?"), Topic(second, "Two?")], 0)


def test_no_topics() -> None:
    with pytest.raises(TopicError, match="no topics"):
        make_plan(PLAYERS, [], 0)


def test_estimate_counts_every_call() -> None:
    # Opening 2, a round 1 + 3 * 2, consensus 1: for 3 players and 4 negotiations.
    estimate = estimate_calls(4, 3, GameConfig(rounds=5, candidates_per_kind=2))
    assert estimate.least == 4 * 3 * (2 + 7 + 1)
    assert estimate.most == 4 * 3 * (2 + 5 * 7 + 1)


def test_estimate_counts_the_openings_once_for_all_methods() -> None:
    baselines = BaselinesConfig(
        debate=DebateConfig(rounds=3), mediator=MediatorConfig(candidates=5, critiques=2)
    )
    estimate = estimate_calls(2, 3, GameConfig(rounds=4), METHODS, baselines)
    debate, consultancy = (3 * (1 + 1), 3 * (3 + 1)), 3
    mediator = (
        3 * (5 + 3 * 5) + 2 * 3
    )  # three votes of five candidates, scored by three; two rounds of critiques
    assert estimate.least == 2 * (3 * 2 + 3 * (4 + 1) + debate[0] + consultancy + mediator)
    assert estimate.most == 2 * (3 * 2 + 3 * (4 * 4 + 1) + debate[1] + consultancy + mediator)
