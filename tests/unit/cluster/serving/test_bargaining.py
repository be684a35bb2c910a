"""Bargaining policies that are served: what they do, plays against them, and what a client never learns too early."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from cluster.serving.bargaining import BargainingStore
from cluster.serving.bargaining_schema import PlayReply
from cluster.serving.errors import ApiError
from cluster.serving.plays import Plays
from negotiation.bargaining.stakes import Stakes
from tests.unit.cluster.serving.standins import (
    FakeServices,
    bargaining_policy,
    policy_tree,
    uniform_policy,
    write_bargaining,
    write_policy,
)

ACCEPT, REJECT, WALK = 3, 4, 5
REJECT3 = 3  # where there are two offers
ACT = "/v1/policies/voting-1/act"


def chance(types: list[int]) -> int:
    """A seed that deals these types at the stand-in's table."""
    priors = bargaining_policy("any").stakes.priors
    for seed in range(100):
        rng = np.random.default_rng(seed)
        if [int(rng.choice(len(prior), p=prior)) for prior in priors] == types:
            return seed
    raise AssertionError(types)


def fault(response: Any, status: int = 400) -> tuple[str, str | None]:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    return error["message"], error["param"]


def test_policies_say_whether_they_have_been_bargained_over(client: TestClient) -> None:
    rows = {row["id"]: row["bargaining"] for row in client.get("/v1/policies").json()["data"]}
    assert rows == {"cars-1": False, "tax-1": False, "voting-1": True}
    assert client.get("/v1/policies/voting-1").json()["bargaining"] is True
    assert client.get("/v1/policies/tax-1").json()["bargaining"] is False


def test_the_game_is_told_with_the_worth_of_ones_own_side_alone(client: TestClient) -> None:
    game = client.get("/v1/policies/voting-1/bargaining", params={"side": "confucian"}).json()
    assert [offer["content"] for offer in game["offers"]] == ["Stay free", "Meet halfway", "Vote together"]
    assert [offer["side"] for offer in game["offers"]] == ["english-speaking"] * 2 + ["confucian"]
    assert game["own"] == {"side": "confucian", "worth": [[0.0, 0.5, 1.0]], "walk_away": [0.2]}
    assert (game["turns"], game["discount"], game["nash_conv"]) == (2, 0.9, 0.25)
    assert game["sides"][0] == {"side": "english-speaking", "prior": [0.5, 0.5]}
    assert client.get("/v1/policies/voting-1/bargaining").json()["own"] is None
    message, param = fault(client.get("/v1/policies/voting-1/bargaining", params={"side": "atlantis"}))
    assert param == "side"
    assert "english-speaking, confucian" in message


def test_a_policy_acts_by_its_type_and_what_was_said(client: TestClient) -> None:
    opening = client.post(ACT, json={"side": "english-speaking", "kind": 1, "seed": 3}).json()
    assert [choice["probability"] for choice in opening["choices"]] == [0.0, 1.0, 0.0]
    assert opening["drawn"] == {"action": 1, "says": "Meet halfway", "probability": 1.0}
    assert (opening["turn"], opening["next"], opening["finished"]) == (1, "confucian", False)
    answer = client.post(ACT, json={"side": "confucian", "kind": 0, "said": [1]}).json()
    assert [choice["says"] for choice in answer["choices"]] == ["accept", "reject", "walk away"]
    assert (answer["drawn"]["says"], answer["agreement"], answer["payoff"]) == ("accept", 1, 0.5)
    assert (answer["next"], answer["finished"]) == (None, True)


def test_the_same_seed_draws_the_same_action(client: TestClient, run: Path) -> None:
    policy = bargaining_policy("voting-1")
    even = [np.concatenate([np.full(len(a), 1 / len(a)) for a in side]) for side in policy.actions]
    object.__setattr__(policy, "mixtures", tuple(even))
    write_bargaining(run, policy)
    client.core.refresh()  # type: ignore[attr-defined]

    def drawn(seed: int) -> int:
        return client.post(ACT, json={"side": "english-speaking", "kind": 0, "seed": seed}).json()["drawn"][
            "action"
        ]

    draws = [drawn(seed) for seed in range(30)]
    assert draws == [drawn(seed) for seed in range(30)]
    assert set(draws) == {0, 1, 2}


@pytest.mark.parametrize(
    ("body", "words", "param"),
    [
        ({"side": "atlantis"}, "not at this table", "side"),
        ({"side": "confucian"}, "turn of english-speaking", "side"),
        ({"kind": 2}, "it has 0 to 1", "kind"),
        ({"kind": -1}, "greater than or equal to 0", "kind"),
        ({"said": [7]}, "move 0 is 7; legal are [0, 1, 2]", "said"),
        ({"said": [0, 0]}, "move 1 is 0", "said"),
        ({"said": [1, 3]}, "talks are over", "said"),
        ({"said": [1, 3, 0]}, "the talks were over", "said"),
        ({"said": [0] * 2000}, "at most 1024", "said"),
        ({"said": "0"}, "list", "said"),
        ({"said": [0.5]}, "integer", "said.0"),
        ({"seed": 2**60}, "less than", "seed"),
        ({"type": 1}, "Extra inputs", "type"),
    ],
    ids=str,
)
def test_what_is_none_of_the_game_is_named(
    client: TestClient, body: dict[str, Any], words: str, param: str
) -> None:
    message, told = fault(client.post(ACT, json={"side": "english-speaking", "kind": 0} | body))
    assert words in message
    assert told == param


