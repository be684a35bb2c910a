"""Rollout and reward actors as plain objects, and how a step is cut into calls."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.rewriting.production import Order
from cluster.rewriting.rewards import RewardActor
from cluster.rewriting.rollouts import RolloutActor
from rewriter.learning.vocabulary import Completion, Reward
from tests.unit.cluster.rewriting.training_fakes import FakeJudge, FakeWriter, request

WEIGHTS = {"a": np.ones(2, dtype=np.float32)}


def test_a_rollout_actor_takes_weights_once_a_version() -> None:
    writer = FakeWriter()
    loads: list[int] = []
    take = writer.load

    def counted(version: int, weights: object) -> None:
        loads.append(version)
        take(version, weights)  # type: ignore[arg-type]

    writer.load = counted  # type: ignore[method-assign]
    actor = RolloutActor("rollouts 1 of x", lambda: writer)
    assert repr(actor) == "rollouts 1 of x"
    for push, version in (("a", 3), ("a", 3), ("b", 4), ("c", 4)):
        written = actor.write(push, version, WEIGHTS, [(0, request(0))], 2, 7)
        assert [completion.version for completion in written.completions] == [version, version]
        assert written.seconds >= 0
    assert loads == [3, 4, 4]
    # Without weights, whatever is held.
    assert actor.write("d", 0, None, [(0, request(0))], 1, 7).completions[0].version == 4


def test_what_makes_the_writer_is_called_when_it_is_wanted() -> None:
    def broken() -> FakeWriter:
        raise FileNotFoundError("no model")

    actor = RolloutActor("x", broken)
    with pytest.raises(FileNotFoundError):
        actor.ready()


def test_a_reward_actor_judges_several_calls_as_one_batch() -> None:
    judge = FakeJudge()
    writer = FakeWriter()
    first, second = (
        RolloutActor("x", lambda: writer).write("a", 0, WEIGHTS, [(group, request(group))], size, 5)
        for group, size in ((0, 3), (1, 2))
    )
    judged = RewardActor("y", lambda: judge).judge(first, second)
    assert judge.calls == 1
    assert [len(part) for part in judged.rewards] == [3, 2]
    for written, rewards in zip((first, second), judged.rewards, strict=True):
        assert list(rewards) == FakeJudge().judge(written.completions)


def test_a_judge_that_answers_too_little_is_told_of() -> None:
    class Short(FakeJudge):
        def judge(self, completions: object) -> list[Reward]:
            return []

    written = RolloutActor("x", FakeWriter).write("a", 0, WEIGHTS, [(0, request(0))], 1, 5)
    with pytest.raises(ValueError, match="0 rewards for 1 completions"):
        RewardActor("y", Short).judge(written)


def test_calls_cover_all_groups_once() -> None:
    order = Order(step=4, requests=tuple(map(request, range(7))), size=2, seed=3)
    calls = order.calls(3)
    assert [[group for group, _ in call] for call in calls] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [asked for call in calls for _, asked in call] == list(order.requests)


def test_completions_pickle() -> None:
    import pickle

    written = RolloutActor("x", FakeWriter).write("a", 0, WEIGHTS, [(0, request(0))], 1, 5)
    assert pickle.loads(pickle.dumps(written)) == written
    assert isinstance(written.completions[0], Completion)
