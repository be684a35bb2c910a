"""The record of a negotiation: every text, vector, payoff and decision that led to its result.

A record holds what is needed to compute each of its numbers again; ``negotiation/audit.py`` does so.
``negotiation/storage.py`` keeps records in Parquet. Records compare by content; timings are left out of that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negotiation.config import GameConfig
from negotiation.errors import GameError
from negotiation.guideline import Pool
from negotiation.oracle import Draft, Opening
from negotiation.topic import Topic

SCHEMA_VERSION = 1
"""Raised whenever a field of the record changes its name, type or meaning."""

STOP_REASONS = ("equilibrium", "solver-tolerance", "round-limit")
"""Why a negotiation ended.

``equilibrium``: NashConv is within tolerance and no fresh candidate gains epsilon; the only one that counts
as converged.
``solver-tolerance``: no candidate gains, but the solver's answer has a NashConv above tolerance.
``round-limit``: the last allowed round was played and players still gained, or did not answer.
"""


def plain(value: Any, array: Callable[[NDArray[Any]], Any], compared_only: bool = False) -> Any:
    """A record or part of one as dicts, lists, strings and numbers.

    Mappings become lists of (key, value) pairs sorted by key; arrays become what ``array`` makes of them.

    Args:
        value: a dataclass, tuple, mapping, array or scalar.
        array: turns an array into something plain.
        compared_only: leave out fields declared with ``compare=False``.
    """
    if isinstance(value, (str, int, float)):  # first, since most are
        return value
    if isinstance(value, np.ndarray):
        return array(value)
    if is_dataclass(value) and not isinstance(value, type):
        kept = _names(value.__class__, compared_only)
        return {name: plain(getattr(value, name), array, compared_only) for name in kept}
    if isinstance(value, Mapping):
        return [(key, plain(value[key], array, compared_only)) for key in sorted(value)]
    if isinstance(value, (tuple, list)):
        return [plain(item, array, compared_only) for item in value]
    return value


_PIECE = 2040
"""Bytes hashed at once: for more hashlib gives up the interpreter's lock, and getting it back takes longer than the hashing."""


@cache
def _names(kind: type, compared_only: bool) -> tuple[str, ...]:
    """Names of a dataclass's fields; asking for them anew at every value takes a third of the time."""
    return tuple(field.name for field in fields(kind) if field.compare or not compared_only)


