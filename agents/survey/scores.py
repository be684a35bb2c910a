"""Scores that social scientists compute from answers: Schwartz's values, the culture map, Hofstede's dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.survey.distributions import Sample, figures, weighted_means
from agents.survey.profile import HOFSTEDE_DIMENSIONS, MAP_AXES, Figure, HofstedeConstants, MapAxes
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import CultureError

LEAST_VALUES_ANSWERED = 8
"""Of the ten value items; who answered fewer is left out, since the own mean would not be that of the ten."""

MAP_VARIABLES = (
    ("happiness", "self_expression"),
    ("trust", "self_expression"),
    ("authority", "secular_rational"),
    ("petition", "self_expression"),
    ("god", "secular_rational"),
    ("homosexuality", "self_expression"),
    ("abortion", "secular_rational"),
    ("national_pride", "secular_rational"),
    ("post_materialism", "self_expression"),
    ("autonomy", "secular_rational"),
)
"""Items of the culture map and the axis each is known to mark (Inglehart and Welzel 2005, table 2.1), in the order of columns
everywhere. Each is coded so that more is more secular or more self-expressive."""

MAP_RESCALING = {"secular_rational": (1.61, -0.01), "self_expression": (1.81, 0.38)}
"""Slope and intercept from component scores to the published map: x = 1.81 PC1 + 0.38 (survival to self-expression),
y = 1.61 PC2 - 0.01 (traditional to secular-rational)."""

VSM_FORMULAS: dict[str, tuple[tuple[float, int, int], ...]] = {
    "PDI": ((35, 7, 2), (25, 20, 23)),
    "IDV": ((35, 4, 1), (35, 9, 6)),
    "MAS": ((35, 5, 3), (35, 8, 10)),
    "UAI": ((40, 18, 15), (25, 21, 24)),
    "LTO": ((40, 13, 14), (25, 19, 22)),
    "IVR": ((35, 12, 11), (40, 17, 16)),
}
"""By dimension: (factor, a, b) for factor * (mean of item a - mean of item b); VSM 2013 manual (Hofstede and Minkov 2013)."""


def person_values(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Value scores centred within person, as Schwartz's scoring key asks: own mean over the items minus the answer.

    Answers run from 1 (very much like me) to 6 (not at all like me); the sign makes higher mean more important.

    Args:
        answers: (n, 10) in the order of ``SCHWARTZ_VALUES``, NaN for no answer.

    Returns:
        (n, 10) in [-5, 5]; a row is NaN where fewer than ``LEAST_VALUES_ANSWERED`` were answered.

    >>> person_values(np.array([[1.0, 6, 1, 6, 1, 6, 1, 6, 1, 6]]))[0, :2]
    array([ 2.5, -2.5])
    """
    known = ~np.isnan(answers)
    count = known.sum(axis=1)
    enough = count >= LEAST_VALUES_ANSWERED
    total = np.where(known, answers, 0.0).sum(axis=1)
    mean = np.where(enough, total / np.maximum(count, 1), np.nan)
    return np.asarray(mean[:, None] - answers, dtype=np.float64)


def schwartz_figures(answers: NDArray[np.float64], sample: Sample, source: str) -> dict[str, Figure]:
    """A country's mean value scores, or nothing if one of the ten was not answered by anybody who counts.

    Args:
        answers: (n, 10) as for ``person_values``.
        sample: weights and clusters (n,).
        source: survey, wave and years.
    """
    scores = person_values(answers)
    if not _answered(scores, sample):
        return {}
    means, influence = weighted_means(scores, sample)
    return figures(SCHWARTZ_VALUES, means, influence, sample, source)


