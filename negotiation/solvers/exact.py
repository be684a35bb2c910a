"""Nash equilibria of general-sum polymatrix games, exact to float64.

In this order, and only as far as needed:

1. merge duplicates and drop strictly dominated actions (``reduction``);
2. small games: all equilibria (``enumeration``), one chosen by the selection rule;
3. larger games: all pure equilibria (``pure``), one chosen by the rule; negotiations always have one;
4. else one equilibrium by complementary pivoting, from the uniform prior and then from others (``lemke``);
5. else regret matching+ with support refinement (``regret``).

Whatever comes out is measured by NashConv; the best is returned, and ``converged`` says whether it is an
equilibrium.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from negotiation.config import ExactConfig
from negotiation.errors import SolverError
from negotiation.metagame import PolymatrixGame
from negotiation.solvers.enumeration import all_equilibria, count_systems
from negotiation.solvers.lemke import trace
from negotiation.solvers.pure import pure_equilibria
from negotiation.solvers.reduction import reduce_game
from negotiation.solvers.refinement import refine
from negotiation.solvers.regret import refined_regret_matching
from negotiation.solvers.selection import Profile, select
from negotiation.solvers.solution import Solution, make_solution

OTHER_PRIORS = 16
"""Priors tried after the uniform one, in which every player leans to one action."""

_SEAT_NOTE = "only the order of the players told this equilibrium from another"


def solve_exact(game: PolymatrixGame, config: ExactConfig) -> Solution:
    """An equilibrium of the game by the steps above.

    Raises:
        SolverError: if the selection rule is ``"potential"`` and the game has none.

    Example:
        >>> sexes = PolymatrixGame.from_bimatrix([[3, 0], [0, 2]], [[2, 0], [0, 3]])
        >>> solution = solve_exact(sexes, ExactConfig())
        >>> [weights.tolist() for weights in solution.weights], solution.nash_conv, solution.converged
        ([[1.0, 0.0], [1.0, 0.0]], 0.0, True)
    """
    if config.selection == "potential" and not game.is_potential():
        raise SolverError("selection 'potential' needs a potential game and this is none; use 'nash_product'")
    reduction = reduce_game(game)
    search = _Search(reduction.game, config)
    worst = game.worst_payoffs()  # of the whole game: what a player could be left with, dominated or not
    for candidates, iterations, how in search.stages():
        choice = select(reduction.game, candidates, config.selection, worst)
        notes = how
        if choice.by_seat:
            if not search.last:
                continue
            notes = f"{how}; {_SEAT_NOTE}"
        weights = reduction.lift(choice.weights)
        return make_solution(
            game, "exact", weights, iterations=iterations, tolerance=config.tolerance, notes=notes
        )
    best = reduction.lift(search.best)
    notes = "no equilibrium within the limits; this is the profile of least NashConv"
    return make_solution(
        game, "exact", best, iterations=search.iterations, tolerance=config.tolerance, notes=notes
    )


class _Search:
    """Candidates in stages; each stage is only worked out if the ones before it gave nothing."""

    def __init__(self, game: PolymatrixGame, config: ExactConfig) -> None:
        self._game = game
        self._config = config
        self.iterations = 0
        self.last = False
        self.best: Profile = tuple(np.full(size, 1.0 / size) for size in game.sizes)
        self._best_conv = game.nash_conv(self.best)
        self._found: list[Profile] = []

    def stages(self) -> Iterator[tuple[list[Profile], int, str]]:
        """After each stage that found any: all equilibria so far, the work it took, how it went."""
        game, config = self._game, self._config
        pure, complete = pure_equilibria(game)
        if count_systems(game) <= config.enumeration_limit:
            self.iterations += count_systems(game)
            self._keep([*pure, *(refine(game, profile) for profile in all_equilibria(game))])
            if self._found:
                what = "extreme" if game.n_players == 2 else "isolated"
                yield self._found, self.iterations, f"chosen among all {what} equilibria"
        else:
            self.iterations += int(np.prod(np.array(game.sizes, dtype=float)))
            self._keep(pure)
            if self._found:
                some = "all" if complete else "some"
                yield self._found, self.iterations, f"chosen among {some} pure equilibria"
        for prior in self._priors():
            profile, pivots = trace(game, prior, config.max_pivots)
            self.iterations += pivots
            if profile is not None:
                before = len(self._found)
                self._keep([refine(game, profile)])
                if len(self._found) > before:
                    yield self._found, self.iterations, "traced by complementary pivoting"
        profile, iterations = refined_regret_matching(game, config.max_iterations, config.tolerance)
        self.iterations += iterations
        self._keep([profile])
        self.last = True
        if self._found:
            yield self._found, self.iterations, "from regret matching+ and support refinement"

    def _priors(self) -> Iterator[list[NDArray[np.float64]]]:
        uniform = [np.full(size, 1.0 / size) for size in self._game.sizes]
        if self._config.max_pivots:
            yield uniform
            for action in range(min(max(self._game.sizes), OTHER_PRIORS)):
                # The same action index for everybody, so that these priors name no seat either.
                yield [0.25 * vector + 0.75 * np.eye(len(vector))[action % len(vector)] for vector in uniform]

    def _keep(self, profiles: list[Profile]) -> None:
        for profile in profiles:
            conv = self._game.nash_conv(profile)
            if conv < self._best_conv:
                self.best, self._best_conv = profile, conv
            if conv <= self._config.tolerance:
                self._found.append(profile)
