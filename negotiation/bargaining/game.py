"""The OpenSpiel game ``concordat_bargaining``: alternating offers over guidelines, with private types.

Chance deals each player a type. In turn t player t mod N offers one of the K guidelines; the others answer in player order,
beginning after the proposer: accept, reject, or walk away. All accept: agreement, and a player of type z gets
``discount**t * utility[z, offer]``. The first reject passes the turn on; after the last turn it ends the talks.
Walking away, and a reject in the last turn, give everybody ``discount**t * walk_away[z]``. (Rubinstein 1982 in discrete form,
with unanimity for N > 2.)

Importing this module registers the game; every process that plays it must import it.

    >>> import pyspiel
    >>> game = pyspiel.load_game("concordat_bargaining(turns=1)")
    >>> state = game.new_initial_state()
    >>> for action in (0, 1, 2, game.num_distinct_actions() - 3):
    ...     state.apply_action(action)
    >>> state.is_terminal(), state.returns()
    (True, [0.2, 1.0])
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyspiel
from numpy.typing import NDArray

from negotiation.bargaining.stakes import MAX_PLAYERS, Stakes

NAME = "concordat_bargaining"

DEFAULT = Stakes(
    utilities=(
        np.array([[1.0, 0.6, 0.2], [1.0, 0.8, 0.0]]),
        np.array([[0.0, 0.7, 1.0], [0.3, 0.4, 1.0]]),
    ),
    priors=(np.array([0.5, 0.5]), np.array([0.5, 0.5])),
    walk_aways=(np.array([0.3, 0.3]), np.array([0.3, 0.3])),
    discount=0.9,
    turns=2,
)
"""A small game for tests and examples: two players, two types each, three offers."""

ACCEPT, REJECT, WALK = 0, 1, 2
"""Answers; as actions they follow the K offers."""

ANSWERS = ("accept", "reject", "walk away")

_TYPE = pyspiel.GameType(
    short_name=NAME,
    long_name="Bargaining over guidelines",
    dynamics=pyspiel.GameType.Dynamics.SEQUENTIAL,
    chance_mode=pyspiel.GameType.ChanceMode.EXPLICIT_STOCHASTIC,
    information=pyspiel.GameType.Information.IMPERFECT_INFORMATION,
    utility=pyspiel.GameType.Utility.GENERAL_SUM,
    reward_model=pyspiel.GameType.RewardModel.TERMINAL,
    max_num_players=MAX_PLAYERS,
    min_num_players=2,
    provides_information_state_string=True,
    provides_information_state_tensor=True,
    provides_observation_string=True,
    provides_observation_tensor=True,
    provides_factored_observation_string=True,
    parameter_specification=DEFAULT.parameters(),
)


class BargainingGame(pyspiel.Game):  # type: ignore[misc]  # OpenSpiel ships no types
    """The game, from which states and observers are made.

    Parameters (see ``Stakes.parameters``): ``utilities``, ``priors`` and ``walk_aways`` with players apart by ``|``, types by
    ``/`` and offers by ``;``; ``discount`` with an ``x`` behind it (as text it keeps all its digits); ``turns``.
    """

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        stakes = Stakes.of_parameters(DEFAULT.parameters() | (params or {}))
        lowest = [
            min(float(v.min()), float(w.min()))
            for v, w in zip(stakes.utilities, stakes.walk_aways, strict=True)
        ]
        highest = [
            max(float(v.max()), float(w.max()))
            for v, w in zip(stakes.utilities, stakes.walk_aways, strict=True)
        ]
        last = stakes.discount ** (stakes.turns - 1)  # delay draws payoffs toward 0, from either side
        info = pyspiel.GameInfo(
            num_distinct_actions=stakes.offers + len(ANSWERS),
            max_chance_outcomes=max(stakes.types),
            num_players=stakes.players,
            min_utility=min(min(lowest), last * min(lowest)),
            max_utility=max(max(highest), last * max(highest)),
            utility_sum=None,
            max_game_length=stakes.turns * stakes.players,
        )
        super().__init__(_TYPE, info, params or {})
        self.stakes = stakes

    def new_initial_state(self) -> BargainingState:
        """Before the types are dealt."""
        return BargainingState(self)

    def make_py_observer(self, iig_obs_type: Any = None, params: Any = None) -> BargainingObserver:
        """An observer of states; without recall unless asked."""
        return BargainingObserver(
            self.stakes, iig_obs_type or pyspiel.IIGObservationType(perfect_recall=False), params
        )


class BargainingState(pyspiel.State):  # type: ignore[misc]  # OpenSpiel ships no types
    """Where the talks are.

    Attributes:
        stakes: of the game.
        types: dealt so far.
        offered: (t,) offers of the turns so far, the present one included once it is made.
        answers: (t,) tuples of answers to them, in order of answering.
    """

    def __init__(self, game: BargainingGame) -> None:
        super().__init__(game)
        self.stakes = game.stakes
        self.types: tuple[int, ...] = ()
        self.offered: tuple[int, ...] = ()
        self.answers: tuple[tuple[int, ...], ...] = ()

    @property
    def turn(self) -> int:
        """The present turn, from 0; after the end the last one."""
        if not self.offered:
            return 0
        rejected = self.answers[-1][-1:] == (REJECT,)
        return len(self.offered) - 1 + (rejected and len(self.offered) < self.stakes.turns)

    @property
    def pending(self) -> int | None:
        """The offer on the table, or None."""
        return self.offered[self.turn] if self.turn < len(self.offered) else None

    @property
    def agreement(self) -> int | None:
        """The offer that all accepted, or None."""
        if self.offered and self.answers[-1] == (ACCEPT,) * (self.stakes.players - 1):
            return self.offered[-1]
        return None

    def is_terminal(self) -> bool:
        """Whether the talks are over."""
        if not self.offered or not self.answers[-1]:
            return False
        last = self.answers[-1][-1]
        over = last == REJECT and len(self.offered) == self.stakes.turns
        return last == WALK or over or (len(self.answers[-1]) == self.stakes.players - 1 and last == ACCEPT)

    def current_player(self) -> int:
        """Who moves."""
        if self.is_terminal():
            return int(pyspiel.PlayerId.TERMINAL)
        if len(self.types) < self.stakes.players:
            return int(pyspiel.PlayerId.CHANCE)
        proposer = self.turn % self.stakes.players
        if self.pending is None:
            return proposer
        return (proposer + 1 + len(self.answers[-1])) % self.stakes.players

    def chance_outcomes(self) -> list[tuple[int, float]]:
        """Types of the next player, with their probabilities."""
        return [(t, float(p)) for t, p in enumerate(self.stakes.priors[len(self.types)])]

    def _legal_actions(self, player: int) -> list[int]:
        offers = self.stakes.offers
        if self.pending is None:
            return list(range(offers))
        # In the last turn a reject ends the talks, so that walking away would be the same move twice.
        last = self.turn == self.stakes.turns - 1
        return [offers + ACCEPT, offers + REJECT] + ([] if last else [offers + WALK])

    def _apply_action(self, action: int) -> None:
        if self.is_chance_node():
            self.types = (*self.types, int(action))
        elif self.pending is None:
            self.offered, self.answers = (*self.offered, int(action)), (*self.answers, ())
        else:
            answer = int(action) - self.stakes.offers
            self.answers = (*self.answers[:-1], (*self.answers[-1], answer))

    def _action_to_string(self, player: int, action: int) -> str:
        if player == pyspiel.PlayerId.CHANCE:
            return f"type {action}"
        offers = self.stakes.offers
        return f"offer {action}" if action < offers else ANSWERS[action - offers]

    def returns(self) -> list[float]:
        """Payoffs; 0 for everybody before the end."""
        if not self.is_terminal():
            return [0.0] * self.stakes.players
        agreed = self.agreement
        factor = self.stakes.discount ** (len(self.offered) - 1)
        if agreed is None:
            values = [outside[t] for outside, t in zip(self.stakes.walk_aways, self.types, strict=True)]
        else:
            values = [
                utility[t, agreed] for utility, t in zip(self.stakes.utilities, self.types, strict=True)
            ]
        return [float(factor * value) for value in values]

    def __str__(self) -> str:
        return f"types {' '.join(map(str, self.types))} | {talk(self.offered, self.answers)}"


def talk(offered: tuple[int, ...], answers: tuple[tuple[int, ...], ...]) -> str:
    """What was said in public: offers with a letter an answer.

    >>> talk((2, 0), ((REJECT,), (ACCEPT,)))
    '2r 0a'
    """
    return " ".join(
        f"{offer}{''.join('arw'[a] for a in given)}" for offer, given in zip(offered, answers, strict=True)
    )


class BargainingObserver:
    """What a player sees, as tensor and string (OpenSpiel's ``PyObserver`` interface).

    With recall: who one is, one's type, and all that was said. Without: the turn, the offer on the table and how many have
    accepted it.
    """

    def __init__(self, stakes: Stakes, iig_obs_type: Any, params: Any = None) -> None:
        if params:
            raise ValueError(f"observers take no parameters; got {params}")
        self._stakes = stakes
        n, k, turns, types = stakes.players, stakes.offers, stakes.turns, max(stakes.types)
        pieces: list[tuple[str, tuple[int, ...]]] = [("player", (n,))]
        if iig_obs_type.private_info == pyspiel.PrivateInfoType.SINGLE_PLAYER:
            pieces.append(("type", (types,)))
        elif iig_obs_type.private_info == pyspiel.PrivateInfoType.ALL_PLAYERS:
            pieces.append(("types", (n, types)))
        if iig_obs_type.public_info and iig_obs_type.perfect_recall:
            pieces += [("offers", (turns, k)), ("answers", (turns, n - 1, len(ANSWERS)))]
        elif iig_obs_type.public_info:
            pieces += [("turn", (turns,)), ("pending", (k,)), ("accepted", (n,))]
        self.tensor = np.zeros(sum(int(np.prod(shape)) for _, shape in pieces), np.float32)
        self.dict: dict[str, NDArray[np.float32]] = {}
        start = 0
        for name, shape in pieces:
            size = int(np.prod(shape))
            self.dict[name] = self.tensor[start : start + size].reshape(shape)
            start += size

    def set_from(self, state: BargainingState, player: int) -> None:
        """Write the tensor of a state as a player sees it."""
        self.tensor.fill(0)
        self.dict["player"][player] = 1
        if "type" in self.dict and len(state.types) > player:
            self.dict["type"][state.types[player]] = 1
        if "types" in self.dict:
            for i, t in enumerate(state.types):
                self.dict["types"][i, t] = 1
        if "offers" in self.dict:
            for turn, (offer, given) in enumerate(zip(state.offered, state.answers, strict=True)):
                self.dict["offers"][turn, offer] = 1
                for place, answer in enumerate(given):
                    self.dict["answers"][turn, place, answer] = 1
        if "turn" in self.dict:
            self.dict["turn"][state.turn] = 1
            if state.pending is not None:
                self.dict["pending"][state.pending] = 1
                self.dict["accepted"][_accepted(state)] = 1

    def string_from(self, state: BargainingState, player: int) -> str:
        """The same as text."""
        parts = [f"p{player}"]
        if "type" in self.dict and len(state.types) > player:
            parts.append(f"type {state.types[player]}")
        if "types" in self.dict:
            parts.append(f"types {' '.join(map(str, state.types))}")
        if "offers" in self.dict and state.offered:
            parts.append(talk(state.offered, state.answers))
        if "turn" in self.dict:
            parts.append(f"turn {state.turn}")
            if state.pending is not None:
                parts.append(f"offer {state.pending} accepted {_accepted(state)}")
        return " | ".join(parts)


def _accepted(state: BargainingState) -> int:
    return sum(answer == ACCEPT for answer in state.answers[-1])


def load(stakes: Stakes) -> Any:
    """The game of some stakes."""
    return pyspiel.load_game(NAME, stakes.parameters())


pyspiel.register_game(_TYPE, BargainingGame)
