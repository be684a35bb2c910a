"""How near an agent comes to its people: the survey put to the agent, set beside the survey put to the people.

Every figure is for several *voices* of one model asked in the name of the same culture: with the culture's adapter, without
any, and with those of other cultures. An adapter earns its place only if its voice is nearer than the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agents.cultures import Culture
from agents.intervals import Interval, bootstrap, correlation
from agents.interview import (
    FrameSet,
    InterviewAnswer,
    InterviewConfig,
    SurveyQuestion,
    interview,
    question_of,
)
from agents.map_placement import map_places, map_questions
from agents.models.protocol import LanguageModel
from agents.prompts import PromptSet
from agents.survey.codebook import Item
from agents.survey.distance import wasserstein
from agents.survey.profile import HOFSTEDE_DIMENSIONS, MAP_AXES, CultureProfile, HofstedeConstants, MapAxes
from agents.survey.scores import hofstede_scores
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import ConfigurationError, CultureError

_SURVEY = Path(__file__).parent / "data" / "survey"
PORTRAITS_FILE, VSM_FILE = _SURVEY / "portraits.yaml", _SURVEY / "vsm.yaml"


class EvaluationConfig(BaseModel):
    """How agents are compared with their people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interview: InterviewConfig = Field(default_factory=InterviewConfig, description="how questions are put")
    resamples: int = Field(default=2000, ge=100, description="bootstrap resamples of each interval")
    seed: int = Field(default=0, ge=0, description="of the orders of options and of the resampling")
    hofstede: HofstedeConstants = Field(
        default_factory=HofstedeConstants,
        description="constants that the people's dimensions were made with; on the command line, those kept with the profiles",
    )


@dataclass(frozen=True, slots=True)
class ItemDistance:
    """One item: how the agent and its people answered.

    Attributes:
        item: id in the codebook.
        agent: (K,) shares of the agent.
        people: (K,) shares of the people.
        distance: Wasserstein-1 on the options evenly spaced over a scale of length 1; in [0, 1], lower is nearer.
    """

    item: str
    agent: tuple[float, ...]
    people: tuple[float, ...]
    distance: float


@dataclass(frozen=True, slots=True)
class VoiceEvaluation:
    """One voice set beside the people of one culture.

    Attributes:
        voice: ``"own"``, ``"base"``, or ``"adapter of X"``.
        items: by item, in the order asked; empty if the people's answers are not known.
        distance: mean over items, with its interval over items; None without items. Lower is nearer.
        farther_than_own: mean over items of this voice's distance less that of the culture's own adapter, paired; above 0 the own
            adapter is nearer. None for the own voice and without items.
        values: (10,) the agent's Schwartz scores, centred, in scale points; higher means more important.
        place: by axis of the culture map, where the file of profiles brings the axes; intervals over readings.
        map_distance: Euclidean distance from the people's place on the map, in its units; lower is nearer. None without axes or
            the people's place.
        hofstede: by dimension, in points, where the people's are known; intervals over readings.
        hofstede_distance: mean over the six dimensions of the absolute difference from the people's, in points; lower is nearer.
            None if theirs are not known.
        value_correlation: Pearson correlation of ``values`` with the people's, its interval over readings; None if theirs
            are not known, or the agent answers all portraits alike.
    """

    voice: str
    items: tuple[ItemDistance, ...]
    distance: Interval | None
    farther_than_own: Interval | None
    values: tuple[float, ...]
    value_correlation: Interval | None
    place: dict[str, Interval] = field(default_factory=dict)
    map_distance: Interval | None = None
    hofstede: dict[str, Interval] = field(default_factory=dict)
    hofstede_distance: Interval | None = None


@dataclass(frozen=True, slots=True)
class CultureEvaluation:
    """All voices set beside one culture's people.

    Attributes:
        culture: its id.
        model: name of the model.
        voices: the own adapter's first, where there is one.
    """

    culture: str
    model: str
    voices: tuple[VoiceEvaluation, ...]


