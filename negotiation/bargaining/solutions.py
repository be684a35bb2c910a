"""Cooperative solutions of a bargaining problem: Nash's, and Kalai and Smorodinsky's.

The problem: K outcomes with (N,) utilities each, and a disagreement point d. Feasible is every lottery over the outcomes and d,
so the feasible set is their convex hull; individually rational are the points of it that are at least d.

    Nash (1950):                    maximise  product over i of (x_i - d_i)
    Kalai and Smorodinsky (1975):   the best point on the line from d to the ideal point m, where m_i is the most that player i
                                    can get at an individually rational point

For N > 2 the latter may leave gains on the table; then the others' shares are raised in turn, as long as the smallest ones are
kept (lexicographic maximin of the relative gains: Imai 1983). Both are exact up to float64: for two players Nash's point is
found in closed form on the edges of the frontier, for more by Newton's method on the active outcomes, with the optimality gap
returned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import GameError, SolverError

Points = NDArray[np.float64]

GAP = 1e-7
"""Largest optimality gap of a Nash solution of three and more players, as a share of the logarithm of the product."""

SUPPORT = 1e-9
"""Lottery weights below this are none."""


@dataclass(frozen=True, slots=True, eq=False)
class Bargain:
    """A point of the feasible set.

    Attributes:
        point: (N,) expected utilities.
        gains: (N,) over the disagreement point, >= 0.
        lottery: (K + 1,) probabilities of the outcomes and, last, of disagreement; one of those that give the point.
        gap: how far at most the solved objective may be from its optimum; 0 where it is in closed form.
    """

    point: NDArray[np.float64]
    gains: NDArray[np.float64]
    lottery: NDArray[np.float64]
    gap: float = 0.0

    @property
    def product(self) -> float:
        """The Nash product: of the gains, >= 0."""
        return float(np.prod(self.gains))


def nash_solution(points: Points, disagreement: NDArray[np.float64]) -> Bargain:
    """The feasible point of greatest Nash product (Nash 1950).

    Where not all can gain at once every product is 0, and the individually rational point of greatest total gain is taken.

    Args:
        points: (K outcomes, N players) utilities.
        disagreement: (N,).

    Raises:
        GameError: if shapes do not fit or numbers are not finite.
        SolverError: if no point within ``GAP`` of the optimum is found.

    Example:
        >>> dollar = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> nash_solution(dollar, np.zeros(2)).point.tolist()
        [0.5, 0.5]
    """
    gains = _gains(points, disagreement)
    start = _maximin(gains, np.ones(gains.shape[1]))
    if (start @ gains).min() <= _tiny(gains):
        return _bargain(_most_total(gains), gains, disagreement)
    if gains.shape[1] == 2:
        return _bargain(_nash_on_edges(gains), gains, disagreement)
    lottery, gap = _nash_by_newton(gains, start)
    if gap > GAP:
        raise SolverError(
            f"the Nash solution of {len(points)} outcomes was found up to a gap of {gap:.1e} only;"
            " merge outcomes that are nearly equal"
        )
    return _bargain(lottery, gains, disagreement, gap)


def kalai_smorodinsky(points: Points, disagreement: NDArray[np.float64]) -> Bargain:
    """The solution of Kalai and Smorodinsky (1975), for N > 2 in the form of Imai (1983).

    Args:
        points: (K outcomes, N players) utilities.
        disagreement: (N,).

    Raises:
        GameError: if shapes do not fit or numbers are not finite.

    Example:
        >>> points = np.array([[0.0, 1.0], [1.0, 0.7]])
        >>> kalai_smorodinsky(points, np.zeros(2)).point.round(6).tolist()
        [0.769231, 0.769231]
    """
    gains = _gains(points, disagreement)
    ideal = ideal_gains(points, disagreement)
    able = ideal > _tiny(gains)
    if not able.any():
        return _bargain(np.eye(len(gains))[-1], gains, disagreement)
    relative = gains[:, able] / ideal[able]
    fixed = gains[:, ~able]
    return _bargain(_lexicographic(relative, fixed), gains, disagreement)


def ideal_gains(points: Points, disagreement: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) the most that each player can gain at an individually rational point, >= 0."""
    gains = _gains(points, disagreement)
    best = [_program(-gains[:, i], gains) @ gains[:, i] for i in range(gains.shape[1])]
    return np.maximum(np.array(best), 0.0)


