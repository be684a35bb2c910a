"""The loop against scripts whose outcome is worked out by hand."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace
from math import cos, radians

import numpy as np
import pytest

from negotiation.config import GameConfig, LogitConfig, PrdConfig
from negotiation.errors import ConfigurationError, EmbeddingError, OracleError
from negotiation.metagame import build_metagame
from negotiation.opening import Openings, open_table
from negotiation.oracle import (
    Concluded,
    Draft,
    Opened,
    Opening,
    Proposals,
    RoundFinished,
    call_seed,
    negotiation_id,
)
from negotiation.psro import negotiate
from negotiation.record import Timing
from negotiation.solvers import solve
from negotiation.storage import to_row
from negotiation.utility import Utility
from tests.unit.negotiation.scripted import TOPIC, DrawingOracle, PlaceEmbedder, ScriptedOracle, at, play


def c(degrees: float) -> float:
    return cos(radians(degrees))


def two_sides() -> list[ScriptedOracle]:
    """One side starts at 0 degrees and tries 120 and 60, the other at 90 and tries 75; nothing more gains."""
    return [
        ScriptedOracle(0, {1: [120, 60], 2: [61]}),
        ScriptedOracle(90, {1: [75], 2: [at(90, heading="Again")]}),
    ]


def test_worked_example():
    """alpha, beta, gamma = .5, .5, .2. Pools {0} and {90}: each side has .5 * 1 + .5 * cos 90 = .5.

    Round 1, side 0:  120 is worth .5 c120 + .5 c30 + .2 (1 - c120) = .483    gain -.017
                       60 is worth .5 c60  + .5 c30 + .2 (1 - c60)  = .783    gain  .283   taken
             side 1:   75 is worth .5 c15  + .5 c75 + .2 (1 - c15)  = .619    gain  .119   taken
    Round 2: 60 dominates 0 (.783, .833 over .5, .629), against it 75 is worth .973 and 90 .933:
             pure (60, 75).
             side 0:   61 is worth .5 c61  + .5 c14 + .2 (1 - c1)   = .728    gain -.105
             side 1:   90 again is worth .5 + .5 c30 + 0            = .933    gain -.040
    """
    record = play(two_sides())
    first, second = record.rounds
    assert [candidate.gain for candidate in first.moves[0].candidates] == pytest.approx(
        [-0.016987, 0.283013], abs=1e-6
    )
    assert first.moves[0].candidates[1].utility == pytest.approx(
        0.5 * c(60) + 0.5 * c(30) + 0.2 * (1 - c(60))
    )
    assert first.moves[0].candidates[1].parts == pytest.approx(
        {"consistency": c(60), "acceptance": c(30), "novelty": 1 - c(60)}
    )
    assert first.moves[1].best_gain == pytest.approx(0.5 * c(15) + 0.5 * c(75) + 0.2 * (1 - c(15)) - 0.5)
    assert [move.accepted.guideline_id for move in first.moves] == ["p0-r1-innovative", "p1-r1-innovative"]
    assert [weights.tolist() for weights in second.equilibria[0].weights] == [[0.0, 1.0], [0.0, 1.0]]
    worth = 0.5 * c(60) + 0.2 * (1 - c(60)) + 0.5 * c(15), 0.5 * c(15) + 0.2 * (1 - c(15)) + 0.5 * c(15)
    assert second.equilibria[0].payoffs == pytest.approx(worth)
    again = 0.5 + 0.5 * c(30)
    assert [move.best_gain for move in second.moves] == pytest.approx(
        [0.5 * c(61) + 0.5 * c(14) + 0.2 * (1 - c(1)) - worth[0], again - worth[1]]
    )
    assert (record.converged, record.stop_reason, record.nash_conv) == (True, "equilibrium", 0.0)
    assert [len(pool) for pool in record.pools] == [2, 2]
    assert record.consensus == ("At @60. because do it", "At @75. because do it")
    # Side 0 went 60 degrees from its start, side 1 went 15.
    assert record.statement_distances() == pytest.approx(
        np.array([[1 - c(60), 1 - c(30)], [1 - c(75), 1 - c(15)]])
    )


def test_both_sides_own_terms_count():
    """The second side's own terms enter its payoffs: regrets by loops over guidelines agree."""
    config = GameConfig(solver=LogitConfig(rationality=5.0), rounds=4)
    record = play([DrawingOracle(), DrawingOracle()], config, seed=5)
    played, pools = record.rounds[-1], record.pools
    kept = [[g for g in pool.guidelines if g.round < played.round] for pool in pools]
    vectors = [pool.embeddings[: len(held)] for pool, held in zip(pools, kept, strict=True)]
    weights = played.equilibria[0].weights
    for i in (0, 1):
        mine, theirs = vectors[i], vectors[1 - i]
        values = []
        for k, vector in enumerate(mine):
            novelty = 0.0 if k == 0 else 1 - max(vector @ earlier for earlier in mine[:k])
            acceptance = sum(w * (vector @ other) for w, other in zip(weights[1 - i], theirs, strict=True))
            values.append(0.5 * vector @ mine[0] + 0.5 * acceptance + 0.2 * novelty)
        regret = max(values) - float(weights[i] @ values)
        assert played.equilibria[0].regrets[i] == pytest.approx(regret, abs=1e-12)
    assert len(kept[0]) > 1
    assert len(kept[1]) > 1


