"""From a finished negotiation to what is bargained about: which guidelines can be offered, and what they are worth to whom.

A side values an offer by two readings, each scaled to [0, 1] over the offers: how near it lies to the side's own first guideline
(*position*, from the record), and how well it agrees with what surveys found the side's people to value (*values*, given from
outside). How much a delegation leans on the second is its private type: the others know the two leanings that are possible, not
which one sits at the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negotiation.bargaining.stakes import Stakes
from negotiation.errors import GameError
from negotiation.guideline import Guideline
from negotiation.record import NegotiationRecord

Array = NDArray[np.float64]

LEANINGS = (0.25, 0.75)
"""Weights of the second reading that a delegation may have, equally likely."""


@dataclass(frozen=True, slots=True, eq=False)
class Offers:
    """Guidelines that can be offered.

    Attributes:
        guidelines: (K,) in order of their place at the table.
        position: (N, K) cosine of each with each side's first guideline, in [-1, 1].
    """

    guidelines: tuple[Guideline, ...]
    position: Array

    @property
    def ids(self) -> tuple[str, ...]:
        """(K,) guideline ids."""
        return tuple(guideline.id for guideline in self.guidelines)


def choose_offers(record: NegotiationRecord, most: int) -> Offers:
    """The guidelines of a record that are bargained about.

    The sides give in turn, each its next by weight in the equilibrium, then first guidelines, then the newest. Texts that
    were given before are passed over.

    Args:
        record: the finished negotiation.
        most: offers at most, >= 2.

    Raises:
        GameError: if ``most`` is below 2, or the pools hold one text in all.
    """
    if most < 2:
        raise GameError(f"offers is {most}; bargaining needs at least 2")
    queues = []
    for pool, weights in zip(record.pools, record.weights, strict=True):
        order = sorted(range(len(pool)), key=lambda k: (-weights[k], k != 0, -k))
        queues.append([(pool.guidelines[k], pool.embeddings[k]) for k in order])
    chosen: list[tuple[Guideline, Array]] = []
    seen: set[str] = set()
    for lap in range(max(map(len, queues))):
        for queue in queues:
            if lap < len(queue) and len(chosen) < most and queue[lap][0].text not in seen:
                seen.add(queue[lap][0].text)
                chosen.append(queue[lap])
    if len(chosen) < 2:
        raise GameError(
            f"{record.negotiation_id}: the pools hold one text in all; there is nothing to bargain about"
        )
    vectors = np.stack([vector for _, vector in chosen])
    firsts = np.stack([pool.embeddings[0] for pool in record.pools])
    return Offers(tuple(guideline for guideline, _ in chosen), firsts @ vectors.T)


def private_stakes(
    position: Array,
    values: Sequence[Array | None],
    *,
    walk_away: float,
    discount: float,
    turns: int,
    most_histories: int,
    leanings: Sequence[float] = LEANINGS,
) -> tuple[Stakes, str]:
    """The stakes of offers whose worth is private.

    Args:
        position: (N, K) readings of nearness.
        values: for each player (K,) readings of agreement with its people's values; None: unknown, then it has one type, that
            goes by position alone.
        walk_away: what a type gets without agreement, as a share of its mean utility of the offers, in [0, 1].
        discount: as in ``Stakes``.
        turns: at most; fewer if the game grows too large.
        most_histories: the size up to which games are built.
        leanings: the possible weights of ``values``, each in [0, 1].

    Returns:
        The stakes, and what was left out to keep the game small enough; empty if nothing.

    Raises:
        GameError: if a share is out of range, or the smallest such game is too large.
    """
    for name, share in (("walk_away", walk_away), *(("leaning", one) for one in leanings)):
        if not 0 <= share <= 1:
            raise GameError(f"{name} is {share}; it must lie in [0, 1]")
    for types, left_out in ((tuple(leanings), ""), ((float(np.mean(leanings)),), "private types")):
        for length in range(turns, 0, -1):
            stakes = _stakes(position, values, types, walk_away, discount, length)
            if stakes.histories() <= most_histories and (length > 1 or turns == 1 or left_out):
                shorter = f"turns {length + 1} to {turns}" if length < turns else ""
                return stakes, " and ".join(filter(None, [left_out, shorter]))
    raise GameError(
        f"{len(position)} players and {position.shape[1]} offers make more than {most_histories:,} histories in one turn;"
        " take fewer offers"
    )


def _stakes(
    position: Array,
    values: Sequence[Array | None],
    leanings: Sequence[float],
    walk_away: float,
    discount: float,
    turns: int,
) -> Stakes:
    utilities = []
    for near, agreeing in zip(position, values, strict=True):
        if agreeing is None:
            rows = [scaled(near)]
        else:
            rows = [scaled(lean * scaled(agreeing) + (1 - lean) * scaled(near)) for lean in leanings]
        utilities.append(np.stack(rows))
    return Stakes(
        utilities=tuple(utilities),
        priors=tuple(np.full(len(rows), 1.0 / len(rows)) for rows in utilities),
        walk_aways=tuple(walk_away * rows.mean(axis=1) for rows in utilities),
        discount=discount,
        turns=turns,
    )


def scaled(readings: Array) -> Array:
    """Readings moved and stretched to [0, 1]; one half each if they are all the same.

    >>> scaled(np.array([2.0, 4.0, 3.0])).tolist()
    [0.0, 1.0, 0.5]
    """
    low, high = float(readings.min()), float(readings.max())
    if high - low <= 1e-12:
        return np.full(len(readings), 0.5)
    stretched: Array = (readings - low) / (high - low)
    return stretched