def most_welfare(points: Points, disagreement: NDArray[np.float64]) -> Bargain:
    """The individually rational point of greatest total gain."""
    gains = _gains(points, disagreement)
    return _bargain(_most_total(gains), gains, disagreement)


def _gains(points: Points, disagreement: NDArray[np.float64]) -> Points:
    """(K + 1, N) gains of the outcomes and of disagreement, which comes last."""
    points, disagreement = np.asarray(points, dtype=np.float64), np.asarray(disagreement, dtype=np.float64)
    if points.ndim != 2 or not len(points) or disagreement.shape != points.shape[1:] or points.shape[1] < 2:
        raise GameError(
            f"points have shape {points.shape} and the disagreement point {disagreement.shape}; expected (K, N) and (N,), N >= 2"
        )
    if not (np.isfinite(points).all() and np.isfinite(disagreement).all()):
        raise GameError("utilities must be finite numbers")
    return np.vstack([points - disagreement, np.zeros(points.shape[1])])


def _tiny(gains: Points) -> float:
    """Gains below this are rounding."""
    return 1e-12 * max(float(np.abs(gains).max()), np.finfo(float).tiny)


def _bargain(
    lottery: NDArray[np.float64], gains: Points, disagreement: NDArray[np.float64], gap: float = 0.0
) -> Bargain:
    lottery = np.where(lottery < SUPPORT, 0.0, lottery)
    lottery = lottery / lottery.sum()
    found = np.maximum(lottery @ gains, 0.0)
    return Bargain(found + disagreement, found, lottery, gap)


def _program(
    cost: NDArray[np.float64], gains: Points, above: tuple[Points, NDArray[np.float64]] | None = None
) -> NDArray[np.float64]:
    """The lottery of least cost among the individually rational ones; ``above``: further rows and their lower bounds."""
    from scipy.optimize import linprog  # a third of a second that only solutions need

    rows, bounds = [-gains.T], [np.zeros(gains.shape[1])]
    if above is not None:
        rows.append(-above[0])
        bounds.append(-above[1])
    result = linprog(
        cost,
        A_ub=np.vstack(rows),
        b_ub=np.concatenate(bounds),
        A_eq=np.ones((1, len(gains))),
        b_eq=[1.0],
        method="highs",
    )
    if not result.success:
        raise SolverError(f"the linear program of a bargaining solution failed: {result.message}")
    lottery = np.maximum(result.x, 0.0)
    mixture: NDArray[np.float64] = lottery / lottery.sum()
    return mixture


def _most_total(gains: Points) -> NDArray[np.float64]:
    return _program(-gains.sum(axis=1), gains)