def test_candidate_below_epsilon_is_recorded_but_not_added():
    gain = 0.5 * c(60) + 0.5 * c(30) + 0.2 * (1 - c(60)) - 0.5
    for epsilon, added in ((gain - 1e-9, True), (gain + 1e-9, False)):
        record = play([ScriptedOracle(0, {1: [60]}), ScriptedOracle(90)], GameConfig(epsilon=epsilon))
        assert len(record.pools[0]) == 1 + added
        (candidate,) = record.rounds[0].moves[0].candidates
        assert (candidate.accepted, bool(candidate.guideline_id)) == (added, added)
        assert candidate.gain == pytest.approx(gain)


def test_colliding_headings_do_not_collide():
    """Equal headings in several rounds, and one text on both sides, stay different guidelines."""
    near, nearer = (Draft("adversarial", "Common ground", "because", f"@{angle}") for angle in (30, 50))
    oracles = [ScriptedOracle(0, {1: [near], 2: [nearer]}), ScriptedOracle(90, {3: [nearer]})]
    record = play(oracles, GameConfig(epsilon=1e-3))
    ids = [guideline.id for pool in record.pools for guideline in pool.guidelines]
    assert ids == [
        "p0-r0-initial",
        "p0-r1-adversarial",
        "p0-r2-adversarial",
        "p1-r0-initial",
        "p1-r3-adversarial",
    ]
    assert {g.content for pool in record.pools for g in pool.guidelines if g.round} == {"Common ground"}
    assert [len(weights) for weights in record.weights] == [3, 2]
    assert record.pools[0].guidelines[2].text == record.pools[1].guidelines[1].text


def test_no_consensus_while_a_candidate_gains():
    """One side passes from the start; the other gains every round. Consensus waits for it."""
    record = play([ScriptedOracle(0), ScriptedOracle(90, {1: [75], 2: [60], 3: [45]})])
    gains = [played.moves[1].best_gain for played in record.rounds]
    assert [gain is not None and gain >= 0.01 for gain in gains] == [True, True, True, False]
    assert (record.converged, len(record.rounds)) == (True, 4)


def test_round_limit_is_not_convergence():
    record = play([ScriptedOracle(0), ScriptedOracle(90, {1: [75], 2: [60], 3: [45]})], GameConfig(rounds=2))
    assert (record.converged, record.stop_reason, len(record.rounds)) == (False, "round-limit", 2)
    assert len(record.final.weights[1]) == 3, "the guideline of the last round is in the final game"


