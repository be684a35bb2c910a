"""What a text is to be moved to: ten numbers, an instruction, a culture's values, or those of a consensus policy.

Each kind of aim resolves to something with ``target(before)``: a ``Shift`` (from where the text is) or an ``Absolute`` (to
the same place for every text). Both take a strength, the share of the way that is gone.

How a culture's values become a target: surveys give each value's importance centred within person (Schwartz 1992, 2003), in
points of a six-point scale, which ``agents.survey.profile`` divides by 2.5. Regions lie between about -.6 and .4 there, texts
between -1 and 1. So a profile is divided by the largest magnitude that a shipped region has on any value (``culture_scale``):
the strongest priority of all regions becomes -1 or 1, and a region whose people set their priorities less far apart keeps a
flatter target. All regions agree on much (Schwartz and Bardi 2001); ``contrast`` asks for what sets one apart: its difference
from the mean of the regions, divided by the largest such difference, as a shift.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.cultures import get_culture, load_cultures
from agents.faults import faults_of
from agents.values import SCHWARTZ_VALUES, ValueProfile
from negotiation.errors import ConfigurationError, CultureError, TargetError
from rewriter.vocabulary import Detector, Shift, Translator, ValueVector, value_vector

STATEMENT_SHARE = 0.5
"""How much a side's consensus statement counts in a policy's values; its weighted guidelines count the rest."""


@dataclass(frozen=True, slots=True)
class Absolute:
    """A place to move to, the same for every text.

    Attributes:
        values: (10,) in [-1, 1].
        explanation: where they come from.
        strength: in (0, 1]; share of the way from a text's own values.
    """

    values: ValueVector
    explanation: tuple[str, ...] = ()
    strength: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", value_vector(self.values, "target"))
        check_strength(self.strength)

    def target(self, before: ValueVector) -> ValueVector:
        """``(1 - strength) * before + strength * values``.

        >>> Absolute((1.0,) * 10, strength=0.5).target((0.0,) * 10)[:2]
        (0.5, 0.5)
        """
        start = np.array(value_vector(before, "values before"))
        moved = (1.0 - self.strength) * start + self.strength * np.array(self.values)
        return tuple(np.clip(moved, -1.0, 1.0).tolist())


Wanted: TypeAlias = Shift | Absolute
"""A resolved aim: it gives the target for a text's own values."""


@dataclass(frozen=True, slots=True)
class VectorAim:
    """Ten numbers in [-1, 1]."""

    values: ValueVector

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", value_vector(self.values, "target"))


@dataclass(frozen=True, slots=True)
class InstructionAim:
    """Plain words."""

    text: str


@dataclass(frozen=True, slots=True)
class CultureAim:
    """The values of a culture's people.

    Attributes:
        culture: id or name of a region, or alpha-3 code of a country that has a profile.
        contrast: only what sets it apart from the mean of the regions.
    """

    culture: str
    contrast: bool = False


@dataclass(frozen=True, slots=True)
class PolicyAim:
    """The values of a consensus policy.

    Attributes:
        path: a policy's JSON file, or a run folder.
        negotiation: id of the negotiation, or id of its topic, in a run with several.
        culture: only this side of it; all sides alike if None.
    """

    path: Path
    negotiation: str | None = None
    culture: str | None = None


Aim: TypeAlias = VectorAim | InstructionAim | CultureAim | PolicyAim
"""What can be asked for."""


def read_vector(text: str) -> VectorAim:
    """Ten numbers parted by commas.

    Raises:
        TargetError: if they are not ten numbers in [-1, 1].

    >>> read_vector("0,0,0,0,-0.5,0,0,1,0,0").values[4]
    -0.5
    """
    numbers = []
    for part in text.split(","):
        try:
            numbers.append(float(part))
        except ValueError as error:
            raise TargetError(
                f"target {text!r}: {part.strip()!r} is no number; give ten numbers from -1 to 1 parted by commas, one for"
                f" each of {', '.join(SCHWARTZ_VALUES)}"
            ) from error
    return VectorAim(tuple(numbers))


def check_strength(strength: float) -> None:
    """Raise ``TargetError`` unless the strength lies in (0, 1]."""
    if not 0.0 < strength <= 1.0:
        raise TargetError(
            f"strength is {strength}; give a number above 0 and at most 1, the share of the way to go"
        )


def resolve(
    aim: Aim, strength: float = 1.0, *, translator: Translator | None = None, detector: Detector | None = None
) -> Wanted:
    """What an aim asks of any text.

    Args:
        aim: what is asked for.
        strength: in (0, 1]; multiplies a shift, and shortens the way to a place.
        translator: reads instructions; needed for these only.
        detector: reads a policy's texts; needed for these only.

    Raises:
        TargetError: if the strength is out of range or nothing is found in an instruction.
        CultureError: if there is no such culture, or no values of it.
        ConfigurationError: if a policy cannot be read.
    """
    check_strength(strength)
    if isinstance(aim, VectorAim):
        wanted: Wanted = Absolute(aim.values, ("given",))
    elif isinstance(aim, CultureAim):
        wanted = _of_culture(aim)
    elif isinstance(aim, PolicyAim):
        if detector is None:
            raise TargetError("a policy's values are read by a detector; give one")
        wanted = Absolute(*policy_values(read_policy(aim), detector, aim.culture))
    else:
        if translator is None:
            raise TargetError("an instruction is read by a translator; give one")
        wanted = translator.translate([aim.text])[0]
    if isinstance(wanted, Absolute):
        return replace(wanted, strength=strength)
    return replace(wanted, values=tuple(strength * value for value in wanted.values))


