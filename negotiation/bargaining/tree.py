"""A game of turns in sequence form: enumerated once, so that payoffs, mixtures and best responses are array operations.

A *sequence* of a player is an information state together with an action there. A strategy is an array (S_i,) over the player's
sequences: the probability of the action where it stands. Its *plan* is the product along the player's own past (von Stengel
1996); a mixture of strategies is the mixture of their plans. This needs perfect recall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import GameError, SolverError

Array = NDArray[np.float64]

MAX_HISTORIES = 300_000
"""Most histories that are enumerated; of the bargaining game this many take under a minute."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One player's information states, in order of first visit: an earlier one is never after a later one of the same play.

    Attributes:
        names: (I,) information state strings.
        actions: (I,) legal actions of each.
        starts: (I + 1,) where the sequences of each begin.
        before: (I,) the player's own last sequence before it; -1 at the first.
        tensors: (I, D) information state tensors; (I, 0) if the game has none.
    """

    names: tuple[str, ...]
    actions: tuple[tuple[int, ...], ...]
    starts: NDArray[np.intp]
    before: NDArray[np.intp]
    tensors: NDArray[np.float32]

    @property
    def sequences(self) -> int:
        """S."""
        return int(self.starts[-1])

    def uniform(self) -> Array:
        """Every legal action alike, (S,)."""
        sizes = np.diff(self.starts)
        strategy: Array = np.repeat(1.0 / sizes, sizes)
        return strategy

    def plan(self, strategy: Array) -> Array:
        """Probability of the player's own moves up to and with each sequence, (S,)."""
        plan = np.empty(self.sequences)
        for i, before in enumerate(self.before):
            rows = slice(self.starts[i], self.starts[i + 1])
            plan[rows] = strategy[rows] * (1.0 if before < 0 else plan[before])
        return plan

    def strategy(self, plan: Array) -> Array:
        """Undo ``plan``; where the player never comes by its own moves, every action alike."""
        strategy = self.uniform()
        for i, before in enumerate(self.before):
            reach = 1.0 if before < 0 else plan[before]
            if reach > 0:
                rows = slice(self.starts[i], self.starts[i + 1])
                total = plan[rows].sum()
                strategy[rows] = plan[rows] / total if total > 0 else strategy[rows]
        return strategy

    def table(self, strategy: Array) -> dict[str, list[tuple[int, float]]]:
        """A strategy as OpenSpiel's C++ code takes it."""
        return {
            name: list(
                zip(self.actions[i], strategy[self.starts[i] : self.starts[i + 1]].tolist(), strict=True)
            )
            for i, name in enumerate(self.names)
        }


@dataclass(frozen=True, slots=True, eq=False)
class GameTree:
    """An enumerated game.

    Attributes:
        game: the OpenSpiel game.
        sides: (N,) the players.
        last: (Z, N) each player's last sequence on the way to each end; -1 if it never moved.
        chance: (Z,) probability of chance's moves on the way.
        returns: (Z, N) payoffs.
        ends: (Z,) the moves that led to each end, chance's included.
        size: number of histories.
    """

    game: Any
    sides: tuple[Side, ...]
    last: NDArray[np.intp]
    chance: Array
    returns: Array
    ends: tuple[tuple[int, ...], ...]
    size: int

    @property
    def players(self) -> int:
        """N."""
        return len(self.sides)

    @classmethod
    def of(cls, game: Any, limit: int = MAX_HISTORIES) -> GameTree:
        """Enumerate a game.

        Raises:
            GameError: if moves are simultaneous, a player forgets, or there are more than ``limit`` histories.
        """
        return _Builder(game, limit).build()

    def reach(self, player: int, strategy: Array) -> Array:
        """(Z,) probability of the player's own moves on the way to each end."""
        plan = np.append(self.sides[player].plan(strategy), 1.0)  # -1 picks the one
        reached: Array = plan[self.last[:, player]]
        return reached

    def probabilities(self, strategies: Sequence[Array]) -> Array:
        """(Z,) probability of each end under a profile."""
        product = self.chance.copy()
        for player, strategy in enumerate(strategies):
            product *= self.reach(player, strategy)
        return product

    def payoffs(self, strategies: Sequence[Array]) -> Array:
        """(N,) expected payoffs of a profile."""
        values: Array = self.probabilities(strategies) @ self.returns
        return values

    def mixture(self, player: int, pool: Sequence[Array], weights: Array) -> Array:
        """The strategy that plays like one of the pool, drawn once by weights."""
        side = self.sides[player]
        plan = np.sum([w * side.plan(s) for w, s in zip(weights, pool, strict=True) if w > 0], axis=0)
        return side.strategy(plan)

    def best_response(self, player: int, strategies: Sequence[Array]) -> tuple[float, Array]:
        """The player's best value against the others, and a pure strategy that has it; the first action wins ties."""
        side = self.sides[player]
        weights = self.chance * self.returns[:, player]
        for other, strategy in enumerate(strategies):
            if other != player:
                weights = weights * self.reach(other, strategy)
        own = self.last[:, player]
        values = np.zeros(side.sequences + 1)
        np.add.at(values, own, weights)  # -1 is the last entry: what comes without a move
        best = np.zeros(side.sequences)
        for i in range(len(side.names) - 1, -1, -1):
            rows = values[side.starts[i] : side.starts[i + 1]]
            k = int(rows.argmax())
            best[side.starts[i] + k] = 1.0
            values[side.before[i]] += rows[k]
        return float(values[-1]), best

    def regrets(self, strategies: Sequence[Array]) -> Array:
        """(N,) what each player gains by its best response; the sum is NashConv."""
        values = self.payoffs(strategies)
        best = np.array([self.best_response(i, strategies)[0] for i in range(self.players)])
        return np.maximum(best - values, 0.0)

    def payoff_tensors(self, pools: Sequence[Sequence[Array]]) -> tuple[Array, ...]:
        """The empirical game of some strategies: one (K_1, ..., K_N) array a player."""
        reaches = [np.stack([self.reach(i, s) for s in pool]) for i, pool in enumerate(pools)]

        def below(player: int, product: Array) -> Array:
            if player == self.players - 1:
                return (reaches[player] * product) @ self.returns
            return np.stack([below(player + 1, product * row) for row in reaches[player]])

        values = below(0, self.chance)
        return tuple(np.ascontiguousarray(values[..., i]) for i in range(self.players))

    def tabular_policy(self, strategies: Sequence[Array]) -> Any:
        """A profile as OpenSpiel's ``TabularPolicy``."""
        from open_spiel.python import policy as policy_lib

        tabular = policy_lib.TabularPolicy(self.game)
        for side, strategy in zip(self.sides, strategies, strict=True):
            for name, entries in side.table(strategy).items():
                row = tabular.policy_for_key(name)
                row[:] = 0.0
                for action, probability in entries:
                    row[action] = probability
        return tabular


