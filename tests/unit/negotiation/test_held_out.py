"""Held-out exploitability."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from negotiation.config import GameConfig
from negotiation.errors import GameError
from negotiation.held_out import HeldOut, held_out
from negotiation.oracle import Proposals
from negotiation.record import NegotiationRecord
from tests.unit.negotiation.scripted import PlaceEmbedder, ScriptedOracle, at, play


@pytest.fixture(scope="module")
def record() -> NegotiationRecord:
    """Openings at 0 and 90 degrees; nobody proposes anything, so the game ends at once."""
    return play([ScriptedOracle(0), ScriptedOracle(90)], GameConfig(alpha=0.5, beta=0.5, gamma=0.0))


def probed(record: NegotiationRecord, *oracles: ScriptedOracle, fresh: int = 16) -> HeldOut:
    return asyncio.run(held_out(record, oracles, PlaceEmbedder(), fresh))


def test_the_best_fresh_candidate_counts_by_hand(record: NegotiationRecord) -> None:
    # At 45 degrees: .5 cos 45 + .5 cos 45 = .7071 against .5 cos 0 + .5 cos 90 = .5.
    after = len(record.rounds) + 1
    left = ScriptedOracle(0, {after: [at(45), at(10), at(180)]})
    right = ScriptedOracle(90, {after: [at(270)]})
    found = probed(record, left, right)
    assert found.gains[0] == pytest.approx(2**-0.5 - 0.5)
    assert found.gains[1] == pytest.approx(-1.0 / 2 - 0.5)  # .5 cos 180 + .5 cos 90 = -.5, less .5
    assert found.exploitability == pytest.approx(2**-0.5 - 0.5)
    assert found.fresh == (3, 1)


def test_a_side_without_candidates_leaves_it_unknown(record: NegotiationRecord) -> None:
    after = len(record.rounds) + 1
    found = probed(record, ScriptedOracle(0, {after: [at(45)]}), ScriptedOracle(90))
    assert found.gains[1] is None
    assert found.exploitability is None


def test_kinds_are_cut_evenly_and_the_seed_is_new(record: NegotiationRecord) -> None:
    after = len(record.rounds) + 1
    kinds = ("adversarial", "complementary", "innovative")
    drafts = tuple(at(5 * k, kind) for kind in kinds for k in range(1, 4))
    left = ScriptedOracle(0, {after: Proposals(drafts)})
    found = probed(record, left, ScriptedOracle(90), fresh=4)
    assert found.fresh[0] == 4
    [(_, view)] = left.views
    assert view.weights[0].tolist() == record.weights[0].tolist()
    assert view.pools == record.pools


def test_what_cannot_be_valued_again_is_told(record: NegotiationRecord) -> None:
    oracles = [ScriptedOracle(0), ScriptedOracle(90)]
    with pytest.raises(GameError, match="embedder"):
        probed(replace(record, embedder="other"), *oracles)
    with pytest.raises(GameError, match="terms"):
        probed(replace(record, terms={"mine": 1.0}), *oracles)
    with pytest.raises(GameError, match="fresh is 0"):
        probed(record, *oracles, fresh=0)
