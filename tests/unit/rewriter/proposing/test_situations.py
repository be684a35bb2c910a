"""Situations are what players saw, and their dialogues what agents were sent."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from agents.culture_agent import CANDIDATE_KINDS, CultureAgent
from agents.cultures import Portrait, get_culture
from agents.models.protocol import Generation, GenerationRequest
from agents.prompts import PromptSet
from negotiation.config import GameConfig
from negotiation.errors import ConfigurationError, RecordError
from negotiation.psro import negotiate
from negotiation.topic import Topic
from rewriter.proposing.situations import SituationPrompts, of_topics, situations_of, split_topics
from tests.unit.negotiation.scripted import PlaceEmbedder
from tests.unit.rewriter.proposing.examples import PLAYERS, record, situation


def cultures(*names: str) -> dict[str, Any]:
    return {name: get_culture(name) for name in names}


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
@pytest.mark.parametrize("players", [2, 3])
def test_views_are_those_that_oracles_were_given(update: str, players: int) -> None:
    starts = (0, 100, 50)[:players]
    scripts = ({1: [30], 2: [50], 3: [55]}, {1: [80], 2: [70]}, {1: [40]})[:players]
    made, oracles = record(starts, scripts, update=update, epsilon=0.0)
    assert len(made.rounds) >= 3
    found = situations_of(made, cultures(*made.players))
    given = {
        (view.round, view.player): view
        for oracle in oracles
        for call, view in oracle.views
        if call == "propose"
    }
    assert {(s.view.round, s.view.player) for s in found} == set(given)
    assert [s.kind for s in found[:3]] == list(CANDIDATE_KINDS)
    for one in found:
        expected = dataclasses.replace(situation(), view=given[one.view.round, one.view.player])
        assert (
            dataclasses.replace(one, negotiation_id="tax-1", culture=expected.culture, kind="adversarial")
            == expected
        )


def test_only_the_cultures_asked_for() -> None:
    made, _ = record((0, 100), ({1: [30]}, {}))
    found = situations_of(made, cultures("latin-america"))
    assert {s.culture.id for s in found} == {"latin-america"}
    assert {s.view.player for s in found} == {1}
    assert situations_of(made, {}) == []


class Listening:
    """Answers each dialogue by places drawn from its seed, and keeps what was asked for candidates."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def generate(self, model: str, requests: Sequence[GenerationRequest]) -> list[Generation]:
        replies = []
        for request in requests:
            user = request.messages[-1].content
            if "Propose one new" in user:
                self.asked.append(request.messages)
            place = np.random.default_rng(request.seed).uniform(0, 180)
            text = f"We stand @{place:.3f}"
            if "three lines" in user:
                text = f"Heading: At @{place:.3f}\nReason: because\nDescription: do it"
            replies.append(
                Generation(text=text, prompt_tokens=1, generated_tokens=9, finish="stop", seconds=0.0)
            )
        return replies


def test_dialogues_are_those_that_agents_were_sent() -> None:
    session = Listening()
    shown = [
        dataclasses.replace(get_culture(name), portrait=Portrait((("Power", 0.4),), 0.1, -0.2))
        for name in PLAYERS[:2]
    ]
    agents = [CultureAgent(culture, session, culture.id) for culture in shown]  # type: ignore[arg-type]
    made = asyncio.run(
        negotiate(Topic("t", "Why?"), PLAYERS[:2], agents, PlaceEmbedder(), GameConfig(epsilon=0.0), seed=3)
    )
    found = situations_of(made, {culture.id: culture for culture in shown})
    prompts = SituationPrompts(PromptSet.load())
    assert len(made.rounds) > 1
    assert len(found) == len(session.asked)
    key = repr
    assert sorted(map(key, map(prompts.messages, found))) == sorted(map(key, session.asked))
    assert "Power +0.4" in prompts.messages(found[0])[0].content


def test_pools_that_do_not_fit_their_weights_are_refused() -> None:
    made, _ = record((0, 100), ({1: [30]}, {}))
    torn = dataclasses.replace(made, rounds=(dataclasses.replace(made.rounds[0], round=7), *made.rounds[1:]))
    with pytest.raises(RecordError, match=r"round 7: pools of .* have weights for"):
        situations_of(torn, cultures("confucian"))


def test_a_dialogue_that_is_too_long_says_whose_it_is() -> None:
    told = SituationPrompts(PromptSet.load()).too_long(situation(), 900, 1, 800)
    assert told.startswith(
        "what confucian sees in round 2 on topic 'tax' makes 900 tokens; with 1 for the answer"
    )


def test_topics_are_split_once_and_for_all() -> None:
    topics = [f"t{number}" for number in range(20)]
    learned, held_out = split_topics(topics * 2, 0.25, 1)
    assert sorted(learned + held_out) == sorted(topics)
    assert len(held_out) == 5
    assert split_topics(reversed(topics), 0.25, 1) == (learned, held_out)
    assert split_topics(topics, 0.25, 2)[1] != held_out
    assert split_topics(topics, 0.0, 1) == (sorted(topics), [])
    assert len(split_topics(topics, 0.001, 1)[1]) == 1
    with pytest.raises(ConfigurationError, match="1 topics with 1 held out leave none"):
        split_topics(["a"], 0.2, 0)


def test_situations_of_topics() -> None:
    assert of_topics([situation()], ["tax"]) == [situation()]
    assert of_topics([situation()], ["other"]) == []
