"""The meta-game of a negotiation: a polymatrix game over the players' pools.

A player's payoff is an own term plus one pairwise term an opponent:

    u_i(a) = own_i[a_i] + sum over j != i of pairs_ij[a_i, a_j]

so that expected payoffs, regrets and NashConv cost O(N^2 K^2), and no K^N tensor is built. All arrays of a
player have that player's own actions on the first axis; there is no second orientation to confuse it with.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import GameError
from negotiation.guideline import Pool
from negotiation.utility import Utility

Weights = Sequence[NDArray[np.float64]]
"""One (K_i,) mixture a player."""

MAX_TENSOR_CELLS = 1_000_000
"""Largest dense payoff tensor that is handed to others, in cells a player (8 MB)."""

RESOLUTION = 1e-12
"""Payoffs closer than this, relative to the largest, are the same payoff seen through rounding."""

POTENTIAL_TOLERANCE = 1e-9
"""How far a game may be from having a potential, relative to the largest payoff difference in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Potential:
    """A function of profiles that every player's own gains follow, up to a positive factor a player.

        u_i(b_i, a_-i) - u_i(a) = scales_i * (Phi(b_i, a_-i) - Phi(a))

    Attributes:
        own: for each player its (K_i,) part of Phi.
        pairs: for each i < j their (K_i, K_j) part of Phi.
        scales: (N,) positive; all 1 for an exact potential.
    """

    own: tuple[NDArray[np.float64], ...]
    pairs: Mapping[tuple[int, int], NDArray[np.float64]]
    scales: NDArray[np.float64]

    def pure(self, profile: Sequence[int]) -> float:
        """Phi of a pure profile (one action index a player)."""
        total = sum(float(own[action]) for own, action in zip(self.own, profile, strict=True))
        return total + sum(float(pair[profile[i], profile[j]]) for (i, j), pair in self.pairs.items())

    def tensor(self) -> NDArray[np.float64]:
        """Phi of all profiles, (K_1, ..., K_N)."""
        return _dense(self.own, self.pairs)


