"""What holds for every negotiation, whatever the oracles say."""

from __future__ import annotations

import asyncio
import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negotiation.audit import recompute
from negotiation.config import GameConfig, LogitConfig, PotentialConfig
from negotiation.guideline import Pool
from negotiation.metagame import build_metagame
from negotiation.psro import negotiate
from negotiation.topic import Topic
from negotiation.utility import Utility
from tests.unit.negotiation.scripted import DrawingOracle, PlaceEmbedder, play

SEEDS = st.integers(min_value=0, max_value=2**63 - 1)
UPDATES = st.sampled_from(["simultaneous", "alternating"])


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, update=UPDATES, n=st.integers(2, 4), epsilon=st.sampled_from([0.0, 0.01, 0.1]))
def test_record_holds_together(seed, update, n, epsilon):
    config = GameConfig(epsilon=epsilon, rounds=5, update=update)
    record = play([DrawingOracle() for _ in range(n)], config, seed=seed)
    moves = [move for played in record.rounds for move in played.moves]
    for move in moves:
        assert (move.accepted is None) == (move.best_gain < epsilon)
        if move.accepted:
            assert move.accepted.gain == move.best_gain >= epsilon
    for equilibrium in [found for played in record.rounds for found in played.equilibria] + [record.final]:
        assert all(abs(weights.sum() - 1.0) <= 1e-12 for weights in equilibrium.weights)
    grown = [sum(move.accepted is not None for move in moves if move.player == i) for i in range(n)]
    assert [len(pool) for pool in record.pools] == [1 + count for count in grown]
    if record.converged:
        assert record.nash_conv <= config.nash_conv_tolerance
        assert all(move.best_gain < epsilon for move in record.rounds[-1].moves)
    else:
        assert record.stop_reason != "round-limit" or len(record.rounds) == 5
    assert recompute(record, solve_again=True).largest_difference <= 1e-12


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, solver=st.sampled_from([None, PotentialConfig(), LogitConfig(rationality=8.0)]))
def test_swapping_the_players_swaps_the_record(seed, solver):
    """Under simultaneous updates nothing depends on who sits first."""
    config = GameConfig(rounds=5) if solver is None else GameConfig(rounds=5, solver=solver)
    here, there = (play([DrawingOracle()] * 2, config, players=names, seed=seed) for names in ("ab", "ba"))
    assert (here.stop_reason, here.consensus) == (there.stop_reason, there.consensus[::-1])
    assert len(here.rounds) == len(there.rounds)
    for mine, yours in zip(here.rounds, there.rounds, strict=True):
        assert mine.statements == yours.statements[::-1]
        for move, other in zip(mine.moves, yours.moves[::-1], strict=True):
            assert [x.draft for x in move.candidates] == [x.draft for x in other.candidates]
            assert [x.gain for x in move.candidates] == pytest.approx(
                [x.gain for x in other.candidates], abs=1e-9
            )
    for mine, yours in zip(here.weights, there.weights[::-1], strict=True):
        assert mine == pytest.approx(yours, abs=1e-6)
    assert here.final.payoffs == pytest.approx(there.final.payoffs[::-1], abs=1e-9)


def maximum_potential(pools: list[Pool]) -> float:
    """The largest Phi = sum over pairs of beta cos / (N - 1) + sum of own terms, by enumeration."""
    game = build_metagame(pools, Utility.standard(0.5, 0.5, 0.2))
    values = []
    for profile in itertools.product(*(range(size) for size in game.sizes)):
        own = sum(game.own[i][action] for i, action in enumerate(profile))
        pairs = itertools.combinations(range(len(profile)), 2)
        values.append(own + sum(game.pairs[i, j][profile[i], profile[j]] for i, j in pairs))
    return float(max(values))


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, n=st.integers(2, 3))
def test_potential_rises_by_epsilon_with_every_guideline(seed, n):
    """Alternating updates against the potential's argmax.

    A candidate that gains g against a maximiser of Phi makes a profile of Phi + g, since a lone change of
    player i changes Phi by the change of U_i; so the maximum rises by at least epsilon, and the loop ends
    by itself.
    """
    config = GameConfig(update="alternating", solver=PotentialConfig(), rounds=6)
    record = play([DrawingOracle() for _ in range(n)], config, seed=seed)
    pools = [Pool(p.player, p.guidelines[:1], p.embeddings[:1]) for p in record.pools]
    height = maximum_potential(pools)
    for move in (move for played in record.rounds for move in played.moves):
        if move.accepted:
            k, full = len(pools[move.player]), record.pools[move.player]
            pools[move.player] = pools[move.player].with_guideline(full.guidelines[k], full.embeddings[k])
        risen = maximum_potential(pools)
        assert risen >= height + (move.accepted.gain - 1e-9 if move.accepted else 0.0)
        height = risen


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_records_do_not_depend_on_the_order_of_work(update):
    """Many tables at once with random delays give the same bits as one after the other, and as each alone."""
    config = GameConfig(update=update, rounds=3)
    topics = [Topic(f"t{i}", f"Question {i}?") for i in range(6)]

    def table(topic: Topic, oracle: DrawingOracle):
        return negotiate(topic, ["a", "b", "c"], [oracle] * 3, PlaceEmbedder(), config, seed=11)

    async def all_at_once(order):
        oracle = DrawingOracle(pause=lambda: random.uniform(0, 0.003))
        return await asyncio.gather(*(table(topic, oracle) for topic in order))

    alone = {topic.id: asyncio.run(table(topic, DrawingOracle())).digest() for topic in topics}
    for order in (topics, topics[::-1]):
        together = asyncio.run(all_at_once(order))
        assert {record.topic.id: record.digest() for record in together} == alone
    assert len(set(alone.values())) == len(topics)


def test_another_seed_is_another_negotiation():
    first, again, other = (play([DrawingOracle()] * 2, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert hash(first) == hash(again)
    assert first != other
    assert not np.array_equal(first.opening_embeddings, other.opening_embeddings)
