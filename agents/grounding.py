"""Agents speak from what surveys found of their people: values, place on the map, answers on the items nearest to a question.

Values come with the package for the eight regions. Answers come with a file of profiles of the user's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agents.cultures import Culture, Evidence, Portrait
from agents.prompts import shown_percentages
from agents.survey.codebook import Item, load_items
from agents.survey.profile import AnswerShares, CultureProfile, load_profiles
from agents.survey.shipped import shipped_profiles
from negotiation.errors import CultureError

LISTED_OPTIONS = 5
"""Items with more options are shown in three bands, low, middle and high."""


class GroundingConfig(BaseModel):
    """What agents are shown of their people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profiles: str | None = Field(
        default=None, description="file of profiles with answers; none: agents see no answers"
    )
    items: int = Field(
        default=5, ge=1, le=50, description="survey items shown, those nearest to the question in meaning"
    )
    values: bool = Field(
        default=True,
        description="whether agents are shown what their people value, and where they stand on the cultural map",
    )


class TextEmbedder(Protocol):
    """Texts to vectors, as a negotiation has it."""

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, D) unit rows for n texts."""
        ...


@dataclass(frozen=True, slots=True)
class Grounding:
    """What surveys found of several cultures' people, ready to be put to prompts.

    Attributes:
        profiles: whose answers are shown, by culture id.
        portraits: what is shown of a people as a whole, by culture id.
        items: of the codebook.
        count: items shown.
        source: file name and fingerprint of the profiles with answers, for records; empty if there are none.
    """

    profiles: Mapping[str, CultureProfile]
    portraits: Mapping[str, Portrait]
    items: tuple[Item, ...]
    count: int
    source: str

    @classmethod
    def load(cls, config: GroundingConfig, cultures: Sequence[str]) -> Grounding | None:
        """Read what a run's agents are shown; None if that is nothing.

        Args:
            config: what is asked for.
            cultures: of the run.

        Raises:
            CultureError: if the file cannot be read, lacks a culture of the run or has no answers for one, or an answer is
                to an item that the codebook does not have in that form.
        """
        own: Mapping[str, CultureProfile] = {}
        source = ""
        if config.profiles is not None:
            own, source = _with_answers(Path(config.profiles), cultures)
        portraits = _portraits(own, cultures) if config.values else {}
        if not own and not portraits:
            return None
        return cls(own, portraits, load_items(), config.items, source)

    async def ground(self, cultures: Sequence[Culture], topic: str, embedder: TextEmbedder) -> list[Culture]:
        """The cultures with what their people value, and their answers on the items nearest to the topic.

        Each culture is shown the nearest items among those that its own people were asked.
        """
        cultures = [replace(culture, portrait=self.portraits.get(culture.id)) for culture in cultures]
        if not self.profiles:
            return cultures
        vectors = await embedder.embed([topic, *(item.question for item in self.items)])
        likeness = vectors[1:] @ vectors[0]
        return [
            replace(culture, evidence=self._evidence(self.profiles[culture.id], likeness))
            if culture.id in self.profiles
            else culture
            for culture in cultures
        ]

    def provenance(self, cultures: Sequence[Culture]) -> dict[str, str]:
        """What a record says of what its agents were shown."""
        shown = {f"evidence:{c.id}": " ".join(e.item for e in c.evidence) for c in cultures if c.evidence}
        told = " ".join(culture.id for culture in cultures if culture.portrait is not None)
        return (
            ({"profiles": self.source} if self.source else {})
            | shown
            | ({"value_scores": told} if told else {})
        )

    def _evidence(self, profile: CultureProfile, likeness: NDArray[np.float64]) -> tuple[Evidence, ...]:
        order = np.argsort(-likeness, kind="stable")
        asked = [self.items[k] for k in order if self.items[k].id in profile.answers][: self.count]
        return tuple(
            Evidence(item.id, item.question, shares_in_words(item, profile.answers[item.id]))
            for item in asked
        )


def portrait(profile: CultureProfile) -> Portrait | None:
    """A profile's values, the most important first, and its place on the map; None if it has neither.

    >>> found = portrait(shipped_profiles()["protestant-europe"])
    >>> found.values[0][0], found.self_expression > 0
    ('Benevolence', True)
    """
    if not (profile.schwartz or profile.culture_map):
        return None
    scores = sorted(((name, figure.value) for name, figure in profile.schwartz.items()), key=lambda p: -p[1])
    place = {axis: figure.value for axis, figure in profile.culture_map.items()}
    return Portrait(tuple(scores), place.get("secular_rational"), place.get("self_expression"))


def _portraits(own: Mapping[str, CultureProfile], cultures: Sequence[str]) -> dict[str, Portrait]:
    """By the run's own profiles, or where these have none by the shipped ones; cultures that nobody knows are left out."""
    shipped = shipped_profiles()
    found = {
        name: (portrait(own[name]) if name in own else None)
        or (portrait(shipped[name]) if name in shipped else None)
        for name in cultures
    }
    return {name: shown for name, shown in found.items() if shown is not None}


def _with_answers(path: Path, cultures: Sequence[str]) -> tuple[dict[str, CultureProfile], str]:
    """The profiles of a file, checked, and its name with a fingerprint; errors as in ``Grounding.load``."""
    profiles = load_profiles(path)
    for culture in cultures:
        if culture not in profiles or not profiles[culture].answers:
            known = ", ".join(name for name, profile in profiles.items() if profile.answers) or "nobody"
            raise CultureError(f"profiles {path}: no answers of {culture!r}; it has those of {known}")
    items = {item.id: item for item in load_items()}
    for culture in cultures:
        for name, answers in profiles[culture].answers.items():
            if name not in items or len(items[name].options) != len(answers.shares):
                raise CultureError(
                    f"profiles {path}: {culture!r} has {len(answers.shares)} shares for item {name!r},"
                    " which the codebook does not have so; make the profiles anew from the survey file"
                )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return {culture: profiles[culture] for culture in cultures}, f"{path.name}@{digest}"


def shares_in_words(item: Item, answers: AnswerShares) -> str:
    """The answers with whole percentages that sum to 100, the most frequent first; scales of many points in three bands.

    Answers below half a percent are left out (``agents.prompts.shown_percentages``).

    >>> from agents.survey.codebook import get_item
    >>> shares = AnswerShares(item="trust-people", shares=(0.62, 0.38), respondents=100, source="an example")
    >>> shares_in_words(get_item("trust-people"), shares)
    '62% one can trust most people, 38% one must be careful'
    """
    labels, shares = list(item.options), list(answers.shares)
    if len(labels) > LISTED_OPTIONS:
        bands = np.array_split(np.arange(len(labels)), 3)
        labels = [f"from {labels[band[0]]} to {labels[band[-1]]}" for band in bands]
        shares = [float(sum(shares[k] for k in band)) for band in bands]
        order = [(k, percent) for k, percent in sorted(shown_percentages(shares))]
    else:
        order = shown_percentages(shares)
    return ", ".join(f"{percent}% {labels[k]}" for k, percent in order)