def test_no_consensus_on_missing_candidates():
    """If an oracle's replies were all unusable, its gain is unknown, and the loop asks again."""
    nothing = Proposals(malformed=6, missing=("adversarial", "complementary", "innovative"))
    record = play([ScriptedOracle(0, {1: nothing}), ScriptedOracle(90, {1: [120]})])
    assert len(record.rounds) == 2
    assert record.rounds[0].moves[0].best_gain is None
    assert record.rounds[0].moves[0].missing == nothing.missing
    assert (record.converged, record.malformed) == (True, 6)
    silent = {number: nothing for number in range(1, 4)}
    record = play([ScriptedOracle(0, silent), ScriptedOracle(90)], GameConfig(rounds=3))
    assert (record.converged, record.stop_reason) == (False, "round-limit")


def test_consensus_needs_an_equilibrium():
    """Nobody gains any more, but the solver's answer is no equilibrium: said so, and not converged."""
    config = GameConfig(solver=PrdConfig(iterations=200), nash_conv_tolerance=1e-6)
    record = play([ScriptedOracle(0, {1: [60]}), ScriptedOracle(90, {1: [75]})], config)
    assert record.nash_conv > 1e-6
    assert (record.converged, record.stop_reason) == (False, "solver-tolerance")


def test_weights_are_unmixed_and_unrounded():
    """Oracles and record get the solver's own numbers bit by bit: no exploration, no rounding."""
    config = GameConfig(solver=LogitConfig(rationality=3.0), rounds=3)
    oracles = two_sides()
    record = play(oracles, config)
    solution = solve(build_metagame(record.pools, Utility.standard(0.5, 0.5, 0.2)), config.solver)
    for found, kept in zip(solution.weights, record.weights, strict=True):
        assert np.array_equal(found, kept)
        assert abs(kept.sum() - 1.0) <= 1e-12
        assert not np.array_equal(kept, kept.round(2))
    (_, seen) = next(item for item in oracles[0].views if item[0] == "conclude")
    assert all(np.array_equal(a, b) for a, b in zip(seen.weights, record.weights, strict=True))
    pure = play(two_sides())
    assert all(set(weights.tolist()) == {0.0, 1.0} for weights in pure.weights), (
        "an exact pure answer stays pure"
    )


def test_alternating_moves_see_the_earlier_ones():
    oracles = [ScriptedOracle(0, {1: [60]}), ScriptedOracle(90, {1: [75]})]
    record = play(oracles, GameConfig(update="alternating"))
    played = record.rounds[0]
    assert [len(equilibrium.weights[0]) for equilibrium in played.equilibria] == [1, 2]
    view = next(view for call, view in oracles[1].views if call == "propose")
    assert [len(pool) for pool in view.pools] == [2, 1]
    assert view.weights[0].tolist() == [0.0, 1.0]
    # Against 60 the other side's 75 is worth .5 c15 + .5 c15 + .2 (1 - c15), and its 90 is worth .5 + .5 c30.
    gain = c(15) + 0.2 * (1 - c(15)) - (0.5 + 0.5 * c(30))
    assert played.moves[1].best_gain == pytest.approx(gain)
    # Simultaneous moves face the pools of the round's start.
    oracles = [ScriptedOracle(0, {1: [60]}), ScriptedOracle(90, {1: [75]})]
    play(oracles)
    assert [len(pool) for pool in oracles[1].views[1][1].pools] == [1, 1]


def test_three_players_share_the_mean():
    """Acceptance is the mean over the two opponents, at 90 and 180 degrees from the one who proposes 45."""
    record = play([ScriptedOracle(0, {1: [45]}), ScriptedOracle(90), ScriptedOracle(180)])
    candidate = record.rounds[0].moves[0].candidates[0]
    assert candidate.parts["acceptance"] == pytest.approx((c(45) + c(135)) / 2)
    assert candidate.gain == pytest.approx(
        0.5 * c(45) + 0.5 * 0 + 0.2 * (1 - c(45)) - (0.5 + 0.5 * (0 - 1) / 2), abs=1e-12
    )
    assert len(record.final.payoffs) == 3


