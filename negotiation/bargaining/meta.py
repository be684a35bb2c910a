"""Meta-solvers: which mixture of the policies so far is to be answered next.

Two players' empirical games go to the project's solvers of general-sum games. Those of three and more are no polymatrix games:
here a pure equilibrium of greatest Nash product is taken, else regret matching; or projected replicator dynamics or a (coarse)
correlated equilibrium of greatest total payoff (its marginals). NashConv within the empirical game is always returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negotiation.config import CorrelatedConfig, ExactConfig, PrdConfig, RegretMatchingConfig, SolverConfig
from negotiation.errors import SolverError
from negotiation.metagame import PolymatrixGame
from negotiation.solvers import solve
from negotiation.solvers.correlated import greatest_gini, greatest_welfare
from negotiation.solvers.openspiel import marginals, prd_weights, regret_matching_weights

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MetaStrategy:
    """A mixture a player, (N,) arrays (K_i,), with NashConv in the empirical game and what the solver says."""

    weights: tuple[Array, ...]
    nash_conv: float
    notes: str = ""


MetaSolver = Callable[[Sequence[Array]], MetaStrategy]
"""From one (K_1, ..., K_N) payoff array a player."""


def meta_solver(config: SolverConfig) -> MetaSolver:
    """The meta-solver of a solver's configuration.

    Raises:
        SolverError: when called on three and more players, for kinds that need a polymatrix game.
    """

    def answer(tensors: Sequence[Array]) -> MetaStrategy:
        if len(tensors) == 2:
            found = solve(PolymatrixGame.from_bimatrix(tensors[0], tensors[1]), config)
            return MetaStrategy(found.weights, found.nash_conv, found.notes)
        weights, notes = _of_tensors(tensors, config)
        return MetaStrategy(weights, tensor_nash_conv(tensors, weights), notes)

    return answer


def uniform_meta_solver(tensors: Sequence[Array]) -> MetaStrategy:
    """All policies alike: fictitious play in policy space (Heinrich et al. 2015)."""
    weights = tuple(np.full(size, 1.0 / size) for size in tensors[0].shape)
    return MetaStrategy(weights, tensor_nash_conv(tensors, weights))


def tensor_nash_conv(tensors: Sequence[Array], weights: Sequence[Array]) -> float:
    """Sum of the gains from best deviations, >= 0."""
    total = 0.0
    for player, payoffs in enumerate(tensors):
        values = np.moveaxis(payoffs, player, 0)
        for other in range(len(tensors) - 1, -1, -1):
            if other != player:
                values = values @ weights[other]
        total += max(0.0, float(values.max() - values @ weights[player]))
    return total


def _of_tensors(tensors: Sequence[Array], config: SolverConfig) -> tuple[tuple[Array, ...], str]:
    match config:
        case ExactConfig():
            pure = _pure(tensors)
            if pure is not None:
                return pure, "the pure equilibrium of greatest Nash product"
            return tuple(regret_matching_weights(tensors, 10_000)), "no pure equilibrium; regret matching"
        case RegretMatchingConfig():
            return tuple(regret_matching_weights(tensors, config.iterations)), ""
        case PrdConfig():
            return tuple(prd_weights(tensors, config)), ""
        case CorrelatedConfig():
            if config.objective == "gini":
                joint, _, _ = greatest_gini(tuple(tensors), config.kind)
                return marginals(joint), "marginals of the equilibrium of greatest Gini impurity"
            joint, _, _ = greatest_welfare(tuple(tensors), config.kind)
            return marginals(joint), "marginals of the equilibrium of greatest total payoff"
    raise SolverError(
        f"meta-solver {config.kind!r} answers games of two players;"
        f" with {len(tensors)} take exact, prd, regret-matching, ce or cce"
    )


def _pure(tensors: Sequence[Array]) -> tuple[Array, ...] | None:
    stable = np.ones(tensors[0].shape, dtype=bool)
    product = np.ones(tensors[0].shape)
    for player, payoffs in enumerate(tensors):
        scale = max(1.0, float(np.abs(payoffs).max()))
        stable &= payoffs >= payoffs.max(axis=player, keepdims=True) - 1e-12 * scale
        product = product * (payoffs - payoffs.min())
    if not stable.any():
        return None
    place = np.unravel_index(int(np.where(stable, product, -1.0).argmax()), product.shape)
    sizes: tuple[int, ...] = product.shape
    return tuple(np.eye(size)[k] for size, k in zip(sizes, place, strict=True))
