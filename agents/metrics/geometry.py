"""Who moved how far toward whom, and to whom the consensus is fair: from distances between statements.

A side i of N has an opening statement and a consensus statement. Everything here follows from two matrices (N, N) of distances
in [0, 1] or [0, 2], by any measure of distance:

    start[i, j]   from the opening of i to the opening of j; symmetric, 0 on the diagonal
    end[i, j]     from the consensus statement of i to the opening of j

Swapping the sides swaps rows and columns: what is said of a side goes with it, signed figures of two sides turn round, and all
others stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import GameError

Floats = NDArray[np.float64]


def cosine_distances(left: Floats, right: Floats) -> Floats:
    """1 - cos of each row of one with each of the other, from rows of unit length.

    Computed as half the squared length of the difference, which is the same for unit vectors and exactly 0 for equal ones.

    Args:
        left: (n, D) of unit length.
        right: (m, D) of unit length.

    Returns:
        (n, m) in [0, 2]; 0 for equal, 2 for opposite directions.

    Raises:
        GameError: if a row is not of unit length.

    >>> cosine_distances(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])).tolist()
    [[0.0, 1.0, 2.0]]
    """
    left, right = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    for rows in (left, right):
        lengths = np.linalg.norm(rows, axis=1)
        if not np.allclose(lengths, 1.0, atol=1e-6):
            raise GameError(f"embeddings have lengths {lengths}; give rows of unit length")
    found: Floats = np.clip(0.5 * np.square(left[:, None] - right[None]).sum(axis=2), 0.0, 2.0)
    return found


def value_distances(left: Floats, right: Floats) -> Floats:
    """Root mean square of the differences of value vectors, halved: ``|u - v| / (2 sqrt(K))``.

    Args:
        left: (n, K) in [-1, 1].
        right: (m, K) in [-1, 1].

    Returns:
        (n, m) in [0, 1]; 1 if all values are at opposite ends.

    Raises:
        GameError: if a value is outside [-1, 1] or not finite.

    >>> value_distances(np.ones((1, 10)), np.array([[1.0] * 10, [0.0] * 10, [-1.0] * 10])).tolist()
    [[0.0, 0.5, 1.0]]
    """
    left, right = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    for rows in (left, right):
        if not (np.abs(rows) <= 1.0).all():  # NaN is not <= 1 either
            raise GameError("value vectors must be finite and lie in [-1, 1]")
    found: Floats = np.sqrt(np.square(left[:, None] - right[None]).mean(axis=2)) / 2.0
    return found


@dataclass(frozen=True, slots=True)
class Movement:
    """The distances of one negotiation; see the head of this file.

    Attributes:
        start: (N, N).
        end: (N, N).
        among: (N, N) between the consensus statements, symmetric.

    Raises:
        GameError: if they are not of one square shape with N >= 2, or a distance is negative or not finite.
    """

    start: Floats
    end: Floats
    among: Floats

    def __post_init__(self) -> None:
        n = len(self.start)
        for name in ("start", "end", "among"):
            matrix = np.asarray(getattr(self, name), dtype=np.float64)
            if matrix.shape != (n, n) or n < 2:
                raise GameError(
                    f"{name} has shape {matrix.shape}; give distances of two or more sides, (N, N)"
                )
            if not (np.isfinite(matrix).all() and (matrix >= 0).all()):
                raise GameError(f"{name} has a distance that is negative or not finite")
            object.__setattr__(self, name, matrix)

    @property
    def sides(self) -> int:
        """N."""
        return len(self.start)


def movement_of(openings: Floats, consensus: Floats) -> Movement:
    """Cosine distances of statements from their embeddings, (N, D) each, rows of unit length."""
    return Movement(
        cosine_distances(openings, openings),
        cosine_distances(consensus, openings),
        cosine_distances(consensus, consensus),
    )


def value_movement(openings: Floats, consensus: Floats) -> Movement:
    """Distances of statements from the values read in them, (N, K) each, in [-1, 1]."""
    return Movement(
        value_distances(openings, openings),
        value_distances(consensus, openings),
        value_distances(consensus, consensus),
    )


def gap(matrix: Floats) -> float:
    """Mean distance between two different sides, from a symmetric (N, N).

    >>> gap(np.array([[0.0, 0.4], [0.4, 0.0]]))
    0.4
    """
    return float(matrix[np.triu_indices(len(matrix), 1)].mean())


def moved(movement: Movement) -> Floats:
    """(N,) how far each side's consensus statement is from its own opening."""
    return np.diag(movement.end).copy()


def approaches(movement: Movement) -> Floats:
    """(N, N) who came how far toward whom: ``start[i, j] - end[i, j]``, negative if i went away from j; NaN for oneself.

    >>> halfway = Movement(np.array([[0, 1], [1, 0.0]]), np.array([[0.2, 0.4], [1, 0.0]]), np.zeros((2, 2)))
    >>> approaches(halfway)[0, 1], approaches(halfway)[1, 0]
    (np.float64(0.6), np.float64(0.0))
    """
    found = movement.start - movement.end
    np.fill_diagonal(found, np.nan)
    return found