def _maximin(gains: Points, scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lottery whose least gain is greatest."""
    return _lexicographic(gains / scale, np.empty((len(gains), 0)), rounds=1)


def _lexicographic(gains: Points, kept: Points, rounds: int | None = None) -> NDArray[np.float64]:
    """Raise the least gain as far as it goes, then the least of those that can still rise, and so on.

    Args:
        gains: (K, N) to be raised.
        kept: (K, M) of players that can gain nothing, kept at 0 or above.
        rounds: stop after so many; none: when no gain can rise.
    """
    from scipy.optimize import linprog

    count, players = gains.shape
    floors = np.full(players, np.nan)  # of players whose gain is settled
    lottery = np.zeros(count)
    for _ in range(rounds or players):
        free = np.isnan(floors)
        # Variables: the lottery and t. Free players get at least t, settled ones at least their floor.
        rows = [
            np.hstack([-gains.T, free[:, None].astype(float)]),
            np.hstack([-kept.T, np.zeros((kept.shape[1], 1))]),
        ]
        limits = [np.where(free, 0.0, -np.where(free, 0.0, floors) + 1e-12), np.zeros(kept.shape[1])]
        result = linprog(
            np.append(np.zeros(count), -1.0), A_ub=np.vstack(rows), b_ub=np.concatenate(limits),
            A_eq=np.append(np.ones(count), 0.0)[None], b_eq=[1.0], bounds=[(0, None)] * count + [(None, None)], method="highs",
        )  # fmt: skip
        if not result.success:
            raise SolverError(f"the linear program of a bargaining solution failed: {result.message}")
        lottery, least = np.maximum(result.x[:-1], 0.0), float(result.x[-1])
        lottery /= lottery.sum()
        if rounds == 1:
            break
        everyone = np.hstack([gains, kept])
        bounds = (
            np.concatenate([np.where(free, least, np.where(free, 0.0, floors)), np.zeros(kept.shape[1])])
            - 1e-12
        )
        for player in np.flatnonzero(free):
            best = _program(-gains[:, player], np.zeros((count, 1)), (everyone.T, bounds)) @ gains[:, player]
            if best <= least + 1e-9:
                floors[player] = least
        if not np.isnan(floors).any():
            break
    return lottery


def _nash_on_edges(gains: Points) -> NDArray[np.float64]:
    """Two players: the best point of every edge between two outcomes, in closed form, and of these the best.

    On the way from a to b the product is (a_1 + t e_1)(a_2 + t e_2) with e = b - a: a parabola in t. The optimum lies on an
    edge of the hull, and every edge of the hull is among the pairs.
    """
    k = len(gains)
    first, second = np.triu_indices(k, 1)
    a, e = gains[first], gains[second] - gains[first]
    curvature = e[:, 0] * e[:, 1]
    slope = a[:, 0] * e[:, 1] + a[:, 1] * e[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        top = np.where(curvature < 0, -slope / (2 * curvature), 0.0)
    shares = np.stack([np.zeros(len(a)), np.ones(len(a)), np.clip(np.nan_to_num(top), 0.0, 1.0)])
    reached = a[None] + shares[:, :, None] * e[None]
    products = np.where((reached >= 0).all(axis=2), reached.prod(axis=2), -np.inf)
    where, pair = np.unravel_index(int(products.argmax()), products.shape)
    lottery = np.zeros(k)
    lottery[first[pair]] += 1.0 - shares[where, pair]
    lottery[second[pair]] += shares[where, pair]
    return lottery


def _nash_by_newton(gains: Points, start: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Maximise the sum of log gains: sequential quadratic programming, then Newton's method on the active outcomes.

    Returns:
        The lottery, and the gap: max over outcomes k of sum_i (g_ki / x_i) - N, an upper bound on how much larger the sum of
        logarithms can be (concavity).
    """
    from scipy.optimize import minimize

    def cost(lottery: NDArray[np.float64]) -> float:
        return -float(np.log(np.maximum(lottery @ gains, 1e-300)).sum())

    def slope(lottery: NDArray[np.float64]) -> NDArray[np.float64]:
        steepness: NDArray[np.float64] = -gains @ (1.0 / np.maximum(lottery @ gains, 1e-300))
        return steepness

    result = minimize(
        cost, start, jac=slope, bounds=[(0.0, 1.0)] * len(gains), method="SLSQP", options={"ftol": 1e-15, "maxiter": 1000},
        constraints=[{"type": "eq", "fun": lambda lottery: lottery.sum() - 1.0, "jac": np.ones_like}],
    )  # fmt: skip
    best, least = start, _gap(gains, start)
    for cut in (1e-4, 1e-5, 1e-6, 1e-7):
        found = _polish(gains, np.maximum(result.x, 0.0), cut)
        if (gap := _gap(gains, found)) < least:
            best, least = found, gap
    return best, least


def _gap(gains: Points, lottery: NDArray[np.float64]) -> float:
    reached = lottery @ gains
    if reached.min() <= 0:
        return float("inf")
    over: float = (gains @ (1.0 / reached)).max() - gains.shape[1]
    return max(0.0, float(over))


def _polish(gains: Points, lottery: NDArray[np.float64], cut: float) -> NDArray[np.float64]:
    """Newton's steps on the optimality conditions of the outcomes that have weight."""
    support = np.flatnonzero(lottery > cut)
    active = gains[support]
    weights = lottery[support] / lottery[support].sum()
    for _ in range(50):
        reached = weights @ active
        if reached.min() <= 0:
            normalised: NDArray[np.float64] = lottery / lottery.sum()
            return normalised
        curvature = (active / reached**2) @ active.T
        system = np.block(
            [[curvature, np.ones((len(support), 1))], [np.ones((1, len(support))), np.zeros((1, 1))]]
        )
        right = np.append(active @ (1.0 / reached), 0.0)
        step = np.linalg.lstsq(system, right, rcond=None)[0][:-1]
        shrinking = step < 0
        longest = float((weights[shrinking] / -step[shrinking]).min()) if shrinking.any() else np.inf
        weights = np.maximum(weights + min(1.0, 0.99 * longest) * step, 0.0)
        weights /= weights.sum()
        if np.abs(step).max() < 1e-15:
            break
    polished = np.zeros(len(lottery))
    polished[support] = weights
    return polished
