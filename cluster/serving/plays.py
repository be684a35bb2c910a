"""Plays of clients against bargaining policies.

The server deals the private types and keeps them: a client sees its own, and the others' once the play is over. Moves cannot be
taken back, so that nobody can find out another side's type by trying. That is why a play is kept, and is in one place.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from cluster.bargaining.policies import BargainingPolicy
from cluster.bargaining.table import Table
from cluster.serving.bargaining_schema import PlayReply
from cluster.serving.errors import ApiError
from negotiation.errors import GameError


class Plays:
    """Plays under way, and those that ended lately.

    Args:
        most: that are kept; of more, the one that was longest without a move is given up.
        chance: makes what deals types and draws moves; fresh from the system unless a test says otherwise.
    """

    def __init__(self, most: int, chance: Callable[[], np.random.Generator] = np.random.default_rng) -> None:
        self._most, self._chance = most, chance
        self._tables: OrderedDict[str, Table] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tables)

    def start(self, policy: BargainingPolicy, player: int) -> PlayReply:
        """Deal the types; the others move until it is the client's turn."""
        name = f"play-{secrets.token_urlsafe(12)}"
        table = Table(policy, player, self._chance(), name)
        self._tables[name] = table
        while len(self._tables) > self._most:
            self._tables.popitem(last=False)
        return table.view()

    def show(self, play: str) -> PlayReply:
        """A play as it stands.

        Raises:
            ApiError: if there is none of this id.
        """
        return self._table(play).view()

    def move(self, play: str, action: int, after: int | None) -> PlayReply:
        """The client's move, and the others' answers.

        Raises:
            ApiError: if there is no such play, the action is not legal, or other moves were made than the client knows of.
        """
        table = self._table(play)
        count = len(table.said)
        if after is not None and after != count:
            raise ApiError(
                409,
                f"after: {count} moves were made by now, not {after}; look at the play again",
                code="moved_on",
                param="after",
            )
        try:
            found = table.move(action)
        except GameError as error:
            raise ApiError(400, f"action: {error}", code="illegal_action", param="action") from None
        self._tables.move_to_end(play)
        return found

    def _table(self, play: str) -> Table:
        found = self._tables.get(play)
        if found is None:
            raise ApiError(
                404,
                "there is no such play; it may have been given up for newer ones: start another",
                code="play_not_found",
            )
        return found
