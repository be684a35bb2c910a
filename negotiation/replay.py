"""Published weights set on the meta-games that they were published for.

A published run gives, for every round, the guidelines of both sides and the weights that were found for them. ``PublishedGame``
builds that meta-game by our utility; ``replay_run`` measures on it

- the published weights, whose sums are mended (``restored_weights``);
- the same without the half of a uniform distribution that was mixed in (``without_uniform``);
- the equilibrium of our own solver;

and what each new guideline gained over those its side already had, which is what our own stopping rule asks.
Any other way of solving can be set beside them: an ``Algorithm`` takes the games and gives weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from negotiation.config import ExactConfig, SolverConfig
from negotiation.errors import GameError
from negotiation.guideline import Pool
from negotiation.metagame import PolymatrixGame, Weights, build_metagame
from negotiation.solvers.dispatch import solve
from negotiation.utility import Utility

PUBLISHED_UNIFORM = 0.5
"""The share of a uniform distribution that was mixed into published weights."""
PUBLISHED_ROUNDING = 0.005
"""Published weights have two decimals: each is off by at most this."""
PUBLISHED_PATIENCE = 0.02
"""The published rule stopped a run when neither side's utility rose by this (by twice this if the new guidelines were alike)."""
FIRST_CHANCE = 2
"""The published rule compares two rounds, so this is the first at which it can stop a run."""


def restored_weights(headings: Sequence[str], published: Mapping[str, float]) -> NDArray[np.float64]:
    """Weights that were published by heading, for the guidelines of a pool; they sum to 1.

    Where guidelines share a heading, the weight of the last one was published for all of them, and the weights of the earlier
    ones were lost: the published sum falls short by them. They get that shortfall back, in equal parts. What is then left of a
    sum beside 1 is rounding, and scaled away.

    Args:
        headings: of the K guidelines, in the order they were added.
        published: one weight a heading, each in [0, 1].

    Returns:
        (K,) weights.

    Raises:
        GameError: if headings do not fit, a weight is outside [0, 1], or the sum differs from 1 by more than rounding explains
            (and no weight was lost).

    Example:
        >>> restored_weights(["a", "b", "a"], {"a": 0.5, "b": 0.25}).tolist()
        [0.25, 0.25, 0.5]
    """
    strange = set(published) ^ set(headings)
    if strange:
        raise GameError(f"weights and pool differ in the headings {sorted(strange)}; each needs the other")
    outside = {heading: weight for heading, weight in published.items() if not 0.0 <= weight <= 1.0}
    if outside:
        raise GameError(f"weights {outside} lie outside [0, 1]; weights are shares")
    last = {heading: place for place, heading in enumerate(headings)}
    weights = np.zeros(len(headings))
    for heading, place in last.items():
        weights[place] = published[heading]
    lost = [place for place, heading in enumerate(headings) if last[heading] != place]
    shortfall, rounding = 1.0 - float(weights.sum()), PUBLISHED_ROUNDING * len(headings) + 1e-9
    if -shortfall > rounding or (shortfall > rounding and not lost):
        raise GameError(
            f"weights sum to {weights.sum():.3f}; rounding of {len(headings)} weights to two decimals explains no more than"
            f" {rounding:.3f} beside 1"
        )
    weights[lost] = max(shortfall, 0.0) / max(len(lost), 1)
    restored: NDArray[np.float64] = weights / weights.sum()
    return restored


def without_uniform(weights: NDArray[np.float64], share: float = PUBLISHED_UNIFORM) -> NDArray[np.float64]:
    """Take a mixed-in uniform distribution out again: ``max(0, (w - share / K) / (1 - share))``, scaled to sum 1.

    Args:
        weights: (K,) sum 1.
        share: of the uniform distribution, in [0, 1).

    Example:
        >>> without_uniform(np.array([0.75, 0.25])).tolist()
        [1.0, 0.0]
    """
    raw = np.maximum(0.0, weights - share / len(weights))
    total = float(raw.sum())
    pure: NDArray[np.float64] = raw / total if total > 0.0 else np.full(len(weights), 1.0 / len(weights))
    return pure


@dataclass(frozen=True, slots=True, eq=False)
class PublishedGame:
    """The meta-game of one round of a published run.

    Attributes:
        run: where the run was read.
        round: from 1.
        pools: one a side, as they stood when the weights were found; the last guideline of each is the round's own.
        utility: that of the run.
        published: for each side its (K_i,) weights, sums mended, the uniform distribution still in them.
        game: payoffs by our utility.

    Raises:
        GameError: if weights are no distributions over the pools.
    """

    run: str
    round: int
    pools: tuple[Pool, ...]
    utility: Utility
    published: tuple[NDArray[np.float64], ...]
    game: PolymatrixGame = field(init=False)

    def __post_init__(self) -> None:
        for pool, weights in zip(self.pools, self.published, strict=True):
            if (
                weights.shape != (len(pool),)
                or not np.isfinite(weights).all()
                or abs(weights.sum() - 1.0) > 1e-9
            ):
                raise GameError(
                    f"{self.run}, round {self.round}: weights {weights} of side {pool.player} are no distribution over its"
                    f" {len(pool)} guidelines"
                )
        object.__setattr__(self, "game", build_metagame(self.pools, self.utility))


Algorithm = Callable[[Sequence[PublishedGame]], Sequence[Weights]]
"""Another way to solve: for each game, one (K_i,) mixture a side."""