def test_best_candidate_wins_and_ties_go_to_the_first():
    record = play([ScriptedOracle(0, {1: [30, 60, at(60, "adversarial"), 120]}), ScriptedOracle(90)])
    assert [candidate.accepted for candidate in record.rounds[0].moves[0].candidates] == [
        False,
        True,
        False,
        False,
    ]


def test_views_carry_topic_players_and_opening():
    oracles = two_sides()
    play(oracles, players=["confucian", "latin-america"])
    for player, oracle in enumerate(oracles):
        calls = [call for call, _ in oracle.views]
        assert calls == ["express", "propose", "express", "propose", "conclude"]
        for _, view in oracle.views:
            assert (view.topic, view.player, view.players) == (TOPIC, player, ("confucian", "latin-america"))
            assert view.statement.startswith(view.players[player])
    seeds = [view.seed for oracle in oracles for _, view in oracle.views]
    assert len(seeds) == len(set(seeds))


def test_listener_hears_the_negotiation_in_order():
    heard: list[object] = []
    record = play(two_sides(), listener=heard.append)
    assert [type(event) for event in heard] == [Opened, RoundFinished, RoundFinished, Concluded]
    opened, first, second, concluded = heard
    assert opened.openings == record.openings
    assert [guideline.id for guideline in first.accepted] == ["p0-r1-innovative", "p1-r1-innovative"]
    assert second.accepted == (None, None)
    assert second.weights == ((0.0, 1.0), (0.0, 1.0))
    assert (concluded.converged, concluded.rounds, concluded.consensus) == (True, 2, record.consensus)
    assert {event.negotiation_id for event in heard} == {record.negotiation_id}
    assert pickle.loads(pickle.dumps(heard)) == heard


def test_calls_of_all_players_go_out_together():
    """Each oracle waits until the other has been asked too; one after the other would never end."""

    class Meeting(ScriptedOracle):
        waiting: set[int] = set()  # noqa: RUF012  (shared on purpose)
        met = asyncio.Event()

        async def propose(self, view, per_kind):
            self.waiting.add(view.player)
            if len(self.waiting) == 2:
                self.met.set()
            await asyncio.wait_for(self.met.wait(), timeout=5)
            return await super().propose(view, per_kind)

    assert play([Meeting(0), Meeting(90)]).converged


def test_a_failing_side_ends_the_negotiation_and_leaves_no_call_behind():
    ended = []

    class Slow(ScriptedOracle):
        async def propose(self, view, per_kind):
            await asyncio.sleep(0.01)
            ended.append(view.player)
            return await super().propose(view, per_kind)

    class Broken(ScriptedOracle):
        async def propose(self, view, per_kind):
            raise OracleError("no reply")

    async def run():
        with pytest.raises(OracleError, match="no reply"):
            await negotiate(TOPIC, ["a", "b"], [Broken(0), Slow(90)], PlaceEmbedder(), GameConfig(), seed=0)
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert asyncio.run(run()) == []
    assert ended == [1]


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (np.full((4, 2), np.nan), "NaN or infinity"),
        (np.zeros((4, 2)), "zero vector"),
        (np.ones((3, 2)), r"shape \(3, 2\)"),
        (np.ones(4), r"shape \(4,\)"),
        (np.ones((4, 0)), r"shape \(4, 0\)"),
    ],
)
def test_bad_embeddings_name_topic_and_text(answer, what):
    class Broken:
        name = "broken"

        async def embed(self, texts):
            return answer

    with pytest.raises(EmbeddingError, match=rf"'voting'.*'broken'.*{what}"):
        play([ScriptedOracle(0), ScriptedOracle(90)], embedder=Broken())


