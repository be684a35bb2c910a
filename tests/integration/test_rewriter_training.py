"""The rewriter's training on Ray: actors and workers that die, going on, and what is wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from agents.tuning.adapter import Base
from agents.tuning.curves import read_events
from cluster.rewriting.training_config import RewriterTrainingConfig, rewriter_training_config
from cluster.rewriting.training_material import Material
from negotiation.errors import ModelError, RunError
from rewriter.learning.config import GRPOConfig
from rewriter.learning.loop import drawn
from rewriter.learning.vocabulary import Completion, Reward
from tests.integration.conftest import Outcome
from tests.unit.agents.tiny import save_model, save_tokenizer
from tests.unit.agents.tuning.wide import widen
from tests.unit.cluster.rewriting.training_fakes import FakeJudge, FakeWriter, maker, request

ROWS = tuple(map(request, range(6)))


@pytest.fixture
def made(local_ray: None) -> Iterator[Any]:
    """Makes productions, and lets their actors go afterwards."""

    from cluster.config import ResourcesConfig
    from cluster.rewriting.production import Production
    from cluster.rewriting.rewards import RewardActor
    from cluster.rewriting.rollouts import RolloutActor
    from cluster.rewriting.teams import Recipe, Team, begin

    productions: list[Production] = []

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
            teams.append((Team(begun, recipe, most, resources), begun))
        production = Production(teams[0][0], teams[1][0], groups=2, judged=8)
        productions.append(production)
        return production, teams[0][1], teams[1][1]

    yield make
    for production in productions:
        production.end()


def a_batch(production: Any, step: int = 0) -> Any:
    import ray

    from cluster.rewriting.production import Order, Weighed

    weights = Weighed(step, ray.put({"a": np.full(2, step, dtype=np.float32)}), f"push-{step}")
    return production.make(Order(step, ROWS, 3, seed=1), weights)


def expected(step: int = 0) -> list[Completion]:
    writer = FakeWriter()
    writer.load(step, {"a": np.full(2, step, dtype=np.float32)})
    return writer.write(list(enumerate(ROWS)), 3, 1)


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
    assert batch.lost >= 1  # a judge that nobody asks is not missed
    # Nobody left: others come.
    ray.kill(writers[1])
    ray.kill(judges[0])
    assert list(a_batch(production, 2).completions) == expected(2)
    # These are let go as well: what comes next finds the whole cluster free.
    production.end()
    give_up = time.monotonic() + 30
    while ray.available_resources().get("CPU") != ray.cluster_resources()["CPU"]:
        assert time.monotonic() < give_up, ray.available_resources()
        time.sleep(0.1)


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


STEPS = 6
MATERIAL = Material(requests=tuple(map(request, range(STEPS * 4))))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "model"
    save_model(folder, len(save_tokenizer(folder)))
    widen(folder)
    return folder


def settings(model: Path, work: Path, **changes: Any) -> RewriterTrainingConfig:
    flags = {
        "data": Path("unused"),
        "model": str(model),
        "work": work,
        "steps": STEPS,
        "prompts_per_step": 4,
        "group": 3,
        "rank": 4,
        "learning_rate": 1e-2,
        "device": "cpu",
    }
    if changes.get("method", "grpo") != "grpo":
        del flags["prompts_per_step"], flags["group"]
    plain = rewriter_training_config(flags | changes)
    return plain.model_copy(update={"learning": plain.learning.model_copy(update={"precision": "float32"})})


def makers(writer: Any = None, judge: Any = None) -> Any:
    from cluster.rewriting.training import Makers

    return Makers(writer or maker(FakeWriter), judge or maker(FakeJudge))


def in_one_process(config: RewriterTrainingConfig, folder: Path) -> dict[str, torch.Tensor]:
    """The adapter that comes of it without Ray: step s is written by the weights of version max(0, s - stale)."""
    from cluster.rewriting.training_worker import Given, make_policy
    from rewriter.learning.grpo_trainer import GRPOTrainer

    given = Given(config, folder, "test", MATERIAL.requests)
    policy = make_policy(config, torch.device("cpu"))
    trainer = GRPOTrainer(policy, config.learning)  # type: ignore[arg-type]
    versions = [policy.weights()]
    for step in range(config.learning.steps):
        writer = FakeWriter()
        version = max(0, step - config.flow.stale)
        writer.load(version, versions[version])
        order = given.order(step)
        completions = writer.write(list(enumerate(order.requests)), order.size, order.seed)
        trainer.step(completions, FakeJudge().judge(completions))
        versions.append(policy.weights())
    policy.save(folder)
    return load_file(folder / "adapter_model.safetensors")


def same(found: Path, expected: dict[str, torch.Tensor]) -> None:
    tensors = load_file(found / "adapter_model.safetensors")
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(tensors[name], tensor, atol=2e-4, rtol=1e-3)


def points(work: Path) -> list[dict[str, Any]]:
    return [event for event in read_events(work) if event["event"] == "progress"]


@pytest.mark.usefixtures("local_ray")
def test_two_workers_one_of_them_killed_learn_what_one_process_does(model: Path, tmp_path: Path) -> None:
    from cluster.rewriting.training import train_rewriter

    work = tmp_path / "work"
    config = settings(model, work, workers=2, rollouts=2)
    killed: list[int] = []

    def kill_once(event: dict[str, Any]) -> None:
        if event["event"] == "checkpoint_saved" and event["step"] >= 2 and not killed:
            started = [e for e in read_events(work) if e["event"] == "workers_started"]
            killed.append(started[-1]["pid"])
            os.kill(killed[0], signal.SIGKILL)

    figures = train_rewriter(config, MATERIAL, kill_once, makers=makers())
    first, second = (e for e in read_events(work) if e["event"] == "workers_started")
    assert killed == [first["pid"]]
    assert (first["step"], first["workers"], second["workers"]) == (0, 2, 2)
    assert 1 <= second["step"] <= STEPS
    assert [point["step"] for point in points(work)] == list(range(1, STEPS + 1))
    assert [point["staleness"] for point in points(work)] == [0, *[1] * (STEPS - 1)]
    assert (figures["steps"], figures["workers"], figures["skips"]) == (STEPS, 2, 0)
    (tmp_path / "expected").mkdir()
    same(work / "adapter", in_one_process(config, tmp_path / "expected"))
    # Finished: the same call trains nothing, another one is refused.
    assert train_rewriter(config, MATERIAL, makers=makers()) == figures
    with pytest.raises(RunError, match=r"learning\.steps: the run has 6, you ask for 7"):
        train_rewriter(settings(model, work, steps=7), MATERIAL, makers=makers())
    with pytest.raises(RunError, match="material: the run has"):
        train_rewriter(config, Material(requests=ROWS), makers=makers())


@pytest.mark.usefixtures("local_ray")
def test_actors_that_die_cost_nothing_but_time(model: Path, tmp_path: Path) -> None:
    from cluster.rewriting.training import train_rewriter
    from cluster.rewriting.training_worker import make_policy
    from rewriter.learning.loop import learn_from_rewards

    work = tmp_path / "work"
    config = settings(model, work, stale=0)
    dying = makers(
        maker(FakeWriter, marker=tmp_path / "writer", dies_at=2),
        maker(FakeJudge, marker=tmp_path / "judge", dies_at=3),
    )
    figures = train_rewriter(config, MATERIAL, makers=dying)
    assert (tmp_path / "writer").exists()
    assert (tmp_path / "judge").exists()
    assert len([e for e in read_events(work) if e["event"] == "workers_started"]) == 1
    assert [point["step"] for point in points(work)] == list(range(1, STEPS + 1))
    assert {point["staleness"] for point in points(work)} == {0}
    # Without staleness it is what the loop of one process does.
    policy = make_policy(config, torch.device("cpu"))
    learn_from_rewards(
        policy, MATERIAL.requests, FakeJudge(), config.learning, tmp_path / "here", writer=FakeWriter()
    )
    same(work / "adapter", load_file(tmp_path / "here" / "adapter" / "adapter_model.safetensors"))
    shares = sum(figures[f"share/{name}"] for name in ("learn", "wait", "push", "save"))
    assert 0.7 < shares <= 1.001


@pytest.mark.usefixtures("local_ray")
def test_what_stopped_goes_on_by_the_same_call(model: Path, tmp_path: Path) -> None:
    from cluster.rewriting.training import train_rewriter

    work = tmp_path / "work"
    config = settings(model, work).model_copy(update={"failures": 0})

    def kill(event: dict[str, Any]) -> None:
        if event["event"] == "checkpoint_saved" and event["step"] == 3:
            started = [e for e in read_events(work) if e["event"] == "workers_started"]
            os.kill(started[-1]["pid"], signal.SIGKILL)

    with pytest.raises(RunError, match="give the same command again to go on"):
        train_rewriter(config, MATERIAL, kill, makers=makers(maker(FakeWriter, pause_s=0.3)))
    assert not (work / "adapter").exists()
    train_rewriter(config, MATERIAL, makers=makers())
    _, second = (e for e in read_events(work) if e["event"] == "workers_started")
    assert 2 <= second["step"] < STEPS
    assert [point["step"] for point in points(work)] == list(range(1, STEPS + 1))
    (tmp_path / "expected").mkdir()
    same(work / "adapter", in_one_process(config, tmp_path / "expected"))


@pytest.mark.usefixtures("local_ray")
def test_rewards_that_are_no_numbers_and_copies_fail_the_check(
    model: Path, tmp_path: Path, concordat: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cluster.rewriting import training, training_material

    material = Material(requests=MATERIAL.requests[:12])
    monkeypatch.setattr(training_material, "read_material", lambda config: material)
    monkeypatch.setattr(training.Makers, "of", lambda config: makers(judge=maker(CopiesJudge)))
    work = tmp_path / "work"
    command = ("train", "rewriter", "--data", tmp_path, "--model", model, "--work", work, "--device", "cpu")
    command += ("--steps", 3, "--prompts-per-step", 4, "--group", 3, "--rank", 4, "--json")
    done = concordat(*command)
    assert done.status == 1, done.err
    skipped = [point["skipped"] for point in points(work)]
    assert skipped == [False, True, False]
    assert points(work)[1]["loss"] is None
    assert "grpo: step 2/3 skipped: a reward or the loss is not a number (1 skipped so far)" in done.err
    assert "grpo: step 3/3, loss" in done.err
    figures = done.json["figures"]
    assert (figures["skips"], figures["skipped"]) == (1, pytest.approx(1 / 3))
    assert figures["copied"] == pytest.approx(1 / 4)
    assert [line.split("(")[1] for line in done.json["check"]] == ["limits.copies)", "limits.skipped)"]
    assert "the check fails: 25% of the completions repeat their source in the last 3 steps" in done.err
    # The adapter is kept, and the same command says the same again.
    assert (work / "adapter" / "adapter_config.json").is_file()
    again = concordat(*command)
    assert (again.status, again.json) == (1, done.json)


@pytest.mark.usefixtures("local_ray")
def test_pairs_of_samples_are_learned(model: Path, tmp_path: Path) -> None:
    from cluster.rewriting.preferences import read_preferences
    from cluster.rewriting.training import train_rewriter

    work = tmp_path / "work"
    config = settings(model, work, method="dpo", batch=4, steps=8, workers=2, beta=1.0)
    figures = train_rewriter(config, Material(requests=ROWS), makers=makers(maker(WordsWriter)))
    rows = read_preferences(work / "preferences.parquet")
    assert len(rows) == 6
    assert all(len(row.chosen) > len(row.rejected) for row in rows)
    assert (figures["steps"], figures["workers"], figures["rows"]) == (8, 2, 6)
    curve = points(work)
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert curve[-1]["accuracy"] == 1.0


@pytest.mark.usefixtures("local_ray")
def test_an_adapter_of_another_base_is_refused(model: Path, tmp_path: Path) -> None:
    from cluster.rewriting.training import Makers, train_rewriter

    other = tmp_path / "other"
    save_model(other, len(save_tokenizer(other)), seed=5)
    widen(other)
    from rewriter.learning.policy import Policy

    Policy(Base.of(settings(other, tmp_path).model), torch.device("cpu"), rank=4).save(tmp_path / "start")
    config = settings(model, tmp_path / "grpo", start=tmp_path / "start")
    with pytest.raises(ModelError, match="another base"):
        train_rewriter(config, MATERIAL, makers=Makers(Makers.of(config).writer, maker(FakeJudge)))


class CopiesJudge(FakeJudge):
    """One group in four repeats its source; in the second step a reward is not a number."""

    places = drawn(12, 1, GRPOConfig(prompts=4))
    broken_request = request(places[0])

    def _reward(self, completion: Completion) -> Reward:
        parts = dict(super()._reward(completion).parts)
        if completion.request == self.broken_request:
            parts["value"] = float("nan")
        return Reward(parts, copied=completion.group == 2)


class WordsWriter(FakeWriter):
    """Writes better rewarded completions with more words."""

    def write(self, requests: Any, size: int, seed: int) -> list[Completion]:
        from dataclasses import replace

        return [
            replace(one, text="word " * (place % size + 1), tokens=(place % size + 1,) * 3)
            for place, one in enumerate(super().write(requests, size, seed))
        ]