@pytest.mark.parametrize("path", ["act", "bargain"])
def test_a_policy_that_was_not_bargained_over(client: TestClient, path: str) -> None:
    body = {"side": "english-speaking"} | ({"kind": 0} if path == "act" else {})
    for name, code in (("tax-1", "bargaining_not_found"), ("none", "policy_not_found")):
        response = client.post(f"/v1/policies/{name}/{path}", json=body)
        assert (response.status_code, response.json()["error"]["code"]) == (404, code)
    hostile = client.post(f"/v1/policies/..%2F..%2Fbargaining%2Fvoting-1/{path}", json=body)
    assert hostile.status_code == 404


def test_a_play_to_its_end(client: TestClient, services: FakeServices) -> None:
    services.chance = chance([1, 0])
    play = client.post("/v1/policies/voting-1/bargain", json={"side": "confucian"}).json()
    assert [(move["side"], move["action"]) for move in play["said"]] == [("english-speaking", 1)]
    assert (play["pending"], play["next"], play["worth"], play["walk_away"]) == (
        1,
        "confucian",
        [0.0, 0.5, 1.0],
        0.2,
    )
    assert [choice["action"] for choice in play["choices"]] == [ACCEPT, REJECT, WALK]
    url = f"/v1/bargain/{play['id']}"
    assert client.get(url).json() == play
    after = client.post(url, json={"action": REJECT, "after": 1}).json()
    assert (after["turn"], after["choices"][0]["says"], after["pending"]) == (2, "Stay free", None)
    end = client.post(url, json={"action": 2, "after": 2}).json()
    assert end["finished"]
    assert (end["next"], end["choices"]) == (None, [])
    outcome = end["outcome"]
    assert outcome["agreement"] == 2
    assert outcome["payoffs"] == pytest.approx([0.9 * 0.8, 0.9 * 1.0])
    assert outcome["kinds"] == [1, 0]
    assert outcome["worth"] == [[0.5, 0.0], [1.0, 0.5], [0.8, 1.0]]
    # On the edge from (1, .5) to (.8, 1) the product (x - .3)(y - .2) is largest at its end: (.5)(.8) against (.7)(.3).
    assert outcome["nash"]["payoffs"] == pytest.approx([0.8, 1.0])
    assert outcome["nash"]["product"] == pytest.approx(0.4)
    message, _ = fault(client.post(url, json={"action": 2}))
    assert "the talks are over" in message


def test_walking_away_gives_what_is_outside(client: TestClient, services: FakeServices) -> None:
    services.chance = chance([0, 0])
    play = client.post("/v1/policies/voting-1/bargain", json={"side": "confucian"}).json()
    end = client.post(f"/v1/bargain/{play['id']}", json={"action": WALK}).json()
    assert (end["outcome"]["agreement"], end["outcome"]["payoffs"]) == (None, [0.3, 0.2])


def test_moves_are_not_taken_back_and_not_made_twice(client: TestClient) -> None:
    play = client.post("/v1/policies/voting-1/bargain", json={"side": "english-speaking"}).json()
    url = f"/v1/bargain/{play['id']}"
    message, param = fault(client.post(url, json={"action": ACCEPT}))
    assert param == "action"
    assert "legal are 0 (Stay free)" in message
    first = client.post(url, json={"action": 0, "after": 0})
    assert first.status_code == 200
    again = client.post(url, json={"action": 0, "after": 0})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "moved_on")
    assert client.get(url).json() == first.json()
    assert client.post("/v1/bargain/play-none", json={"action": 0}).status_code == 404


def told(play: PlayReply) -> dict[str, Any]:
    """What a client sees, but for the name of the play."""
    return play.model_dump(exclude={"id"})


def test_the_others_type_cannot_be_told_from_a_play_before_its_end() -> None:
    """Where both types move alike, the client sees the same; until its end, when types are told."""
    policy = bargaining_policy("any")
    same = policy.mixtures[0].copy()
    place = 0
    for name, actions in zip(policy.names[0], policy.actions[0], strict=True):
        same[place : place + len(actions)] = [float(action == min(actions)) for action in actions]
        place += len(actions)
        assert name.startswith("p0")
    object.__setattr__(policy, "mixtures", (same, policy.mixtures[1]))
    plays = {kind: Plays(10, lambda kind=kind: np.random.default_rng(chance([kind, 0]))) for kind in (0, 1)}
    views = {kind: one.start(policy, 1) for kind, one in plays.items()}
    assert told(views[0]) == told(views[1])
    views = {kind: one.move(views[kind].id, REJECT, None) for kind, one in plays.items()}
    assert told(views[0]) == told(views[1])
    ends = {kind: one.move(views[kind].id, 2, None) for kind, one in plays.items()}
    assert [end.outcome.kinds for end in ends.values() if end.outcome] == [[0, 0], [1, 0]]


