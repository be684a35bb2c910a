"""From a record to a policy on disk and back, and what the policy does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.bargaining.bargain import Bargaining, bargain, value_readings
from cluster.bargaining.config import BargainConfig
from cluster.bargaining.page import bargaining_page
from cluster.bargaining.play import find_policy, play, side_of, tree
from cluster.bargaining.policies import load_policy
from cluster.bargaining.summary import MEASURES, gini, summary_of
from cluster.bargaining.table import Table
from negotiation.bargaining.game import load
from negotiation.bargaining.offers import choose_offers, private_stakes
from negotiation.bargaining.outcomes import bargained
from negotiation.bargaining.tree import GameTree
from negotiation.config import GameConfig
from negotiation.errors import ConfigurationError, GameError, RecordError, RunError
from negotiation.oracle import Oracle
from negotiation.record import NegotiationRecord
from tests.unit.negotiation.scripted import ScriptedOracle, at
from tests.unit.negotiation.scripted import play as negotiate

CONFIG = BargainConfig(runs=(Path("runs/none"),), offers=3, turns=2, detector=None)


@pytest.fixture(scope="module")
def record() -> NegotiationRecord:
    oracles: list[Oracle] = [ScriptedOracle(0, {1: [at(35)]}), ScriptedOracle(90, {1: [at(55)]})]
    return negotiate(oracles, GameConfig(rounds=2), players=("confucian", "latin-america"))


@pytest.fixture(scope="module")
def done(record: NegotiationRecord) -> Bargaining:
    return bargain(record, CONFIG, None)


class Reads:
    """A detector that reads a fixed vector out of each text."""

    name = "fixed"

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def read(self, texts: list[str]) -> list[Any]:
        from types import SimpleNamespace

        return [SimpleNamespace(vector=self.vectors[text]) for text in texts]


def test_sides_give_offers_in_turn_the_heaviest_first(record: NegotiationRecord) -> None:
    offers = choose_offers(record, 3)
    heaviest = [
        pool.guidelines[int(np.argmax(w))].id for pool, w in zip(record.pools, record.weights, strict=True)
    ]
    assert list(offers.ids[:2]) == heaviest
    assert len(set(offers.ids)) == 3
    firsts = np.stack([pool.embeddings[0] for pool in record.pools])
    mine = {g.id: v for pool in record.pools for g, v in zip(pool.guidelines, pool.embeddings, strict=True)}
    assert offers.position == pytest.approx(firsts @ np.stack([mine[name] for name in offers.ids]).T)


def test_one_offer_is_no_bargaining(record: NegotiationRecord) -> None:
    with pytest.raises(GameError, match="at least 2"):
        choose_offers(record, 1)


def test_worth_mixes_nearness_and_values_by_type() -> None:
    position = np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])
    values = [np.array([0.0, 0.0, 1.0]), None]
    stakes, left_out = private_stakes(
        position, values, walk_away=0.5, discount=0.9, turns=2, most_histories=10_000
    )
    assert left_out == ""
    # A quarter and three quarters on values: (.75, .375, .25) and (.25, .125, .75), stretched to [0, 1].
    assert stakes.utilities[0] == pytest.approx(np.array([[1.0, 0.25, 0.0], [0.2, 0.0, 1.0]]))
    assert stakes.utilities[1] == pytest.approx(np.array([[0.0, 0.5, 1.0]]))
    assert stakes.walk_aways[0] == pytest.approx([0.5 * 1.25 / 3, 0.5 * 1.2 / 3])


def test_large_games_lose_turns_first_and_types_last() -> None:
    position = np.random.default_rng(0).random((8, 3))
    values = [position[i] for i in range(8)]
    stakes, left_out = private_stakes(
        position, values, walk_away=0.5, discount=0.9, turns=3, most_histories=20_000
    )
    assert stakes.types == (1,) * 8
    assert left_out.startswith("private types")
    assert stakes.histories() <= 20_000


def test_values_of_people_count_by_the_cosine(record: NegotiationRecord) -> None:
    from agents.survey.shipped import shipped_profiles

    people = shipped_profiles()["confucian"].values
    assert people is not None
    offers = choose_offers(record, 2)
    texts = [guideline.text for guideline in offers.guidelines]
    detector = Reads({texts[0]: people.vector, texts[1]: -people.vector})
    read = value_readings(("confucian", "nowhere"), offers, detector)  # type: ignore[arg-type]  # reads alone
    assert read[0] == pytest.approx([1.0, -1.0])
    assert read[1] is None


def test_the_tree_tells_what_the_policies_come_to(done: Bargaining) -> None:
    policy = done.policy
    tree = GameTree.of(load(policy.stakes))
    outcome = bargained(tree, policy.stakes, policy.mixtures)
    assert done.tree["bargaining"]["agreement"] == pytest.approx(outcome.agreement)
    assert done.tree["nash_conv"] == pytest.approx(float(tree.regrets(policy.mixtures).sum()))
    assert done.tree["converged"]
    json.dumps(done.tree, allow_nan=False)


def test_a_policy_is_read_as_it_was_written(done: Bargaining, tmp_path: Path) -> None:
    done.policy.save(tmp_path, "one")
    again = load_policy(tmp_path / "one.json")
    for ours, theirs in zip(done.policy.mixtures, again.mixtures, strict=True):
        assert (ours == theirs).all()
    assert again.names == done.policy.names
    assert again.offers == done.policy.offers
    assert again.act(0, []) == done.policy.act(0, [])


@pytest.mark.parametrize("damage", ["missing", "cut", "version", "numbers"])
def test_a_damaged_policy_is_refused(done: Bargaining, tmp_path: Path, damage: str) -> None:
    done.policy.save(tmp_path, "one")
    path = tmp_path / "one.json"
    if damage == "missing":
        path.with_suffix(".safetensors").unlink()
    elif damage == "cut":
        path.write_text(path.read_text()[:100])
    elif damage == "version":
        path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    else:
        from safetensors.numpy import load_file, save_file

        arrays = load_file(path.with_suffix(".safetensors"))
        arrays["mixture.0"] = arrays["mixture.0"] * 2
        save_file(arrays, path.with_suffix(".safetensors"))
    with pytest.raises(RecordError, match="bargain again"):
        load_policy(path)


def test_acting_gives_probabilities_of_the_legal_actions(done: Bargaining) -> None:
    policy, offers = done.policy, done.policy.stakes.offers
    opening = policy.act(0, [])
    assert [choice.action for choice in opening] == list(range(offers))
    assert sum(choice.probability for choice in opening) == pytest.approx(1.0)
    assert opening[0].says == policy.offers[0]["content"]
    answer = policy.act(0, [0])
    assert [choice.says for choice in answer] == ["accept", "reject", "walk away"]


@pytest.mark.parametrize(
    ("said", "fault"), [([99], "move 0 is 99"), ([0, 3], "talks are over"), ([0, 0], "move 1 is 0")]
)
def test_moves_of_no_game_are_named(done: Bargaining, said: list[int], fault: str) -> None:
    with pytest.raises(GameError, match=fault):
        done.policy.act(0, said)


def test_no_agreement_is_worse_than_the_nash_solution(done: Bargaining) -> None:
    for solution in done.tree["solutions"]:
        gains = np.array(solution["nash"]["point"]) - np.array(solution["disagreement"])
        assert solution["nash"]["product"] == pytest.approx(np.prod(np.maximum(gains, 0)), abs=1e-9)
    for way in ("bargaining", "one_shot"):
        share = done.tree[way]["nash_product"]
        assert share is None or share <= 1 + 1e-6


def test_summary_and_page(done: Bargaining) -> None:
    other = {
        **done.tree,
        "topic": {**done.tree["topic"], "id": "another", "text": "<script>alert(1)</script>"},
    }
    result = summary_of([done.tree, other], CONFIG)
    assert result["topics"] == 2
    assert set(result["measures"]["bargaining"]) == set(MEASURES)
    page = bargaining_page(result, [done.tree, other])
    assert "NashConv by iteration" in page
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_gini_of_three() -> None:
    assert gini(np.array([0.0, 0.0, 3.0])) == pytest.approx(2 / 3)


def test_a_person_plays_and_is_told_the_end(done: Bargaining) -> None:
    lines: list[str] = []
    answers = iter(["9", "1", "a", "a", "a"])
    table = Table(done.policy, 0, np.random.default_rng(1))
    found = tree(play(table, lambda _: next(answers), lines.append))
    assert "  That is none of the choices." in lines
    assert any(line.startswith("  You: offers 1") for line in lines)
    assert found["said"][0]["action"] == 0
    assert len(found["payoffs"]) == 2
    (solution,) = [one for one in done.tree["solutions"] if one["types"] == found["kinds"]]
    assert found["nash"]["payoffs"] == pytest.approx(solution["nash"]["point"])
    assert found["kalai_smorodinsky"]["payoffs"] == pytest.approx(solution["kalai_smorodinsky"]["point"])
    assert f"Kalai-Smorodinsky {solution['kalai_smorodinsky']['point'][0]:.3f}" in "\n".join(lines)


def test_policies_are_found_by_their_names(done: Bargaining, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no bargaining policies"):
        find_policy(tmp_path, None)
    for name in ("games", "policies"):
        (tmp_path / "bargaining" / name).mkdir(parents=True)
    done.policy.save(tmp_path / "bargaining" / "policies", "voting-1")
    assert find_policy(tmp_path, "vot").stem == "voting-1"
    assert find_policy(tmp_path / "bargaining", None).stem == "voting-1"
    with pytest.raises(ConfigurationError, match="voting-1"):
        find_policy(tmp_path, "tax")
    with pytest.raises(ConfigurationError, match="not at this table"):
        side_of(done.policy, "nobody")
    assert side_of(done.policy, "latin-america") == 1
