"""Games with known equilibria, each with its source, and random ones.

Payoff tables are drawn as "row player, column player" in each cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from negotiation.guideline import Guideline, Pool, unit_rows
from negotiation.metagame import PolymatrixGame, build_metagame
from negotiation.utility import Utility

Profile = Sequence[Sequence[float]]


def table(*rows: str) -> PolymatrixGame:
    """A two-player game from a drawn table: cells ``a,b`` divided by ``|``."""
    cells = [[cell.split(",") for cell in row.split("|")] for row in rows]
    return PolymatrixGame.from_bimatrix(
        [[float(cell[0]) for cell in row] for row in cells],
        [[float(cell[1]) for cell in row] for row in cells],
    )


# Prisoner's dilemma (Luce and Raiffa 1957, 5.4): defecting dominates.
PRISONERS = table(
    "3,3 | 0,5",
    "5,0 | 1,1",
)

# Battle of the sexes (Osborne and Rubinstein 1994, example 15.3): two pure equilibria and ((2/3, 1/3), (1/3, 2/3)).
SEXES = table(
    "2,1 | 0,0",
    "0,0 | 1,2",
)

# Matching pennies (Osborne and Rubinstein 1994, example 17.1).
PENNIES = table(
    " 1,-1 | -1, 1",
    "-1, 1 |  1,-1",
)

# Matching pennies, asymmetric (McKelvey, Palfrey and Weber 2000, game A): ((1/2, 1/2), (1/10, 9/10)).
ASYMMETRIC_PENNIES = table(
    "9,0 | 0,1",
    "0,1 | 1,0",
)

# Rock, paper, scissors: uniform.
ROCK_PAPER_SCISSORS = table(
    " 0, 0 | -1, 1 |  1,-1",
    " 1,-1 |  0, 0 | -1, 1",
    "-1, 1 |  1,-1 |  0, 0",
)

# Shapley (1964), "Some topics in two-person games", 5.3: uniform, and fictitious play cycles.
SHAPLEY = table(
    "1,0 | 0,0 | 0,1",
    "0,1 | 1,0 | 0,0",
    "0,0 | 0,1 | 1,0",
)

# Stag hunt (Harsanyi and Selten 1988, 3.9, scaled): two pure equilibria; hare is risk dominant.
STAG_HUNT = table(
    "4,4 | 1,3",
    "3,1 | 3,3",
)

# Chicken (Aumann 1974): two pure equilibria and ((2/3, 1/3), (2/3, 1/3)); a correlated one is better than all three.
CHICKEN = table(
    "6,6 | 2,7",
    "7,2 | 0,0",
)

# Von Stengel (2007), "Equilibrium computation for two-player games", in Algorithmic Game Theory, (3.3): exactly three.
VON_STENGEL = table(
    "3,3 | 3,2",
    "2,2 | 5,6",
    "0,3 | 6,1",
)

# Moulin and Vial (1978): a coarse correlated equilibrium that is better than every correlated one.
MOULIN_VIAL = table(
    "3,3 | 1,1 | 4,1",
    "1,4 | 5,2 | 0,0",
    "1,1 | 0,0 | 2,5",
)

EQUILIBRIA: dict[str, tuple[PolymatrixGame, list[Profile]]] = {
    "prisoner's dilemma": (PRISONERS, [([0, 1], [0, 1])]),
    "battle of the sexes": (
        SEXES,
        [([1, 0], [1, 0]), ([0, 1], [0, 1]), ([2 / 3, 1 / 3], [1 / 3, 2 / 3])],
    ),
    "matching pennies": (PENNIES, [([0.5, 0.5], [0.5, 0.5])]),
    "asymmetric matching pennies": (ASYMMETRIC_PENNIES, [([0.5, 0.5], [0.1, 0.9])]),
    "rock, paper, scissors": (ROCK_PAPER_SCISSORS, [([1 / 3] * 3, [1 / 3] * 3)]),
    "Shapley": (SHAPLEY, [([1 / 3] * 3, [1 / 3] * 3)]),
    "stag hunt": (STAG_HUNT, [([1, 0], [1, 0]), ([0, 1], [0, 1]), ([2 / 3, 1 / 3], [2 / 3, 1 / 3])]),
    "chicken": (CHICKEN, [([1, 0], [0, 1]), ([0, 1], [1, 0]), ([2 / 3, 1 / 3], [2 / 3, 1 / 3])]),
    "von Stengel": (
        VON_STENGEL,
        [
            ([1, 0, 0], [1, 0]),
            ([4 / 5, 1 / 5, 0], [2 / 3, 1 / 3]),
            ([0, 1 / 3, 2 / 3], [1 / 3, 2 / 3]),
        ],
    ),
}
"""Games of two players with all their equilibria."""


def jordan() -> PolymatrixGame:
    """Three-player matching pennies (Jordan 1993): only ((1/2, 1/2), (1/2, 1/2), (1/2, 1/2)).

    Player 0 wants to match player 1, player 1 to match player 2, player 2 not to match player 0.
    """
    match = np.array([[1.0, -1.0], [-1.0, 1.0]])
    return PolymatrixGame((np.zeros(2),) * 3, {(0, 1): match, (1, 2): match, (2, 0): -match})


def clique_coordination(players: int) -> PolymatrixGame:
    """Coordination on the edges of a complete graph (Cai and Daskalakis 2011), action 1 worth twice action 0."""
    edge = np.diag([1.0, 2.0])
    keys = [(i, j) for i in range(players) for j in range(players) if i != j]
    return PolymatrixGame((np.zeros(2),) * players, dict.fromkeys(keys, edge))


def random_game(rng: np.random.Generator, sizes: Sequence[int]) -> PolymatrixGame:
    """Independent normal payoffs, general-sum."""
    pairs = {
        (i, j): rng.normal(size=(sizes[i], sizes[j]))
        for i in range(len(sizes))
        for j in range(len(sizes))
        if i != j
    }
    return PolymatrixGame(tuple(rng.normal(size=size) for size in sizes), pairs)


def pool(player: int, vectors: NDArray[np.float64] | Sequence[Sequence[float]]) -> Pool:
    """A pool with the given directions, (K, D)."""
    rows = unit_rows(np.asarray(vectors, dtype=np.float64), "test")
    guidelines = tuple(
        Guideline(f"p{player}-{k}", player, k, "innovative" if k else "initial", f"heading {k}", "", "")
        for k in range(len(rows))
    )
    return Pool(player, guidelines, rows)


def negotiation_game(
    rng: np.random.Generator,
    sizes: Sequence[int],
    *,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 0.2,
) -> PolymatrixGame:
    """A game of our utility over random directions in eight dimensions."""
    pools = [pool(i, rng.normal(size=(size, 8)) + 1.0) for i, size in enumerate(sizes)]
    return build_metagame(pools, Utility.standard(alpha, beta, gamma))


def permuted(game: PolymatrixGame, order: Sequence[int]) -> PolymatrixGame:
    """The same game with player ``order[k]`` in seat k."""
    seat = {player: k for k, player in enumerate(order)}
    return PolymatrixGame(
        tuple(game.own[player] for player in order),
        {(seat[i], seat[j]): block for (i, j), block in game.pairs.items()},
    )


def with_duplicate(game: PolymatrixGame, player: int, action: int) -> PolymatrixGame:
    """The game in which one action of a player occurs once more, at the end of its list."""
    actions = [np.arange(size) for size in game.sizes]
    actions[player] = np.append(actions[player], action)
    return game.restrict(actions)


def shifted(game: PolymatrixGame, player: int, constant: float) -> PolymatrixGame:
    """The game with a constant added to one player's payoffs."""
    own = tuple(vector + constant * (i == player) for i, vector in enumerate(game.own))
    return PolymatrixGame(own, game.pairs)