@dataclass(frozen=True, slots=True, eq=False)
class PolymatrixGame:
    """A normal-form game of N >= 2 players with pairwise interactions.

    Attributes:
        own: for each player i a (K_i,) array, its own terms.
        pairs: for each ordered pair (i, j), i != j, a (K_i, K_j) array: the payoff to i, axes (i's action,
            j's action), already divided by the number of opponents where a mean is meant. A missing pair does
            not interact.

    Raises:
        GameError: if there are fewer than two players, a pool is empty, a shape does not fit or a payoff is
            not finite.

    Example:
        >>> game = PolymatrixGame.from_bimatrix([[3, 0], [5, 1]], [[3, 5], [0, 1]])
        >>> game.nash_conv([np.array([0.0, 1.0]), np.array([0.0, 1.0])])
        0.0
        >>> game.regrets([np.array([1.0, 0.0]), np.array([1.0, 0.0])]).tolist()
        [2.0, 2.0]
    """

    own: tuple[NDArray[np.float64], ...]
    pairs: Mapping[tuple[int, int], NDArray[np.float64]]
    _offsets: NDArray[np.intp] = field(init=False, repr=False)
    _matrix: NDArray[np.float64] = field(init=False, repr=False)
    _own_flat: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own = tuple(_frozen(vector, f"own terms of player {i}") for i, vector in enumerate(self.own))
        if len(own) < 2:
            raise GameError(f"a game of {len(own)} players; at least 2 are needed")
        for i, vector in enumerate(own):
            if vector.ndim != 1 or not vector.size:
                raise GameError(
                    f"own terms of player {i} have shape {vector.shape}; expected (K,) with K of at least 1"
                )
        offsets = np.concatenate([[0], np.cumsum([vector.size for vector in own])]).astype(np.intp)
        matrix = np.zeros((offsets[-1], offsets[-1]))
        pairs: dict[tuple[int, int], NDArray[np.float64]] = {}
        for (i, j), values in self.pairs.items():
            if i == j or not (0 <= i < len(own) and 0 <= j < len(own)):
                raise GameError(
                    f"pairs has the key {(i, j)}; expected two different players below {len(own)}"
                )
            pairs[i, j] = _frozen(values, f"payoffs to player {i} against {j}")
            if pairs[i, j].shape != (own[i].size, own[j].size):
                raise GameError(
                    f"payoffs to player {i} against {j} have shape {pairs[i, j].shape};"
                    f" expected {(own[i].size, own[j].size)}: player {i}'s actions first"
                )
            matrix[offsets[i] : offsets[i + 1], offsets[j] : offsets[j + 1]] = pairs[i, j]
        matrix.setflags(write=False)
        own_flat = np.concatenate(own)
        own_flat.setflags(write=False)
        checked = {"own": own, "pairs": pairs, "_offsets": offsets, "_matrix": matrix, "_own_flat": own_flat}
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_bimatrix(cls, first: Any, second: Any) -> Self:
        """A two-player game from two (K_1, K_2) arrays, axes (player 0's action, player 1's action).

        This is the usual form in the literature; player 1's array is turned here, once.
        """
        rows, columns = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
        if rows.ndim != 2 or rows.shape != columns.shape:
            raise GameError(
                f"payoff arrays have shapes {rows.shape} and {columns.shape}; expected the same (K_1, K_2)"
            )
        return cls((np.zeros(rows.shape[0]), np.zeros(rows.shape[1])), {(0, 1): rows, (1, 0): columns.T})

    @property
    def n_players(self) -> int:
        """N, the number of players."""
        return len(self.own)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of actions of each player."""
        return tuple(vector.size for vector in self.own)

    @property
    def stacked(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
        """The game as one linear map over all players' actions end to end, S in all.

        These are (S,) own terms, (S, S) pair payoffs with zero diagonal blocks and (N + 1,) block offsets.
        With all players' weights end to end in w, ``own + matrix @ w`` holds every action's value.
        """
        return self._own_flat, self._matrix, self._offsets

    def flat(self, weights: Weights) -> NDArray[np.float64]:
        """All players' weights end to end, (S,).

        Raises:
            GameError: if the shapes do not fit the game.
        """
        shapes = tuple(np.shape(vector) for vector in weights)
        if shapes != tuple((size,) for size in self.sizes):
            raise GameError(f"weights have shapes {shapes}; the players have {self.sizes} actions")
        return np.concatenate([np.asarray(vector, dtype=np.float64) for vector in weights])

    def split(self, flat: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Undo ``flat``."""
        return tuple(flat[start:end] for start, end in itertools.pairwise(self._offsets))

    def action_values(self, player: int, weights: Weights) -> NDArray[np.float64]:
        """Expected payoff of each of the player's actions against the others' weights, (K_i,)."""
        rows = slice(self._offsets[player], self._offsets[player + 1])
        values: NDArray[np.float64] = self._own_flat[rows] + self._matrix[rows] @ self.flat(weights)
        return values

    def expected_payoffs(self, weights: Weights) -> NDArray[np.float64]:
        """Expected payoff of each player, (N,)."""
        flat = self.flat(weights)
        return np.add.reduceat(flat * (self._own_flat + self._matrix @ flat), self._offsets[:-1])

    def regrets(self, weights: Weights) -> NDArray[np.float64]:
        """What each player would gain by its best deviation, (N,), at least 0; lower is better."""
        flat = self.flat(weights)
        values = self._own_flat + self._matrix @ flat
        best = np.maximum.reduceat(values, self._offsets[:-1])
        # Summing weight * (best - value) keeps all summands >= 0, so rounding cannot make a regret negative.
        shortfall = np.repeat(best, self.sizes) - values
        return np.add.reduceat(flat * shortfall, self._offsets[:-1])

    def nash_conv(self, weights: Weights) -> float:
        """Sum of the regrets, at least 0; 0 at a Nash equilibrium (Lanctot et al. 2017)."""
        return float(self.regrets(weights).sum())

    def pure_weights(self, profile: Sequence[int]) -> tuple[NDArray[np.float64], ...]:
        """A pure profile (one action index a player) as weights."""
        return tuple(np.eye(size)[action] for size, action in zip(self.sizes, profile, strict=True))

    def worst_payoffs(self) -> NDArray[np.float64]:
        """The lowest payoff that each player has anywhere in the game, (N,)."""
        worst = []
        for i, own in enumerate(self.own):
            # The others choose independently, so each does its own worst.
            lowest = [block.min(axis=1) for (player, _), block in self.pairs.items() if player == i]
            worst.append(float(np.sum([own, *lowest], axis=0).min()))
        return np.array(worst)

    def payoff_range(self) -> float:
        """The game's scale, >= 0: no two payoffs of a player differ by more. 0 if they differ by rounding only."""
        blocks = [*self.own, *self.pairs.values()]
        total = float(sum(block.max() - block.min() for block in blocks))
        return total if total > RESOLUTION * max(float(np.abs(block).max()) for block in blocks) else 0.0

    def payoff_resolution(self) -> float:
        """Payoffs closer than this are the same payoff seen through rounding; >= 0."""
        blocks = [*self.own, *self.pairs.values()]
        return RESOLUTION * max(self.payoff_range(), max(float(np.abs(block).max()) for block in blocks))

    def restrict(self, actions: Sequence[NDArray[np.intp]]) -> PolymatrixGame:
        """The game with only the given actions of each player, in the given order."""
        own = tuple(vector[kept] for vector, kept in zip(self.own, actions, strict=True))
        pairs = {(i, j): values[np.ix_(actions[i], actions[j])] for (i, j), values in self.pairs.items()}
        return PolymatrixGame(own, pairs)

    def potential(self) -> Potential | None:
        """The game's potential, exact or weighted, or None if it has none (Monderer and Shapley 1996)."""
        return _find_potential(self)

    def is_potential(self) -> bool:
        """Whether the game has a potential, exact or weighted."""
        return self.potential() is not None

    def potential_pure(self, profile: Sequence[int]) -> float:
        """The potential of a pure profile.

        Raises:
            GameError: if the game has no potential.
        """
        potential = self.potential()
        if potential is None:
            raise GameError(
                "this game has no potential; its payoffs between two players are not symmetric in effect"
            )
        return potential.pure(profile)

    def tensor(self) -> tuple[NDArray[np.float64], ...]:
        """Dense payoffs, one (K_1, ..., K_N) array a player, axes in player order.

        Raises:
            GameError: above ``MAX_TENSOR_CELLS`` cells.
        """
        cells = int(np.prod([float(size) for size in self.sizes]))
        if cells > MAX_TENSOR_CELLS:
            raise GameError(
                f"a dense payoff tensor of {self.sizes} has {cells:,} cells, more than {MAX_TENSOR_CELLS:,};"
                " use a solver that works on the polymatrix form (exact, potential, logit)"
            )
        tensors = []
        for i in range(self.n_players):
            own = [vector if j == i else np.zeros(vector.size) for j, vector in enumerate(self.own)]
            tensors.append(_dense(own, {key: pair for key, pair in self.pairs.items() if key[0] == i}))
        return tuple(tensors)

    def to_openspiel(self) -> Any:
        """The game as ``pyspiel.TensorGame``, the common form of OpenSpiel's algorithms."""
        import pyspiel  # a compiled library: loaded only where it is asked for

        tensors = [np.ascontiguousarray(tensor) for tensor in self.tensor()]
        return pyspiel.create_tensor_game([tensor.ravel() for tensor in tensors], tensors[0].shape)


