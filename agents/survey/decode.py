"""From codes in a file to answers: options of items, the ten values, the ten items of the map, the VSM's twenty-four."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from agents.survey.codebook import Item, Source, get_item
from agents.survey.layouts import MAP_ITEMS, VSM_ITEMS
from agents.survey.readers import STRANGE, Responses
from agents.survey.scores import MAP_VARIABLES, post_materialism
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import CultureError

MOST_UNKNOWN = 0.05
"""Share of a variable's answers that may have codes which the codebook does not know; with more, the file is another one."""

MORE_IS_UP = (1, 1, -1, 1, -1, 1, 1, -1)
"""For each of ``MAP_ITEMS``: 1 if more of what it measures is more secular or self-expressive, -1 if less is."""

logger = logging.getLogger(__name__)


def options_of(responses: Responses, item: Item) -> NDArray[np.int8] | None:
    """Index of the option that each respondent chose (n,), -1 for no answer; None if the file does not ask the item.

    Raises:
        CultureError: naming line or row, if more than ``MOST_UNKNOWN`` of the answers have codes of no option.
    """
    source: Source | None = responses.layout.variables
    if source is None or source not in item.variables:
        return None
    variable = item.variables[source]
    codes = responses.answers.get(variable.name)
    if codes is None:
        return None
    return _look_up(responses, variable.name, codes, variable.option_of_code, variable.ignored)


def schwartz_answers(
    responses: Responses,
) -> Mapping[str, tuple[tuple[str, NDArray[np.float64]], ...]]:
    """By value, the variables that measure it in order of preference with their answers (n,) 1..6, NaN for none.

    Empty if one of the ten has no variable in the file.
    """
    found: dict[str, tuple[tuple[str, NDArray[np.float64]], ...]] = {}
    for value in SCHWARTZ_VALUES:
        names = [
            name for name in (responses.layout.schwartz or {}).get(value, ()) if name in responses.answers
        ]
        if not names:
            return {}
        found[value] = tuple((name, _scale(responses, name, range(1, 7))) for name in names)
    return found


def map_answers(responses: Responses) -> NDArray[np.float64] | None:
    """The ten items of the culture map (n, 10), coded as ``MAP_VARIABLES`` says, NaN for no answer; None if one is absent.

    Post-materialism and autonomy are computed from their parts, or read as the survey computed them where a part is absent.
    """
    columns: list[NDArray[np.float64]] = []
    for name, sign in zip(MAP_ITEMS, MORE_IS_UP, strict=True):
        item = get_item(name)
        options = options_of(responses, item)
        if options is None:
            return None
        columns.append(np.where(options >= 0, sign * item.direction * options.astype(np.float64), np.nan))
    post, autonomy = _post_materialism(responses), _autonomy(responses)
    if post is None or autonomy is None:
        return None
    matrix = np.stack([*columns, post, autonomy], axis=1)
    assert matrix.shape[1] == len(MAP_VARIABLES)
    return matrix


def vsm_answers(responses: Responses) -> NDArray[np.float64] | None:
    """The VSM's items (n, 24) 1..5, NaN for no answer; None if the file is of another kind or lacks one."""
    if not responses.layout.vsm or not set(VSM_ITEMS) <= set(responses.answers):
        return None
    # 0 and 9 are what the manual's own sheets write for no answer.
    return np.stack([_scale(responses, name, range(1, 6), ignored=(0, 9)) for name in VSM_ITEMS], axis=1)


def _post_materialism(responses: Responses) -> NDArray[np.float64] | None:
    choices = responses.layout.choices
    if choices is not None and set(choices) <= set(responses.answers):
        first, second = (responses.answers[name].astype(np.intp) for name in choices)
        return post_materialism(first, second)
    index = responses.layout.indices[0]
    return _scale(responses, index, range(1, 4)) if index in responses.answers else None


def _autonomy(responses: Responses) -> NDArray[np.float64] | None:
    """Independence and determination mentioned, less religious faith and obedience: -2 to 2."""
    child, answers = responses.layout.child, responses.answers
    if child is not None and set(child) <= set(answers):
        yes, no = responses.layout.mentioned
        named = [
            np.where(answers[name] == yes, 1.0, np.where(answers[name] == no, 0.0, np.nan)) for name in child
        ]
        return np.asarray(named[0] + named[1] - named[2] - named[3], dtype=np.float64)
    index = responses.layout.indices[1]
    if index not in answers:
        return None
    # The one variable in which -1 and -2 are values; -5 stands for missing.
    codes = answers[index]
    return np.where(np.abs(codes) <= 2, codes.astype(np.float64), np.nan)


def _scale(
    responses: Responses, name: str, codes: Iterable[int], ignored: tuple[int, ...] = ()
) -> NDArray[np.float64]:
    """Answers (n,) on a scale of successive codes, NaN for none."""
    scale = list(codes)
    steps = {code: step for step, code in enumerate(scale)}
    found = _look_up(responses, name, responses.answers[name], steps, ignored)
    return np.where(found >= 0, found.astype(np.float64) + scale[0], np.nan)


def _look_up(
    responses: Responses,
    name: str,
    codes: NDArray[np.int16],
    option_of_code: Mapping[int, int],
    ignored: tuple[int, ...],
) -> NDArray[np.int8]:
    unknown_mark = -2
    table = np.full(101, unknown_mark, dtype=np.int8)  # the last entry stands for every code above 99
    for code, option in option_of_code.items():
        table[code] = option
    for code in ignored:
        table[code] = -1
    options = np.where(codes < 0, np.int8(-1), table[np.clip(codes, 0, 100)])
    unknown = options == unknown_mark
    count, answered = int(unknown.sum()), int((options >= 0).sum())
    if count:
        row = int(np.argmax(unknown))
        shown = "no whole number" if codes[row] == STRANGE else str(codes[row])
        where = f"survey {responses.path}, {responses.place(row)}, column {name!r}: {shown}"
        if count > MOST_UNKNOWN * (count + answered):
            raise CultureError(
                f"{where} is none of the codes {', '.join(map(str, sorted(option_of_code)))}, like {count:,} of"
                f" {count + answered:,} answers; give the official file, or mend the item's codes"
            )
        logger.warning("%s is no known code, like %d others; they count as no answer", where, count - 1)
    return np.where(unknown, np.int8(-1), options)
