"""What proposals earn, by hand and against the game's own utility."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from negotiation.best_response import candidate_values, valued_move
from negotiation.oracle import Proposals
from negotiation.utility import Utility
from rewriter.proposing.config import ProposalGRPOConfig, ProposalRewardConfig
from rewriter.proposing.judge import FLOOR, ProposalJudge, proposal
from tests.unit.rewriter.proposing.examples import Places, completion, record, reply, situation

COS = {angle: math.cos(math.radians(angle)) for angle in range(0, 181, 5)}


def judged(asked, text, config=None, finish="stop"):
    return ProposalJudge(Places(), config).judge([completion(asked, text, finish=finish)])[0]


def test_parts_by_hand() -> None:
    # Own guidelines at 0 and 20 degrees, the opponent's at 60 and 90 with weights 1/4 and 3/4; proposed is 40.
    asked = situation(((0, 20), (60, 90)), ((0.5, 0.5), (0.25, 0.75)))
    reward = judged(asked, reply(40))
    assert reward.parts == pytest.approx(
        {"consistency": COS[40], "acceptance": 0.25 * COS[20] + 0.75 * COS[50], "novelty": 1 - COS[20]}
    )
    assert (reward.copied, reward.collapsed) == (False, False)


def test_acceptance_is_the_mean_over_opponents() -> None:
    asked = situation(((0,), (60,), (90, 120)), ((1,), (1,), (0.5, 0.5)))
    parts = judged(asked, reply(30)).parts
    assert parts["acceptance"] == pytest.approx((COS[30] + (COS[60] + COS[90]) / 2) / 2)


@pytest.mark.parametrize("player", [0, 1, 2])
def test_the_weighted_sum_is_the_games_utility(player: int) -> None:
    rng = np.random.default_rng(player)
    pools = tuple(tuple(rng.uniform(0, 180, size=3).round(3)) for _ in range(3))
    weights = tuple(rng.dirichlet(np.ones(3)) for _ in range(3))
    asked = situation(pools, weights, player, "innovative")
    text = reply(77.5)
    parts = judged(asked, text).parts
    guideline = proposal(completion(asked, text))
    assert guideline is not None
    embedding = Places().embed([guideline.text])[0]
    utility = Utility.standard(0.4, 0.7, 0.3)
    value, _, theirs = candidate_values(
        asked.view.pools, player, guideline, embedding, asked.view.weights, utility
    )
    assert parts == pytest.approx(theirs, abs=1e-12)
    assert 0.4 * parts["consistency"] + 0.7 * parts["acceptance"] + 0.3 * parts["novelty"] == pytest.approx(
        value, abs=1e-12
    )


def test_it_values_a_records_candidates_as_the_record_does() -> None:
    from agents.cultures import get_culture
    from rewriter.proposing.situations import situations_of

    made, _ = record((0, 100), ({1: [30], 2: [50]}, {1: [80]}), alpha=0.3, beta=0.6, gamma=0.1)
    found = situations_of(made, {name: get_culture(name) for name in made.players})
    utility = Utility.standard(0.3, 0.6, 0.1)
    compared = 0
    for played in made.rounds:
        for move in played.moves:
            for candidate in move.candidates:
                asked = next(s for s in found if (s.view.round, s.view.player) == (played.round, move.player))
                text = f"Heading: {candidate.draft.content}\nReason: {candidate.draft.reason}\nDescription: do it"
                parts = judged(asked, text).parts
                assert parts == pytest.approx(dict(candidate.parts), abs=1e-12)
                # And through the game's own choice among candidates.
                guideline = candidate.draft.as_guideline("x", move.player, played.round)
                again = valued_move(
                    asked.view.pools,
                    move.player,
                    [guideline],
                    candidate.embedding[None],
                    Proposals((candidate.draft,)),
                    played.faced(move.player),
                    utility,
                    0.0,
                )
                weighted = 0.3 * parts["consistency"] + 0.6 * parts["acceptance"] + 0.1 * parts["novelty"]
                assert again.candidates[0].utility == pytest.approx(weighted, abs=1e-12)
                compared += 1
    assert compared == 3


def test_players_that_change_seats_earn_the_same() -> None:
    one = situation(((0, 20), (60, 90)), ((0.5, 0.5), (0.25, 0.75)), player=0)
    other = situation(
        ((60, 90), (0, 20)),
        ((0.25, 0.75), (0.5, 0.5)),
        player=1,
        players=("latin-america", "confucian"),
    )
    assert judged(one, reply(40)).parts == pytest.approx(judged(other, reply(40)).parts)


@pytest.mark.parametrize(
    ("text", "finish"),
    [
        ("", "stop"),
        ("We propose @40 this.", "stop"),
        ("Heading: x @40\nReason: y", "stop"),
        (reply(40), "length"),
    ],
)
def test_what_an_agent_would_drop_gets_the_least(text: str, finish: str) -> None:
    reward = judged(situation(), text, finish=finish)
    assert reward.parts == FLOOR
    assert reward.collapsed
    assert not reward.copied


def test_replies_keep_their_places_among_refused_ones() -> None:
    asked = situation()
    texts = ["no", reply(10), "", reply(50)]
    rewards = ProposalJudge(Places()).judge([completion(asked, text) for text in texts])
    assert [reward.collapsed for reward in rewards] == [True, False, True, False]
    assert [reward.parts["consistency"] for reward in rewards] == pytest.approx([-1, COS[10], -1, COS[50]])


@pytest.mark.parametrize("angle", [0, 60])
def test_copies_of_own_and_of_others_are_counted_and_on_demand_refused(angle: int) -> None:
    asked = situation(((0,), (60,)))
    text = f"Heading: At @{angle}\nReason: why\nDescription: do"
    told = judged(asked, text)
    assert told.copied
    assert told.parts["consistency"] == pytest.approx(COS[angle])
    refused = judged(asked, text, ProposalRewardConfig(copy_floor=True))
    assert refused.copied
    assert refused.parts == FLOOR
    assert not refused.collapsed


def test_nothing_to_embed_asks_no_embedder() -> None:
    class Refuses:
        def embed(self, texts: object) -> np.ndarray:
            raise AssertionError("asked")

    assert ProposalJudge(Refuses()).judge([]) == []
    assert ProposalJudge(Refuses()).judge([completion(situation(), "no")])[0].collapsed


def test_it_pickles() -> None:
    asked = situation()
    judge = pickle.loads(pickle.dumps(ProposalJudge(Places())))
    sent = pickle.loads(pickle.dumps(completion(asked, reply(40))))
    assert sent == completion(asked, reply(40))
    assert sent.request == asked
    assert judge.judge([sent]) == ProposalJudge(Places()).judge([completion(asked, reply(40))])


def test_weights_are_those_of_the_game() -> None:
    config = ProposalGRPOConfig.model_validate({"reward": {"novelty_weight": 0.7}})
    assert config.weights == {"consistency": 0.5, "acceptance": 0.5, "novelty": 0.7}
    with pytest.raises(ValidationError, match="all weights are 0"):
        ProposalRewardConfig(consistency_weight=0, acceptance_weight=0, novelty_weight=0)