@lru_cache(maxsize=1)
def portraits() -> tuple[SurveyQuestion, ...]:
    """The ten portraits as questions, in the order of ``SCHWARTZ_VALUES``; option 1 is most like the person.

    >>> portraits()[4].id
    'portrait-power'
    """
    tree = yaml.safe_load(PORTRAITS_FILE.read_text(encoding="utf-8"))
    options = tuple(tree["options"])
    places = tuple(float(place) for place in range(1, len(options) + 1))
    return tuple(
        SurveyQuestion(
            f"portrait-{name.lower()}",
            f"How much is this person like you? {tree['portraits'][name]}",
            options,
            places,
        )
        for name in SCHWARTZ_VALUES
    )


@lru_cache(maxsize=1)
def vsm_questions() -> tuple[SurveyQuestion, ...]:
    """The Values Survey Module's questions m01 to m24; options in code order, 1 to 5.

    >>> len(vsm_questions()), vsm_questions()[19].options[0]
    (24, 'never')
    """
    tree = yaml.safe_load(VSM_FILE.read_text(encoding="utf-8"))
    return tuple(
        SurveyQuestion(
            f"vsm-m{number:02d}",
            entry["asks"],
            tuple(tree["options"][entry["options"]]),
            (1.0, 2.0, 3.0, 4.0, 5.0),
        )
        for number, entry in enumerate(tree["questions"], start=1)
    )


def evaluate_culture(
    model: LanguageModel,
    culture: Culture,
    people: CultureProfile,
    voices: Mapping[str, str | None],
    items: Sequence[Item],
    config: EvaluationConfig | None = None,
    *,
    axes: MapAxes | None = None,
    prompts: PromptSet | None = None,
    frames: FrameSet | None = None,
) -> CultureEvaluation:
    """Interview every voice in the name of one culture and compare it with the culture's people.

    All voices are asked the same questions with the same orders of options, so that differences are paired.

    Args:
        model: with the adapters loaded.
        culture: in whose name the model speaks.
        people: what surveys found; needs answers or Schwartz scores.
        voices: adapter by voice (see ``VoiceEvaluation.voice``), None for the bare model.
        items: of the codebook; those that the people were not asked are passed over.
        config: orders, resamples, seed; the defaults if None.
        axes: of the culture map, to place the agent on it; None: it is not placed.
        prompts: whose system message is used; the shipped set if None.
        frames: wordings of the questions; the shipped ones if None.

    Raises:
        ConfigurationError: if there are no voices.
        CultureError: if nothing is known of the people, neither answers to ``items`` nor Schwartz scores.
        ModelError: if the model cannot answer.
    """
    config = config or EvaluationConfig()
    asked = [item for item in items if item.id in people.answers]
    if not voices:
        raise ConfigurationError("no voices to evaluate; give the base model or an adapter")
    if not asked and not people.schwartz:
        raise CultureError(
            f"profile of {people.culture!r} has neither answers to these items nor Schwartz scores;"
            " give a profile made from a survey file"
        )
    questions = {question.id: question for question in [*map(question_of, asked), *portraits()]}
    if axes is not None:
        questions |= {question.id: question for question in map_questions()}
    if people.hofstede:
        questions |= {question.id: question for question in vsm_questions()}
    evaluated: list[VoiceEvaluation] = []
    own: NDArray[np.float64] | None = None
    for voice, adapter in voices.items():
        answers = interview(
            model,
            list(questions.values()),
            culture,
            np.random.default_rng(config.seed),
            adapter=adapter,
            config=config.interview,
            frames=frames,
            prompts=prompts,
        )
        by_question = {answer.question: answer for answer in answers}
        found = _distances([by_question[item.id] for item in asked], asked, people)
        if voice == "own":
            own = np.array([row.distance for row in found])
        evaluated.append(_voice(voice, found, own, by_question, people, axes, config))
    return CultureEvaluation(culture.id, model.name, tuple(evaluated))


def _distances(
    answers: Sequence[InterviewAnswer], items: Sequence[Item], people: CultureProfile
) -> tuple[ItemDistance, ...]:
    rows = []
    for answer, item in zip(answers, items, strict=True):
        theirs = people.answers[item.id].shares
        mine = tuple(float(share) for share in answer.shares)
        distance = wasserstein(mine, theirs, question_of(item).positions)
        rows.append(ItemDistance(item.id, mine, theirs, distance))
    return tuple(rows)


