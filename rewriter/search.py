"""Adaptive value search: with no target given, which movements does a text allow, and what do they cost in consistency?

An outer loop proposes targets, has them written, and keeps the Pareto set of value gain (``rewriter.injection.gain``) and
mean consistency (VISA section 3). The first round goes out from the text along each value, both ways, and along blends of
neighbours on Schwartz's circle, with steps of several sizes; later rounds vary the targets of the present set. The number of
rewritings is bounded. A failed rewriting is counted and no point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agents.values import SCHWARTZ_VALUES
from rewriter.injection import Injection, gain, is_collapsed
from rewriter.vocabulary import RewriteRequest, Rewriting, ValueVector

_LEAST_STEP, _LONGEST_STEP = 0.1, 2.0
"""Bounds on |target - before| of proposals."""


class SearchConfig(BaseModel):
    """How a search goes about it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    budget: int = Field(96, ge=1, le=100_000, description="rewritings in all")
    first: int = Field(
        48, ge=1, description="rewritings of the first round, which goes out in all directions"
    )
    round: int = Field(16, ge=1, description="rewritings of each later round, round the best so far")
    steps: tuple[float, ...] = Field((0.5, 1.0, 1.5), min_length=1, description="sizes of first steps")
    turn: float = Field(
        0.35,
        gt=0,
        description="how far later directions turn: deviation added to each value of a unit vector",
    )
    stretch: float = Field(
        0.3, ge=0, description="how far later steps change: deviation of the logarithm of the size"
    )
    seed: int = Field(0, ge=0, description="of the proposals")


@dataclass(frozen=True, slots=True)
class Point:
    """A rewriting with its two ends.

    Attributes:
        rewriting: the text, with its target and what was measured.
        gain: how far the values moved in the direction asked; higher is better.
        consistency: mean of both directions, in [0, 1]; higher is better.
        round: that proposed it, from 0.
    """

    rewriting: Rewriting
    gain: float
    consistency: float
    round: int

    def dominates(self, other: Point) -> bool:
        """At least as good at both ends, and better at one."""
        return (
            self.gain >= other.gain
            and self.consistency >= other.consistency
            and (self.gain, self.consistency) != (other.gain, other.consistency)
        )

    def tree(self) -> dict[str, Any]:
        """As plain JSON values."""
        rewriting = self.rewriting
        return {
            "gain": self.gain,
            "consistency": {
                "forward": rewriting.consistency.forward,
                "backward": rewriting.consistency.backward,
                "mean": self.consistency,
            },
            "target": list(rewriting.request.target),
            "values_after": list(rewriting.after),
            "rewritten": rewriting.text,
            "faults": [*rewriting.faults, *rewriting.consistency.faults],
            "round": self.round,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        source: the text.
        before: (10,) its values.
        front: the Pareto set, least gain first.
        dominated: the other points, in the order they were tried.
        failures: rewritings that failed.
        collapsed: rewritings that were left out since they had collapsed.
    """

    source: str
    before: ValueVector
    front: tuple[Point, ...]
    dominated: tuple[Point, ...]
    failures: int
    collapsed: int

    def tree(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "text": self.source,
            "values_before": list(self.before),
            "front": [point.tree() for point in self.front],
            "tried": len(self.front) + len(self.dominated) + self.failures + self.collapsed,
            "failures": self.failures,
            "collapsed": self.collapsed,
        }


def pareto(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points that no other dominates, least gain first; of equal ones the first.

    On the way down from the highest gain a point belongs to the set exactly if it is more consistent than all before.
    """
    ordered = sorted(points, key=lambda point: (-point.gain, -point.consistency))
    front: list[Point] = []
    for point in ordered:
        if not front or point.consistency > front[-1].consistency:
            front.append(point)
    return tuple(reversed(front))


def search(injection: Injection, text: str, config: SearchConfig | None = None) -> Found:
    """Search a text's Pareto set; a function of text, parts and configuration.

    Raises:
        TextError: if the text is blank.
    """
    config = config or SearchConfig()
    rng = np.random.default_rng([config.seed, len(text)])
    before = injection.read([text])[0].values
    points: list[Point] = []
    failures = collapsed = spent = number = 0
    while spent < config.budget:
        room = min(config.budget - spent, config.round if number else config.first)
        targets = _refined(pareto(points), before, config, rng) if points else _outward(before, config, rng)
        requests = [RewriteRequest(text, before, target) for target in islice(targets, room)]
        injected = injection.move(requests)
        spent += len(requests)
        failures += len(injected.failures)
        for rewriting in injected.rewritings:
            if is_collapsed(rewriting):
                collapsed += 1
                continue
            moved = gain(before, rewriting.after, rewriting.request.target)
            points.append(Point(rewriting, moved, rewriting.consistency.mean, number))
        number += 1
    front = pareto(points)
    kept = set(map(id, front))
    return Found(
        text, before, front, tuple(one for one in points if id(one) not in kept), failures, collapsed
    )


def _outward(before: ValueVector, config: SearchConfig, rng: np.random.Generator) -> Iterator[ValueVector]:
    """Every value both ways, then neighbours on the circle together and their opposites less, then at random; endless."""
    count = len(SCHWARTZ_VALUES)
    axes = np.eye(count)
    fixed = [sign * axes[k] for k in range(count) for sign in (1.0, -1.0)]
    for k in range(count):
        blend = (
            axes[k]
            + axes[(k + 1) % count]
            - axes[(k + count // 2) % count]
            - axes[(k + count // 2 + 1) % count]
        )
        fixed.append(blend / 2.0)
    order = rng.permutation(len(fixed))
    place = 0
    while True:
        direction = fixed[order[place]] if place < len(fixed) else rng.normal(size=count)
        yield _target(before, direction, config.steps[place % len(config.steps)])
        place += 1


def _refined(
    front: Sequence[Point], before: ValueVector, config: SearchConfig, rng: np.random.Generator
) -> Iterator[ValueVector]:
    """Targets near those of the front, round after round over its points; endless."""
    start = np.array(before)
    while True:
        for point in front:
            asked = np.array(point.rewriting.request.target) - start
            size = float(np.linalg.norm(asked))
            direction = asked / max(size, 1e-9) + config.turn * rng.normal(size=len(start)) / np.sqrt(
                len(start)
            )
            step = max(size, _LEAST_STEP) * np.exp(config.stretch * rng.normal())
            yield _target(before, direction, float(np.clip(step, _LEAST_STEP, _LONGEST_STEP)))


def _target(before: ValueVector, direction: NDArray[np.float64], step: float) -> ValueVector:
    unit = direction / max(float(np.linalg.norm(direction)), 1e-9)
    return tuple(np.clip(np.array(before) + step * unit, -1.0, 1.0).tolist())
