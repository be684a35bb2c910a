"""Parts of the rewriter's training without Ray: time, curves, checks, shares of a cluster, what is told and kept."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.rewriting.feed import VERSION, WRITERS, Feed, read_kept, taken_by_all
from cluster.rewriting.preferences import keep_preferences, read_preferences
from cluster.rewriting.production import Batch, Order, Weighed
from cluster.rewriting.training import allot, faults
from cluster.rewriting.training_clock import Clock, grpo_point, mean, numbers, pair_point, summary
from cluster.rewriting.training_command import event_line
from cluster.rewriting.training_config import LimitsConfig, rewriter_training_config
from cluster.rewriting.training_worker import own_share
from negotiation.errors import ConfigurationError, RecordError, RunError
from rewriter.learning.vocabulary import Completion, PairFigures, PreferenceRow, Reward, StepFigures
from tests.unit.cluster.rewriting.training_fakes import FakeJudge, FakeWriter, request


def completions(groups: int = 4, size: int = 2) -> list[Completion]:
    return FakeWriter().write([(group, request(group)) for group in range(groups)], size, 1)


def batch(step: int = 3, version: int = 2) -> Batch:
    written = completions()
    return Batch(
        step=step,
        version=version,
        completions=tuple(written),
        rewards=tuple(FakeJudge().judge(written)),
        rollout_s=0.02,
        load_s=0.0,
        reward_s=0.01,
        seconds=0.1,
        judgements=2,
        lost=1,
    )


def figures(**changes: Any) -> StepFigures:
    values: dict[str, Any] = {
        "step": 4,
        "skipped": False,
        "loss": 0.5,
        "kl": 0.01,
        "entropy": 2.0,
        "ratio": 1.0,
        "clipped": 0.0,
        "importance": 1.0,
        "gradient_norm": 0.3,
        "learning_rate": 1e-4,
        "tokens": 24,
        "trained": 96,
        "rewards": {"value": 0.4, "consistency": 0.6},
        "length": 3.0,
        "finished": 1.0,
        "copied": 0.25,
        "collapsed": 0.0,
        "idle": 0.0,
        "skips": 0,
    }
    return StepFigures(**(values | changes))


def test_shares_of_time_are_of_what_passed_since_the_last_point() -> None:
    clock = Clock()
    with clock.phase("learn"):
        time.sleep(0.05)
    with clock.phase("learn"), clock.phase("push"):
        time.sleep(0.02)
    seconds, spent = clock.point()
    assert seconds >= 0.07
    assert spent["learn"] >= 0.07
    assert 0.02 <= spent["push"] < 0.05
    assert clock.point()[1] == {}


def test_a_point_tells_rewards_speed_staleness_and_shares() -> None:
    clock = Clock()
    with clock.phase("learn"):
        time.sleep(0.1)
    point = grpo_point(figures(), 9, batch(), clock)
    assert (point["step"], point["steps"], point["staleness"], point["lost"]) == (4, 9, 1, 1)
    assert (point["reward/value"], point["reward/consistency"]) == (0.4, 0.6)
    assert point["tokens_per_s"] == pytest.approx(24 / point["seconds"])
    assert point["share/learn"] > 0.9
    assert 0.1 < point["share/rollout"] <= 0.2
    assert point["share/save"] == 0.0
    drawn = numbers(point)
    assert {"loss", "reward/value", "share/wait", "staleness"} <= set(drawn)
    assert not {"step", "steps", "skipped"} & set(drawn)
    assert "loss" not in numbers(grpo_point(figures(loss=None, skipped=True), 9, batch(), clock))


def test_the_summary_weighs_and_counts_over_the_window() -> None:
    clock = Clock()
    points = [
        grpo_point(
            figures(
                step=step,
                copied=copied,
                loss=loss,
                skipped=loss is None,
                trained=24 * step,
                skips=int(step > 1),
            ),
            3,
            batch(step - 1, max(0, step - 2)),
            clock,
        )
        | {"seconds": seconds}
        for step, copied, loss, seconds in ((1, 1.0, 0.9, 1.0), (2, 0.5, None, 1.0), (3, 0.0, 0.3, 2.0))
    ]
    told = summary(points, 2)
    assert (told["steps"], told["trained_tokens"], told["skips"]) == (3, 72, 1)
    assert told["tokens_per_s"] == pytest.approx(72 / 4)
    assert told["copied"] == pytest.approx(0.25)
    assert told["skipped"] == pytest.approx(0.5)
    assert told["loss"] == pytest.approx(0.3)  # of those that are known
    assert told["staleness"] == pytest.approx(2 / 3)
    assert mean([{"x": None}], "x") is None


def test_pairs_have_points_and_a_summary_too() -> None:
    clock = Clock()
    one = PairFigures(1, 0.7, 0.1, 0.75, 1.0, 1e-4, 40, 40, 0)
    points = [pair_point(one, 2, clock)]
    assert points[0]["skipped"] is False
    told = summary(points, 5)
    assert (told["accuracy"], told["loss"], told["skipped"]) == (0.75, 0.7, 0.0)
    assert "copied" not in told


def test_copies_collapses_and_skipped_steps_fail_the_check() -> None:
    limits = LimitsConfig(copies=0.2, collapses=0.2, skipped=0.1)
    good = {"steps": 30, "copied": 0.2, "collapsed": 0.0, "skipped": 0.1}
    assert faults(good, limits) == []
    assert faults({"steps": 3, "skipped": 0.0}, limits) == []  # methods without completions
    bad = faults(good | {"copied": 0.5, "collapsed": 0.21}, limits)
    assert len(bad) == 2
    assert bad[0].startswith(
        "50% of the completions repeat their source in the last 20 steps; at most 20% may"
    )


def test_a_cluster_is_shared_in_equal_parts() -> None:
    def config(**flags: Any) -> Any:
        return rewriter_training_config({"data": Path("x"), "workers": 2, "rollouts": 2, **flags})

    on_two = allot(config(), 3, 2.0, 0.0)
    assert on_two.worker == on_two.actor
    assert on_two.worker[0] * 5 <= 2.0
    assert on_two.worker[1] == 0.0
    assert allot(config(threads=4), 3, 20.0, 0.0).worker == (4.0, 0.0)
    assert allot(config(), 3, 16.0, 8.0).worker == (1.0, 1.0)
    one_gpu = allot(config(), 3, 16.0, 1.0)
    assert one_gpu.worker[1] + one_gpu.actor[1] * 4 <= 1.0
    assert allot(config(device="cpu"), 3, 16.0, 8.0).worker == (1.0, 0.0)
    with pytest.raises(RunError, match="needs a GPU"):
        allot(config(device="cuda"), 3, 16.0, 0.0)


def test_each_worker_has_whole_groups_and_none_twice() -> None:
    whole = batch()
    parts = [own_share(whole, rank, 3) for rank in range(3)]
    assert [sorted({one.group for one in written}) for written, _ in parts] == [[0, 3], [1], [2]]
    assert sum(len(written) for written, _ in parts) == len(whole.completions)
    rewarded = dict(zip(whole.completions, whole.rewards, strict=True))
    for written, rewards in parts:
        assert [rewarded[one] for one in written] == rewards


def test_a_batch_with_a_reward_that_is_no_number_says_so() -> None:
    from dataclasses import replace

    assert batch().finite
    broken = (Reward({"value": float("nan")}), *batch().rewards[1:])
    assert not replace(batch(), rewards=broken).finite


class Slow:
    """Stands in for a production."""

    def __init__(self) -> None:
        self.made: list[tuple[int, int]] = []

    def make(self, order: Order, weights: Weighed) -> Batch:
        self.made.append((order.step, weights.version))
        if order.step == 9:
            raise RunError("all were lost")
        return batch(order.step, weights.version)


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("ray.put", lambda tree: tree)
    made = Feed(Slow(), lambda step: Order(step, (request(0),), 2, 0))  # type: ignore[arg-type]
    yield made
    made.close()


def test_a_feed_orders_one_batch_at_a_time_with_the_weights_pushed_last(feed: Any, tmp_path: Path) -> None:
    import torch

    with pytest.raises(RuntimeError, match="before any weights"):
        feed.begin(0)
    feed.push(0, {"a": np.ones(2, dtype=np.float32)})
    feed.begin(0)
    with pytest.raises(RuntimeError, match="while another is under way"):
        feed.begin(1)
    assert taken_by_all(feed, 1, torch.device("cpu")).step == 0
    feed.push(1, {"a": np.full(2, 5.0, dtype=np.float32)})
    feed.push(1, {"a": np.zeros(2, dtype=np.float32)})  # once a version
    feed.begin(9)
    with pytest.raises(RunError, match="all were lost"):
        taken_by_all(feed, 1, torch.device("cpu"))
    assert feed._production.made == [(0, 0), (9, 1)]
    feed.save(tmp_path)
    version, weights = read_kept(tmp_path)
    assert version == 1
    np.testing.assert_array_equal(weights["a"], [5.0, 5.0])
    (tmp_path / WRITERS).write_bytes(b"torn")
    with pytest.raises(RecordError, match="begin a new training"):
        read_kept(tmp_path)
    (tmp_path / VERSION).unlink()
    with pytest.raises(RecordError):
        read_kept(tmp_path)


def test_preferences_are_kept_as_they_are(tmp_path: Path) -> None:
    rows = [PreferenceRow(request(number), f"better {number}", "worse") for number in range(3)]
    keep_preferences(tmp_path / "pairs.parquet", rows)
    assert read_preferences(tmp_path / "pairs.parquet") == rows
    (tmp_path / "pairs.parquet").write_bytes(b"torn")
    with pytest.raises(RecordError, match="delete it"):
        read_preferences(tmp_path / "pairs.parquet")


def test_events_are_told_to_people() -> None:
    started = {"event": "workers_started", "workers": 2, "device": "cpu", "step": 5}
    assert event_line("grpo", started) == "grpo: 2 workers on cpu, from step 5"
    assert event_line("grpo", {"event": "checkpoint_saved", "step": 5}) == ""
    clock = Clock()
    point = grpo_point(figures(), 9, batch(), clock) | {"event": "progress", "tokens_per_s": 1234.5}
    line = event_line("grpo", point)
    assert line.startswith(
        "grpo: step 4/9, loss 0.500, consistency 0.600, value 0.400, kl 0.010, entropy 2.000, length 3,"
    )
    assert "copied 25%, 1 actors lost, 1,234 tokens/s; wait 0%, learn 0%" in line
    skipped = grpo_point(figures(loss=None, skipped=True, skips=2), 9, batch(), clock) | {"event": "progress"}
    assert "skipped: a reward or the loss is not a number (2 skipped so far)" in event_line("grpo", skipped)
    assert event_line("sft", point | {"step": 15, "steps": 1000}) == ""
    assert event_line("sft", point | {"step": 20, "steps": 1000}) != ""


def test_too_few_requests_are_told_of(tmp_path: Path) -> None:
    from cluster.rewriting.training import train_rewriter
    from cluster.rewriting.training_material import Material

    config = rewriter_training_config({"data": tmp_path, "work": tmp_path / "work"})
    with pytest.raises(ConfigurationError, match="1 requests for 8 prompts in a step"):
        train_rewriter(config, Material(requests=(request(0),)))
    assert not (tmp_path / "work").exists()


def test_material_has_a_fingerprint_of_its_texts() -> None:
    from cluster.rewriting.training_material import Material

    one, other = Material(requests=(request(0),)), Material(requests=(request(1),))
    assert one.fingerprint() == Material(requests=(request(0),)).fingerprint()
    assert one.fingerprint() != other.fingerprint()


def test_a_lack_of_memory_is_told_in_plain_words() -> None:
    from cluster.rewriting.training import _reason

    assert _reason(
        RuntimeError("A worker was killed: out of memory.\nRefer to the documentation")
    ).startswith("the machine ran out of memory")
    assert _reason(RuntimeError("Traceback\nValueError: no")) == "ValueError: no"
    assert _reason(RuntimeError()) == "RuntimeError"
