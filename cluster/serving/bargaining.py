"""The bargaining policies of a run folder as they are served, and what they are asked.

They lie in ``RUN/bargaining/policies``, where ``concordat bargain RUN`` puts them; numbers are safetensors. A play is no state of
the HTTP API: ``cluster.serving.plays`` keeps it.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from cluster.bargaining.policies import BargainingPolicy, policy_of
from cluster.bargaining.table import offers_of
from cluster.serving.bargaining_schema import (
    ActionChance,
    ActReply,
    ActRequest,
    BargainingReply,
    OwnWorth,
    Seat,
)
from cluster.serving.errors import ApiError
from cluster.serving.schema import TopicReply
from cluster.serving.watching import FolderWatch, checked_id
from negotiation.bargaining.game import ANSWERS
from negotiation.errors import GameError, RecordError

logger = logging.getLogger(__name__)

MOST_BYTES = 50_000_000
"""Of one policy's file; a larger one is not read."""


@dataclass(frozen=True, slots=True)
class HeldBargaining:
    """A bargaining policy, packed.

    Attributes:
        id: of the negotiation.
        digest: of both files.
        text: the JSON, compressed.
        numbers: the safetensors, compressed.
    """

    id: str
    digest: str
    text: bytes
    numbers: bytes

    def policy(self) -> BargainingPolicy:
        """The whole of it."""
        return _unpacked(self.id, self.text, self.numbers)


@lru_cache(maxsize=64)
def _unpacked(name: str, text: bytes, numbers: bytes) -> BargainingPolicy:
    return policy_of(zlib.decompress(text), zlib.decompress(numbers), name)


class BargainingStore:
    """Watches the bargaining policies of a run, which may have none.

    Args:
        run: the run folder.
        chosen: ids that are served; all if None.
        grace_s: how long a policy whose files are gone is served on.
    """

    def __init__(self, run: Path, chosen: Collection[str] | None = None, grace_s: float = 10.0) -> None:
        folder = run / "bargaining" / "policies"
        self._watch = FolderWatch(folder, _read, beside=".safetensors", chosen=chosen, grace_s=grace_s)
        self.refresh()

    @property
    def held(self) -> Mapping[str, HeldBargaining]:
        """The policies now, by id; never changed, but replaced."""
        return self._watch.held

    def refresh(self, now: float | None = None) -> bool:
        """Look for files that are new, changed or gone; whether there were any."""
        return self._watch.refresh(now)


def _read(path: Path) -> HeldBargaining | None:
    try:
        parts = [path, path.with_suffix(".safetensors")]
        if any(part.stat().st_size > MOST_BYTES for part in parts):
            raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
        text, numbers = (part.read_bytes() for part in parts)
        policy = policy_of(text, numbers, path.name)
        held = HeldBargaining(
            checked_id(policy.id),
            hashlib.sha256(text + numbers).hexdigest(),
            zlib.compress(text, 3),
            zlib.compress(numbers, 3),
        )
        described(policy, TopicReply(id="", text=policy.topic), None)  # so that nothing in it fails later
    except (OSError, ValueError, RecordError, ImportError) as error:  # without safetensors the rest is served
        logger.warning("bargaining policy %s is not served: %s", path.name, error)
        return None
    return held


def described(policy: BargainingPolicy, topic: TopicReply, side: str | None) -> BargainingReply:
    """The game of a policy.

    Args:
        policy: the policy.
        topic: its question.
        side: whose worth is told; None for nobody's.

    Raises:
        ApiError: if the side is not at the table.
    """
    stakes = policy.stakes
    own = None
    if side is not None:
        player = player_of(policy, side)
        own = OwnWorth(
            side=side,
            worth=stakes.utilities[player].tolist(),
            walk_away=stakes.walk_aways[player].tolist(),
        )
    return BargainingReply(
        policy=policy.id,
        topic=topic,
        offers=offers_of(policy),
        sides=[
            Seat(side=name, prior=prior.tolist())
            for name, prior in zip(policy.players, stakes.priors, strict=True)
        ],
        answers=list(ANSWERS),
        turns=stakes.turns,
        discount=stakes.discount,
        nash_conv=max(0.0, policy.nash_conv),
        own=own,
    )


def player_of(policy: BargainingPolicy, side: str) -> int:
    """A side's place at the table; ``ApiError`` if it has none."""
    if side not in policy.players:
        raise _wrong("side", f"{side!r} is not at this table; the sides are {', '.join(policy.players)}")
    return policy.players.index(side)


def act(policy: BargainingPolicy, asked: ActRequest) -> ActReply:
    """What a side's policy does.

    Raises:
        ApiError: if the side, its type, or what was said is none of the game, or it is not its turn.
    """
    player, stakes = player_of(policy, asked.side), policy.stakes
    if asked.kind >= stakes.types[player]:
        raise _wrong(
            "kind",
            f"{asked.kind} is no private type of {asked.side}; it has 0 to {stakes.types[player] - 1}",
        )
    types = [0] * stakes.players
    types[player] = asked.kind
    try:
        state = policy.state(types, asked.said)
    except GameError as error:
        raise _wrong("said", str(error)) from None
    if state.is_terminal():
        raise _wrong("said", "the talks are over after these moves; nobody is to move", "talks_over")
    mover = state.current_player()
    if mover != player:
        raise _wrong(
            "side", f"it is the turn of {policy.players[mover]}, not of {asked.side}", "not_its_turn"
        )
    turn = state.turn + 1
    seed = secrets.randbits(48) if asked.seed is None else asked.seed
    choices, drawn = policy.draw(asked.kind, asked.said, np.random.default_rng(seed))
    told = [
        ActionChance(action=one.action, says=one.says, probability=min(1.0, one.probability))
        for one in choices
    ]
    state.apply_action(drawn.action)
    over = state.is_terminal()
    return ActReply(
        policy=policy.id,
        side=asked.side,
        kind=asked.kind,
        turn=turn,
        choices=told,
        drawn=told[choices.index(drawn)],
        next=None if over else policy.players[state.current_player()],
        finished=over,
        agreement=state.agreement,
        payoff=float(state.returns()[player]) if over else None,
    )


def no_bargaining(name: str) -> ApiError:
    """A policy is served, but has not been bargained over."""
    return ApiError(
        404,
        f"policy {name!r} has no bargaining policy; make it with 'concordat bargain' on the run that is served",
        code="bargaining_not_found",
        param="policy",
    )


def _wrong(param: str, message: str, code: str = "invalid_value") -> ApiError:
    return ApiError(400, f"{param}: {message}", code=code, param=param)