@dataclass(frozen=True, slots=True)
class CultureMap:
    """The two axes as linear functions of the ten items.

    Attributes:
        means: (10,) over people, each sample with the same weight.
        deviations: (10,) standard deviations over people, positive.
        coefficients: (10, 2) component scores of standardised items, in the order of ``MAP_AXES``.
        loadings: (10, 2) rotated: correlations of items and components.
    """

    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    loadings: NDArray[np.float64]

    @property
    def axes(self) -> MapAxes:
        """The same for a file of profiles."""
        return MapAxes(
            means=tuple(self.means.tolist()),
            deviations=tuple(self.deviations.tolist()),
            coefficients=tuple((float(first), float(second)) for first, second in self.coefficients),
        )

    def place(self, values: NDArray[np.float64], sample: Sample, source: str) -> dict[str, Figure]:
        """A country on the map: its mean score on each component, rescaled; nothing if it lacks an item.

        A missing answer counts as the country's mean. Standard errors take the axes as known.

        Args:
            values: (n, 10) coded as ``MAP_VARIABLES`` says, NaN for no answer.
            sample: weights and clusters (n,).
            source: survey, wave and years.
        """
        if not _answered(values, sample):
            return {}
        means, influence = weighted_means(values, sample)
        weights = map_weights(self.axes)
        return figures(MAP_AXES, places(self.axes, means), influence @ weights, sample, source)


def map_weights(axes: MapAxes) -> NDArray[np.float64]:
    """(10, 2) how far a place moves, in units of the published map, for a unit of each item."""
    slopes = np.array([MAP_RESCALING[axis][0] for axis in MAP_AXES])
    weights: NDArray[np.float64] = np.array(axes.coefficients) / np.array(axes.deviations)[:, None] * slopes
    return weights


