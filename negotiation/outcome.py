"""What a negotiation came to, by whatever method: the view that metrics, comparisons and exports have of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, get_args

from negotiation.errors import RecordError
from negotiation.record import NegotiationRecord
from negotiation.topic import Topic

Method = Literal["psro", "debate", "consultancy", "mediator"]
"""How a consensus was sought: the game of guidelines, or one of the baselines (NCN section 5.1; Tessler et al. 2024)."""

METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, slots=True)
class Outcome:
    """First and last words of one negotiation.

    Attributes:
        id: of the negotiation, the same for all methods on one topic with the same players and seed.
        method: how the consensus was sought.
        topic: the question.
        players: (N,) culture ids, N >= 2.
        seed: of the run, or None if it is not known.
        openings: (N,) first statements, in player order.
        consensus: (N,) consensus statements, in player order; equal where a method states one for all.
        rounds: played; None if the method has none or they were not kept.
        converged: whether the method's own criterion of consensus was met; None if it has none or it was not kept.

    Raises:
        RecordError: if a statement is missing or blank.
    """

    id: str
    method: Method
    topic: Topic
    players: tuple[str, ...]
    seed: int | None
    openings: tuple[str, ...]
    consensus: tuple[str, ...]
    rounds: int | None = None
    converged: bool | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise RecordError(
                f"negotiation {self.id!r}: method is {self.method!r}; known are {', '.join(METHODS)}"
            )
        for name in ("openings", "consensus"):
            texts = getattr(self, name)
            if len(texts) != len(self.players) or len(self.players) < 2:
                raise RecordError(
                    f"negotiation {self.id!r} ({self.method}): {len(texts)} {name} of {len(self.players)} players;"
                    " each needs one, and there must be two or more"
                )
            for player, text in zip(self.players, texts, strict=True):
                if not text.strip():
                    raise RecordError(
                        f"negotiation {self.id!r} ({self.method}): {player!r} has no {name} statement; negotiate it again"
                    )

    @classmethod
    def of(cls, record: NegotiationRecord) -> Self:
        """The outcome of a negotiation by PSRO."""
        return cls(
            id=record.negotiation_id,
            method="psro",
            topic=record.topic,
            players=record.players,
            seed=record.seed,
            openings=tuple(opening.statement for opening in record.openings),
            consensus=record.consensus,
            rounds=len(record.rounds),
            converged=record.converged,
        )
