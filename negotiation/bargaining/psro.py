"""Policy-space response oracles over any OpenSpiel game of turns (Lanctot et al. 2017).

An iteration solves the empirical game of the policies so far, measures the exact NashConv of the mixture in the whole game, and
asks the oracle for a new policy a player against the others' mixtures. A policy that gains nothing is left out, as in
``negotiation.psro``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from negotiation.bargaining.meta import MetaSolver, MetaStrategy
from negotiation.bargaining.tree import GameTree
from negotiation.errors import GameError
from negotiation.metagame import MAX_TENSOR_CELLS

Array = NDArray[np.float64]

GAIN = 1e-9
"""A new policy is kept if it gains this much over the mixture."""


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """What an oracle answers.

    Attributes:
        tree: the game.
        pools: for each player its policies so far, each an array over its sequences.
        weights: for each player the mixture over them.
        mixtures: for each player the mixture as one strategy.
        iteration: from 0.
        seed: of this call.
    """

    tree: GameTree
    pools: tuple[tuple[Array, ...], ...]
    weights: tuple[Array, ...]
    mixtures: tuple[Array, ...]
    iteration: int
    seed: int


class Oracle(Protocol):
    """Whatever answers mixtures with new policies."""

    name: str
    patience: int
    """How many iterations in a row may bring nothing before the loop ends."""

    def respond(self, situation: Situation) -> Sequence[Array]:
        """One strategy a player, each against the others' mixtures."""
        ...


@dataclass(frozen=True, slots=True)
class Iteration:
    """One iteration.

    Attributes:
        number: from 0.
        sizes: (N,) policies of each player.
        nash_conv: exact, of the mixture in the whole game, >= 0.
        regrets: (N,) what each could gain by its best response.
        payoffs: (N,) of the mixture.
        meta_nash_conv: within the empirical game.
        gains: (N,) of the oracle's answers over the mixture; empty at the last iteration.
        seconds: wall time since the start.
    """

    number: int
    sizes: tuple[int, ...]
    nash_conv: float
    regrets: tuple[float, ...]
    payoffs: tuple[float, ...]
    meta_nash_conv: float
    gains: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """The end of a loop: the iteration of least NashConv.

    Attributes:
        pools, weights, mixtures: as in ``Situation``; pools as far as the weights go.
        iterations: all of them.
        best: number of the iteration that these are of.
        converged: whether its NashConv is within the tolerance.
    """

    pools: tuple[tuple[Array, ...], ...]
    weights: tuple[Array, ...]
    mixtures: tuple[Array, ...]
    iterations: tuple[Iteration, ...]
    best: int
    converged: bool

    @property
    def nash_conv(self) -> float:
        """Of the mixtures."""
        return self.iterations[self.best].nash_conv


class ExactOracle:
    """OpenSpiel's exact best responses.

    Args:
        tree: the game.
        tremble: share of uniform play mixed into the opponents' mixture, so that answers are sensible also where these
            opponents never come; 0: none. 1e-4 costs at most that share of the payoff range.
    """

    name = "exact"
    patience = 1

    def __init__(self, tree: GameTree, tremble: float = 0.0) -> None:
        import pyspiel

        if not 0.0 <= tremble < 1.0:
            raise GameError(f"tremble is {tremble}; it must be at least 0 and below 1")
        self._tremble = tremble
        uniform = _tables(tree, [side.uniform() for side in tree.sides])
        self._root = tree.game.new_initial_state()
        self._responders = [pyspiel.TabularBestResponse(tree.game, i, uniform) for i in range(tree.players)]

    def respond(self, situation: Situation) -> Sequence[Array]:
        """A pure best response a player."""
        tree = situation.tree
        faced = [
            (1 - self._tremble) * mixture + self._tremble * side.uniform()
            for side, mixture in zip(tree.sides, situation.mixtures, strict=True)
        ]
        table = _tables(tree, faced)
        answers = []
        for side, responder in zip(tree.sides, self._responders, strict=True):
            responder.set_policy(table)
            responder.value_from_state(self._root)
            chosen = responder.get_best_response_actions()
            answer = np.zeros(side.sequences)
            for i, name in enumerate(side.names):
                action = chosen.get(name, side.actions[i][0])
                answer[side.starts[i] + side.actions[i].index(action)] = 1.0
            answers.append(answer)
        return answers