class _Builder:
    def __init__(self, game: Any, limit: int) -> None:
        if game.get_type().dynamics != game.get_type().dynamics.SEQUENTIAL:
            raise GameError("moves are simultaneous; convert the game with pyspiel.convert_to_turn_based")
        self._game, self._limit = game, limit
        self._with_tensor = game.get_type().provides_information_state_tensor
        n = game.num_players()
        self._index: list[dict[str, int]] = [{} for _ in range(n)]
        self._actions: list[list[tuple[int, ...]]] = [[] for _ in range(n)]
        self._starts: list[list[int]] = [[0] for _ in range(n)]
        self._before: list[list[int]] = [[] for _ in range(n)]
        self._tensors: list[list[NDArray[np.float32]]] = [[] for _ in range(n)]
        self._ends: list[tuple[tuple[int, ...], float, list[float], tuple[int, ...]]] = []
        self._size = 0

    def build(self) -> GameTree:
        root = self._game.new_initial_state()
        self._visit(root, (-1,) * self._game.num_players(), 1.0)
        sides = tuple(
            Side(
                names=tuple(self._index[i]),
                actions=tuple(self._actions[i]),
                starts=np.array(self._starts[i], dtype=np.intp),
                before=np.array(self._before[i], dtype=np.intp),
                tensors=np.array(self._tensors[i], dtype=np.float32).reshape(len(self._index[i]), -1)
                if self._index[i]
                else np.zeros((0, 0), np.float32),
            )
            for i in range(self._game.num_players())
        )
        last, chance, returns, ends = zip(*self._ends, strict=True)
        return GameTree(
            self._game,
            sides,
            np.array(last, dtype=np.intp),
            np.array(chance),
            np.array(returns),
            ends,
            self._size,
        )

    def _visit(self, state: Any, last: tuple[int, ...], chance: float) -> None:
        self._size += 1
        if self._size > self._limit:
            raise GameError(
                f"the game has more than {self._limit:,} histories; take fewer offers, turns or types"
            )
        if state.is_terminal():
            self._ends.append((last, chance, state.returns(), tuple(state.history())))
        elif state.is_chance_node():
            for action, probability in state.chance_outcomes():
                self._visit(state.child(action), last, chance * probability)
        else:
            player = state.current_player()
            start = self._sequences(state, player, last[player])
            for k, action in enumerate(state.legal_actions()):
                self._visit(state.child(action), (*last[:player], start + k, *last[player + 1 :]), chance)

    def _sequences(self, state: Any, player: int, before: int) -> int:
        """Where the sequences of the present information state begin."""
        name = state.information_state_string(player)
        known = self._index[player].get(name)
        if known is not None:
            if self._before[player][known] != before:
                raise GameError(
                    f"player {player} forgets its own moves at {name!r}; the game needs perfect recall"
                )
            return self._starts[player][known]
        self._index[player][name] = len(self._index[player])
        actions = tuple(state.legal_actions())
        self._actions[player].append(actions)
        self._before[player].append(before)
        if self._with_tensor:
            self._tensors[player].append(np.array(state.information_state_tensor(player), dtype=np.float32))
        start = self._starts[player][-1]
        self._starts[player].append(start + len(actions))
        return start


def nash_conv_openspiel(tree: GameTree, strategies: Sequence[Array]) -> float:
    """NashConv through OpenSpiel's own best responses: an independent second way, for small games."""
    from open_spiel.python.algorithms import exploitability

    value = float(exploitability.nash_conv(tree.game, tree.tabular_policy(strategies)))
    if not np.isfinite(value):
        raise SolverError("OpenSpiel's NashConv is not finite; look at the strategies")
    return value
