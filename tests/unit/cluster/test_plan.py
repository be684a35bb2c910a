"""Plans and estimates."""

from __future__ import annotations

import pytest

from agents.baselines.config import BaselinesConfig, DebateConfig, MediatorConfig
from cluster.plan import estimate_calls, make_plan
from negotiation.config import GameConfig
from negotiation.errors import TopicError
from negotiation.outcome import METHODS
from negotiation.topic import Topic

PLAYERS = ("confucian", "latin-america")


def test_one_negotiation_a_topic_in_their_order() -> None:
    plan = make_plan(PLAYERS, [Topic("b", "Two?"), Topic("a", "One?")], 0)
    assert [planned.topic.id for planned in plan] == ["b", "a"]
    assert all(planned.players == PLAYERS for planned in plan)
    assert len({planned.id for planned in plan}) == 2


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