def _tables(tree: GameTree, strategies: Sequence[Array]) -> dict[str, list[tuple[int, float]]]:
    table: dict[str, list[tuple[int, float]]] = {}
    for side, strategy in zip(tree.sides, strategies, strict=True):
        table |= side.table(strategy)
    return table


def psro(
    tree: GameTree,
    oracle: Oracle,
    solver: MetaSolver,
    *,
    iterations: int,
    tolerance: float,
    seed: int = 0,
    initial: Sequence[Array] | None = None,
    listener: Callable[[Iteration], Any] | None = None,
    watcher: Callable[[Situation], Any] | None = None,
) -> Solved:
    """Run the loop.

    Args:
        tree: the game.
        oracle: gives new policies.
        solver: of the empirical game.
        iterations: most iterations, >= 1.
        tolerance: NashConv at which it ends.
        seed: oracles get one of their own for each iteration.
        initial: first policy of each player; none: uniform play.
        listener: told of each iteration, after the oracle's answers.
        watcher: shown each situation, before them.

    Returns:
        The mixture of least NashConv on the way; iterates need not improve from one to the next.

    Raises:
        GameError: if ``iterations`` is below 1, or the empirical game grows too large for a dense tensor.
    """
    if iterations < 1:
        raise GameError(f"iterations is {iterations}; at least one is needed")
    began = perf_counter()
    first = initial or [side.uniform() for side in tree.sides]
    pools: tuple[tuple[Array, ...], ...] = tuple((strategy,) for strategy in first)
    told: list[Iteration] = []
    best: tuple[int, Situation] | None = None
    idle = 0
    for number in range(iterations):
        if np.prod([float(len(pool)) for pool in pools]) > MAX_TENSOR_CELLS:
            break
        found = solver(tree.payoff_tensors(pools))
        mixtures = tuple(tree.mixture(i, pool, found.weights[i]) for i, pool in enumerate(pools))
        situation = Situation(tree, pools, found.weights, mixtures, number, seed * 1_000_003 + number)
        if watcher:
            watcher(situation)
        regrets, values = tree.regrets(mixtures), tree.payoffs(mixtures)
        done = bool(regrets.sum() <= tolerance) or number == iterations - 1
        answers: Sequence[Array] = () if done else oracle.respond(situation)
        gains = tuple(
            float(tree.payoffs([*mixtures[:i], answer, *mixtures[i + 1 :]])[i] - values[i])
            for i, answer in enumerate(answers)
        )
        told.append(_told(number, pools, regrets, values, found, gains, perf_counter() - began))
        if listener:
            listener(told[-1])
        if best is None or told[-1].nash_conv < told[best[0]].nash_conv:
            best = (number, situation)
        if done:
            break
        kept = [gain > GAIN for gain in gains]
        pools = tuple(
            (*pool, answer) if keep else pool for pool, answer, keep in zip(pools, answers, kept, strict=True)
        )
        idle = 0 if any(kept) else idle + 1
        if idle >= oracle.patience:
            break
    assert best is not None
    situation = best[1]
    converged = told[best[0]].nash_conv <= tolerance
    return Solved(situation.pools, situation.weights, situation.mixtures, tuple(told), best[0], converged)


def _told(
    number: int, pools: Sequence[Sequence[Array]], regrets: Array, values: Array, found: MetaStrategy,
    gains: tuple[float, ...], seconds: float,
) -> Iteration:  # fmt: skip
    sizes = tuple(len(pool) for pool in pools)
    return Iteration(
        number,
        sizes,
        float(regrets.sum()),
        tuple(regrets.tolist()),
        tuple(values.tolist()),
        found.nash_conv,
        gains,
        seconds,
    )