def test_three_sides_take_their_turns() -> None:
    """The client is the second: the first offers, the client answers, then the third; a reject makes the client offer."""
    stakes = Stakes(
        utilities=(np.array([[1.0, 0.0]]), np.array([[0.4, 1.0], [1.0, 0.4]]), np.array([[0.5, 0.6]])),
        priors=(np.array([1.0]), np.array([0.5, 0.5]), np.array([1.0])),
        walk_aways=(np.array([0.2]), np.array([0.1, 0.1]), np.array([0.3])),
        discount=0.5,
        turns=3,
    )
    policy = uniform_policy("three-1", ("african-islamic", "confucian", "latin-america"), stakes)
    plays = Plays(1, lambda: np.random.default_rng(5))
    view = plays.start(policy, 1)
    assert [move.side for move in view.said] == ["african-islamic"]
    view = plays.move(view.id, REJECT3, None)
    assert (view.turn, view.pending) == (2, None)
    view = plays.move(view.id, 1, None)
    assert [move.side for move in view.said[2:4]] == ["confucian", "latin-america"]
    while not view.finished:
        view = plays.move(view.id, view.choices[0].action, None)
    outcome = view.outcome
    assert outcome is not None
    assert len(outcome.payoffs) == len(outcome.worth[0]) == 3
    factor = 0.5 ** (view.turn - 1)
    ends = outcome.walk_away if outcome.agreement is None else outcome.worth[outcome.agreement]
    assert outcome.payoffs == pytest.approx([factor * value for value in ends])
    assert outcome.nash is not None
    assert outcome.nash.product >= max(
        np.prod(np.maximum(np.array(row) - outcome.walk_away, 0)) for row in outcome.worth
    )


def test_plays_that_nobody_goes_on_with_are_given_up_first() -> None:
    plays, policy = Plays(2), bargaining_policy("any")
    first, second = plays.start(policy, 0), plays.start(policy, 0)
    plays.move(first.id, 0, None)
    plays.start(policy, 0)
    assert len(plays) == 2
    assert plays.show(first.id).said
    with pytest.raises(ApiError):
        plays.show(second.id)


def test_both_files_of_a_policy_are_taken_together(run: Path) -> None:
    store = BargainingStore(run, grace_s=0.0)
    before = store.held["voting-1"]
    other = bargaining_policy("voting-1", ("confucian", "latin-america"))
    path = run / "bargaining" / "policies" / "voting-1.json"
    numbers = path.with_suffix(".safetensors")
    text, old = path.read_bytes(), numbers.read_bytes()
    object.__setattr__(other, "weights", (np.array([1.0]), np.array([1.0 - 1e-12])))
    write_bargaining(run, other)
    path.write_bytes(text)  # the new numbers, the old text
    assert numbers.read_bytes() != old
    assert not store.refresh()
    assert store.held["voting-1"] is before
    write_bargaining(run, other)
    assert store.refresh()
    assert store.held["voting-1"].policy().players == ("confucian", "latin-america")
    numbers.unlink()
    assert not store.refresh(now=1.0)
    assert store.refresh(now=2.0)
    assert store.held == {}


def test_files_that_are_no_bargaining_policies_are_left_out(
    run: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = write_bargaining(tmp_path_factory.mktemp("outside"), bargaining_policy("secret-1"))
    folder = run / "bargaining" / "policies"
    (folder / "link.json").symlink_to(outside)
    (folder / "link.safetensors").symlink_to(outside.with_suffix(".safetensors"))
    (folder / "lone.json").write_text((folder / "voting-1.json").read_text())
    for name, text in (("list", "[]"), ("half", '{"version": 1, "players": ["a"'), ("empty", "{}")):
        (folder / f"{name}.json").write_text(text)
        (folder / f"{name}.safetensors").write_bytes(b"no numbers")
    write_bargaining(run, bargaining_policy("good-2"))
    bad = write_bargaining(run, bargaining_policy("bad-1"))
    bad.write_text(bad.read_text().replace('"id": "bad-1"', '"id": "../bad"'))
    assert sorted(BargainingStore(run).held) == ["good-2", "voting-1"]
    assert sorted(BargainingStore(run, ["voting-1"]).held) == ["voting-1"]


def test_a_run_that_was_not_bargained_over_is_served(tmp_path: Path) -> None:
    assert BargainingStore(tmp_path).held == {}


def test_a_bargaining_policy_that_is_written_while_serving_is_served(
    serving: Callable[..., Any], run: Path
) -> None:
    with serving() as client:
        body = {"side": "english-speaking", "kind": 0}
        assert client.post("/v1/policies/new-1/act", json=body).status_code == 404
        write_policy(run, policy_tree("new-1", "Is this new?"))
        write_bargaining(run, bargaining_policy("new-1"))
        assert client.core.refresh()
        assert client.post("/v1/policies/new-1/act", json=body).status_code == 200
