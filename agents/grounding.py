"""Agents speak from what their people answered: the survey items nearest to a question, with the shares of each answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agents.cultures import Culture, Evidence
from agents.prompts import shown_percentages
from agents.survey.codebook import Item, load_items
from agents.survey.profile import AnswerShares, CultureProfile, load_profiles
from negotiation.errors import CultureError

LISTED_OPTIONS = 5
"""Items with more options are shown in three bands, low, middle and high."""


class GroundingConfig(BaseModel):
    """Whose answers agents are shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profiles: str | None = Field(
        default=None, description="file of profiles with answers; none: agents see no answers"
    )
    items: int = Field(
        default=5, ge=1, le=50, description="survey items shown, those nearest to the question in meaning"
    )


class TextEmbedder(Protocol):
    """Texts to vectors, as a negotiation has it."""

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, D) unit rows for n texts."""
        ...


@dataclass(frozen=True, slots=True)
class Grounding:
    """The answers of several cultures' people, ready to be put to prompts.

    Attributes:
        profiles: by culture id; cultures without answers may be absent.
        items: of the codebook.
        count: items shown.
        source: file name and fingerprint of the profiles, for records.
    """

    profiles: Mapping[str, CultureProfile]
    items: tuple[Item, ...]
    count: int
    source: str

    @classmethod
    def load(cls, config: GroundingConfig, cultures: Sequence[str]) -> Grounding | None:
        """Read the profiles that a run names; None if it names none.

        Raises:
            CultureError: if the file cannot be read, lacks a culture of the run or has no answers for one, or an answer is
                to an item that the codebook does not have in that form.
        """
        if config.profiles is None:
            return None
        profiles = load_profiles(Path(config.profiles))
        for culture in cultures:
            if culture not in profiles or not profiles[culture].answers:
                known = ", ".join(name for name, profile in profiles.items() if profile.answers) or "nobody"
                raise CultureError(
                    f"profiles {config.profiles}: no answers of {culture!r}; it has those of {known}"
                )
        items = {item.id: item for item in load_items()}
        for culture in cultures:
            for name, answers in profiles[culture].answers.items():
                if name not in items or len(items[name].options) != len(answers.shares):
                    raise CultureError(
                        f"profiles {config.profiles}: {culture!r} has {len(answers.shares)} shares for item {name!r},"
                        " which the codebook does not have so; make the profiles anew from the survey file"
                    )
        digest = hashlib.sha256(Path(config.profiles).read_bytes()).hexdigest()[:12]
        source = f"{Path(config.profiles).name}@{digest}"
        chosen = {culture: profiles[culture] for culture in cultures}
        return cls(chosen, tuple(items.values()), config.items, source)

    async def ground(self, cultures: Sequence[Culture], topic: str, embedder: TextEmbedder) -> list[Culture]:
        """The cultures with their people's answers on the items nearest to the topic.

        Each culture is shown the nearest items among those that its own people were asked.
        """
        vectors = await embedder.embed([topic, *(item.question for item in self.items)])
        likeness = vectors[1:] @ vectors[0]
        return [
            replace(culture, evidence=self._evidence(self.profiles[culture.id], likeness))
            if culture.id in self.profiles
            else culture
            for culture in cultures
        ]

    def provenance(self, cultures: Sequence[Culture]) -> dict[str, str]:
        """What a record says of the answers that its agents were shown."""
        shown = {f"evidence:{c.id}": " ".join(e.item for e in c.evidence) for c in cultures if c.evidence}
        return {"profiles": self.source, **shown}

    def _evidence(self, profile: CultureProfile, likeness: NDArray[np.float64]) -> tuple[Evidence, ...]:
        order = np.argsort(-likeness, kind="stable")
        asked = [self.items[k] for k in order if self.items[k].id in profile.answers][: self.count]
        return tuple(
            Evidence(item.id, item.question, shares_in_words(item, profile.answers[item.id]))
            for item in asked
        )


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