def places(axes: MapAxes, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places on the map, (..., 2) in the order of ``MAP_AXES``, of answers (..., 10) coded as ``MAP_VARIABLES`` says."""
    intercepts = np.array([MAP_RESCALING[axis][1] for axis in MAP_AXES])
    found: NDArray[np.float64] = (values - np.array(axes.means)) @ map_weights(axes) + intercepts
    return found


def fit_culture_map(samples: Sequence[tuple[NDArray[np.float64], Sample]]) -> CultureMap:
    """The axes of Inglehart and Welzel: two principal components of ten items over people, rotated by varimax.

    Items are standardised over people, each sample's weights summing to the same; correlations are over those who
    answered both. The two first components are rotated (with Kaiser's normalisation). Of the two ways to name the rotated
    components, that one is taken in which the items load most on the axes that they are known to mark, and signs are such
    that these loadings are positive in sum.

    Args:
        samples: of each country (n, 10) values coded as ``MAP_VARIABLES`` says, NaN for no answer, and its sample; every item
            answered in each.

    Raises:
        CultureError: if there are no samples or an item has the same answer everywhere.
    """
    if not samples:
        raise CultureError("culture map: no country has all ten items; give a file that asks them")
    values = np.concatenate([matrix for matrix, _ in samples])
    weight = np.concatenate([sample.weight / sample.weight.sum() for _, sample in samples])
    known = ~np.isnan(values)
    total = np.where(known, weight[:, None], 0.0).sum(axis=0)
    means = np.where(known, weight[:, None] * values, 0.0).sum(axis=0) / total
    centred = np.where(known, values - means, 0.0)
    deviations = np.sqrt((weight[:, None] * centred**2).sum(axis=0) / total)
    for place, (name, _) in enumerate(MAP_VARIABLES):
        if not deviations[place] > 0:
            raise CultureError(
                f"culture map: {name} has the same answer from everybody; give a file in which answers differ"
            )
    standard = centred / deviations
    both = (known * weight[:, None]).T @ known
    correlations = (standard * weight[:, None]).T @ standard / np.where(both > 0, both, 1.0)
    eigenvalues, vectors = np.linalg.eigh(correlations)
    eigenvalues, vectors = eigenvalues[:-3:-1], vectors[:, :-3:-1]
    rotation = varimax(vectors * np.sqrt(eigenvalues))
    loadings = vectors * np.sqrt(eigenvalues) @ rotation
    order, signs = _name_axes(loadings)
    coefficients = vectors / np.sqrt(eigenvalues) @ rotation
    return CultureMap(means, deviations, coefficients[:, order] * signs, loadings[:, order] * signs)


def varimax(loadings: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation (2, 2) of two components that is best by Kaiser's normalised varimax (Kaiser 1958), in closed form.

    With rows x, y scaled to length 1, u = x^2 - y^2 and v = 2xy, the angle is a quarter of
    atan2(2 sum uv - 2 sum u sum v / p, sum (u^2 - v^2) - ((sum u)^2 - (sum v)^2) / p).

    Args:
        loadings: (p items, 2).
    """
    length = np.linalg.norm(loadings, axis=1, keepdims=True)
    x, y = (loadings / np.where(length > 0, length, 1.0)).T
    u, v = x**2 - y**2, 2 * x * y
    p = len(loadings)
    top = 2 * (u @ v) - 2 * u.sum() * v.sum() / p
    bottom = u @ u - v @ v - (u.sum() ** 2 - v.sum() ** 2) / p
    angle = np.arctan2(top, bottom) / 4
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _name_axes(loadings: NDArray[np.float64]) -> tuple[list[int], NDArray[np.float64]]:
    """Which component is which axis of ``MAP_AXES``, and its sign."""
    marks = [[axis == name for _, axis in MAP_VARIABLES] for name in MAP_AXES]

    def fit(order: list[int]) -> float:
        return sum(
            float(np.abs(loadings[mark, component]).sum())
            for mark, component in zip(marks, order, strict=True)
        )

    order = max(([0, 1], [1, 0]), key=fit)
    sums = [loadings[mark, component].sum() for mark, component in zip(marks, order, strict=True)]
    return order, np.where(np.array(sums) < 0, -1.0, 1.0)


def post_materialism(first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float64]:
    """The four-item index: 1 if both aims chosen are material (order, prices), 3 if neither is, else 2.

    Aims are 1 maintaining order, 2 giving people more say, 3 fighting rising prices, 4 protecting free speech.

    Args:
        first: (n,) codes of the most important aim; others than 1..4 are no answer.
        second: (n,) codes of the next.

    Returns:
        (n,) in {1, 2, 3}, NaN without both choices or with one aim chosen twice.

    >>> post_materialism(np.array([1, 1, 2, -1]), np.array([3, 4, 4, 2]))
    array([ 1.,  2.,  3., nan])
    """
    valid = (first >= 1) & (first <= 4) & (second >= 1) & (second <= 4) & (first != second)
    post = (first % 2 == 0).astype(np.float64) + (second % 2 == 0)
    return np.where(valid, post + 1, np.nan)


def hofstede_figures(
    answers: NDArray[np.float64], sample: Sample, constants: HofstedeConstants, source: str
) -> dict[str, Figure]:
    """A country's six dimensions from its mean answers, or nothing if one item was answered by nobody who counts.

    Args:
        answers: (n, 24) of the VSM 2013 in the order m01..m24, 1 to 5, NaN for no answer.
        sample: weights and clusters (n,).
        constants: added to the dimensions.
        source: survey and years; a constant other than 0 is put behind it.
    """
    if not _answered(answers, sample):
        return {}
    means, influence = weighted_means(answers, sample)
    scores = hofstede_scores(means, constants)
    found = figures(HOFSTEDE_DIMENSIONS, scores, influence @ _vsm_formula(), sample, source)
    added = {name: getattr(constants, name) for name in HOFSTEDE_DIMENSIONS if getattr(constants, name)}
    return found | {
        name: found[name].model_copy(update={"source": f"{source}, constant {constant:+g}"})
        for name, constant in added.items()
    }


def hofstede_scores(means: NDArray[np.float64], constants: HofstedeConstants) -> NDArray[np.float64]:
    """The six dimensions (..., 6), in points and the order of ``HOFSTEDE_DIMENSIONS``, of mean answers (..., 24)."""
    added = np.array([getattr(constants, name) for name in HOFSTEDE_DIMENSIONS])
    scores: NDArray[np.float64] = means @ _vsm_formula() + added
    return scores


def _vsm_formula() -> NDArray[np.float64]:
    formula = np.zeros((24, len(HOFSTEDE_DIMENSIONS)))
    for place, name in enumerate(HOFSTEDE_DIMENSIONS):
        for factor, plus, minus in VSM_FORMULAS[name]:
            formula[plus - 1, place] += factor
            formula[minus - 1, place] -= factor
    return formula


def _answered(values: NDArray[np.float64], sample: Sample) -> bool:
    """Whether every column has an answer from somebody who counts."""
    return bool((~np.isnan(values) & (sample.weight > 0)[:, None]).any(axis=0).all())
