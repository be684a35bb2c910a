"""What a guideline is worth to the player who holds it (NCN section 3.1).

    U_i(g, g_-i) = alpha * consistency_i(g) + beta * acceptance(g, g_-i) + gamma * novelty_i(g)

Terms are of two kinds: an own term looks at the player's pool alone, a pair term at the pools of two players.
Any object with the attributes of ``OwnTerm`` or ``PairTerm`` is a term; ``Utility`` weighs and adds them, and
is the one place where payoffs come from: the meta-game, the choice among candidates and the record all ask
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import ConfigurationError, GameError
from negotiation.guideline import Pool

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class UtilityTerm(Protocol):
    """One summand of the utility, higher is better."""

    @property
    def name(self) -> str:
        """A word for reports, unique within a utility."""
        ...

    @property
    def weight(self) -> float:
        """What the term's values are multiplied by; finite and at least 0."""
        ...


@runtime_checkable
class OwnTerm(UtilityTerm, Protocol):
    """A term that depends on the player's own pool alone."""

    def own(self, pool: Pool) -> NDArray[np.float64]:
        """Unweighted values of the pool's guidelines, (K,)."""
        ...


@runtime_checkable
class PairTerm(UtilityTerm, Protocol):
    """A term that depends on the player's guideline and one other player's."""

    def pair(self, pool: Pool, other: Pool) -> NDArray[np.float64]:
        """Unweighted values, (K_i, K_j): rows are the guidelines of ``pool``, columns those of ``other``."""
        ...


def _check_weight(name: str, weight: float) -> None:
    if not np.isfinite(weight) or weight < 0:
        raise ConfigurationError(f"weight of {name} is {weight}; it must be a finite number of at least 0")


@dataclass(frozen=True, slots=True)
class Consistency:
    """Closeness to one's own first guideline: cos(E(g), E(g_i^0)), in [-1, 1]."""

    weight: float
    name: str = "consistency"

    def own(self, pool: Pool) -> NDArray[np.float64]:
        """(K,) cosines to the pool's first guideline."""
        cosines: NDArray[np.float64] = pool.embeddings @ pool.embeddings[0]
        return cosines


@dataclass(frozen=True, slots=True)
class Novelty:
    """Distance from one's own earlier guidelines: 1 - max over earlier k of cos(E(g), E(k)), in [0, 2].

    The first guideline has nothing to be new against; its novelty is 0 by our convention, which the source
    leaves open.
    """

    weight: float
    name: str = "novelty"

    def own(self, pool: Pool) -> NDArray[np.float64]:
        """(K,) novelties, each against the guidelines before it in the pool."""
        cosines = pool.embeddings @ pool.embeddings.T
        later = np.tril(np.ones(cosines.shape, dtype=bool), k=-1)
        novelty: NDArray[np.float64] = 1.0 - np.where(later, cosines, -np.inf).max(axis=1)
        novelty[0] = 0.0
        return novelty


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Closeness to the other player's guideline: cos(E(g), E(g_j)), in [-1, 1]; symmetric."""

    weight: float
    name: str = "acceptance"

    def pair(self, pool: Pool, other: Pool) -> NDArray[np.float64]:
        """(K_i, K_j) cosines between the two pools."""
        cosines: NDArray[np.float64] = pool.embeddings @ other.embeddings.T
        return cosines