def content_digest(value: Any) -> str:
    """SHA-256, as 64 hex digits, of everything in a record or part of one that counts for equality.

    Floats enter with all their bits, arrays with shape and little-endian bytes.
    """

    def hashed(array: NDArray[Any]) -> Any:
        data = np.ascontiguousarray(array, dtype="<f8").tobytes()
        digest = hashlib.sha256()
        for start in range(0, len(data), _PIECE):
            digest.update(data[start : start + _PIECE])
        return [list(array.shape), digest.hexdigest()]

    text = json.dumps(plain(value, hashed, compared_only=True), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_only(array: NDArray[np.float64]) -> NDArray[np.float64]:
    copy = np.array(array, dtype=np.float64)
    copy.setflags(write=False)
    return copy


class ByContent:
    """Equality of dataclasses that hold arrays."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and content_digest(self) == content_digest(other)

    def __hash__(self) -> int:
        return hash(content_digest(self))


@dataclass(frozen=True, slots=True, eq=False)
class Equilibrium(ByContent):
    """A solver's answer to one meta-game, exactly as it came: nothing rounded, no exploration mixed in.

    Attributes:
        solver: name of the solver.
        weights: (N,) arrays (K_i,) >= 0 that sum to 1, over the pools of that moment.
        payoffs: (N,) expected utility of each player.
        regrets: (N,) what each player could gain by deviating alone within its pool, >= 0.
        nash_conv: sum of the regrets, >= 0, lower is better.
        iterations: the solver's own count.
        converged: whether the solver reached its tolerance.
        notes: what the solver says about its answer.

    Raises:
        GameError: if weights are negative, not finite or do not sum to 1.
    """

    solver: str
    weights: tuple[NDArray[np.float64], ...]
    payoffs: NDArray[np.float64]
    regrets: NDArray[np.float64]
    nash_conv: float
    iterations: int
    converged: bool
    notes: str = ""

    def __post_init__(self) -> None:
        for player, weights in enumerate(self.weights):
            if not (np.isfinite(weights).all() and (weights >= 0).all() and abs(weights.sum() - 1) <= 1e-9):
                raise GameError(
                    f"player {player}: solver {self.solver!r} gave weights {weights} that are no"
                    " distribution; choose another solver"
                )
        for name in ("payoffs", "regrets"):
            object.__setattr__(self, name, _read_only(getattr(self, name)))
        object.__setattr__(self, "weights", tuple(_read_only(weights) for weights in self.weights))


@dataclass(frozen=True, slots=True, eq=False)
class CandidateRecord(ByContent):
    """A candidate, taken or not.

    Attributes:
        draft: its words.
        embedding: (D,) of unit length.
        utility: expected utility of the pool's newest guideline if the candidate is added, against the
            opponents' weights.
        parts: the utility's terms by name, unweighted; pair terms expected, mean over opponents.
        gain: ``utility`` less the best that the player's pool gives without it, in utility units; may be
            negative.
        accepted: whether it was added to the pool.
        guideline_id: its id in the pool, or ``""``.
    """

    draft: Draft
    embedding: NDArray[np.float64]
    utility: float
    parts: Mapping[str, float]
    gain: float
    accepted: bool
    guideline_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Move(ByContent):
    """What one player did in one round.

    Attributes:
        player: index, from 0.
        candidates: in the order in which the oracle gave them.
        malformed: replies thrown away, >= 0.
        missing: kinds that gave no candidate.
    """

    player: int
    candidates: tuple[CandidateRecord, ...]
    malformed: int
    missing: tuple[str, ...]

    @property
    def accepted(self) -> CandidateRecord | None:
        """The candidate that was added, if any."""
        return next((candidate for candidate in self.candidates if candidate.accepted), None)

    @property
    def best_gain(self) -> float | None:
        """The largest gain; None if there was no candidate."""
        return max((candidate.gain for candidate in self.candidates), default=None)


@dataclass(frozen=True, slots=True, eq=False)
class RoundRecord(ByContent):
    """One round.

    Attributes:
        round: from 1.
        equilibria: one that all players moved against (simultaneous), or one before each player's move
            (alternating).
        statements: (N,) the first of these equilibria in each player's words.
        moves: (N,) in player order.
    """

    round: int
    equilibria: tuple[Equilibrium, ...]
    statements: tuple[str, ...]
    moves: tuple[Move, ...]

    def faced(self, player: int) -> Equilibrium:
        """The equilibrium that this player's candidates were valued against."""
        return self.equilibria[player] if len(self.equilibria) > 1 else self.equilibria[0]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of wall clock in one phase; waiting for a batch shared with other negotiations is in it.

    Attributes:
        round: 0 for the opening, else the round; the conclusion bears the number of the last round.
        phase: ``open``, ``solve``, ``propose``, ``embed`` or ``conclude``; in dialogues also ``turn``, ``candidates``,
            ``rank`` and ``critique``.
        seconds: >= 0.
    """

    round: int
    phase: str
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class NegotiationRecord(ByContent):
    """A finished negotiation.

    Attributes:
        negotiation_id: ``negotiation.oracle.negotiation_id`` of topic, players and seed.
        topic: the question.
        players: (N,) names, in player order.
        seed: of the run; ``negotiation.oracle.call_seed`` derives the seed of each call.
        config: the ``GameConfig`` as JSON.
        terms: weight of each utility term by name.
        embedder: name of the embedder.
        provenance: what else it takes to repeat this: model names, adapters, versions.
        openings: (N,) first statements and guidelines.
        rounds: all rounds played.
        pools: (N,) at the end, in the order in which guidelines were added, with embeddings.
        final: the equilibrium of the final pools.
        consensus: (N,) the final equilibrium in each player's words.
        opening_embeddings: (N, D) of the opening statements, rows of unit length.
        consensus_embeddings: (N, D) of the consensus statements, rows of unit length.
        converged: whether ``stop_reason`` is ``"equilibrium"``.
        stop_reason: one of ``STOP_REASONS``.
        timings: not part of equality or digest.
        schema_version: of this layout.
    """

    negotiation_id: str
    topic: Topic
    players: tuple[str, ...]
    seed: int
    config: str
    terms: Mapping[str, float]
    embedder: str
    provenance: Mapping[str, str]
    openings: tuple[Opening, ...]
    rounds: tuple[RoundRecord, ...]
    pools: tuple[Pool, ...]
    final: Equilibrium
    consensus: tuple[str, ...]
    opening_embeddings: NDArray[np.float64]
    consensus_embeddings: NDArray[np.float64]
    converged: bool
    stop_reason: str
    timings: tuple[Timing, ...] = field(default=(), compare=False)
    schema_version: int = SCHEMA_VERSION

    @property
    def weights(self) -> tuple[NDArray[np.float64], ...]:
        """The final equilibrium's weights, (N,) arrays (K_i,)."""
        return self.final.weights

    @property
    def nash_conv(self) -> float:
        """NashConv of the final equilibrium."""
        return self.final.nash_conv

    @property
    def malformed(self) -> int:
        """Replies thrown away in openings and proposals, all players together."""
        opened = sum(opening.malformed for opening in self.openings)
        return opened + sum(move.malformed for played in self.rounds for move in played.moves)

    @property
    def seconds(self) -> float:
        """Wall clock from opening to conclusion."""
        return sum(timing.seconds for timing in self.timings)

    def game_config(self) -> GameConfig:
        """The configuration it was played under."""
        return GameConfig.model_validate_json(self.config)

    def digest(self) -> str:
        """SHA-256 of everything but the timings; equal for two runs of the same plan and seed."""
        return content_digest(self)

    def statement_distances(self) -> NDArray[np.float64]:
        """Who moved how far: entry [i, j] is 1 - cos(consensus statement of i, opening statement of j).

        (N, N), each in [0, 2]. The diagonal is the way each player went from its own start.
        """
        return 1.0 - self.consensus_embeddings @ self.opening_embeddings.T
