"""What surveys found about a culture's people: values, place on the culture map, answers. Every number names its source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.faults import faults_of
from agents.values import SCHWARTZ_VALUES, ValueProfile
from negotiation.errors import CultureError

MAP_AXES = ("secular_rational", "self_expression")
"""Axes of the Inglehart-Welzel map (Inglehart and Welzel 2005, chapter 2): secular-rational against traditional values, and
self-expression against survival values; higher is more secular, more self-expressive. Unit: that of the published map (component
scores s rescaled as 1.81 s + .38 and 1.61 s - .01, see ``agents.survey.scores``)."""

HOFSTEDE_DIMENSIONS = ("PDI", "IDV", "MAS", "UAI", "LTO", "IVR")
"""Hofstede's six dimensions: power distance, individualism, masculinity, uncertainty avoidance, long-term orientation,
indulgence (Hofstede, Hofstede and Minkov 2010)."""

SCHWARTZ_HALF_RANGE = 2.5
"""Centred Schwartz scores are divided by this to become a value vector: half the width of the battery's six-point scale."""


class Figure(BaseModel):
    """One number that a survey found.

    Attributes:
        value: the estimate, finite.
        standard_error: design-based where the survey gives weights; None if unknown.
        source: survey, wave and years it comes from, never empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float = Field(allow_inf_nan=False)
    standard_error: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    source: str = Field(min_length=1)


class AnswerShares(BaseModel):
    """How a culture's people answered one item of the codebook.

    Attributes:
        item: id of the item (see ``agents.survey.codebook``).
        shares: (K options,) in the item's option order, each in [0, 1], summing to 1 (within 1e-6).
        standard_errors: (K options,) design-based, or None if unknown.
        respondents: number of people who answered; None if the source does not state it.
        effective: effective sample size (Kish 1965, section 8.2), at most ``respondents``; None if unknown.
        source: survey, wave and years.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    item: str = Field(min_length=1)
    shares: tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...] = Field(min_length=2)
    standard_errors: tuple[Annotated[float, Field(ge=0.0)], ...] | None = None
    respondents: int | None = Field(default=None, ge=1)
    effective: float | None = Field(default=None, gt=0.0)
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = math.fsum(self.shares)
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"shares of item {self.item!r} sum to {total}; they must sum to 1")
        if self.standard_errors is not None and len(self.standard_errors) != len(self.shares):
            raise ValueError(
                f"item {self.item!r} has {len(self.standard_errors)} standard errors for {len(self.shares)} shares"
            )
        return self


class CultureProfile(BaseModel):
    """A culture's people as surveys found them. Parts that a survey does not cover are empty.

    Attributes:
        culture: id of the region, or alpha-3 code of a country.
        schwartz: by name of ``SCHWARTZ_VALUES``: mean centred within person, in scale points of the six-point battery; higher
            means more important. All ten or none.
        culture_map: by name of ``MAP_AXES``. Both or none.
        hofstede: by name of ``HOFSTEDE_DIMENSIONS``, in points. All six or none.
        answers: by id of the item.
        countries: alpha-3 codes that the figures are averaged over.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    culture: str = Field(min_length=1)
    schwartz: dict[str, Figure] = {}
    culture_map: dict[str, Figure] = {}
    hofstede: dict[str, Figure] = {}
    answers: dict[str, AnswerShares] = {}
    countries: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _all_or_none("schwartz", self.schwartz, SCHWARTZ_VALUES)
        _all_or_none("culture_map", self.culture_map, MAP_AXES)
        _all_or_none("hofstede", self.hofstede, HOFSTEDE_DIMENSIONS)
        for item, answers in self.answers.items():
            if item != answers.item:
                raise ValueError(f"answers[{item!r}] are those of item {answers.item!r}")
        return self

    @property
    def values(self) -> ValueProfile | None:
        """The Schwartz scores as a value profile in [-1, 1] (divided by ``SCHWARTZ_HALF_RANGE``, clipped), or None."""
        if not self.schwartz:
            return None
        figures = [self.schwartz[name] for name in SCHWARTZ_VALUES]
        scores = tuple(max(-1.0, min(1.0, figure.value / SCHWARTZ_HALF_RANGE)) for figure in figures)
        return ValueProfile(
            scores=scores, source="; ".join(dict.fromkeys(figure.source for figure in figures))
        )


class MapAxes(BaseModel):
    """The axes of the culture map as linear functions of ten items, so that other answers can be placed on the same map.

    Attributes:
        means: (10,) of the items, coded and ordered as ``agents.survey.scores.MAP_VARIABLES`` says.
        deviations: (10,) standard deviations, positive.
        coefficients: (10,) pairs, in the order of ``MAP_AXES``: component scores of the standardised items.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    means: tuple[float, ...] = Field(min_length=10, max_length=10)
    deviations: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=10, max_length=10)
    coefficients: tuple[tuple[float, float], ...] = Field(min_length=10, max_length=10)


