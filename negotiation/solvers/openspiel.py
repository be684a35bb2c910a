"""OpenSpiel's solvers: projected replicator dynamics, regret matching and alpha-rank.

All three work on the dense tensor and are approximate or answer another question than Nash; their NashConv
says how far they are. OpenSpiel's exploration floor (``gamma``) is set to 0: exploration is a separate thing
from the answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from negotiation.config import AlphaRankConfig, PrdConfig, RegretMatchingConfig
from negotiation.errors import GameError, SolverError
from negotiation.metagame import PolymatrixGame
from negotiation.solvers.solution import Solution, make_solution

MAX_ALPHA_RANK_PROFILES = 1000
"""Alpha-rank builds a dense Markov chain over profiles; this many take seconds."""

INFINITE_ALPHA_NOISE = 0.01
"""Probability of a step against the payoffs in the infinite-alpha chain; OpenSpiel's own default."""


def solve_prd(game: PolymatrixGame, config: PrdConfig) -> Solution:
    """Projected replicator dynamics from uniform play; the answer is the average over time.

    Raises:
        SolverError: if the game is too large for a dense tensor.
    """
    weights = prd_weights(_tensors(game, "prd"), config)
    return make_solution(game, "prd", weights, iterations=config.iterations, tolerance=config.tolerance)


def prd_weights(tensors: Sequence[NDArray[np.float64]], config: PrdConfig) -> list[NDArray[np.float64]]:
    """The mixtures of ``solve_prd`` for any game, from one (K_1, ..., K_N) payoff array a player."""
    from open_spiel.python.algorithms import projected_replicator_dynamics as prd

    weights: list[NDArray[np.float64]] = prd.projected_replicator_dynamics(
        list(tensors),
        prd_iterations=config.iterations,
        prd_dt=config.step,
        prd_gamma=0.0,
        average_over_last_n_strategies=config.average_last,
    )
    return weights


def solve_regret_matching(game: PolymatrixGame, config: RegretMatchingConfig) -> Solution:
    """Regret matching from uniform play; the answer is the average over time.

    Raises:
        SolverError: if the game is too large for a dense tensor.
    """
    weights = regret_matching_weights(_tensors(game, "regret-matching"), config.iterations)
    return make_solution(
        game, "regret-matching", weights, iterations=config.iterations, tolerance=config.tolerance
    )


def regret_matching_weights(
    tensors: Sequence[NDArray[np.float64]], iterations: int
) -> list[NDArray[np.float64]]:
    """The mixtures of ``solve_regret_matching`` for any game, from one (K_1, ..., K_N) payoff array a player."""
    from open_spiel.python.algorithms import regret_matching

    weights: list[NDArray[np.float64]] = regret_matching.regret_matching(
        list(tensors), iterations=iterations, gamma=0.0
    )
    return weights


def solve_alpha_rank(game: PolymatrixGame, config: AlphaRankConfig) -> Solution:
    """The stationary distribution of alpha-rank; weights are its marginals.

    Where the chain at the configured alpha is no longer irreducible in float64 (a step against the payoffs
    has probability 0), OpenSpiel's infinite-alpha chain is used, and the notes say so. ``converged`` tells
    that the chain was solved.

    Raises:
        SolverError: if matplotlib, which OpenSpiel's module needs, is missing, or there are too many
            profiles.
    """
    try:
        from open_spiel.python.egt import alpharank
    except ImportError as error:
        raise SolverError(
            "solver 'alpha-rank' needs matplotlib, which OpenSpiel imports for it: install concordat[plot]"
        ) from error
    profiles = int(np.prod(np.array(game.sizes, dtype=float)))
    if profiles > MAX_ALPHA_RANK_PROFILES:
        raise SolverError(
            f"solver 'alpha-rank' builds a chain over all {profiles:,} profiles and takes at most"
            f" {MAX_ALPHA_RANK_PROFILES:,}; use solver 'exact'"
        )
    notes = "a ranking by evolution, not an equilibrium; weights are marginals of the stationary distribution"
    tensors = _tensors(game, "alpha-rank")
    settings = {"m": config.population, "alpha": config.alpha}
    # Fixation probabilities overflow by design; what comes of it is checked below.
    with np.errstate(all="ignore"):
        try:
            stationary = np.asarray(alpharank.compute(tensors, **settings)[2], dtype=np.float64)
        except ValueError:
            stationary = np.full(profiles, np.nan)
        if not _is_distribution(stationary):
            notes += f"; at alpha {config.alpha:g} the chain is reducible in float64, so alpha is infinite"
            settings |= {"use_inf_alpha": True, "inf_alpha_eps": INFINITE_ALPHA_NOISE}
            stationary = np.asarray(alpharank.compute(tensors, **settings)[2], dtype=np.float64)
    if not _is_distribution(stationary):
        raise SolverError(
            "alpha-rank found no stationary distribution; lower solver.alpha or use solver 'exact'"
        )
    joint = np.maximum(stationary, 0.0).reshape(game.sizes)
    joint /= joint.sum()
    return make_solution(
        game, "alpha-rank", marginals(joint), iterations=1, converged=True, notes=notes, joint=joint
    )


def marginals(joint: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Each player's (K_i,) marginal of a (K_1, ..., K_N) joint distribution.

    Example:
        >>> [vector.tolist() for vector in marginals(np.array([[0.5, 0.0], [0.25, 0.25]]))]
        [[0.5, 0.5], [0.75, 0.25]]
    """
    axes = range(joint.ndim)
    return tuple(joint.sum(axis=tuple(other for other in axes if other != player)) for player in axes)


def _tensors(game: PolymatrixGame, solver: str) -> list[NDArray[np.float64]]:
    """Payoffs in the form of OpenSpiel's array solvers, one (K_1, ..., K_N) array a player."""
    try:
        return list(game.tensor())
    except GameError as error:
        raise SolverError(f"solver {solver!r}: {error}") from error


def _is_distribution(values: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all() and values.min() > -1e-9 and abs(values.sum() - 1.0) < 1e-6)