@dataclass(frozen=True, slots=True)
class Utility:
    """A weighted sum of terms.

    Attributes:
        terms: own and pair terms; names must differ.

    Raises:
        ConfigurationError: if there is no term with a positive weight, a weight is negative or not finite, a
            name occurs twice, or a term is neither an own nor a pair term.

    Example:
        >>> [term.name for term in Utility.standard(alpha=0.5, beta=0.5, gamma=0.2).terms]
        ['consistency', 'acceptance', 'novelty']
    """

    terms: tuple[OwnTerm | PairTerm, ...]

    def __post_init__(self) -> None:
        names = [term.name for term in self.terms]
        if len(set(names)) != len(names):
            raise ConfigurationError(f"utility terms have the names {names}; names must differ")
        for term in self.terms:
            _check_weight(term.name, term.weight)
            if hasattr(term, "own") == hasattr(term, "pair"):
                raise ConfigurationError(
                    f"utility term {term.name!r} must have either an own or a pair method"
                )
        if not any(term.weight > 0 for term in self.terms):
            raise ConfigurationError(f"all weights of the utility terms {names} are 0; raise one of them")

    @classmethod
    def standard(cls, alpha: float, beta: float, gamma: float) -> Self:
        """The utility of NCN: alpha * consistency + beta * acceptance + gamma * novelty."""
        return cls((Consistency(alpha), Acceptance(beta), Novelty(gamma)))

    def own(self, pool: Pool) -> NDArray[np.float64]:
        """Weighted sum of the own terms, (K,)."""
        total = np.zeros(len(pool))
        for term in self.terms:
            if _is_own(term) and term.weight:
                total += term.weight * _checked(term.own(pool), (len(pool),), term.name, pool)
        return total

    def pair(self, pool: Pool, other: Pool) -> NDArray[np.float64]:
        """Weighted sum of the pair terms, (K_i, K_j); not yet divided by the number of opponents."""
        total = np.zeros((len(pool), len(other)))
        for term in self.terms:
            if not _is_own(term) and term.weight:
                total += term.weight * _checked(term.pair(pool, other), total.shape, term.name, pool)
        return total

    def values(
        self, pool: Pool, others: Sequence[Pool], weights: Sequence[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Expected utility of each guideline of ``pool`` against the others' mixtures, (K,).

        Args:
            pool: the player's own pool, of K guidelines.
            others: the opponents' pools; pair terms are averaged over them.
            weights: for each opponent its (K_j,) mixture, in the order of ``others``.
        """
        return self.weighed(self.parts(pool, others, weights))

    def weighed(self, parts: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """The weighted sum of what ``parts`` gave, (K,)."""
        total = np.zeros(len(next(iter(parts.values()))))
        for term in self.terms:
            total += term.weight * parts[term.name]
        return total

    def parts(
        self, pool: Pool, others: Sequence[Pool], weights: Sequence[NDArray[np.float64]]
    ) -> dict[str, NDArray[np.float64]]:
        """Unweighted (K,) values of every term by name; pair terms are expected, mean over opponents.

        Args:
            pool: the player's own pool, of K guidelines.
            others: the opponents' pools.
            weights: for each opponent its (K_j,) mixture, in the order of ``others``.

        Raises:
            GameError: if there is no opponent, or pools and mixtures do not fit each other.
        """
        if not others or len(others) != len(weights):
            raise GameError(
                f"{len(others)} opponents and {len(weights)} mixtures; give one mixture an opponent"
            )
        parts: dict[str, NDArray[np.float64]] = {}
        for term in self.terms:
            if _is_own(term):
                parts[term.name] = _checked(term.own(pool), (len(pool),), term.name, pool)
                continue
            total = np.zeros(len(pool))
            for other, mixture in zip(others, weights, strict=True):
                shape = (len(pool), len(other))
                if mixture.shape != shape[1:]:
                    raise GameError(
                        f"player {other.player}: mixture has shape {mixture.shape},"
                        f" its pool {len(other)} guidelines"
                    )
                total += _checked(term.pair(pool, other), shape, term.name, pool) @ mixture
            parts[term.name] = total / len(others)
        return parts


def _is_own(term: OwnTerm | PairTerm) -> TypeIs[OwnTerm]:
    """Which of the two a term is. Terms were checked to be one of them; asking ``isinstance`` costs as much as the sums."""
    return hasattr(term, "own")


def _checked(
    values: NDArray[np.float64], shape: tuple[int, ...], name: str, pool: Pool
) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    finite = bool(np.isfinite(array).all())
    if array.shape != shape or not finite:
        raise GameError(
            f"utility term {name!r} of player {pool.player} gave shape {array.shape}"
            f"{'' if finite else ' with values that are not finite'}; expected finite {shape}"
        )
    return array