def test_nan_in_one_candidate_names_its_text():
    class OneNan(PlaceEmbedder):
        async def embed(self, texts):
            rows = await super().embed(texts)
            rows[["@61" in text for text in texts]] = np.nan
            return rows

    with pytest.raises(EmbeddingError, match=r"'voting'.*'At @61\. because do it'"):
        play(two_sides(), embedder=OneNan())


def test_changed_dimension_is_an_error():
    script = {1: [at("1,2,3")]}
    with pytest.raises(EmbeddingError, match="3 dimensions, after 2"):
        play([ScriptedOracle(0, script), ScriptedOracle(90)])


@pytest.mark.parametrize(
    ("draft", "what"),
    [
        (at(60, "initial"), "kind is 'initial'"),
        (at(60, "rude"), "'rude'"),
        (Draft("innovative", " ", "", "@3"), "empty"),
    ],
)
def test_unusable_drafts_are_the_oracles_error(draft, what):
    with pytest.raises(OracleError, match=rf"'voting', round 1.*'culture-0'.*{what}"):
        play([ScriptedOracle(0, {1: [draft]}), ScriptedOracle(90)])


def test_empty_statements_are_the_oracles_error():
    class Mute(ScriptedOracle):
        async def conclude(self, view):
            return " "

    class Shy(ScriptedOracle):
        async def open(self, topic, player, players, seed):
            return Opening("", at(0, "initial"))

    with pytest.raises(OracleError, match="consensus"):
        play([Mute(0), ScriptedOracle(90)])
    with pytest.raises(OracleError, match="opened"):
        play([Shy(0), ScriptedOracle(90)])


@pytest.mark.parametrize(
    ("players", "count"),
    [(["a"], 1), (["a", "a"], 2), (["a", "b"], 3)],
    ids=["alone", "twice", "oracle too many"],
)
def test_bad_tables_are_refused(players, count):
    with pytest.raises(ConfigurationError, match="'voting'"):
        play([ScriptedOracle(0)] * count, players=players)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(ConfigurationError, match="seed is"):
        play(two_sides(), seed=seed)


def test_seeds_depend_on_each_argument_and_not_on_order():
    base = (7, "tax", ("a", "b"), "a", 1, "propose")
    changed = [
        (8,),
        (7, "tac"),
        (7, "tax", ("a", "c")),
        (*base[:3], "b"),
        (*base[:4], 2),
        (*base[:5], "express"),
    ]
    seeds = {call_seed(*change, *base[len(change) :]) for change in changed} | {call_seed(*base)}
    assert len(seeds) == 7
    assert call_seed(*base) == call_seed(7, "tax", ("b", "a"), "a", 1, "propose")
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert call_seed(*base) == 6166161263994114632, "a changed derivation would break every stored seed"


def test_negotiation_ids_name_files():
    ids = {
        negotiation_id("../Ä tax", players, seed) for players in (["a", "b"], ["b", "a"]) for seed in (0, 1)
    }
    assert len(ids) == 4
    assert all(name.replace("-", "").isalnum() and name.isascii() for name in ids)


def test_given_openings_are_not_asked_for_again_and_the_record_is_the_same():
    """What ``open_table`` gave goes in as it is; nothing else of the record depends on who asked."""

    class Closed(DrawingOracle):
        async def open(self, topic, player, players, seed):
            raise AssertionError("asked again")

    players = ["culture-0", "culture-1"]
    asked = play([DrawingOracle()] * 2, seed=4)
    given = asyncio.run(open_table(TOPIC, players, [DrawingOracle()] * 2, 4))
    again = play([Closed()] * 2, seed=4, openings=given)
    assert again == asked
    assert to_row(replace(again, timings=())) == to_row(replace(asked, timings=()))
    assert again.timings[0] == Timing(0, "open", given.seconds)
    with pytest.raises(ConfigurationError, match="1 openings are given for 2 players"):
        play([Closed()] * 2, openings=Openings(given.sides[:1], 0.0))
