"""One function for every solver; the kind of the configuration says which."""

from __future__ import annotations

import numpy as np

from negotiation.config import (
    AlphaRankConfig,
    CorrelatedConfig,
    ExactConfig,
    LogitConfig,
    PotentialConfig,
    PrdConfig,
    RegretMatchingConfig,
    SolverConfig,
)
from negotiation.metagame import PolymatrixGame
from negotiation.solvers.correlated import solve_correlated
from negotiation.solvers.exact import solve_exact
from negotiation.solvers.logit import solve_logit
from negotiation.solvers.openspiel import solve_alpha_rank, solve_prd, solve_regret_matching
from negotiation.solvers.potential import solve_potential
from negotiation.solvers.solution import Solution


def solve(game: PolymatrixGame, config: SolverConfig, rng: np.random.Generator | None = None) -> Solution:
    """Solve a meta-game.

    Args:
        game: the payoffs.
        config: which solver, with its settings.
        rng: used by solvers that draw (best-response dynamics of ``potential`` on very large games); none: a
            fixed stream, so that the answer depends on the game alone.

    Returns:
        Weights with their NashConv; ``converged`` says whether the solver met its criterion.

    Raises:
        SolverError: if the solver cannot answer this game (no potential, too many profiles).

    Example:
        >>> game = PolymatrixGame.from_bimatrix([[1, -1], [-1, 1]], [[-1, 1], [1, -1]])
        >>> [weights.round(12).tolist() for weights in solve(game, ExactConfig()).weights]
        [[0.5, 0.5], [0.5, 0.5]]
    """
    match config:
        case ExactConfig():
            return solve_exact(game, config)
        case PotentialConfig():
            return solve_potential(game, config, rng if rng is not None else np.random.default_rng(0))
        case PrdConfig():
            return solve_prd(game, config)
        case RegretMatchingConfig():
            return solve_regret_matching(game, config)
        case AlphaRankConfig():
            return solve_alpha_rank(game, config)
        case CorrelatedConfig():
            return solve_correlated(game, config)
        case LogitConfig():
            return solve_logit(game, config)