def culture_values(name: str) -> ValueProfile:
    """The value profile of a region by id or name, or of a country by alpha-3 code.

    Raises:
        CultureError: if there is no such culture, or no values of it.
    """
    from agents.survey.shipped import shipped_profiles

    profiles = shipped_profiles()
    code = name.strip().upper()
    found = code if code in profiles else get_culture(name).id
    values = profiles[found].values
    if values is None:
        having = ", ".join(culture.id for culture in load_cultures())
        raise CultureError(
            f"culture {name!r}: no survey of its values ships; take its region, one of {having}"
        )
    return values


@lru_cache(maxsize=1)
def _regions() -> NDArray[np.float64]:
    """(R regions, 10) shipped value profiles."""
    return np.array([culture.profile.vector for culture in load_cultures() if culture.profile is not None])


def culture_scale() -> float:
    """Largest magnitude of any value in any shipped region's profile, in (0, 1]."""
    return float(np.abs(_regions()).max())


def contrast_scale() -> float:
    """Largest magnitude of any region's difference from the mean of the regions, on any value."""
    return float(np.abs(_regions() - _regions().mean(axis=0)).max())


def _of_culture(aim: CultureAim) -> Wanted:
    profile = culture_values(aim.culture)
    if aim.contrast:
        moved = np.clip((profile.vector - _regions().mean(axis=0)) / contrast_scale(), -1.0, 1.0)
        return Shift(
            tuple(moved.tolist()),
            (f"what sets {aim.culture} apart from the mean of the regions", profile.source),
        )
    values = np.clip(profile.vector / culture_scale(), -1.0, 1.0)
    return Absolute(tuple(values.tolist()), (f"values of {aim.culture}", profile.source))


class _Guideline(BaseModel):
    model_config = ConfigDict(frozen=True)

    weight: float = Field(ge=0, le=1, allow_inf_nan=False)
    content: str
    reason: str = ""
    description: str = ""

    @property
    def text(self) -> str:
        return " ".join(
            part.strip() for part in (self.content, self.reason, self.description) if part.strip()
        )


class _Side(BaseModel):
    model_config = ConfigDict(frozen=True)

    culture: str
    statement: str = Field(min_length=1)
    pool: list[_Guideline] = Field(min_length=1)


class _Topic(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    text: str


class PolicyText(BaseModel):
    """What is read of a policy file: the sides' statements and weighted guidelines. Other fields are of no matter here."""

    model_config = ConfigDict(frozen=True)

    policy_version: int = Field(ge=1, le=1)
    negotiation_id: str
    topic: _Topic
    players: list[_Side] = Field(min_length=1)


def read_policy(aim: PolicyAim) -> PolicyText:
    """Read the policy that an aim points at.

    Raises:
        ConfigurationError: if there is no such file, it is no policy, or a run has several and none is chosen.
    """
    path = aim.path.expanduser()
    if not path.is_dir():
        return _read(path)
    files = (
        sorted((path / "policies").glob("*.json"))
        if (path / "policies").is_dir()
        else sorted(path.glob("*.json"))
    )
    if not files:
        raise ConfigurationError(
            f"policy {path}: no policies in this folder; give a policy file or a run that has finished"
        )
    policies = [_read(file) for file in files]
    chosen = [one for one in policies if aim.negotiation in (None, one.negotiation_id, one.topic.id)]
    if len(chosen) != 1:
        known = ", ".join(one.negotiation_id for one in policies)
        many = "none is" if not chosen else f"{len(chosen)} are"
        raise ConfigurationError(
            f"policy {path}: {many} {aim.negotiation or 'chosen'!r}; choose one negotiation of: {known}"
        )
    return chosen[0]


def _read(path: Path) -> PolicyText:
    try:
        return PolicyText.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(
            f"policy {path}: {error.strerror}; give the JSON file of a policy (RUN/policies/*.json) or a run folder"
        ) from error
    except ValidationError as error:
        raise ConfigurationError(f"policy {path}: {faults_of(error, 'file')}") from error
    except ValueError as error:
        raise ConfigurationError(
            f"policy {path} is no JSON in UTF-8: {error}; give a policy file of a run"
        ) from error


def policy_values(
    policy: PolicyText, detector: Detector, culture: str | None = None
) -> tuple[ValueVector, tuple[str, ...]]:
    """A policy's value vector as a detector reads it, and what was read.

        v = mean over sides i of  1/2 D(statement_i) + 1/2 sum_k weight_ik D(guideline_ik)

    Guidelines without weight are not read.

    Args:
        policy: its texts.
        detector: reads them.
        culture: only this side.

    Returns:
        (10,) in [-1, 1], and lines that explain.

    Raises:
        CultureError: if that side is not in it.
        ConfigurationError: if a side's weights do not sum to something.
    """
    sides: Sequence[_Side] = policy.players
    if culture is not None:
        sides = [side for side in policy.players if side.culture == get_culture(culture).id]
        if not sides:
            known = ", ".join(side.culture for side in policy.players)
            raise CultureError(f"policy {policy.negotiation_id}: no side {culture!r}; there are {known}")
    texts: list[str] = []
    shares: list[float] = []
    for side in sides:
        held = [one for one in side.pool if one.weight > 0 and one.text]
        total = sum(one.weight for one in held)
        if not total:
            raise ConfigurationError(
                f"policy {policy.negotiation_id}: {side.culture} has no weighted guideline"
            )
        texts += [side.statement, *(one.text for one in held)]
        shares += [STATEMENT_SHARE, *((1.0 - STATEMENT_SHARE) * one.weight / total for one in held)]
    read = np.array([reading.values for reading in detector.read(texts)])
    vector = np.clip(np.array(shares) @ read / len(sides), -1.0, 1.0)
    who = " and ".join(side.culture for side in sides)
    return tuple(vector.tolist()), (f"consensus on {policy.topic.text!r}", f"as {detector.name} reads {who}")
