"""Completions and rewards of a step, from rollout actors and reward actors.

A step's groups are cut into calls of a fixed size, and each group is drawn by itself: what comes does not depend on the number of
actors, nor on who died. Rewards are asked for as completions arrive; what has piled up while a reward actor was busy is its
next batch. The work in flight is bounded: two calls a rollout actor (so that none waits for the next one) and one a reward actor.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayError

from cluster.rewriting.rewards import Judged
from cluster.rewriting.rollouts import Written
from cluster.rewriting.teams import Team
from negotiation.errors import RunError
from rewriter.learning.vocabulary import Completion, Reward

WRITES_IN_FLIGHT, JUDGEMENTS_IN_FLIGHT = 2, 1
"""Calls that an actor has at once."""

MOST_TRIES = 8
"""How often a call is made before the training ends."""

Call = list[tuple[int, Any]]
"""The groups of one call of a rollout actor, with their requests."""

PAUSE_S = 0.2
"""Between two tries, while an actor is out of reach."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Weights of the adapter in the object store.

    Attributes:
        version: number of steps they have learned.
        ref: of ``Weights``, or None for those that the writers were made with.
        push: name of these weights, by which writers know them.
    """

    version: int
    ref: Any
    push: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted for a step.

    Attributes:
        step: number of the step, from 0.
        requests: its prompts; their places are the numbers of the groups.
        size: completions of a group, at least 1.
        seed: of the sampling; writers draw for each group by itself, so that all calls have the same.
    """

    step: int
    requests: tuple[Any, ...]
    size: int
    seed: int

    def calls(self, groups: int) -> list[Call]:
        """The (group, request) pairs of each call, at most ``groups`` of them."""
        numbered = list(enumerate(self.requests))
        return [numbered[start : start + groups] for start in range(0, len(numbered), groups)]


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that one step learns from.

    Attributes:
        step: number of the step, from 0.
        version: of the weights that wrote the completions.
        completions: by group.
        rewards: one a completion.
        rollout_s: seconds that a rollout actor was busy writing, mean over actors.
        load_s: seconds that a rollout actor took to take weights, mean over actors.
        reward_s: seconds that a reward actor was busy, mean over actors.
        seconds: from the order to the last reward.
        judgements: calls of reward actors.
        lost: actors lost for good since the last step.
    """

    step: int
    version: int
    completions: tuple[Completion[Any], ...]
    rewards: tuple[Reward, ...]
    rollout_s: float
    load_s: float
    reward_s: float
    seconds: float
    judgements: int
    lost: int

    @property
    def finite(self) -> bool:
        """Whether all rewards are numbers."""
        return all(reward.finite for reward in self.rewards)


@dataclass(slots=True)
class _Step:
    """A step in the making: which calls wait, which are under way, what has come."""

    calls: list[Call]
    waiting: deque[int]
    arrived: deque[int] = field(default_factory=deque)
    writing: dict[Any, tuple[Any, int]] = field(default_factory=dict)
    judging: dict[Any, tuple[Any, list[int]]] = field(default_factory=dict)
    written: dict[int, Written] = field(default_factory=dict)
    refs: dict[int, Any] = field(default_factory=dict)
    rewards: dict[int, tuple[Reward, ...]] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)
    tries: dict[int, int] = field(default_factory=dict)

    @property
    def under_way(self) -> list[Any]:
        return [*self.writing, *self.judging]


class Production:
    """Makes batches.

    Args:
        writers: the rollout actors.
        judges: the reward actors.
        groups: of a call, at least 1.
        judged: most completions in a batch of a reward actor; one call's are never parted.
    """

    def __init__(self, writers: Team, judges: Team, groups: int, judged: int) -> None:
        self._writers, self._judges = writers, judges
        self._groups, self._judged = groups, judged
        self._lost = 0

    def make(self, order: Order, weights: Weighed) -> Batch:
        """All completions of a step, written with these weights, and their rewards.

        Raises:
            RunError: if actors were lost too often.
            Exception: an error of an actor's own, as raised.
        """
        began = time.perf_counter()
        calls = order.calls(self._groups)
        step = _Step(calls, deque(range(len(calls))))
        while len(step.rewards) < len(calls):
            self._hand_out(step, order, weights)
            if not self._collect(step):
                time.sleep(PAUSE_S)
        return self._batch(step, order, weights, time.perf_counter() - began)

    def end(self) -> None:
        """Let all actors go."""
        self._writers.end()
        self._judges.end()

    def _hand_out(self, step: _Step, order: Order, weights: Weighed) -> None:
        """Give waiting work to whoever may have more."""
        while step.waiting and (writer := self._writers.take()) is not None:
            number = step.waiting.popleft()
            ref = writer.write.remote(
                weights.push, weights.version, weights.ref, step.calls[number], order.size, order.seed
            )
            step.writing[ref] = (writer, number)
            step.refs[number] = ref
        while step.arrived and (judge := self._judges.take()) is not None:
            numbers = [step.arrived.popleft()]
            count = len(step.written[numbers[0]].completions)
            while step.arrived and count + len(step.written[step.arrived[0]].completions) <= self._judged:
                numbers.append(step.arrived.popleft())
                count += len(step.written[numbers[-1]].completions)
            ref = judge.judge.remote(*(step.refs[number] for number in numbers))
            step.judging[ref] = (judge, numbers)

    def _collect(self, step: _Step) -> bool:
        """Take what has come; whether every call that ended was answered by an actor within reach."""
        ray.wait(step.under_way, num_returns=1)
        ready, _ = ray.wait(step.under_way, num_returns=len(step.under_way), timeout=0)
        reached = True
        for ref, answer in zip(ready, _answers(ready), strict=True):
            if ref in step.writing:
                actor, number = step.writing.pop(ref)
                team, numbers, again = self._writers, [number], step.waiting
            else:
                actor, numbers = step.judging.pop(ref)
                team, again = self._judges, step.arrived
            if isinstance(answer, RayError):
                team.failed(actor, answer)
                self._count_tries(step, numbers, answer)
                again.extendleft(reversed(numbers))
                reached = reached and not isinstance(answer, ActorUnavailableError)
                continue
            team.done(actor)
            if isinstance(answer, Written):
                step.written[numbers[0]] = answer
                step.arrived.append(numbers[0])
            else:
                step.judged.append(answer)
                step.rewards |= dict(zip(numbers, answer.rewards, strict=True))
        return reached

    def _count_tries(self, step: _Step, numbers: Sequence[int], error: RayError) -> None:
        for number in numbers:
            step.tries[number] = step.tries.get(number, 0) + 1
            if step.tries[number] >= MOST_TRIES:
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                raise RunError(
                    f"a call was lost {MOST_TRIES} times ({reason.rstrip('.')}); look at the logs in"
                    " /tmp/ray/session_latest/logs, then give the same command again to go on"
                ) from error

    def _batch(self, step: _Step, order: Order, weights: Weighed, seconds: float) -> Batch:
        written = [step.written[number] for number in range(len(step.calls))]
        lost = self._writers.lost + self._judges.lost
        since, self._lost = lost - self._lost, lost
        return Batch(
            step=order.step,
            version=weights.version,
            completions=tuple(completion for part in written for completion in part.completions),
            rewards=tuple(reward for number in range(len(step.calls)) for reward in step.rewards[number]),
            rollout_s=sum(part.seconds for part in written) / self._writers.size,
            load_s=sum(part.load_seconds for part in written) / self._writers.size,
            reward_s=sum(part.seconds for part in step.judged) / self._judges.size,
            seconds=seconds,
            judgements=len(step.judged),
            lost=since,
        )


def _answers(ready: list[Any]) -> list[Written | Judged | RayError]:
    """What these calls brought, an error of Ray's as a value."""
    try:
        answers: list[Written | Judged | RayError] = ray.get(ready)
        return answers
    except RayError:
        return [_answer(ref) for ref in ready]  # rare: one of them is to be found out


def _answer(ref: Any) -> Written | Judged | RayError:
    try:
        answer: Written | Judged = ray.get(ref)
    except RayError as error:
        return error
    return answer
