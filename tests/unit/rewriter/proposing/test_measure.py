"""Gains of proposals, by hand and against records."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from agents.cultures import get_culture
from negotiation.errors import GameError
from negotiation.topic import Topic
from rewriter.proposing.judge import ProposalJudge
from rewriter.proposing.measure import best_gains, best_held, proposed, summarise
from rewriter.proposing.situations import situations_of
from tests.unit.rewriter.proposing.examples import Places, completion, record, reply, situation

WEIGHTS = {"consistency": 0.5, "acceptance": 0.5, "novelty": 0.2}


def cos(angle: float) -> float:
    return math.cos(math.radians(angle))


def of(asked, *texts, group=0):
    completions = [completion(asked, text, group) for text in texts]
    return completions, ProposalJudge(Places()).judge(completions)


def test_the_best_that_is_held_by_hand() -> None:
    # Own at 0 (novelty 0 by convention) and at 40; the opponent at 60.
    first, second = 0.5 * 1 + 0.5 * cos(60), 0.5 * cos(40) + 0.5 * cos(20) + 0.2 * (1 - cos(40))
    asked = situation(((0, 40), (60,)), ((0.3, 0.7), (1,)))
    assert best_held(asked, WEIGHTS) == pytest.approx(max(first, second))


def test_gains_are_those_of_the_record() -> None:
    made, _ = record((0, 100), ({1: [30], 2: [50]}, {1: [80]}))
    found = situations_of(made, {name: get_culture(name) for name in made.players})
    for played in made.rounds:
        for move in played.moves:
            for candidate in move.candidates:
                asked = next(s for s in found if (s.view.round, s.view.player) == (played.round, move.player))
                text = f"Heading: {candidate.draft.content}\nReason: because\nDescription: do it"
                (one,) = proposed(*of(asked, text), WEIGHTS)
                assert one.gains == pytest.approx((candidate.gain,), abs=1e-12)


def test_what_is_dropped_gains_nothing_and_the_first_candidates_can_be_asked_for() -> None:
    (one,) = proposed(*of(situation(), "no", reply(60), reply(30)), WEIGHTS)
    assert one.gains[0] is None
    assert one.best(1) is None
    assert one.best(2) == one.gains[1]
    assert one.best() == max(one.gains[1:])
    assert one.tokens == 6


def test_summary_by_hand() -> None:
    here = situation()
    there = dataclasses.replace(here, view=dataclasses.replace(here.view, topic=Topic("other", "Why?")))
    parts = [
        of(here, reply(30), reply(90)),
        of(here, "no", "no", group=1),
        of(there, reply(0), "no", group=2),
    ]
    found = proposed(
        [one for completions, _ in parts for one in completions],
        [one for _, rewards in parts for one in rewards],
        WEIGHTS,
    )
    held = 0.5 + 0.5 * cos(60)
    best = {30: 0.5 * cos(30) * 2 + 0.2 * (1 - cos(30)) - held, 0: held - held}
    assert best_gains(found) == pytest.approx({"tax": best[30], "other": best[0]}, abs=1e-12)
    told = summarise(found, 0.01, np.random.default_rng(0))
    assert told["gain"]["estimate"] == pytest.approx((best[30] + best[0]) / 2)
    assert told["gain"]["units"] == 2
    assert told["taken"] == pytest.approx(1 / 3)
    assert told["well_formed"] == pytest.approx(3 / 6)
    assert (told["situations"], told["topics"], told["candidates"], told["tokens"]) == (3, 2, 2, 12)
    assert summarise(found[1:2], 0.01, np.random.default_rng(0))["gain"] is None
    with pytest.raises(GameError, match="no situations"):
        summarise([], 0.01, np.random.default_rng(0))
