"""Bargaining policies on disk: JSON for what people read, safetensors for the numbers; and what a policy does next.

``NAME.json`` has the stakes, the offers' words, and the information states in the order of the numbers; ``NAME.safetensors`` each
player's pool, the mixture over it, and the mixture as one strategy, which is what acts. A learned policy is read out at every
information state before it comes here, so that nothing of its network is needed. The JSON names the SHA-256 of the numbers, so
that who reads while both are replaced never takes one of each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from cluster.runfolder import write_atomically
from negotiation.bargaining.game import ANSWERS, BargainingState, load
from negotiation.bargaining.stakes import Stakes
from negotiation.errors import GameError, RecordError

if TYPE_CHECKING:
    from negotiation.bargaining.psro import Solved
    from negotiation.bargaining.tree import GameTree

VERSION = 1

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """One action that a policy may take.

    Attributes:
        action: its number in the game: an offer's place, or the number of offers and 0 to accept, 1 to reject, 2 to walk away.
        says: in words: the offer's heading, or the answer.
        probability: in [0, 1].
    """

    action: int
    says: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class BargainingPolicy:
    """What bargaining over one negotiation came to.

    Attributes:
        id: of the negotiation.
        topic: the question.
        players: (N,) names.
        offers: (K,) mappings with ``id``, ``player``, ``content``, ``reason`` and ``description``.
        stakes: of the game.
        names: for each player its information states.
        actions: for each player the legal actions there.
        pools: for each player a (K_i, S_i) array of policies over its sequences.
        weights: for each player the (K_i,) mixture.
        mixtures: for each player the mixture as one strategy, (S_i,).
        nash_conv: of the mixtures, exact.
    """

    id: str
    topic: str
    players: tuple[str, ...]
    offers: tuple[Mapping[str, Any], ...]
    stakes: Stakes
    names: tuple[tuple[str, ...], ...]
    actions: tuple[tuple[tuple[int, ...], ...], ...]
    pools: tuple[Array, ...]
    weights: tuple[Array, ...]
    mixtures: tuple[Array, ...]
    nash_conv: float

    @classmethod
    def of(
        cls,
        identifier: str,
        topic: str,
        players: Sequence[str],
        offers: Sequence[Mapping[str, Any]],
        stakes: Stakes,
        tree: GameTree,
        solved: Solved,
    ) -> Self:
        """The policy at the end of a loop."""
        return cls(
            id=identifier,
            topic=topic,
            players=tuple(players),
            offers=tuple(offers),
            stakes=stakes,
            names=tuple(side.names for side in tree.sides),
            actions=tuple(side.actions for side in tree.sides),
            pools=tuple(np.stack(pool) for pool in solved.pools),
            weights=solved.weights,
            mixtures=solved.mixtures,
            nash_conv=solved.nash_conv,
        )

    def state(self, types: Sequence[int], said: Sequence[int]) -> BargainingState:
        """The game where it stands.

        Args:
            types: (N,) of the players; those of players whose move is not asked for do not matter.
            said: actions in public so far, offers and answers in order.

        Raises:
            GameError: naming the move, if it is none of the game.
        """
        state = load(self.stakes).new_initial_state()
        if len(types) != self.stakes.players:
            raise GameError(f"{len(types)} types; give one to each of {self.stakes.players} players")
        for player, kind in enumerate(types):
            if not 0 <= kind < self.stakes.types[player]:
                raise GameError(
                    f"player {player}: type is {kind}; it has types 0 to {self.stakes.types[player] - 1}"
                )
            state.apply_action(int(kind))
        for place, action in enumerate(said):
            if state.is_terminal() or action not in state.legal_actions():
                legal = [] if state.is_terminal() else state.legal_actions()
                raise GameError(
                    f"move {place} is {action}; " + (f"legal are {legal}" if legal else "the talks were over")
                )
            state.apply_action(int(action))
        return state  # type: ignore[no-any-return]  # OpenSpiel ships no types

    def act(self, kind: int, said: Sequence[int]) -> list[Choice]:
        """What the player whose turn it is does.

        Args:
            kind: its type.
            said: actions in public so far.

        Returns:
            Every legal action with its probability.

        Raises:
            GameError: if a move is none of the game, or the talks are over.
            RecordError: if the files have nothing for this state.
        """
        opening = self.state([0] * self.stakes.players, said)
        if opening.is_terminal():
            raise GameError("the talks are over; nobody is to move")
        player = opening.current_player()
        types = [0] * self.stakes.players
        types[player] = kind
        state = self.state(types, said)
        seen = state.information_state_string(player)
        if seen not in self.names[player]:
            raise RecordError(f"the policy of {self.id} knows no state {seen!r}; bargain again")
        place = self.names[player].index(seen)
        start = sum(len(actions) for actions in self.actions[player][:place])
        actions = self.actions[player][place]
        chances = self.mixtures[player][start : start + len(actions)]
        return [
            Choice(action, self.word(action), float(p)) for action, p in zip(actions, chances, strict=True)
        ]

    def draw(self, kind: int, said: Sequence[int], rng: np.random.Generator) -> tuple[list[Choice], Choice]:
        """What the player whose turn it is may do, and one of these actions, as likely as the policy has it.

        Args:
            kind: its type.
            said: actions in public so far.
            rng: draws.

        Raises:
            GameError, RecordError: as ``act``.
        """
        choices = self.act(kind, said)
        chances = np.array([choice.probability for choice in choices])
        return choices, choices[int(rng.choice(len(choices), p=chances / chances.sum()))]

    def word(self, action: int) -> str:
        """An action in words."""
        if action < self.stakes.offers:
            return str(self.offers[action]["content"])
        return ANSWERS[action - self.stakes.offers]

    def save(self, folder: Path, name: str) -> None:
        """Write both files; each is whole or absent.

        Raises:
            RunError: if the folder cannot be written.
        """
        from safetensors.numpy import save

        arrays: dict[str, Array] = {}
        for i in range(len(self.players)):
            arrays |= {
                f"pool.{i}": np.ascontiguousarray(self.pools[i]),
                f"weights.{i}": np.ascontiguousarray(self.weights[i]),
                f"mixture.{i}": np.ascontiguousarray(self.mixtures[i]),
            }
        tree = {
            "version": VERSION,
            "id": self.id,
            "topic": self.topic,
            "players": self.players,
            "offers": self.offers,
            "stakes": self.stakes.parameters(),
            "states": [
                [{"state": state, "actions": actions} for state, actions in zip(*pair, strict=True)]
                for pair in zip(self.names, self.actions, strict=True)
            ],
            "nash_conv": self.nash_conv,
        }
        numbers = save(arrays)
        tree["numbers"] = hashlib.sha256(numbers).hexdigest()
        write_atomically(folder / f"{name}.safetensors", numbers)
        text = json.dumps(tree, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(folder / f"{name}.json", text.encode())


def load_policy(path: Path) -> BargainingPolicy:
    """Read what ``BargainingPolicy.save`` wrote.

    Args:
        path: the JSON file; its numbers lie beside it.

    Raises:
        RecordError: if a file is missing, damaged, or of another version, or the two are not of one policy.
    """
    try:
        text, numbers = path.read_bytes(), path.with_suffix(".safetensors").read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read as a policy ({error!r}); bargain again") from error
    return policy_of(text, numbers, str(path))


def policy_of(text: bytes, numbers: bytes, name: str) -> BargainingPolicy:
    """The policy of two files' contents.

    Args:
        text: of the JSON file.
        numbers: of the safetensors file.
        name: of the file, for errors.

    Raises:
        RecordError: as ``load_policy``.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_arrays

    try:
        tree = json.loads(text)
        if tree["version"] != VERSION:
            raise RecordError(
                f"{name} has version {tree['version']}; this Concordat reads {VERSION}; bargain again"
            )
        if tree.get("numbers") not in (None, hashlib.sha256(numbers).hexdigest()):
            raise RecordError(f"{name} and the numbers beside it are not of one policy; bargain again")
        arrays = load_arrays(numbers)
        players = range(len(tree["players"]))
        policy = BargainingPolicy(
            id=tree["id"],
            topic=tree["topic"],
            players=tuple(tree["players"]),
            offers=tuple(tree["offers"]),
            stakes=Stakes.of_parameters(tree["stakes"]),
            names=tuple(tuple(one["state"] for one in side) for side in tree["states"]),
            actions=tuple(tuple(tuple(one["actions"]) for one in side) for side in tree["states"]),
            pools=tuple(arrays[f"pool.{i}"] for i in players),
            weights=tuple(arrays[f"weights.{i}"] for i in players),
            mixtures=tuple(arrays[f"mixture.{i}"] for i in players),
            nash_conv=float(tree["nash_conv"]),
        )
        _check(policy, name)
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{name} cannot be read as a policy ({error!r}); bargain again") from error
    return policy


def _check(policy: BargainingPolicy, path: str) -> None:
    stakes = policy.stakes
    if len(policy.players) != stakes.players or len(policy.offers) != stakes.offers:
        raise RecordError(
            f"{path}: {len(policy.players)} players and {len(policy.offers)} offers do not fit stakes of {stakes.players} and"
            f" {stakes.offers}; bargain again"
        )
    if any(not 0 <= int(offer["player"]) < stakes.players for offer in policy.offers):
        raise RecordError(f"{path}: an offer is of none of the players; bargain again")
    for player, (actions, pool, weights, mixture) in enumerate(
        zip(policy.actions, policy.pools, policy.weights, policy.mixtures, strict=True)
    ):
        size = sum(map(len, actions))
        starts = np.cumsum([0, *map(len, actions)])[:-1]
        if mixture.shape != (size,) or pool.shape != (len(weights), size):
            raise RecordError(f"{path}: numbers of player {player} do not fit its states; bargain again")
        sums = np.add.reduceat(mixture, starts)
        if not (np.isfinite(mixture).all() and (mixture >= 0).all() and np.abs(sums - 1).max() < 1e-6):
            raise RecordError(f"{path}: the mixture of player {player} is no distribution; bargain again")
