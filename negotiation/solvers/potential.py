"""Argmax of the potential: a pure equilibrium, and the one that learning and negotiation tend to.

Coordinate ascent ends in a local maximum, which is an equilibrium but need not be the argmax. So all profiles
are looked at where that is possible: always for two players, up to a bound for more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from negotiation.config import PotentialConfig
from negotiation.errors import SolverError
from negotiation.metagame import PolymatrixGame, Potential
from negotiation.solvers.pure import best_response_dynamics
from negotiation.solvers.selection import TIE, select
from negotiation.solvers.solution import Solution, make_solution

MAX_TIED = 500
"""Most maximisers that are compared; more means a flat potential, where one is as good as another."""


def solve_potential(game: PolymatrixGame, config: PotentialConfig, rng: np.random.Generator) -> Solution:
    """The profile of greatest potential, ties broken as in ``selection``.

    Raises:
        SolverError: if the game has no potential.

    Example:
        >>> stag_hunt = PolymatrixGame.from_bimatrix([[4, 1], [3, 3]], [[4, 3], [1, 3]])
        >>> solution = solve_potential(stag_hunt, PotentialConfig(), np.random.default_rng(0))
        >>> [weights.tolist() for weights in solution.weights]
        [[0.0, 1.0], [0.0, 1.0]]
    """
    potential = game.potential()
    if potential is None:
        raise SolverError(
            "solver 'potential' needs a potential game and this is none: two players' gains against each"
            " other differ in more than scale; use solver 'exact'"
        )
    cells = int(np.prod(np.array(game.sizes, dtype=float)))
    notes = []
    if game.n_players == 2 or cells <= config.enumeration_limit:
        profiles, iterations = _all_maximisers(game, potential), cells
    else:
        profiles = _local_maximisers(game, potential, config.starts, rng)
        iterations = config.starts
        notes.append(
            f"best of {config.starts} runs of best-response dynamics: an equilibrium, not surely the argmax"
            f" of {cells:,} profiles"
        )
    choice = select(game, [game.pure_weights(profile) for profile in profiles[:MAX_TIED]], "potential")
    if choice.by_seat:
        notes.append("only the order of the players told this maximum from another")
    return make_solution(
        game,
        "potential",
        choice.weights,
        iterations=iterations,
        tolerance=config.tolerance,
        notes="; ".join(notes),
    )


def _all_maximisers(game: PolymatrixGame, potential: Potential) -> NDArray[np.intp]:
    values = potential.tensor()
    return np.argwhere(values >= values.max() - TIE * (game.payoff_range() or 1.0))


def _local_maximisers(
    game: PolymatrixGame, potential: Potential, starts: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    drawn = np.stack([rng.integers(size, size=starts) for size in game.sizes], axis=1)
    ends = best_response_dynamics(game, drawn, max_steps=100 * sum(game.sizes))
    if not len(ends):
        raise SolverError("best-response dynamics did not end; raise solver.starts or use solver 'exact'")
    values = np.array([potential.pure(profile) for profile in ends])
    best: NDArray[np.intp] = ends[values >= values.max() - TIE * (game.payoff_range() or 1.0)]
    return best
