"""Weighted answer distributions with effective sample sizes and design-based standard errors.

A country's sample is taken as drawn with replacement in clusters (primary sampling units; each respondent is one where the
file names none). An estimate that is a smooth function of weighted totals has the linearised variance

    var = m / (m - 1) sum_c (sum_{i in c} z_i)^2

over the m clusters, where z_i is respondent i's influence on it and the z_i sum to 0 (Wolter 2007, chapter 6; Kish 1965).
Strata, which would make it smaller, are not in the files, and weights count as known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.survey.profile import AnswerShares, Figure
from negotiation.errors import CultureError


@dataclass(frozen=True, slots=True)
class Sample:
    """Weights and clusters of the respondents of one country.

    Attributes:
        weight: (n,) non-negative, not all zero.
        cluster: (n,) numbers 0..m-1.
    """

    weight: NDArray[np.float64]
    cluster: NDArray[np.intp]

    @classmethod
    def of(cls, weight: NDArray[np.float64], cluster: NDArray[np.intp] | None = None) -> Sample:
        """A sample; clusters may be any numbers, -1 for a respondent who is in none.

        One cluster for all tells nothing of the design: then each respondent is one.

        Raises:
            CultureError: if there are no respondents or all weights are zero.
        """
        if not weight.size or not weight.sum() > 0:
            raise CultureError(
                f"sample: {weight.size} respondents with weights that sum to {weight.sum():g}; a figure needs at least one"
                " with a positive weight"
            )
        alone = np.arange(weight.size, dtype=np.intp)
        if cluster is None or np.unique(cluster).size == 1:
            return cls(weight, alone)
        _, number = np.unique(np.where(cluster < 0, -1 - alone, cluster), return_inverse=True)
        return cls(weight, number.astype(np.intp))

    def part(self, chosen: NDArray[np.bool_]) -> Sample:
        """The respondents chosen (n,), in their clusters."""
        return Sample(self.weight[chosen], self.cluster[chosen])

    @property
    def effective(self) -> float:
        """Effective sample size (sum w)^2 / sum w^2 (Kish 1965, section 8.2), in [1, n]."""
        return min(float(self.weight.sum() ** 2 / (self.weight**2).sum()), float(self.respondents))

    @property
    def respondents(self) -> int:
        """Respondents with a positive weight."""
        return int(np.count_nonzero(self.weight > 0))

    def standard_errors(self, influence: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Linearised standard errors of K estimates.

        Args:
            influence: (n, K) of each respondent on each estimate, weight in it; columns sum to 0. A respondent with weight 0
                has none and is in no cluster.

        Returns:
            (K,) non-negative, or None if there is only one cluster.
        """
        counted = np.bincount(self.cluster, weights=self.weight > 0)
        clusters = int(np.count_nonzero(counted))
        if clusters < 2:
            return None
        totals = np.stack(
            [np.bincount(self.cluster, weights=column, minlength=counted.size) for column in influence.T],
            axis=1,
        )
        variance = clusters / (clusters - 1) * (totals**2).sum(axis=0)
        return np.asarray(np.sqrt(variance), dtype=np.float64)


def answer_shares(
    item: str, option: NDArray[np.intp], options: int, sample: Sample, source: str
) -> AnswerShares | None:
    """Weighted shares of those who answered.

    p_k = sum_i w_i [option_i = k] / sum_i w_i, with influence z_ik = w_i ([option_i = k] - p_k) / sum_i w_i.

    Args:
        item: id of the item.
        option: (n,) index of the option, -1 for no answer.
        options: number of options K.
        sample: weights and clusters (n,).
        source: survey, wave and years.

    Returns:
        None if nobody with a positive weight answered.
    """
    answered = (option >= 0) & (sample.weight > 0)
    if not answered.any():
        return None
    part = sample.part(answered)
    chosen = (option[answered, None] == np.arange(options)).astype(np.float64)
    weight = part.weight / part.weight.sum()
    shares = np.clip(weight @ chosen, 0.0, 1.0)
    errors = part.standard_errors(weight[:, None] * (chosen - shares))
    return AnswerShares(
        item=item,
        shares=tuple(shares.tolist()),
        standard_errors=None if errors is None else tuple(errors.tolist()),
        respondents=part.respondents,
        effective=part.effective,
        source=source,
    )


def weighted_means(
    values: NDArray[np.float64], sample: Sample
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of K variables, each over those who have it, and respondents' influence on them.

    Args:
        values: (n, K), NaN for no answer; every column has an answer with a positive weight.
        sample: weights and clusters (n,).

    Returns:
        Means (K,) and influence (n, K), which sums to 0 over respondents.
    """
    known = ~np.isnan(values)
    weight = np.where(known, sample.weight[:, None], 0.0)
    weight /= weight.sum(axis=0)
    filled = np.where(known, values, 0.0)
    means = np.asarray((weight * filled).sum(axis=0), dtype=np.float64)
    return means, np.where(known, weight * (filled - means), 0.0)


def mean_of_shares(parts: Sequence[AnswerShares], source: str) -> AnswerShares:
    """A region's shares: the mean over its countries, each with the same weight however many people it has.

    Standard errors are sqrt(sum_c se_c^2) / C, as of independent samples. The effective sample size is Kish's for these
    weights, C^2 / sum_c (1 / n_c). Each is None where a country's is, and so are the respondents, which are summed.

    Args:
        parts: of one item, C of them, at least one.
        source: survey, wave and years.
    """
    shares = np.mean([part.shares for part in parts], axis=0)
    errors = [part.standard_errors for part in parts]
    effective = [part.effective for part in parts]
    known = [size for size in effective if size is not None]
    counts = [part.respondents for part in parts if part.respondents is not None]
    respondents = sum(counts) if len(counts) == len(parts) else None
    combined = len(parts) ** 2 / math.fsum(1 / size for size in known) if len(known) == len(parts) else None
    if combined is not None and respondents is not None:
        combined = min(combined, float(respondents))
    return AnswerShares(
        item=parts[0].item,
        shares=tuple((shares / shares.sum()).tolist()),
        standard_errors=None
        if None in errors
        else tuple((np.sqrt(np.square(np.array(errors)).sum(axis=0)) / len(parts)).tolist()),
        respondents=respondents,
        effective=combined,
        source=source,
    )


def mean_of_figures(parts: Sequence[Figure], source: str) -> Figure:
    """A region's figure: the mean over its countries, each with the same weight; standard errors as of shares.

    >>> mean_of_figures([Figure(value=1, standard_error=3, source="a"), Figure(value=2, standard_error=4, source="b")], "c")
    Figure(value=1.5, standard_error=2.5, source='c')
    """
    errors = [part.standard_error for part in parts]
    known = [error for error in errors if error is not None]
    return Figure(
        value=math.fsum(part.value for part in parts) / len(parts),
        standard_error=math.hypot(*known) / len(parts) if len(known) == len(parts) else None,
        source=source,
    )


def figures(
    names: Sequence[str],
    values: NDArray[np.float64],
    influence: NDArray[np.float64],
    sample: Sample,
    source: str,
) -> dict[str, Figure]:
    """Estimates (K,) with influence (n, K) as figures by name."""
    errors = sample.standard_errors(influence)
    return {
        name: Figure(
            value=float(values[place]),
            standard_error=None if errors is None else float(errors[place]),
            source=source,
        )
        for place, name in enumerate(names)
    }
