"""Any OpenSpiel game of turns as an RLlib environment in which one player learns.

An episode is one play. Its learner changes from episode to episode, in player order; every other player is given one policy,
drawn at the start by the mixture over its pool, and keeps it to the end. (To draw anew at each move would play another
strategy than the mixture.) Chance and opponents move inside the environment, so RLlib sees the learner's moves alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from ray.rllib.env.multi_agent_env import MultiAgentEnv

from negotiation.bargaining.tree import GameTree
from negotiation.errors import GameError

OBSERVATIONS, MASK = "observations", "action_mask"

DRAWS = 100
"""Plays that may end before the learner moves; then opponents play uniformly, so that its turn comes."""


def agent_name(player: int) -> str:
    """Of a player, for RLlib."""
    return f"player_{player}"


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """One player's policies, as a process needs them that has no tree of the game.

    Attributes:
        rows: where the probabilities of an information state begin, and its legal actions.
        policies: (K, S) as in ``negotiation.bargaining.tree``; the last is uniform play.
        weights: (K,) with which they are drawn.
    """

    rows: Mapping[str, tuple[int, tuple[int, ...]]]
    policies: NDArray[np.float64]
    weights: NDArray[np.float64]


def books_of(
    tree: GameTree,
    pools: Sequence[Sequence[NDArray[np.float64]]],
    weights: Sequence[NDArray[np.float64]],
    tremble: float,
) -> tuple[Book, ...]:
    """Every player's policies, of which a share ``tremble`` of the plays uses uniform play instead."""
    return tuple(
        Book(
            rows={name: (int(side.starts[i]), side.actions[i]) for i, name in enumerate(side.names)},
            policies=np.stack([*pool, side.uniform()]),
            weights=np.append((1 - tremble) * mixture, tremble),
        )
        for side, pool, mixture in zip(tree.sides, pools, weights, strict=True)
    )


class ResponseEnv(MultiAgentEnv):  # type: ignore[misc]  # RLlib is partly typed
    """The environment.

    Args:
        config: ``game``, an OpenSpiel game or its string; ``module``, a module to import that registers it, or none;
            ``books``, the policies; ``seed``; RLlib adds the number of the process and of the environment in it.

    Raises:
        GameError: if the game has no information state tensors.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self._game = load_game(config["game"], config.get("module"))
        if not self._game.get_type().provides_information_state_tensor:
            raise GameError(f"{self._game} has no information state tensors; networks need them")
        index = [
            int(getattr(config, name, 0) or 0) for name in ("worker_index", "vector_index")
        ]  # set by RLlib
        self._rng = np.random.default_rng([int(config.get("seed", 0)), *index])
        self._players = self._game.num_players()
        self._actions = self._game.num_distinct_actions()
        size = int(np.prod(self._game.information_state_tensor_shape()))
        low, high = self._game.min_utility(), self._game.max_utility()
        self._middle, self._scale = (low + high) / 2, max((high - low) / 2, 1e-9)
        space = spaces.Dict(
            {
                OBSERVATIONS: spaces.Box(-np.inf, np.inf, (size,), np.float32),
                MASK: spaces.Box(0.0, 1.0, (self._actions,), np.float32),
            }
        )
        self.agents = self.possible_agents = [agent_name(i) for i in range(self._players)]
        self.observation_spaces = {name: space for name in self.agents}
        self.action_spaces: dict[Any, Any] = {name: spaces.Discrete(self._actions) for name in self.agents}
        self._books: Sequence[Book] = config["books"]
        self._episodes = int(self._rng.integers(self._players))
        self._learner = 0
        self._drawn: list[int] = []
        self._state: Any = None
        self.violations = 0

    def set_books(self, books: Sequence[Book]) -> None:
        """The policies that opponents are drawn from, from the next episode on."""
        self._books = books

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """A new play, up to the learner's first move."""
        self._episodes += 1
        self._learner = self._episodes % self._players
        for attempt in range(DRAWS + 1000):
            self._drawn = [
                len(book.weights) - 1 if attempt >= DRAWS else int(self._rng.choice(len(book.weights), p=book.weights))
                for book in self._books
            ]  # fmt: skip
            self._state = self._game.new_initial_state()
            self._advance()
            if not self._state.is_terminal():
                return {agent_name(self._learner): self._seen()}, {}
        raise GameError(
            f"player {self._learner} never moves in {self._game}; a policy of it cannot be learned"
        )

    def step(self, action_dict: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
        """The learner's move, and what follows up to its next one."""
        name = agent_name(self._learner)
        action = int(action_dict[name])
        if action not in self._state.legal_actions():  # pyspiel itself does not look, and crashes later
            self.violations += 1
            raise GameError(f"{name} took the illegal action {action} in {self._state}")
        self._state.apply_action(action)
        self._advance()
        over = self._state.is_terminal()
        reward = (self._state.returns()[self._learner] - self._middle) / self._scale if over else 0.0
        seen = {} if over else {name: self._seen()}
        return seen, {name: float(reward)}, {name: over, "__all__": over}, {"__all__": False}, {}

    def _advance(self) -> None:
        state = self._state
        while not state.is_terminal():
            if state.is_chance_node():
                actions, chances = zip(*state.chance_outcomes(), strict=True)
                state.apply_action(int(self._rng.choice(actions, p=chances)))
                continue
            player = state.current_player()
            if player == self._learner:
                return
            book = self._books[player]
            start, legal = book.rows[state.information_state_string(player)]
            chances = book.policies[self._drawn[player], start : start + len(legal)]
            k = int(np.searchsorted(np.cumsum(chances), self._rng.random() * chances.sum(), side="right"))
            state.apply_action(legal[min(k, len(legal) - 1)])

    def _seen(self) -> dict[str, NDArray[np.float32]]:
        mask = np.zeros(self._actions, np.float32)
        mask[self._state.legal_actions()] = 1.0
        tensor = np.asarray(self._state.information_state_tensor(self._learner), np.float32)
        return {OBSERVATIONS: tensor, MASK: mask}


def load_game(game: Any, module: str | None) -> Any:
    """An OpenSpiel game by its string; ``module`` is imported before, since it registers games written in Python."""
    import importlib

    import pyspiel

    if module:
        importlib.import_module(module)
    return pyspiel.load_game(game) if isinstance(game, str) else game
