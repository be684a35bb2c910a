"""What the negotiation loop asks of its surroundings: oracles, an embedder, and a listener.

The loop in ``negotiation/psro.py`` knows players and texts through these protocols only. A language model
behind an oracle, a person at a keyboard and a table of prepared answers are the same to it. Everything here
pickles.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import ConfigurationError
from negotiation.guideline import Guideline, Pool
from negotiation.topic import Topic

CANDIDATE_KINDS = ("adversarial", "complementary", "innovative")
"""The kinds that a player proposes in a round (NCN section 3.3)."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A guideline before it has an id: what an oracle writes.

    Attributes:
        kind: ``"initial"`` for a first guideline, else one of ``CANDIDATE_KINDS``.
        content: the heading, a few words.
        reason: why the player proposes it; may be empty.
        description: what it asks for; may be empty.
    """

    kind: str
    content: str
    reason: str
    description: str

    def as_guideline(self, guideline_id: str, player: int, round_number: int) -> Guideline:
        """The same words under an id; raises ``GameError`` for an unknown kind or an empty heading."""
        return Guideline(
            guideline_id, player, round_number, self.kind, self.content, self.reason, self.description
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """How a player enters: its position, its first guideline, and the replies it took more than needed.

    Attributes:
        statement: the player's position in its own words.
        guideline: the first guideline, of kind ``"initial"``.
        malformed: number of replies that had to be thrown away, >= 0.
    """

    statement: str
    guideline: Draft
    malformed: int = 0


@dataclass(frozen=True, slots=True)
class Proposals:
    """A player's candidates of one round.

    Attributes:
        drafts: the well-formed candidates. None of them and none missing means that the player passes.
        malformed: number of replies that had to be thrown away, >= 0.
        missing: kinds that gave nothing within the oracle's bound. If all are missing, what the player could
            have gained is unknown, and the round is no evidence for a consensus.
    """

    drafts: tuple[Draft, ...] = ()
    malformed: int = 0
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TableView:
    """What one player sees when it is asked.

    Attributes:
        topic: the question.
        player: index of the player who looks, from 0.
        players: (N,) names (culture ids) of all players, in player order.
        round: number of the round, from 1; 0 when the opening is asked for.
        pools: (N,) what every player holds.
        weights: (N,) arrays (K_i,), every player's weights over its own pool; each sums to 1.
        statement: the player's own opening statement.
        seed: for this one call, in [0, 2^63); see ``call_seed``.
    """

    topic: Topic
    player: int
    players: tuple[str, ...]
    round: int
    pools: tuple[Pool, ...]
    weights: tuple[NDArray[np.float64], ...]
    statement: str
    seed: int


class Oracle(Protocol):
    """Answers for one player. The same object may sit at many tables at once."""

    async def open(self, topic: Topic, player: int, players: tuple[str, ...], seed: int) -> Opening:
        """The player's position and first guideline."""
        ...

    async def propose(self, view: TableView, per_kind: int) -> Proposals:
        """Up to ``per_kind`` candidates of each of ``CANDIDATE_KINDS``."""
        ...

    async def express(self, view: TableView) -> str:
        """The player's present weights in words: the interim consensus."""
        ...

    async def conclude(self, view: TableView) -> str:
        """The consensus in the player's words."""
        ...


class Embedder(Protocol):
    """E of the utility: texts to vectors whose cosine is similarity of meaning."""

    @property
    def name(self) -> str:
        """Kept in the record."""
        ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, D) for n texts; rows finite and not zero. Same text, same row, whatever its neighbours."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """All players have stated their positions and first guidelines."""

    negotiation_id: str
    topic: Topic
    players: tuple[str, ...]
    openings: tuple[Opening, ...]


@dataclass(frozen=True, slots=True)
class RoundFinished:
    """One round is over.

    Attributes:
        negotiation_id: of the record to come.
        round: from 1.
        weights: (N,) tuples (K_i,), the equilibrium at the start of the round.
        nash_conv: of that equilibrium, >= 0, lower is better.
        best_gains: (N,) gain of each player's best candidate; None where a player had no candidate.
        accepted: (N,) the guideline added to each pool, or None.
        malformed: (N,) replies thrown away in this round.
    """

    negotiation_id: str
    round: int
    weights: tuple[tuple[float, ...], ...]
    nash_conv: float
    best_gains: tuple[float | None, ...]
    accepted: tuple[Guideline | None, ...]
    malformed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Concluded:
    """The negotiation is over and its record complete."""

    negotiation_id: str
    rounds: int
    converged: bool
    stop_reason: str
    nash_conv: float
    weights: tuple[tuple[float, ...], ...]
    consensus: tuple[str, ...]


NegotiationEvent = Opened | RoundFinished | Concluded
Listener = Callable[[NegotiationEvent], None]


def negotiation_id(topic_id: str, players: Sequence[str], seed: int) -> str:
    """A name for one negotiation, fit for a file name: a readable start, then a hash of all three arguments.

    >>> negotiation_id("tax/1", ["latin-america", "confucian"], 0)
    'tax-1-a4274e6445'
    """
    readable = "".join(c if c.isascii() and c.isalnum() else "-" for c in topic_id)[:40].strip("-")
    key = hashlib.sha256(json.dumps([topic_id, list(players), seed]).encode()).hexdigest()[:10]
    return f"{readable}-{key}" if readable else key


def call_seed(
    run_seed: int, topic_id: str, players: Sequence[str], player: str, round_number: int, call: str
) -> int:
    """The seed of one call, in [0, 2^63), from ``numpy.random.SeedSequence``.

    It depends on the names and numbers given and on nothing else: neither the order in which negotiations
    are worked off nor the order of the players at the table changes it.

    Args:
        run_seed: of the whole run, in [0, 2^63).
        topic_id: of the topic.
        players: names of all players.
        player: name of the one who is asked, or ``""`` for the loop's own solver.
        round_number: 0 for the opening.
        call: what is asked, e.g. ``"propose"``.

    Raises:
        ConfigurationError: if the run seed is out of range or no integer.

    >>> here, there = (call_seed(7, "tax", order, "a", 1, "propose") for order in (["a", "b"], ["b", "a"]))
    >>> here == there
    True
    """
    if not isinstance(run_seed, (int, np.integer)) or isinstance(run_seed, bool) or not 0 <= run_seed < 2**63:
        raise ConfigurationError(f"seed is {run_seed!r}; it must be an integer from 0 to 2^63 - 1")
    key = json.dumps([topic_id, sorted(players), player, round_number, call]).encode()
    words = np.frombuffer(hashlib.sha256(key).digest(), dtype="<u4")
    state = np.random.SeedSequence([int(run_seed), *(int(word) for word in words)]).generate_state(
        1, np.uint64
    )
    return int(state[0] >> np.uint64(1))
