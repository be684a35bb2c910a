"""Coalitions: cases worked out by hand, and what must hold of any."""

from __future__ import annotations

import numpy as np
import pytest

from negotiation.coalitions import coalitions, coalitions_of
from negotiation.config import ExactConfig, GameConfig, PotentialConfig
from negotiation.guideline import Guideline, Pool
from negotiation.metagame import build_metagame
from negotiation.oracle import Oracle
from negotiation.solvers import solve
from negotiation.utility import Utility
from tests.unit.negotiation.scripted import ScriptedOracle, at, play

UTILITY = Utility.standard(0.5, 0.5, 0.2)


def pool(player: int, *angles: float) -> Pool:
    turned = np.radians(angles)
    guidelines = tuple(
        Guideline(f"p{player}-{k}", player, k, "innovative" if k else "initial", f"At {angle}", "", "")
        for k, angle in enumerate(angles)
    )
    return Pool(player, guidelines, np.stack([np.cos(turned), np.sin(turned)], axis=1))


def solved(pools: list[Pool]) -> tuple[np.ndarray, ...]:
    return solve(build_metagame(pools, UTILITY), ExactConfig()).weights


def test_acceptance_is_the_cosine_of_first_and_last() -> None:
    pools = [pool(0, 0), pool(1, 60), pool(2, 90, 60)]
    found = coalitions(pools, [np.ones(1), np.ones(1), np.array([0.0, 1.0])], UTILITY, ExactConfig())
    assert found.acceptance[0].tolist() == pytest.approx([1.0, 0.5, 0.5])
    assert found.acceptance[2].tolist() == pytest.approx([0.0, np.cos(np.pi / 6), np.cos(np.pi / 6)])
    assert found.before[0].tolist() == pytest.approx([1.0, 0.5, 0.0])


def test_a_guideline_is_blocked_by_who_accepts_it_less_than_the_openings() -> None:
    # Openings at 0, 90 and 0 degrees: player 0 was offered .5 on average, player 1 nothing. Then player 2 turned to 170.
    pools = [pool(0, 0), pool(1, 90), pool(2, 0, 170)]
    found = coalitions(pools, [np.ones(1), np.ones(1), np.array([0.0, 1.0])], UTILITY, ExactConfig())
    blocks = {block.guideline_id: block.against for block in found.blocks}
    assert blocks == {"p1-0": (0, 2), "p2-1": (0,)}  # player 1 accepts 170 by cos 80, more than before
    assert [block.guideline_id for block in found.blocks] == ["p1-0", "p2-1"]  # the most blocked first


def test_nobody_blocks_where_all_stand_at_one_place() -> None:
    found = coalitions(
        [pool(i, 30, 31) for i in range(3)], [np.array([1.0, 0.0])] * 3, UTILITY, ExactConfig()
    )
    assert found.blocks == ()
    assert found.acceptance == pytest.approx(np.ones((3, 3)))


def test_a_dominant_guideline_survives_every_departure() -> None:
    # All of each pool is at one place but its second, far off, which nobody plays.
    pools = [pool(0, 0, 170), pool(1, 10, -160), pool(2, -10, 160)]
    utility = Utility.standard(0.5, 0.5, 0.0)
    weights = [np.array([1.0, 0.0])] * 3
    found = coalitions(pools, weights, utility, ExactConfig())
    assert all(one.stands and one.shift == pytest.approx(0.0) for one in found.departures)
    assert [len(one.payoffs) for one in found.departures] == [2, 2, 2]
    assert found.order_independent


def test_a_consensus_that_one_party_holds_together_falls_without_it() -> None:
    # Player 0 sits at 0 degrees and is decisive: with it, player 1 plays 0; with player 2 alone it prefers 120.
    utility = Utility.standard(0.0, 1.0, 0.0)
    pools = [pool(0, 0), pool(1, 0, 120), pool(2, 100)]
    weights = [np.ones(1), np.array([1.0, 0.0]), np.ones(1)]
    found = coalitions(pools, weights, utility, ExactConfig())
    by_player = {one.player: one for one in found.departures}
    assert not by_player[0].stands
    assert by_player[0].shift == pytest.approx(1.0)
    assert by_player[0].nash_conv == pytest.approx(np.cos(np.radians(20)) - np.cos(np.radians(100)))
    assert by_player[2].stands


def test_gains_are_over_the_game_of_first_guidelines() -> None:
    pools = [pool(0, 0), pool(1, 90, 45), pool(2, 90)]
    weights = [np.ones(1), np.array([0.0, 1.0]), np.ones(1)]
    found = coalitions(pools, weights, Utility.standard(0.0, 1.0, 0.0), ExactConfig())
    assert found.gains[0] == pytest.approx(np.cos(np.pi / 4) / 2)
    assert found.minimum_utility == pytest.approx(found.payoffs.min())
    assert found.payoffs[found.worst_off] == found.minimum_utility


@pytest.mark.parametrize("seed", range(3))
def test_of_eight_parties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pools = [pool(i, *rng.uniform(0, 120, size=3)) for i in range(8)]
    found = coalitions(pools, solved(pools), UTILITY, PotentialConfig())
    assert found.acceptance.shape == (8, 8)
    assert len(found.departures) == 8
    assert all(one.nash_conv >= 0 for one in found.departures)
    assert all(one.stands == (one.nash_conv <= 1e-6) for one in found.departures)
    assert found.orders == 24
    assert found.order_independent is not None


def test_of_a_record() -> None:
    starts = (0, 40, 80)
    oracles: list[Oracle] = [ScriptedOracle(start, {1: [at(40)]}) for start in starts]
    record = play(oracles, GameConfig(rounds=3))
    found = coalitions_of(record)
    assert found.payoffs == pytest.approx(record.final.payoffs)
    assert len(found.departures) == 3
