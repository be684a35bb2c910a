"""Agents set beside their people: known voices give known figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from agents.cultures import Culture
from agents.evaluation import EvaluationConfig, evaluate_culture, portraits, schwartz_scores, vsm_questions
from agents.interview import InterviewAnswer, InterviewConfig, question_of
from agents.map_placement import AIMS, CHILD, map_places, map_questions, map_values
from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from agents.survey.codebook import get_item
from agents.survey.layouts import MAP_ITEMS
from agents.survey.profile import HOFSTEDE_DIMENSIONS, AnswerShares, CultureProfile, Figure, MapAxes
from agents.survey.scores import post_materialism
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


def answers(shares: dict[str, list[float]]) -> dict[str, InterviewAnswer]:
    """One reading a question, even where nothing is given."""
    return {
        question.id: InterviewAnswer(
            question.id,
            np.array([shares.get(question.id, [1 / len(question.options)] * len(question.options))]),
        )
        for question in map_questions()
    }


def test_map_items_are_coded_as_those_of_people() -> None:
    first, last = [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]
    found = map_values(
        answers(
            {
                "happiness": first,  # very happy: more self-expressive
                "national-pride": first,  # very proud: more traditional
                "importance-god": [0.0] * 9 + [1.0],  # very important: more traditional
                "homosexuality": [0.0] * 9 + [1.0],  # always justifiable: more self-expressive
                CHILD[0]: [1.0, 0.0],
                CHILD[1]: [1.0, 0.0],
                CHILD[2]: [0.0, 1.0],
                CHILD[3]: [0.0, 1.0],
            }
        )
    )[0]
    least = map_values(answers({"happiness": last, "national-pride": last}))[0]
    places = {name: k for k, name in enumerate(MAP_ITEMS)}
    assert found[places["happiness"]] > least[places["happiness"]]
    assert found[places["national-pride"]] < least[places["national-pride"]]
    assert found[places["importance-god"]] == -9.0
    assert found[places["homosexuality"]] == 9.0
    assert found[9] == 2.0  # both of the first mentioned, none of the last
    assert found[8] == pytest.approx(2.0)  # even odds: 1/6 + 2 * 4/6 + 3 * 1/6


def test_post_materialism_is_that_of_people_who_choose_twice() -> None:
    odds = np.array([0.4, 0.3, 0.2, 0.1])
    rng = np.random.default_rng(0)
    # Two choices without replacement with these odds: the two smallest of exponential waiting times (Luce's model).
    order = np.argsort(rng.exponential(size=(200_000, 4)) / odds, axis=1)
    simulated = post_materialism(order[:, 0] + 1, order[:, 1] + 1).mean()
    found = map_values(answers({AIMS.id: odds.tolist()}))[0, 8]
    assert found == pytest.approx(simulated, abs=0.005)
    assert map_values(answers({AIMS.id: [0.5, 0.0, 0.5, 0.0]}))[0, 8] == pytest.approx(1.0, abs=1e-6)
    assert np.isfinite(map_values(answers({AIMS.id: [1.0, 0.0, 0.0, 0.0]}))[0, 8])


def test_places_are_linear_in_the_items() -> None:
    coefficients = [(0.0, 0.0)] * 10
    coefficients[9] = (1.0, 0.0)  # autonomy alone, on the secular-rational axis
    axes = MapAxes(means=(0.0,) * 10, deviations=(2.0,) * 10, coefficients=tuple(coefficients))
    named = {CHILD[0]: [1.0, 0.0], CHILD[1]: [1.0, 0.0], CHILD[2]: [0.0, 1.0], CHILD[3]: [0.0, 1.0]}
    # 2 / 2 deviations, rescaled: 1.61 - 0.01 and 0.38.
    assert map_places(axes, answers(named))[0].tolist() == pytest.approx([1.60, 0.38])


class Mute(Voices):
    """Answers everything evenly."""

    def _logprob(self, request: ScoringRequest) -> float:
        return -1.0


def test_an_agent_is_placed_where_its_answers_are() -> None:
    axes = MapAxes(means=(0.0,) * 10, deviations=(1.0,) * 10, coefficients=((0.1, 0.1),) * 10)
    expected = map_places(axes, answers({}))[0]
    theirs = dict(
        zip(("secular_rational", "self_expression"), np.add(expected, [3.0, 4.0]).tolist(), strict=True)
    )
    people = PEOPLE.model_copy(
        update={
            "culture_map": {name: Figure(value=value, source="made up") for name, value in theirs.items()}
        }
    )
    [base] = evaluate_culture(Mute(), CULTURE, people, {"base": None}, [], CONFIG, axes=axes).voices
    assert base.place["self_expression"].estimate == pytest.approx(expected[1])
    assert base.map_distance is not None
    assert base.map_distance.estimate == pytest.approx(5.0)


class Worker(Voices):
    """Answers every question of the module in the middle, but m02 with its first option and m07 with its last."""

    def _logprob(self, request: ScoringRequest) -> float:
        for number, question in enumerate(vsm_questions(), start=1):
            if question.text in request.messages[1].content:
                wanted = {2: 0, 7: 4}.get(number, 2)
                return 0.0 if request.text == question.options[wanted] else -50.0
        return super()._logprob(request)


def test_hofstedes_dimensions_by_hand() -> None:
    people = PEOPLE.model_copy(
        update={"hofstede": {name: Figure(value=0.0, source="made up") for name in HOFSTEDE_DIMENSIONS}}
    )
    [base] = evaluate_culture(Worker(), CULTURE, people, {"base": None}, [], CONFIG).voices
    # Power distance is 35 (m07 - m02) + 25 (m20 - m23); all else lies in the middle.
    assert base.hofstede["PDI"].estimate == pytest.approx(35 * (5 - 1), abs=1e-6)
    assert base.hofstede["UAI"].estimate == pytest.approx(0.0, abs=1e-6)
    assert base.hofstede_distance is not None
    assert base.hofstede_distance.estimate == pytest.approx(140 / 6, abs=1e-6)
    [plain] = evaluate_culture(Worker(), CULTURE, PEOPLE, {"base": None}, [], CONFIG).voices
    assert plain.hofstede == {}
    assert plain.hofstede_distance is None
