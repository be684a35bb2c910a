"""One play of a bargaining game: a person, or a client of a server, speaks for one side, and policies move the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.bargaining.policies import BargainingPolicy
from cluster.serving.bargaining_schema import (
    ChoiceReply,
    OfferReply,
    OutcomeReply,
    PlayReply,
    Said,
    SolutionReply,
)
from negotiation.bargaining.solutions import Bargain, kalai_smorodinsky, nash_solution
from negotiation.errors import GameError, SolverError

Array = NDArray[np.float64]


class Table:
    """A play. Private types are dealt when it is made, and the others move until it is the own side's turn.

    Args:
        policy: of the others.
        person: place of the own side among the players.
        rng: deals types and draws the others' moves.
        name: of the play, for replies.

    Raises:
        RecordError: if the policy has nothing for a state that was reached.
    """

    def __init__(
        self, policy: BargainingPolicy, person: int, rng: np.random.Generator, name: str = ""
    ) -> None:
        self.policy, self.person, self.name = policy, person, name
        self._rng = rng
        self._types = [int(rng.choice(len(prior), p=prior)) for prior in policy.stakes.priors]
        self._said: list[int] = []
        self._moves: list[Said] = []
        self._state = policy.state(self._types, [])
        self._let_others_move()

    @property
    def said(self) -> tuple[int, ...]:
        """All actions so far."""
        return tuple(self._said)

    def move(self, action: int) -> PlayReply:
        """Make the own side's move, and let the others answer.

        Raises:
            GameError: if the talks are over, or the action is not legal.
            RecordError: as the class.
        """
        if self._state.is_terminal():
            raise GameError("the talks are over; nobody is to move")
        legal = self._state.legal_actions()
        if action not in legal:
            shown = ", ".join(f"{one} ({self.policy.word(one)})" for one in legal)
            raise GameError(f"action {action} is not legal now; legal are {shown}")
        self._say(self.person, action)
        self._let_others_move()
        return self.view()

    def view(self) -> PlayReply:
        """The play as the own side sees it."""
        policy, state = self.policy, self._state
        stakes, kind, over = policy.stakes, self._types[self.person], state.is_terminal()
        return PlayReply(
            id=self.name,
            policy=policy.id,
            topic=policy.topic,
            offers=offers_of(policy),
            sides=list(policy.players),
            side=policy.players[self.person],
            kind=kind,
            worth=stakes.utilities[self.person][kind].tolist(),
            walk_away=float(stakes.walk_aways[self.person][kind]),
            turns=stakes.turns,
            discount=stakes.discount,
            turn=state.turn + 1,
            said=list(self._moves),
            pending=None if over else state.pending,
            next=None if over else policy.players[self.person],
            choices=[]
            if over
            else [ChoiceReply(action=one, says=policy.word(one)) for one in state.legal_actions()],
            finished=over,
            outcome=self._outcome() if over else None,
        )

    def _let_others_move(self) -> None:
        while not self._state.is_terminal() and (player := self._state.current_player()) != self.person:
            _, drawn = self.policy.draw(self._types[player], self._said, self._rng)
            self._say(player, drawn.action)

    def _say(self, player: int, action: int) -> None:
        turn = self._state.turn + 1
        self._state.apply_action(action)
        self._said.append(action)
        self._moves.append(
            Said(side=self.policy.players[player], turn=turn, action=action, says=self.policy.word(action))
        )

    def _outcome(self) -> OutcomeReply:
        stakes, types = self.policy.stakes, tuple(self._types)
        points, outside = stakes.points(types), stakes.disagreement(types)
        return OutcomeReply(
            agreement=self._state.agreement,
            payoffs=[float(value) for value in self._state.returns()],
            kinds=list(types),
            worth=points.tolist(),
            walk_away=outside.tolist(),
            nash=_solution(nash_solution, points, outside),
            kalai_smorodinsky=_solution(kalai_smorodinsky, points, outside),
        )


def offers_of(policy: BargainingPolicy) -> list[OfferReply]:
    """The offers of a policy's game, with their words."""
    return [
        OfferReply(
            action=place,
            id=str(offer["id"]),
            side=policy.players[int(offer["player"])],
            content=str(offer["content"]),
            reason=str(offer["reason"]),
            description=str(offer["description"]),
        )
        for place, offer in enumerate(policy.offers)
    ]


def _solution(solve: Callable[[Any, Any], Bargain], points: Array, outside: Array) -> SolutionReply | None:
    try:
        found = solve(points, outside)
    except SolverError:  # of very many sides; the play is told without it
        return None
    return SolutionReply(payoffs=found.point.tolist(), product=max(0.0, found.product))