def build_metagame(pools: Sequence[Pool], utility: Utility) -> PolymatrixGame:
    """The game whose actions are the players' guidelines.

    Args:
        pools: one pool a player, in player order, N >= 2.
        utility: what guidelines are worth; pair terms are averaged over the N - 1 opponents.
    """
    opponents = max(len(pools) - 1, 1)
    own = tuple(utility.own(pool) for pool in pools)
    pairs = {
        (i, j): utility.pair(pools[i], pools[j]) / opponents
        for i, j in itertools.permutations(range(len(pools)), 2)
    }
    return PolymatrixGame(own, pairs)


def nash_conv_openspiel(game: PolymatrixGame, weights: Weights) -> float:
    """NashConv through OpenSpiel's own best responses: an independent second way, for small games."""
    import pyspiel
    from open_spiel.python import policy as policy_lib
    from open_spiel.python.algorithms import exploitability

    spiel_game = pyspiel.convert_to_turn_based(game.to_openspiel())
    tabular = policy_lib.TabularPolicy(spiel_game)
    for player, states in enumerate(tabular.states_per_player):
        for state in states:
            tabular.policy_for_key(state)[:] = _padded(
                weights[player], tabular.action_probability_array.shape[1]
            )
    return float(exploitability.nash_conv(spiel_game, tabular))


