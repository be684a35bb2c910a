"""The rewriter's training on Ray: actors and workers that die, going on, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from negotiation.errors import ModelError, RunError
from rewriter.learning.vocabulary import Completion
from tests.unit.cluster.rewriting.training_fakes import FakeJudge, FakeWriter, maker, request

ROWS = tuple(map(request, range(6)))


@pytest.fixture
def made(local_ray: None) -> Iterator[Any]:
    """Makes productions, and lets their actors go afterwards."""
    import ray

    from cluster.config import ResourcesConfig
    from cluster.rewriting.production import Production
    from cluster.rewriting.rewards import RewardActor
    from cluster.rewriting.rollouts import RolloutActor
    from cluster.rewriting.teams import Recipe, Team, begin

    actors: list[Any] = []

    def make(
        writers: int = 1, judges: int = 1, writer: Any = None, judge: Any = None, restarts: int = 2
    ) -> Any:
        options = {"num_cpus": 0.1, "max_restarts": restarts, "max_task_retries": restarts}
        resources = ResourcesConfig(restarts=restarts)
        recipes = [
            Recipe(RolloutActor, writer or maker(FakeWriter), "rollouts", "test", options),
            Recipe(RewardActor, judge or maker(FakeJudge), "judges", "test", options),
        ]
        teams = []
        for recipe, count, most in zip(recipes, (writers, judges), (2, 1), strict=True):
            begun = begin(recipe, count)
            actors.extend(begun)
            teams.append((Team(begun, recipe, most, resources), begun))
        production = Production(teams[0][0], teams[1][0], groups=2, judged=8)
        return production, teams[0][1], teams[1][1]

    yield make
    for actor in actors:
        ray.kill(actor)


def a_batch(production: Any, step: int = 0) -> Any:
    import ray

    from cluster.rewriting.production import Order, Weighed

    weights = Weighed(step, ray.put({"a": np.full(2, step, dtype=np.float32)}))
    return production.make(Order(step, ROWS, 3, seed=1), weights)


def expected(step: int = 0) -> list[Completion]:
    from cluster.rewriting.production import Order

    writer = FakeWriter()
    writer.load(step, {"a": np.full(2, step, dtype=np.float32)})
    return [
        completion
        for requests, seed in Order(step, ROWS, 3, seed=1).calls(2)
        for completion in writer.write(requests, 3, seed)
    ]


def test_completions_do_not_depend_on_the_number_of_actors(made: Any) -> None:
    for writers, judges in ((1, 1), (3, 2)):
        production, *_ = made(writers, judges)
        batch = a_batch(production, step=2)
        assert list(batch.completions) == expected(step=2)
        assert list(batch.rewards) == FakeJudge().judge(batch.completions)
        assert (batch.step, batch.version, batch.lost) == (2, 2, 0)


def test_actors_that_end_in_a_call_are_started_again(made: Any, tmp_path: Path) -> None:
    production, *_ = made(
        writer=maker(FakeWriter, marker=tmp_path / "writer"),
        judge=maker(FakeJudge, marker=tmp_path / "judge", dies_at=0),
    )
    batch = a_batch(production)
    assert (tmp_path / "writer").exists()
    assert (tmp_path / "judge").exists()
    assert list(batch.completions) == expected()
    assert list(batch.rewards) == FakeJudge().judge(batch.completions)


def test_actors_killed_for_good_have_their_calls_taken_over(made: Any) -> None:
    import ray

    production, writers, judges = made(2, 2)
    ray.kill(writers[0])
    ray.kill(judges[1])
    batch = a_batch(production)
    assert list(batch.completions) == expected()
    assert batch.lost == 2
    assert a_batch(production, 1).lost == 0
    # Nobody left: others come.
    ray.kill(writers[1])
    ray.kill(judges[0])
    assert list(a_batch(production, 2).completions) == expected(2)


def test_actors_that_die_again_and_again_end_it(made: Any, tmp_path: Path) -> None:
    production, *_ = made(writer=maker(DyingWriter), restarts=0)
    with pytest.raises(RunError, match="all rollouts actors were lost, 1 times over"):
        a_batch(production)


def test_an_error_of_an_actors_own_is_told_as_it_is(made: Any) -> None:
    production, *_ = made(writer=maker(RefusingWriter))
    with pytest.raises(ModelError, match="of another base"):
        a_batch(production)


class DyingWriter(FakeWriter):
    def write(self, *given: Any) -> list[Completion]:
        import os

        os._exit(1)


class RefusingWriter(FakeWriter):
    def load(self, *given: Any) -> None:
        raise ModelError("adapter of another base")
