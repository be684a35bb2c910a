"""Where an agent lies on the culture map: the map's ten items asked, and its answers projected as people's are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agents.interview import InterviewAnswer, SurveyQuestion, question_of
from agents.survey.codebook import get_item
from agents.survey.decode import MORE_IS_UP
from agents.survey.layouts import MAP_ITEMS
from agents.survey.profile import MapAxes
from agents.survey.scores import places

CHILD = ("child-independence", "child-determination", "child-faith", "child-obedience")
"""Items of the autonomy index: the first two mentioned less the last two."""

AIMS = SurveyQuestion(
    "aims-of-the-country",
    "Which aim should come first for your country?",
    ("keeping order", "giving people more say", "fighting rising prices", "protecting free speech"),
)
"""The four aims of the post-materialism index, in the order of the survey's codes; the second and fourth are post-material."""


def map_questions() -> tuple[SurveyQuestion, ...]:
    """What an agent is asked to be placed: thirteen questions for the ten items."""
    return (*(question_of(get_item(name)) for name in (*MAP_ITEMS, *CHILD)), AIMS)


def map_values(answers: Mapping[str, InterviewAnswer]) -> NDArray[np.float64]:
    """The map's items as the mean person with these answers has them, coded as ``agents.survey.scores.MAP_VARIABLES`` says.

    Args:
        answers: by question, to at least ``map_questions``, all with the same number R of readings.

    Returns:
        (R, 10).
    """
    columns = []
    for name, sign in zip(MAP_ITEMS, MORE_IS_UP, strict=True):
        readings = answers[name].readings
        columns.append(sign * get_item(name).direction * (readings @ np.arange(readings.shape[1])))
    independence, determination, faith, obedience = (answers[name].readings[:, 0] for name in CHILD)
    columns += [
        _post_materialism(answers[AIMS.id].readings),
        independence + determination - faith - obedience,
    ]
    return np.stack(columns, axis=1)


def map_places(axes: MapAxes, answers: Mapping[str, InterviewAnswer]) -> NDArray[np.float64]:
    """(R, 2) place of each reading, in the order of ``agents.survey.profile.MAP_AXES``."""
    return places(axes, map_values(answers))


def _post_materialism(first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected four-item index, 1 to 3, of people who choose two aims one after the other.

    The second choice is that among the remaining aims with the same odds (Luce 1959, section 1.C), so a pair (i, j) has
    probability p_i p_j / (1 - p_i).

    Args:
        first: (R, 4) probabilities of the first choice.
    """
    bounded = np.clip(first, 1e-9, 1.0 - 1e-9)
    pair = bounded[:, :, None] * bounded[:, None, :] / (1.0 - bounded)[:, :, None]
    pair[:, np.arange(4), np.arange(4)] = 0.0
    post = np.array([0.0, 1.0, 0.0, 1.0])
    index = 1.0 + post[:, None] + post[None, :]
    expected: NDArray[np.float64] = (pair * index).sum(axis=(1, 2)) / pair.sum(axis=(1, 2))
    return expected
