"""What agents are shown of their people's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.cultures import get_culture
from agents.grounding import Grounding, GroundingConfig, portrait, shares_in_words
from agents.survey.codebook import get_item
from agents.survey.profile import MAP_AXES, AnswerShares, CultureProfile, Figure, save_profiles
from agents.survey.shipped import shipped_profiles
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import CultureError

CULTURES = ("confucian", "latin-america")


def answers(item: str, *shares: float) -> AnswerShares:
    return AnswerShares(item=item, shares=shares, respondents=100, source="made up")


class Alphabet:
    """A fake embedder: which letters a text has."""

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        rows = np.array([[text.lower().count(chr(97 + k)) for k in range(26)] for text in texts], dtype=float)
        unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    path = tmp_path / "profiles.json"
    trust, peace = (
        answers("trust-people", 0.62, 0.38),
        answers("confidence-united-nations", 0.1, 0.2, 0.3, 0.4),
    )
    save_profiles(
        {
            "confucian": CultureProfile(culture="confucian", answers={"trust-people": trust}),
            "latin-america": CultureProfile(
                culture="latin-america", answers={"confidence-united-nations": peace, "trust-people": trust}
            ),
        },
        path,
    )
    return path


def test_each_culture_is_shown_the_nearest_items_that_its_people_were_asked(profiles: Path) -> None:
    grounding = Grounding.load(GroundingConfig(profiles=str(profiles), items=1), CULTURES)
    assert grounding is not None
    topic = get_item("confidence-united-nations").question  # as near as can be
    cultures = [get_culture(name) for name in CULTURES]
    first, second = asyncio.run(grounding.ground(cultures, topic, Alphabet()))
    assert [evidence.item for evidence in first.evidence] == ["trust-people"]
    [evidence] = second.evidence
    assert evidence.question == topic
    assert evidence.shares == "40% none, 30% little, 20% a fair amount, 10% very much"
    assert first.id == "confucian"
    found = grounding.provenance([first, second])
    assert found["evidence:latin-america"] == "confidence-united-nations"
    assert found["profiles"].startswith("profiles.json@")


def shown_to(config: GroundingConfig) -> Grounding:
    grounding = Grounding.load(config, CULTURES)
    assert grounding is not None
    return grounding


def test_the_default_agents_are_shown_the_values_that_ship() -> None:
    grounding = shown_to(GroundingConfig())
    cultures = asyncio.run(
        grounding.ground([get_culture(name) for name in CULTURES], "Any question?", Alphabet())
    )
    for culture in cultures:
        assert culture.evidence == ()
        found, published = culture.portrait, shipped_profiles()[culture.id]
        assert found is not None
        assert dict(found.values) == {name: figure.value for name, figure in published.schwartz.items()}
        scores = [score for _, score in found.values]
        assert scores == sorted(scores, reverse=True)
        assert found.secular_rational == published.culture_map["secular_rational"].value
        assert found.self_expression == published.culture_map["self_expression"].value
    assert grounding.provenance(cultures) == {"value_scores": "confucian latin-america"}


def test_nothing_is_shown_where_a_run_does_without() -> None:
    assert Grounding.load(GroundingConfig(values=False), CULTURES) is None


def test_values_of_ones_own_go_over_those_that_ship(profiles: Path) -> None:
    own = {
        name: CultureProfile(
            culture=name,
            schwartz={
                value: Figure(value=k / 10, source="made up") for k, value in enumerate(SCHWARTZ_VALUES)
            },
            answers={"trust-people": answers("trust-people", 0.62, 0.38)},
        )
        for name in CULTURES
    }
    save_profiles(own, profiles)
    found = shown_to(GroundingConfig(profiles=str(profiles))).portraits["confucian"]
    assert found.values[0] == (SCHWARTZ_VALUES[-1], 0.9)
    assert found.secular_rational is None  # not mixed with a place from elsewhere


def test_a_profile_of_answers_alone_has_no_portrait() -> None:
    only = answers("trust-people", 0.62, 0.38)
    assert portrait(CultureProfile(culture="confucian", answers={"trust-people": only})) is None
    placed = {axis: Figure(value=k, source="made up") for k, axis in enumerate(MAP_AXES)}
    found = portrait(CultureProfile(culture="confucian", culture_map=placed))
    assert found is not None
    assert (found.values, found.secular_rational, found.self_expression) == ((), 0.0, 1.0)


def test_long_scales_are_shown_in_three_bands_in_their_order() -> None:
    item = get_item("importance-god")
    assert len(item.options) == 10
    shown = shares_in_words(item, answers(item.id, 0.3, 0, 0, 0.1, 0, 0, 0.1, 0, 0.25, 0.25))
    low, high = item.options[0], item.options[-1]
    assert shown == f"40% from {low} to 4, 10% from 5 to 7, 50% from 8 to {high}"


def test_profiles_that_lack_what_is_asked_are_told(profiles: Path, tmp_path: Path) -> None:
    config = GroundingConfig(profiles=str(profiles))
    with pytest.raises(
        CultureError, match="no answers of 'orthodox-europe'; it has those of confucian, latin"
    ):
        Grounding.load(config, ("confucian", "orthodox-europe"))
    with pytest.raises(CultureError, match="No such file"):
        Grounding.load(GroundingConfig(profiles=str(tmp_path / "none.json")), CULTURES)
    strange = {
        name: CultureProfile(culture=name, answers={"trust-people": answers("trust-people", 0.5, 0.3, 0.2)})
        for name in CULTURES
    }
    save_profiles(strange, profiles)
    with pytest.raises(CultureError, match="3 shares for item 'trust-people', which the codebook"):
        Grounding.load(config, CULTURES)
