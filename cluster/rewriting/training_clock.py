"""Where the time of a training goes, and its curve: points of named numbers, for files, TensorBoard and Ray's metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from cluster.lasting_gauge import LastingGauge
from cluster.rewriting.production import Batch
from rewriter.learning.vocabulary import PairFigures, StepFigures

PHASES = ("rollout", "reward", "learn", "wait", "push", "save")
"""Shares of time that points tell. ``learn``, ``wait`` (for completions and rewards), ``push`` (weights) and ``save``
(checkpoints) are of the first worker's time and add up to nearly 1; ``rollout`` and ``reward`` are how much of it the actors
were busy."""

Point = dict[str, Any]


class Clock:
    """Counts the seconds of the first worker by phase, from point to point."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._spent: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """The time of a block counts for this phase."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._spent[name] = self._spent.get(name, 0.0) + time.perf_counter() - began

    def point(self) -> tuple[float, dict[str, float]]:
        """Seconds since the last point, and those spent by phase; the count begins anew."""
        now = time.perf_counter()
        seconds, spent = now - self._since, self._spent
        self._since, self._spent = now, {}
        return max(seconds, 1e-9), spent


def grpo_point(figures: StepFigures, steps: int, batch: Batch, clock: Clock) -> Point:
    """The point of a GRPO step.

    ``tokens_per_s`` are those trained in a second of all workers together, ``written_per_s`` those of the completions that were
    used; ``staleness`` is the number of steps by which the weights that wrote them were behind.
    """
    seconds, spent = clock.point()
    busy = spent | {"rollout": batch.rollout_s, "reward": batch.reward_s}
    values = asdict(figures)
    rewards: Mapping[str, float] = values.pop("rewards")
    written = sum(len(completion.tokens) for completion in batch.completions)
    return (
        values
        | {"steps": steps, "seconds": seconds, "staleness": batch.step - batch.version, "lost": batch.lost}
        | {"completions": len(batch.completions), "judgements": batch.judgements}
        | {"written": written, "tokens_per_s": figures.tokens / seconds, "written_per_s": written / seconds}
        | {f"reward/{name}": reward for name, reward in sorted(rewards.items())}
        | {f"share/{name}": min(1.0, busy.get(name, 0.0) / seconds) for name in PHASES}
    )


def pair_point(figures: PairFigures, steps: int, clock: Clock) -> Point:
    """The point of a step of SFT, DPO or SimPO."""
    seconds, spent = clock.point()
    shares = {f"share/{name}": min(1.0, spent.get(name, 0.0) / seconds) for name in ("learn", "save")}
    return (
        asdict(figures)
        | {"skipped": figures.skipped, "steps": steps, "seconds": seconds}
        | {"tokens_per_s": figures.tokens / seconds}
        | shares
    )


def numbers(point: Mapping[str, Any]) -> list[str]:
    """Names of what can be drawn: known numbers other than the step and truths."""
    return [
        name
        for name, value in point.items()
        if name not in ("step", "steps") and isinstance(value, (int, float)) and not isinstance(value, bool)
    ]


class Gauges:
    """The latest point on Ray's metrics endpoint, as ``ray_concordat_rewriter_<name>``; Ray must be connected.

    Args:
        run: name of the training, a tag of every series.
    """

    def __init__(self, run: str) -> None:
        self._tags = {"run": run}
        self._gauges: dict[str, Any] = {}

    def show(self, point: Mapping[str, Any]) -> None:
        """Set all gauges of a point's numbers."""
        for name in ["step", *numbers(point)]:
            if name not in self._gauges:
                told = name.replace("/", "_")
                self._gauges[name] = LastingGauge(
                    f"concordat_rewriter_{told}", f"{told} of the latest training step.", ("run",)
                )
            self._gauges[name].set(float(point[name]), self._tags)


def mean(points: Sequence[Mapping[str, Any]], name: str, weight: str | None = None) -> float | None:
    """Mean of a number over points in which it is known, weighted by another number; None if it is known in none."""
    known = [
        (float(point[name]), 1.0 if weight is None else float(point[weight]))
        for point in points
        if point.get(name) is not None
    ]
    total = sum(share for _, share in known)
    return sum(value * share for value, share in known) / total if total else None


def summary(points: Sequence[Mapping[str, Any]], window: int) -> dict[str, Any]:
    """What a training's points say of it.

    Args:
        points: of all steps, in order, at least one.
        window: number of last steps that copies, collapses and skipped steps are counted over.

    Returns:
        The last loss, tokens, speed, seconds, shares of time; for GRPO also the mean rewards of the first and last steps of the
        window's number, and the shares of copies, collapses and skipped steps in the last.
    """
    last, first = points[-window:], points[:window]
    seconds = sum(point["seconds"] for point in points)
    told: dict[str, Any] = {
        "steps": points[-1]["step"],
        "loss": mean(last, "loss"),
        "trained_tokens": points[-1]["trained"],
        "step_seconds": seconds,
        "tokens_per_s": sum(point["tokens"] for point in points) / seconds,
        "skips": points[-1]["skips"],
        "skipped": mean(last, "skipped"),
    }
    if "copied" in points[-1]:
        told["written_per_s"] = sum(point["written"] for point in points) / seconds
        for name in ("copied", "collapsed"):
            told[name] = mean(last, name, "completions")
        for name in sorted({name for point in points for name in point if name.startswith("reward/")}):
            told[f"first_{name}"], told[f"last_{name}"] = mean(first, name), mean(last, name)
        for name in ("kl", "entropy", "length"):
            told[name] = mean(last, name)
        told["staleness"] = mean(points, "staleness")
        told["lost"] = sum(point["lost"] for point in points)
    elif points[-1].get("accuracy") is not None:
        told["accuracy"] = mean(last, "accuracy")
    shares = sorted(name for name in points[-1] if name.startswith("share/"))
    return told | {name: mean(points, name, "seconds") for name in shares}