def conceded(movement: Movement) -> Floats:
    """(N,) how far each side came toward the others' openings, mean over them."""
    found: Floats = np.nanmean(approaches(movement), axis=1)
    return found


def reach(movement: Movement) -> Floats:
    """(N,) how far the consensus is from each side's opening: mean over the consensus statements of all sides."""
    found: Floats = movement.end.mean(axis=0)
    return found


def spread(of_sides: Floats) -> float:
    """Largest less smallest of (N,) figures of sides: 0 if all fare alike.

    >>> spread(np.array([0.5, 0.2]))
    0.3
    """
    return float(of_sides.max() - of_sides.min())


def first_against_others(of_sides: Floats) -> float:
    """The first side's figure less the mean of the others': for two sides, what ``spread`` is with a sign.

    Of distances of the consensus (``reach``): above 0, the consensus is nearer to the others than to the first side.
    """
    return float(of_sides[0] - of_sides[1:].mean())


def gains(movement: Movement) -> Floats:
    """(N,) what each side gained over having the others' openings imposed on it, in units of distance.

        gain_j = mean over k != j of start[k, j]  -  reach_j

    A side's utility is the nearness of all consensus statements, its own among them, to its opening; the openings of the others
    are the point of disagreement (Nash 1950). If one side gives in wholly it gains 0 and the other the whole gap. Sides that do
    not move keep half of the gap each; meeting in the middle gives more to both, since cosine distances grow as the square.

    >>> gives_in = Movement(np.array([[0, 1], [1, 0.0]]), np.array([[0, 1], [0, 1.0]]), np.zeros((2, 2)))
    >>> gains(gives_in).tolist()
    [1.0, 0.0]
    """
    others = movement.start.sum(axis=0) / (movement.sides - 1)  # the diagonal is 0
    found: Floats = others - reach(movement)
    return found


def nash_product(gained: Floats) -> float:
    """Product of the gains (Nash 1950); 0 if a side does not gain, for then the consensus is no bargain.

    >>> nash_product(np.array([0.5, 0.2])), nash_product(np.array([0.5, -0.2])), nash_product(np.array([-0.5, -0.2]))
    (0.1, 0.0, 0.0)
    """
    return float(np.prod(np.maximum(gained, 0.0)))


def gini(gained: Floats) -> float | None:
    """Gini coefficient of the gains, stretched to [0, 1]: 0 if all gain alike, 1 if one side has everything.

    ``sum over i, j of |g_i - g_j| / (2 N sum of g) * N / (N - 1)``; a loss counts as no gain. None if nobody gains.

    >>> gini(np.array([0.25, 0.25])), gini(np.array([0.5, -0.1])), gini(np.array([0.75, 0.25])), gini(np.array([0.0, -0.1]))
    (0.0, 1.0, 0.5, None)
    """
    positive = np.maximum(gained, 0.0)
    total = float(positive.sum())
    if total == 0.0:
        return None
    n = len(positive)
    differences = float(np.abs(positive[:, None] - positive[None]).sum())
    return differences / (2.0 * n * total) * n / (n - 1)


def drift_toward(movement: Movement, side: int) -> float:
    """How far the others came toward one side's opening, mean over them.

    >>> halfway = Movement(np.array([[0, 1], [1, 0.0]]), np.array([[0.2, 0.4], [1, 0.0]]), np.zeros((2, 2)))
    >>> drift_toward(halfway, 1)
    0.6
    """
    return float(np.nanmean(approaches(movement)[:, side]))


def drift_balance(movement: Movement, side: int) -> float:
    """How far the others came toward one side, less how far it came toward them: above 0, it drew the others to itself.

    With the English-Speaking side this is the WEIRD index: the drift of a consensus to Western positions.
    """
    return drift_toward(movement, side) - float(conceded(movement)[side])


def principal_plane(vectors: Floats) -> Floats:
    """(n, D) vectors on their first two principal axes, (n, 2); what there is of fewer dimensions stays as it is.

    The plane of NCN, figure 4. Signs of the axes are arbitrary; distances do not depend on them.

    >>> np.abs(principal_plane(np.array([[0.0, 3.0, 0.0], [0.0, -3.0, 0.0]]))).tolist()
    [[3.0, 0.0], [3.0, 0.0]]
    """
    centred = np.asarray(vectors, dtype=np.float64) - np.mean(vectors, axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    found: Floats = centred @ axes[:2].T
    if found.shape[1] < 2:
        found = np.pad(found, ((0, 0), (0, 2 - found.shape[1])))
    return found


def plane_reach(openings: Floats, consensus: Floats) -> Floats:
    """(N,) distance of the consensus, the mean of its statements, from each side's opening, in a plane.

    Args:
        openings: (N, 2) places.
        consensus: (N, 2) places.

    >>> plane_reach(np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 0.0]])).tolist()
    [0.5, 1.5]
    """
    found: Floats = np.linalg.norm(np.asarray(consensus).mean(axis=0) - np.asarray(openings), axis=1)
    return found
