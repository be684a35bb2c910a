"""Agents set beside their people: known voices give known figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from agents.cultures import Culture
from agents.evaluation import EvaluationConfig, evaluate_culture, portraits, question_of, schwartz_scores
from agents.interview import InterviewConfig
from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from agents.survey.codebook import get_item
from agents.survey.profile import AnswerShares, CultureProfile, Figure
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import ConfigurationError, CultureError

CULTURE = Culture("here", "Here", "a place.")
ITEMS = [get_item("trust-people"), get_item("confidence-united-nations"), get_item("importance-god")]
PEOPLE_SCORES = dict(zip(SCHWARTZ_VALUES, np.linspace(-1.0, 1.0, 10), strict=True))
CONFIG = EvaluationConfig(interview=InterviewConfig(orders=2), resamples=200)


def shares(item: str, count: int) -> tuple[float, ...]:
    weights = np.arange(1.0, count + 1.0)
    return tuple((weights / weights.sum()).tolist())


PEOPLE = CultureProfile(
    culture="here",
    schwartz={name: Figure(value=value, source="made up") for name, value in PEOPLE_SCORES.items()},
    answers={
        item.id: AnswerShares(
            item=item.id, shares=shares(item.id, len(item.options)), respondents=100, source="made up"
        )
        for item in ITEMS[:2]  # nobody was asked the third
    },
)


class Voices:
    """With the adapter "here" it answers as the people do; without, all options alike; with "there", the other way round."""

    name = "voices"

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        raise AssertionError("a survey is not written")

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        return [Score.of((self._logprob(request),)) for request in requests]

    def _logprob(self, request: ScoringRequest) -> float:
        asked = request.messages[1].content
        for item in ITEMS[:2]:
            if item.question in asked:
                theirs = PEOPLE.answers[item.id].shares
                table = {"here": theirs, "there": theirs[::-1], None: (1 / len(theirs),) * len(theirs)}
                return math.log(table[request.adapter][item.options.index(request.text)])
        for value, question in zip(SCHWARTZ_VALUES, portraits(), strict=True):
            if question.text in asked:
                place = question.options.index(request.text) + 1
                wanted = 3.5 - {"here": 1, "there": -1, None: 0}[request.adapter] * PEOPLE_SCORES[value]
                return -0.5 * (place - wanted) ** 2
        raise AssertionError(f"nobody was asked this: {asked}")


def test_the_voice_of_the_people_is_nearest() -> None:
    voices = {"own": "here", "base": None, "adapter of there": "there"}
    found = evaluate_culture(Voices(), CULTURE, PEOPLE, voices, ITEMS, CONFIG)
    assert [voice.voice for voice in found.voices] == list(voices)
    own, base, other = found.voices
    assert [row.item for row in own.items] == ["trust-people", "confidence-united-nations"]
    assert own.distance is not None
    assert own.distance.estimate == pytest.approx(0.0, abs=1e-12)
    assert own.farther_than_own is None
    # Trust: (1/3, 2/3) against an even half: 1/6. Confidence: (.1, .2, .3, .4) against quarters: (.15 + .2 + .15) / 3.
    assert base.distance is not None
    assert base.distance.estimate == pytest.approx((1 / 6 + 0.5 / 3) / 2)
    assert other.farther_than_own is not None
    assert base.farther_than_own is not None
    assert other.farther_than_own.estimate > base.farther_than_own.estimate > 0.0
    assert other.farther_than_own.low > 0.0


def test_values_follow_the_portraits() -> None:
    found = evaluate_culture(
        Voices(), CULTURE, PEOPLE, {"own": "here", "adapter of there": "there", "base": None}, [], CONFIG
    )
    own, other, base = found.voices
    assert own.value_correlation is not None
    assert own.value_correlation.estimate > 0.99
    assert other.value_correlation is not None
    assert other.value_correlation.estimate < -0.99
    assert base.value_correlation is None  # all alike
    assert own.distance is None
    assert sum(own.values) == pytest.approx(0.0)
    assert list(own.values) == sorted(own.values)


def test_scores_by_hand() -> None:
    likeness = np.array([1.0] + [3.0] * 8 + [5.0])
    assert schwartz_scores(likeness).tolist() == [2.0] + [0.0] * 8 + [-2.0]


def test_questions_keep_the_items_order() -> None:
    question = question_of(get_item("importance-god"))
    assert question.positions == tuple(float(k) for k in range(10))
    assert len(portraits()) == 10
    assert {len(portrait.options) for portrait in portraits()} == {6}


def test_nothing_to_compare_is_told() -> None:
    with pytest.raises(ConfigurationError, match="no voices"):
        evaluate_culture(Voices(), CULTURE, PEOPLE, {}, ITEMS, CONFIG)
    with pytest.raises(CultureError, match="neither answers to these items nor Schwartz scores"):
        evaluate_culture(Voices(), CULTURE, CultureProfile(culture="here"), {"base": None}, ITEMS, CONFIG)
