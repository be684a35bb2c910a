"""Schwartz's ten basic values, in the one order used everywhere, and a culture's place among them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import CultureError

SCHWARTZ_VALUES = (
    "Self-Direction",
    "Stimulation",
    "Hedonism",
    "Achievement",
    "Power",
    "Security",
    "Conformity",
    "Tradition",
    "Benevolence",
    "Universalism",
)
"""The basic values of Schwartz (1992), in the order of every value vector (10,)."""


@dataclass(frozen=True, slots=True)
class ValueProfile:
    """How much a culture's people hold each basic value, as surveys found it.

    Attributes:
        scores: ten numbers in [-1, 1] in the order of ``SCHWARTZ_VALUES``; higher means more important.
        source: where the numbers come from (survey, wave, year), never empty.

    Raises:
        CultureError: if there are not ten scores, one is outside [-1, 1], or the source is empty.

    >>> ValueProfile(scores=(0.5,) + (0.0,) * 9, source="an example").vector[0]
    np.float64(0.5)
    """

    scores: tuple[float, ...]
    source: str

    def __post_init__(self) -> None:
        if len(self.scores) != len(SCHWARTZ_VALUES):
            raise CultureError(
                f"value profile: scores has {len(self.scores)} numbers; give {len(SCHWARTZ_VALUES)},"
                f" one for each of {', '.join(SCHWARTZ_VALUES)}"
            )
        for name, score in zip(SCHWARTZ_VALUES, self.scores, strict=True):
            if not (math.isfinite(score) and -1.0 <= score <= 1.0):
                raise CultureError(f"value profile: {name} is {score}; it must lie in [-1, 1]")
        if not self.source.strip():
            raise CultureError("value profile: source is empty; say which survey and wave it comes from")

    @property
    def vector(self) -> NDArray[np.float64]:
        """The scores as a value vector (10,) float64 in [-1, 1]."""
        return np.array(self.scores, dtype=np.float64)
