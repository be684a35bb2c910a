"""The Schulze method: one winner and a ranking from rankings with ties (Schulze 2011).

M. Schulze, "A new monotonic, clone-independent, reversal symmetric, and Condorcet-consistent single-winner election
method", Social Choice and Welfare 36, 267-303. The strength of a defeat is counted in winning votes, and a voter who ranks
two candidates equal votes for neither over the other.

Worked example (the paper's first: 21 voters, candidates a, b, c, d). Eight rank a > c > d > b, two b > a > d > c, four
c > d > b > a, four d > b > a > c, and three d > c > b > a:

>>> ballots = {"acdb": 8, "badc": 2, "cdba": 4, "dbac": 4, "dcba": 3}
>>> ranks = [[order.index(name) for name in "abcd"] for order, voters in ballots.items() for _ in range(voters)]
>>> vote = schulze(np.array(ranks))
>>> vote.defeats.tolist()
[[0, 8, 14, 10], [13, 0, 6, 2], [7, 15, 0, 12], [11, 19, 9, 0]]

Nobody beats everybody. The strongest way from d to a, say, goes over b: 19 prefer d to b and 13 prefer b to a, so it
is as strong as its weakest step, 13, and stronger than the strongest way back, which is 12.

>>> vote.paths.tolist()
[[0, 14, 14, 12], [13, 0, 13, 12], [13, 15, 0, 12], [13, 19, 13, 0]]
>>> vote.winners, vote.ranking.tolist()
((3,), [1, 3, 2, 0])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from negotiation.errors import GameError


@dataclass(frozen=True, slots=True, eq=False)
class Vote:
    """What came of a vote among K candidates.

    Attributes:
        defeats: (K, K) how many voters rank the row's candidate before the column's, >= 0.
        paths: (K, K) strength of the strongest path from row to column, in voters; 0 where there is none.
        winners: indices of the candidates that no other beats, ascending; one or more.
        ranking: (K,) place of each candidate, from 0, lower is better. Those that nobody beats have place 0; without
            them, those that nobody is left to beat have place 1; and so on.
    """

    defeats: NDArray[np.int64]
    paths: NDArray[np.int64]
    winners: tuple[int, ...]
    ranking: NDArray[np.int64]


def schulze(ranks: ArrayLike) -> Vote:
    """Count rankings.

    Args:
        ranks: (V voters, K candidates), lower is better, equal numbers are ties; only their order within a row counts.

    Raises:
        GameError: if there is no voter or no candidate, or a rank is not finite.
    """
    defeats = pairwise_defeats(ranks)
    paths = strongest_paths(defeats)
    places = ranking(paths)
    return Vote(defeats, paths, tuple(np.flatnonzero(places == 0).tolist()), places)


def pairwise_defeats(ranks: ArrayLike) -> NDArray[np.int64]:
    """(K, K) how many of V voters rank the row's candidate strictly before the column's; ``ranks`` as in ``schulze``."""
    table = np.asarray(ranks, dtype=np.float64)
    if table.ndim != 2 or not table.size:
        raise GameError(
            f"ranks have shape {table.shape}; a vote needs (voters, candidates) with one or more of each"
        )
    if not np.isfinite(table).all():
        raise GameError(
            f"voter {int(np.argwhere(~np.isfinite(table))[0, 0])} gives a rank that is not finite"
        )
    defeats: NDArray[np.int64] = np.sum(table[:, :, None] < table[:, None, :], axis=0, dtype=np.int64)
    return defeats


def strongest_paths(defeats: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K, K) strengths of the strongest paths, from ``pairwise_defeats``, by the algorithm of Floyd and Warshall.

    A step from i to j exists if more voters prefer i to j than j to i, and is as strong as they are many; a path is as
    strong as its weakest step.
    """
    paths = np.where(defeats > defeats.T, defeats, 0)
    for through in range(len(paths)):
        paths = np.maximum(paths, np.minimum(paths[:, through, None], paths[None, through, :]))
    np.fill_diagonal(paths, 0)
    return paths


def ranking(paths: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K,) places from ``strongest_paths``, as ``Vote`` describes them.

    "Beats" (a stronger path there than back) is a strict partial order (Schulze 2011, section 4.1), so that some
    candidate is always left that nobody beats.
    """
    beats = paths > paths.T
    places = np.full(len(paths), -1, dtype=np.int64)
    place = 0
    while (left := places < 0).any():
        unbeaten = left & ~beats[left].any(axis=0)
        places[unbeaten] = place
        place += 1
    return places


def break_tie(ranks: ArrayLike, tied: tuple[int, ...]) -> int:
    """One of the tied candidates: the one whose worst rank is best, then whose ranks are best in sum, then the first.

    Schulze (2011) draws a voter whose ballot decides. Among few voters that gives one of them the whole say: with two who
    disagree, the winner would always be one's favourite.

    Args:
        ranks: (V, K) as in ``schulze``, from 0 for each voter.
        tied: one or more indices.

    >>> break_tie([[0, 1, 2], [2, 1, 0]], (0, 1, 2))
    1
    """
    table = np.asarray(ranks, dtype=np.float64)
    return min(tied, key=lambda candidate: (table[:, candidate].max(), table[:, candidate].sum(), candidate))