@dataclass(frozen=True, slots=True)
class GameFigures:
    """What was measured on one meta-game. All are in units of utility.

    Attributes:
        round: of the run, from 1.
        published: NashConv of the published weights, >= 0, lower is better.
        published_gain: the most that one side could gain by other weights against the published ones.
        unmixed: NashConv of the published weights without the uniform distribution.
        unmixed_gain: the most that one side could gain against those.
        ours: NashConv of our solution.
        converged: whether our solver met its criterion.
        proposal_gains: for each side, what the round's new guideline is worth over the best that the side already had, against
            our equilibrium before it; below 0 if it is worse.
    """

    round: int
    published: float
    published_gain: float
    unmixed: float
    unmixed_gain: float
    ours: float
    converged: bool
    proposal_gains: tuple[float, ...]


def replay_run(games: Sequence[PublishedGame], solver: SolverConfig | None = None) -> list[GameFigures]:
    """Measure all rounds of one run, in order.

    Args:
        games: of rounds 1, 2, ...; every side's pool grows by one guideline a round, from one guideline before round 1.
        solver: ours; the exact one if None.

    Raises:
        GameError: if rounds are missing or pools do not grow by one.
    """
    solver = solver or ExactConfig()
    before: Weights = [np.ones(1) for _ in games[0].pools] if games else []
    figures = []
    for number, item in enumerate(games, start=1):
        if item.round != number or any(len(pool) != number + 1 for pool in item.pools):
            raise GameError(
                f"{item.run}: round {item.round} with pools of {[len(pool) for pool in item.pools]} guidelines stands where"
                f" round {number} with {number + 1} a side was expected"
            )
        unmixed = [without_uniform(weights) for weights in item.published]
        solution = solve(item.game, solver)
        published_regrets, unmixed_regrets = item.game.regrets(item.published), item.game.regrets(unmixed)
        figures.append(
            GameFigures(
                round=item.round,
                published=float(published_regrets.sum()),
                published_gain=float(published_regrets.max()),
                unmixed=float(unmixed_regrets.sum()),
                unmixed_gain=float(unmixed_regrets.max()),
                ours=solution.nash_conv,
                converged=solution.converged,
                proposal_gains=_proposal_gains(item, before),
            )
        )
        before = solution.weights
    return figures


def _proposal_gains(item: PublishedGame, before: Weights) -> tuple[float, ...]:
    """Gain of each pool's last guideline over the others in it, against the opponents' mixtures of the round before."""
    padded = [np.append(mixture, 0.0) for mixture in before]  # nobody held the newest guidelines then
    values = [item.game.action_values(player, padded) for player in range(len(item.pools))]
    return tuple(float(value[-1] - value[:-1].max()) for value in values)


@dataclass(frozen=True, slots=True)
class Stop:
    """How one published run came to its end.

    Attributes:
        fired: the published rule, that the sides' utilities did not rise, ended it; else the limit of rounds did.
        rounds: how many were played.
        last: the measures of its last meta-game.
        fell: for each side, by how much the utility of its new guideline fell in the last round; below 0 if it rose. None if
            it was not logged, or there was one round only.
    """

    fired: bool
    rounds: int
    last: GameFigures
    fell: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class StoppingFigures:
    """How often the published rule declared consensus, and what could still be gained then.

    Attributes:
        runs: all runs.
        fired: runs that the rule ended.
        fired_at_first_chance: of these, as soon as it could.
        gain_by_weights: of ``fired``, some side gains ``epsilon`` or more by other weights over the same guidelines, against
            the published weights.
        gain_by_weights_unmixed: the same with the uniform distribution taken out.
        gain_by_proposal: of ``fired``, a guideline proposed in that very round gained ``epsilon`` or more over what its side
            had: our rule would have gone on.
        gain_at_all: of ``fired``, any of the three.
        utility_fell: of ``fired``, some side's utility fell by ``PUBLISHED_PATIENCE`` or more: the rule took a fall for rest.
        epsilon: the gain that counts.
    """

    runs: int
    fired: int
    fired_at_first_chance: int
    gain_by_weights: int
    gain_by_weights_unmixed: int
    gain_by_proposal: int
    gain_at_all: int
    utility_fell: int
    epsilon: float


def stopping_figures(stops: Sequence[Stop], epsilon: float) -> StoppingFigures:
    """Count; ``epsilon`` > 0 is the gain in utility that counts as one."""
    fired = [stop for stop in stops if stop.fired]
    by_weights = [stop.last.published_gain >= epsilon for stop in fired]
    by_unmixed = [stop.last.unmixed_gain >= epsilon for stop in fired]
    by_proposal = [max(stop.last.proposal_gains) >= epsilon for stop in fired]
    return StoppingFigures(
        runs=len(stops),
        fired=len(fired),
        fired_at_first_chance=sum(stop.rounds == FIRST_CHANCE for stop in fired),
        gain_by_weights=sum(by_weights),
        gain_by_weights_unmixed=sum(by_unmixed),
        gain_by_proposal=sum(by_proposal),
        gain_at_all=sum(map(any, zip(by_weights, by_unmixed, by_proposal, strict=True))),
        utility_fell=sum(stop.fell is not None and max(stop.fell) >= PUBLISHED_PATIENCE for stop in fired),
        epsilon=epsilon,
    )