def _padded(vector: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    return np.pad(np.asarray(vector, dtype=np.float64), (0, size - len(vector)))


def _frozen(values: NDArray[np.float64], what: str) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise GameError(
            f"{what} are not all finite: {array[~np.isfinite(array)][:3]}; look at the embeddings and terms"
        )
    array.setflags(write=False)
    return array


def _dense(
    own: Sequence[NDArray[np.float64]], pairs: Mapping[tuple[int, int], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Sum of own and pair terms over all profiles, (K_1, ..., K_N)."""
    total = np.zeros(tuple(vector.size for vector in own))
    axes = np.arange(len(own))
    for i, vector in enumerate(own):
        total += np.expand_dims(vector, tuple(axes[axes != i]))
    for (i, j), pair in pairs.items():
        block = pair if i < j else pair.T
        total += np.expand_dims(block, tuple(axes[(axes != i) & (axes != j)]))
    return total


def _centred(block: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is left of (K_i, K_j) payoffs without anything that depends on one action alone."""
    rows, columns = block.mean(axis=1, keepdims=True), block.mean(axis=0, keepdims=True)
    centred: NDArray[np.float64] = block - rows - columns + block.mean()
    return centred


def _find_potential(game: PolymatrixGame) -> Potential | None:
    """It exists iff the centred payoffs of every two players agree up to a positive scale a player."""
    players = range(game.n_players)
    centred = {key: _centred(block) for key, block in game.pairs.items()}
    tolerance = POTENTIAL_TOLERANCE * max(game.payoff_range(), np.finfo(float).tiny)
    scales = np.full(game.n_players, np.nan)
    for root in players:
        if np.isfinite(scales[root]):
            continue
        scales[root], reached = 1.0, [root]
        for i in reached:
            for j in players:
                if np.isnan(scales[j]) and (ratio := _scale_ratio(centred, i, j, tolerance)) is not None:
                    scales[j] = scales[i] * ratio
                    reached.append(j)
    own = [vector / scales[i] for i, vector in enumerate(game.own)]
    pairs = {}
    for i, j in itertools.combinations(players, 2):
        ours = game.pairs.get((i, j), np.zeros((game.sizes[i], game.sizes[j])))
        theirs = game.pairs.get((j, i), np.zeros((game.sizes[j], game.sizes[i])))
        common, other = _centred(ours) / scales[i], _centred(theirs).T / scales[j]
        if np.abs(common - other).max() * max(scales[i], scales[j]) > tolerance:
            return None
        pairs[i, j] = (common + other) / 2
        own[i] = own[i] + ours.mean(axis=1) / scales[i]
        own[j] = own[j] + theirs.mean(axis=1) / scales[j]
    return Potential(tuple(own), pairs, scales)


def _scale_ratio(
    centred: Mapping[tuple[int, int], NDArray[np.float64]], i: int, j: int, tolerance: float
) -> float | None:
    """Scale of player j over that of i as their centred payoffs tell it; None if they do not interact."""
    if (i, j) not in centred or (j, i) not in centred or np.abs(centred[i, j]).max() <= tolerance:
        return None
    ratio = float((centred[i, j] * centred[j, i].T).sum() / (centred[i, j] ** 2).sum())
    # A ratio next to 1 is an exact potential seen through rounding; keep it exact.
    if abs(ratio - 1.0) < POTENTIAL_TOLERANCE:
        return 1.0
    return ratio if ratio > 0 else None
