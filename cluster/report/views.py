"""What the report says, as plain values: names, texts and numbers, worked out once and free of any markup.

``cluster/report/source.py`` makes these from a run folder; figures, page and picture read nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.report.coalitions import CoalitionView


@dataclass(frozen=True, slots=True)
class Side:
    """One player of one negotiation.

    Attributes:
        index: player index, from 0.
        culture: the culture's id.
        name: the culture's name for people.
        letter: ``"A"`` for player 0 and so on; its guidelines are A1, A2, ...
        opening: its position at the start.
        consensus: the consensus in its words.
        malformed: replies of its model that were thrown away, over the whole negotiation.
        moved: cosine distance between its opening and its consensus statement, in [0, 2].
        toward: by how much its statement came closer to the others' openings: mean over the others of
            distance(own opening, their opening) - distance(own consensus, their opening); above 0 is closer.
    """

    index: int
    culture: str
    name: str
    letter: str
    opening: str
    consensus: str
    malformed: int
    moved: float
    toward: float


@dataclass(frozen=True, slots=True)
class Clause:
    """A guideline in a pool, with its weights.

    Attributes:
        code: short name on the page, such as ``"B3"``.
        player: who holds it.
        round: 0 for first guidelines, else the round it was added in.
        kind: ``initial``, ``adversarial``, ``complementary`` or ``innovative``.
        content: heading.
        reason: may be empty.
        description: may be empty.
        weights: (S stages) weight at the start of each round and, last, at the end; 0 before it was there.
    """

    code: str
    player: int
    round: int
    kind: str
    content: str
    reason: str
    description: str
    weights: tuple[float, ...]

    @property
    def final(self) -> float:
        """Weight at the end, in [0, 1]."""
        return self.weights[-1]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate of one round; ``gain`` is over the best its side had; ``code`` is empty if rejected."""

    player: int
    kind: str
    content: str
    utility: float
    gain: float
    code: str


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the equilibrium it began with, what was said and proposed.

    Attributes:
        number: from 1.
        nash_conv: of the equilibrium, >= 0, lower is better.
        payoffs: (N,) expected payoff of each player.
        statements: (N,) the weights in each player's words.
        proposals: every candidate of the round, rejected ones too.
        malformed: (N,) replies thrown away in this round.
        missing: (N,) kinds that gave nothing.
    """

    number: int
    nash_conv: float
    payoffs: tuple[float, ...]
    statements: tuple[str, ...]
    proposals: tuple[Proposal, ...]
    malformed: tuple[int, ...]
    missing: tuple[tuple[str, ...], ...]

    def best_gain(self, player: int) -> float | None:
        """Gain of the player's best candidate; None if it had none."""
        return max((p.gain for p in self.proposals if p.player == player), default=None)

    def added(self, player: int) -> str:
        """Code of the guideline that the player added in this round; empty if none."""
        return next((p.code for p in self.proposals if p.player == player and p.code), "")


@dataclass(frozen=True, slots=True, eq=False)
class PairPayoffs:
    """Payoffs to one player from its meeting with another.

    Attributes:
        payee: whose payoffs these are; ``row`` or ``column``.
        row: the player on the rows, the lower index of the two.
        column: the player on the columns.
        values: (K_row, K_column). With N players each meeting counts 1/(N-1), own terms included, so that
            the sum over the meetings is the payoff; with two players it is the payoff.
    """

    payee: int
    row: int
    column: int
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Negotiation:
    """One negotiation as the report shows it.

    Attributes:
        anchor: the fragment of its section, made by the report and safe in markup.
        topic_id, question, category: the topic.
        sides: (N,) the players.
        pools: (N,) tuples of guidelines in the order they were added.
        rounds: (R,) in order.
        payoffs: two entries a pair of players.
        epsilon: least gain that adds a guideline.
        nash_conv: of the final equilibrium.
        final_payoffs: (N,) expected payoffs of the final equilibrium.
        solver: that made the final equilibrium.
        converged: whether nobody had anything to add and NashConv was within its tolerance.
        stop_reason: in the record's words.
        gap_opening, gap_consensus: mean cosine distance between the sides' opening and consensus statements.
        seconds: wall time, or None where the record has none.
        provenance: model names and the like.
        coalitions: of more than two parties.
    """

    anchor: str
    topic_id: str
    question: str
    category: str
    sides: tuple[Side, ...]
    pools: tuple[tuple[Clause, ...], ...]
    rounds: tuple[Round, ...]
    payoffs: tuple[PairPayoffs, ...]
    epsilon: float
    nash_conv: float
    final_payoffs: tuple[float, ...]
    solver: str
    converged: bool
    stop_reason: str
    gap_opening: float
    gap_consensus: float
    seconds: float | None
    provenance: Mapping[str, str]
    coalitions: CoalitionView | None = None

    @property
    def malformed(self) -> int:
        """Replies thrown away, over all sides."""
        return sum(side.malformed for side in self.sides)

    @property
    def last_gain(self) -> float | None:
        """The best gain that anyone was offered in the last round; None if nobody had a candidate."""
        if not self.rounds:
            return None
        return max((proposal.gain for proposal in self.rounds[-1].proposals), default=None)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages of ``Clause.weights``: round numbers, then ``"end"``."""
        return (*(str(entry.number) for entry in self.rounds), "end")

    @property
    def cultures(self) -> str:
        """The sides' names, joined."""
        return " · ".join(side.name for side in self.sides)


@dataclass(frozen=True, slots=True)
class Failure:
    """A negotiation that gave no record, with its reason; ``question`` names another method than the game."""

    topic_id: str
    question: str
    cultures: str
    error: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class RunView:
    """A whole run: what finished, what failed, and where it came from.

    ``others`` counts what other methods than the game finished; the page does not show their dialogues. ``finished`` is how
    many negotiations the game finished, if the page shows only some of them.
    """

    name: str
    negotiations: tuple[Negotiation, ...]
    failures: tuple[Failure, ...]
    metrics: Mapping[str, Any]
    config: str
    versions: Mapping[str, str]
    others: Mapping[str, int] = field(default_factory=dict)
    finished: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Means over the negotiations of one category or the appearances of one culture."""

    name: str
    count: int
    converged: int
    rounds: float
    moved: float
    toward: float
    closed: float
    malformed: int


def by_category(negotiations: tuple[Negotiation, ...]) -> list[Group]:
    """One group a category, by name; movement is the mean over the sides."""
    names = sorted({item.category for item in negotiations})
    return [
        _group(name, [(item, side) for item in negotiations if item.category == name for side in item.sides])
        for name in names
    ]


def by_culture(negotiations: tuple[Negotiation, ...]) -> list[Group]:
    """One group a culture, by name."""
    names = sorted({side.name for item in negotiations for side in item.sides})
    return [
        _group(name, [(item, side) for item in negotiations for side in item.sides if side.name == name])
        for name in names
    ]


def _group(name: str, members: list[tuple[Negotiation, Side]]) -> Group:
    items = list({item.anchor: item for item, _ in members}.values())
    return Group(
        name=name,
        count=len(items),
        converged=sum(item.converged for item in items),
        rounds=fmean(len(item.rounds) for item in items),
        moved=fmean(side.moved for _, side in members),
        toward=fmean(side.toward for _, side in members),
        closed=fmean(item.gap_opening - item.gap_consensus for item in items),
        malformed=sum(side.malformed for _, side in members),
    )


def median_rounds(negotiations: tuple[Negotiation, ...]) -> float | None:
    """Median number of rounds; None without negotiations."""
    return median(len(item.rounds) for item in negotiations) if negotiations else None
