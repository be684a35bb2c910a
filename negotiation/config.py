"""Configuration of the game and its solvers; one tagged union of solver kinds, keyed on ``kind``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Selection = Literal["nash_product", "welfare", "minimum_gain", "potential"]
"""How one equilibrium is chosen where several are known; see ``negotiation.solvers.selection``."""


class _Settings(BaseModel):
    """Frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ExactConfig(_Settings):
    """Nash equilibria of general-sum polymatrix games, to the precision of float64."""

    kind: Literal["exact"] = Field(
        default="exact", description="Exact Nash equilibrium of the general-sum game."
    )
    tolerance: float = Field(
        default=1e-9, gt=0, description="Largest NashConv of an answer that counts as an equilibrium."
    )
    selection: Selection = Field(
        default="nash_product",
        description="Which equilibrium is taken where several are known; potential needs such a game.",
    )
    enumeration_limit: int = Field(
        default=8000,
        ge=0,
        description="All equilibria are enumerated if that takes at most this many linear systems; 0: never.",
    )
    max_pivots: int = Field(
        default=20_000, ge=0, description="Bound on the pivots of one Lemke path; 0: do not pivot."
    )
    max_iterations: int = Field(
        default=20_000,
        ge=0,
        description="Bound on regret-matching+ iterations, the last resort; 0: leave it out.",
    )


class PotentialConfig(_Settings):
    """Argmax of the potential: a pure equilibrium. Refuses games that have no potential."""

    kind: Literal["potential"] = Field(default="potential", description="Argmax of the potential function.")
    tolerance: float = Field(
        default=1e-9, gt=0, description="Largest NashConv of an answer that counts as an equilibrium."
    )
    enumeration_limit: int = Field(
        default=1_000_000,
        ge=1,
        description="Three and more players: profiles enumerated at most; beyond it best-response dynamics.",
    )
    starts: int = Field(
        default=64, ge=1, description="Starts of best-response dynamics beyond the enumeration limit."
    )


class PrdConfig(_Settings):
    """Projected replicator dynamics of OpenSpiel (Lanctot et al. 2017): approximate."""

    kind: Literal["prd"] = Field(default="prd", description="Projected replicator dynamics of OpenSpiel.")
    tolerance: float = Field(
        default=1e-3, gt=0, description="Largest NashConv of an answer that counts as converged."
    )
    iterations: int = Field(default=10_000, ge=1, description="Steps of the dynamics.")
    step: float = Field(
        default=0.01, gt=0, le=1, description="Length of a step in time units of the dynamics."
    )
    average_last: int | None = Field(
        default=None,
        ge=1,
        description="Average over this many last steps; none: over all of them, as OpenSpiel does.",
    )


class RegretMatchingConfig(_Settings):
    """Regret matching of OpenSpiel (Hart and Mas-Colell 2000): approximate."""

    kind: Literal["regret-matching"] = Field(
        default="regret-matching", description="Regret matching of OpenSpiel."
    )
    tolerance: float = Field(
        default=1e-3, gt=0, description="Largest NashConv of an answer that counts as converged."
    )
    iterations: int = Field(
        default=10_000, ge=1, description="Steps of the dynamics; the answer is their average."
    )


class AlphaRankConfig(_Settings):
    """Alpha-rank of OpenSpiel (Omidshafiei et al. 2019): an evolutionary ranking, not an equilibrium."""

    kind: Literal["alpha-rank"] = Field(default="alpha-rank", description="Alpha-rank of OpenSpiel.")
    alpha: float = Field(default=100.0, gt=0, description="Intensity of selection.")
    population: int = Field(default=50, ge=2, description="Individuals in each of the finite populations.")


class CorrelatedConfig(_Settings):
    """Correlated (``ce``) or coarse correlated (``cce``) equilibrium of greatest total payoff, or of greatest spread."""

    kind: Literal["ce", "cce"] = Field(description="Correlated or coarse correlated equilibrium.")
    tolerance: float = Field(
        default=1e-7,
        gt=0,
        description="Largest gain from any deviation against the joint distribution that counts as none.",
    )
    objective: Literal["welfare", "gini"] = Field(
        default="welfare",
        description="welfare: the equilibrium of greatest total payoff; gini: the one nearest to uniform play (small games).",
    )


class LogitConfig(_Settings):
    """Logit quantal response equilibrium (McKelvey and Palfrey 1995), traced from indifference."""

    kind: Literal["logit"] = Field(default="logit", description="Logit quantal response equilibrium.")
    rationality: float = Field(
        default=20.0,
        ge=0,
        description="Lambda, in inverse payoff units: 0 is uniform play, large values near Nash.",
    )
    tolerance: float = Field(
        default=1e-9, gt=0, description="Largest change of any weight under the response map."
    )
    max_steps: int = Field(
        default=2000, ge=1, description="Bound on the steps that trace lambda from 0 to its value."
    )


SolverConfig = Annotated[
    ExactConfig
    | PotentialConfig
    | PrdConfig
    | RegretMatchingConfig
    | AlphaRankConfig
    | CorrelatedConfig
    | LogitConfig,
    Field(discriminator="kind"),
]
"""Any solver's settings; ``kind`` tells which: exact, potential, prd, regret-matching, alpha-rank, ce, cce,
logit."""

SOLVER_KINDS = ("exact", "potential", "prd", "regret-matching", "alpha-rank", "ce", "cce", "logit")
"""Every value of ``kind``, in the order in which help texts list them."""


class GameConfig(_Settings):
    """The negotiation game: utility weights, thresholds, rounds and solver.

    Example:
        >>> GameConfig().solver.kind
        'exact'
        >>> GameConfig.model_validate({"solver": {"kind": "logit", "rationality": 5}}).solver.rationality
        5.0
    """

    alpha: float = Field(
        default=0.5, ge=0, description="Weight of consistency with one's own first guideline."
    )
    beta: float = Field(default=0.5, ge=0, description="Weight of acceptance by the other side.")
    gamma: float = Field(
        default=0.2, ge=0, description="Weight of novelty against one's own earlier guidelines."
    )
    epsilon: float = Field(
        default=0.01,
        ge=0,
        description="Least gain in utility for which a candidate is added to a player's pool.",
    )
    rounds: int = Field(
        default=8, ge=1, description="Round limit; a negotiation that reaches it has not converged."
    )
    update: Literal["simultaneous", "alternating"] = Field(
        default="simultaneous", description="Whether players propose against the same weights or in turn."
    )
    candidates_per_kind: int = Field(
        default=1,
        ge=1,
        description="Candidates each player proposes of each kind (adversarial, complementary, innovative).",
    )
    solver: SolverConfig = Field(
        default_factory=lambda: ExactConfig(), description="The meta-game's solver, by kind."
    )
    nash_conv_tolerance: float = Field(
        default=1e-6,
        gt=0,
        description="Largest NashConv of the meta-game at which a negotiation counts as converged.",
    )

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if self.alpha == self.beta == self.gamma == 0:
            raise ValueError(
                "alpha, beta and gamma are all 0, so every guideline is worth the same; raise one of them"
            )
        return self