class HofstedeConstants(BaseModel):
    """What is added to each dimension to anchor a sample's figures; the manual leaves the choice to the researcher."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    PDI: float = Field(default=0.0, allow_inf_nan=False, description="added to power distance")
    IDV: float = Field(default=0.0, allow_inf_nan=False, description="added to individualism")
    MAS: float = Field(default=0.0, allow_inf_nan=False, description="added to masculinity")
    UAI: float = Field(default=0.0, allow_inf_nan=False, description="added to uncertainty avoidance")
    LTO: float = Field(default=0.0, allow_inf_nan=False, description="added to long-term orientation")
    IVR: float = Field(default=0.0, allow_inf_nan=False, description="added to indulgence")


class _ProfileFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=1)
    profiles: list[CultureProfile]
    axes: MapAxes | None = None
    vsm_constants: HofstedeConstants | None = None


def save_profiles(
    profiles: Mapping[str, CultureProfile],
    path: Path,
    axes: MapAxes | None = None,
    vsm_constants: HofstedeConstants | None = None,
) -> None:
    """Write profiles as JSON, in the order given.

    Args:
        profiles: by culture.
        path: file to write.
        axes: that their places on the map were computed by, if there are such.
        vsm_constants: that are in their Hofstede dimensions, if there are such.
    """
    tree = _ProfileFile(version=1, profiles=list(profiles.values()), axes=axes, vsm_constants=vsm_constants)
    without = {name for name in ("axes", "vsm_constants") if getattr(tree, name) is None}
    path.write_text(tree.model_dump_json(indent=1, exclude=without) + "\n", encoding="utf-8")


def load_axes(path: Path) -> MapAxes | None:
    """The axes that a file of profiles brings, or None if it has none; errors as in ``load_profiles``."""
    return _read(path).axes


def load_vsm_constants(path: Path) -> HofstedeConstants | None:
    """The constants in a file's Hofstede dimensions, or None if it names none; errors as in ``load_profiles``."""
    return _read(path).vsm_constants


def load_profiles(path: Path) -> dict[str, CultureProfile]:
    """Read profiles by culture.

    Raises:
        CultureError: if the file is missing, no such JSON, or names a culture twice.
    """
    profiles: dict[str, CultureProfile] = {}
    for profile in _read(path).profiles:
        if profile.culture in profiles:
            raise CultureError(f"profiles {path}: {profile.culture!r} is given twice; keep one")
        profiles[profile.culture] = profile
    return profiles


def _read(path: Path) -> _ProfileFile:
    try:
        return _ProfileFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CultureError(f"profiles {path}: {error.strerror}; give a readable JSON file") from error
    except ValidationError as error:
        raise CultureError(f"profiles {path}: {faults_of(error, 'file')}") from error


def _all_or_none(field: str, figures: Mapping[str, Figure], names: tuple[str, ...]) -> None:
    if figures and set(figures) != set(names):
        raise ValueError(f"{field} has {', '.join(sorted(figures))}; give all of {', '.join(names)}, or none")
