"""The items of values surveys that Concordat reads: a neutral paraphrase, options, direction, category, variable names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from agents.faults import faults_of
from negotiation.errors import CultureError

ITEMS_FILE = Path(__file__).parents[1] / "data" / "survey" / "items.yaml"
"""The items that ship with the package."""

Source = Literal["wave7", "wave6", "joint"]
"""Families of variable names: WVS wave 7, WVS wave 6, and the EVS/WVS joint file with the time series."""


class Variable(BaseModel):
    """Where one kind of file keeps an item.

    Attributes:
        name: official name of the variable.
        codes: (K options,) codes that mean each option, in option order.
        ignored: other codes that the official file uses and that are no answer; negative ones never are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    codes: tuple[tuple[int, ...], ...]
    ignored: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        codes = [code for group in self.codes for code in group]
        if not all(self.codes) or len(set(codes)) != len(codes) or min(codes) < 0 or max(codes) > 99:
            raise ValueError(f"codes of {self.name} must be distinct numbers in 0..99, one or more an option")
        if set(codes) & set(self.ignored):
            raise ValueError(f"{self.name} has a code that is both an option and ignored; keep one")
        return self

    @property
    def option_of_code(self) -> dict[int, int]:
        """Index of the option by code."""
        return {code: option for option, group in enumerate(self.codes) for code in group}


class Item(BaseModel):
    """One question of the surveys, in our own words.

    Attributes:
        id: lower-case words joined by hyphens.
        question: neutral paraphrase, not the survey's wording.
        category: one of the six categories of topics.
        measures: what more or less of the answer means.
        direction: 1 if the last option means most of what ``measures`` names, -1 if the first does.
        options: (K,) paraphrased, in the order of the codes.
        variables: by kind of file; a kind that does not ask the item, or where its name is not certain, is absent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
    question: str = Field(min_length=1)
    category: str = Field(min_length=1)
    measures: str = Field(min_length=1)
    direction: Literal[-1, 1]
    options: tuple[str, ...] = Field(min_length=2)
    variables: dict[Source, Variable]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.options)) != len(self.options):
            raise ValueError(f"item {self.id!r} has an option twice; keep one")
        for source, variable in self.variables.items():
            if len(variable.codes) != len(self.options):
                raise ValueError(
                    f"item {self.id!r} has {len(variable.codes)} codes in {source} for {len(self.options)} options"
                )
        return self

    def score(self, shares: Sequence[float]) -> float:
        """How much of what the item measures, from 0 (all at the end that means least) to 1 (all at the other).

        Options count as evenly spaced: sum_k shares_k k / (K - 1), turned round where ``direction`` is -1.

        Args:
            shares: (K,) in option order, summing to 1.

        Raises:
            CultureError: if there is not one share an option.

        >>> get_item("trust-people").score([0.74, 0.26])
        0.74
        """
        if len(shares) != len(self.options):
            raise CultureError(
                f"item {self.id!r}: {len(shares)} shares; give one for each of {len(self.options)} options"
            )
        steps = np.linspace(0.0, 1.0, len(shares))
        return float(np.dot(shares, steps if self.direction == 1 else 1.0 - steps))


class _Scale(BaseModel):
    """A numbered scale of which only the ends have words."""

    model_config = ConfigDict(extra="forbid")

    points: int = Field(ge=3, le=11)
    low: str
    high: str

    def options(self) -> list[str]:
        middle = [str(point) for point in range(2, self.points)]
        return [f"1 ({self.low})", *middle, f"{self.points} ({self.high})"]


class _VariableEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    codes: list[int | list[int]] | None = None
    ignored: list[int] = []


class _ItemEntry(BaseModel):
    """One entry of an items file; see the head of the one that ships."""

    model_config = ConfigDict(extra="forbid")

    id: str
    question: str
    category: str
    measures: str
    direction: Literal[-1, 1]
    options: list[str] | _Scale
    variables: dict[Source, str | _VariableEntry]

    def item(self) -> Item:
        options = self.options.options() if isinstance(self.options, _Scale) else self.options
        variables: dict[Source, Variable] = {}
        for source, given in self.variables.items():
            entry = _VariableEntry(name=given) if isinstance(given, str) else given
            codes = range(1, len(options) + 1) if entry.codes is None else entry.codes
            variables[source] = Variable(
                name=entry.name,
                codes=tuple((code,) if isinstance(code, int) else tuple(code) for code in codes),
                ignored=tuple(entry.ignored),
            )
        return Item(
            id=self.id,
            question=self.question,
            category=self.category,
            measures=self.measures,
            direction=self.direction,
            options=tuple(options),
            variables=variables,
        )


_ENTRIES = TypeAdapter(list[_ItemEntry])


@lru_cache(maxsize=8)
def load_items(path: Path = ITEMS_FILE) -> tuple[Item, ...]:
    """The items of a YAML file, in its order; without a path, those that ship.

    Raises:
        CultureError: if the file is missing, is no UTF-8 YAML list, has a wrong or unknown field, an id twice, or a
            variable in two items.

    >>> [item.id for item in load_items()][:2]
    ['confidence-united-nations', 'confidence-armed-forces']
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CultureError(f"items {path}: {error.strerror}; give a readable YAML file") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise CultureError(f"items {path}: not UTF-8 YAML: {error}") from error
    try:
        items = tuple(entry.item() for entry in _ENTRIES.validate_python(tree))
    except ValidationError as error:
        raise CultureError(f"items {path}: {faults_of(error, 'item')}") from error
    _check_distinct(path, items)
    return items


def get_item(name: str) -> Item:
    """The item of that id, among those that ship.

    Raises:
        CultureError: if there is none.
    """
    for item in load_items():
        if item.id == name:
            return item
    raise CultureError(f"unknown item {name!r}; see the ids in {ITEMS_FILE.name}")


def _check_distinct(path: Path, items: Sequence[Item]) -> None:
    seen: dict[str, str] = {}
    for item in items:
        for key in (item.id, *(f"{source} {variable.name}" for source, variable in item.variables.items())):
            if key in seen:
                raise CultureError(f"items {path}: {key!r} is in {seen[key]!r} and in {item.id!r}; keep one")
            seen[key] = item.id