def _voice(
    voice: str,
    items: tuple[ItemDistance, ...],
    own: NDArray[np.float64] | None,
    answers: Mapping[str, InterviewAnswer],
    people: CultureProfile,
    axes: MapAxes | None,
    config: EvaluationConfig,
) -> VoiceEvaluation:
    rng = np.random.default_rng([config.seed, 1])
    distances = np.array([row.distance for row in items])
    compared = len(items) > 0 and own is not None and voice != "own"
    expected = np.stack([_expected(answers[portrait.id]) for portrait in portraits()], axis=1)
    place, map_distance = _place(answers, people, axes, rng, config.resamples)
    hofstede, hofstede_distance = _hofstede(answers, people, rng, config)
    return VoiceEvaluation(
        voice=voice,
        items=items,
        distance=bootstrap(distances, rng, resamples=config.resamples) if items else None,
        farther_than_own=bootstrap(distances - own, rng, resamples=config.resamples) if compared else None,
        values=tuple(float(score) for score in schwartz_scores(expected.mean(axis=0))),
        value_correlation=_value_correlation(expected, people, rng, config.resamples),
        place=place,
        map_distance=map_distance,
        hofstede=hofstede,
        hofstede_distance=hofstede_distance,
    )


def _place(
    answers: Mapping[str, InterviewAnswer],
    people: CultureProfile,
    axes: MapAxes | None,
    rng: np.random.Generator,
    resamples: int,
) -> tuple[dict[str, Interval], Interval | None]:
    if axes is None:
        return {}, None
    found = map_places(axes, answers)
    place = {name: bootstrap(found[:, k], rng, resamples=resamples) for k, name in enumerate(MAP_AXES)}
    if not people.culture_map:
        return place, None
    theirs = np.array([people.culture_map[name].value for name in MAP_AXES])

    def distances(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        away: NDArray[np.float64] = np.linalg.norm(drawn.mean(axis=1) - theirs, axis=-1)
        return away

    return place, bootstrap(found, rng, statistic=distances, resamples=resamples)


def _hofstede(
    answers: Mapping[str, InterviewAnswer],
    people: CultureProfile,
    rng: np.random.Generator,
    config: EvaluationConfig,
) -> tuple[dict[str, Interval], Interval | None]:
    if not people.hofstede:
        return {}, None
    means = np.stack([_expected(answers[question.id]) for question in vsm_questions()], axis=1)
    scores = hofstede_scores(means, config.hofstede)
    theirs = np.array([people.hofstede[name].value for name in HOFSTEDE_DIMENSIONS])

    def distances(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        away: NDArray[np.float64] = np.abs(drawn.mean(axis=1) - theirs).mean(axis=-1)
        return away

    points = {
        name: bootstrap(scores[:, k], rng, resamples=config.resamples)
        for k, name in enumerate(HOFSTEDE_DIMENSIONS)
    }
    return points, bootstrap(scores, rng, statistic=distances, resamples=config.resamples)


def _expected(answer: InterviewAnswer) -> NDArray[np.float64]:
    """(R,) mean option of each reading, from 1."""
    means: NDArray[np.float64] = answer.readings @ np.arange(1.0, answer.readings.shape[1] + 1.0)
    return means


def schwartz_scores(likeness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores from answers to the portraits: centred on the mean over all, and turned round (1 is most like me).

    Source: Schwartz's scoring key (the person's mean over all items is subtracted), for one respondent.

    Args:
        likeness: (..., 10) mean answers from 1 (very much like me) to 6.

    Returns:
        (..., 10) summing to 0; higher means more important.
    """
    scores: NDArray[np.float64] = likeness.mean(axis=-1, keepdims=True) - likeness
    return scores


def _value_correlation(
    expected: NDArray[np.float64], people: CultureProfile, rng: np.random.Generator, resamples: int
) -> Interval | None:
    if not people.schwartz:
        return None
    theirs = np.array([people.schwartz[name].value for name in SCHWARTZ_VALUES])

    def correlations(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([correlation(scores, theirs) for scores in schwartz_scores(drawn.mean(axis=1))])

    if np.ptp(expected, axis=1).max() < 1e-9:  # all portraits alike: nothing to correlate
        return None
    return bootstrap(expected, rng, statistic=correlations, resamples=resamples)
