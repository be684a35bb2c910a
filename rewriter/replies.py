"""Replies of a language model that must have a form: asked for together, and again, within a bound, where they had another."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from agents.faults import faults_of
from agents.models.protocol import Generation, GenerationRequest, LanguageModel
from negotiation.errors import MalformedReplyError, ModelServerError

T = TypeVar("T")
Form = TypeVar("Form", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Replies(Generic[T]):
    """What came of several asks.

    Attributes:
        read: by place, what was read in the replies of the form.
        wrong: by place, what was wrong with the last reply of another form.
    """

    read: dict[int, T]
    wrong: dict[int, str]

    def missing(self, count: int) -> list[int]:
        """The places, of ``count``, for which nothing was read."""
        return [place for place in range(count) if place not in self.read]


def ask_for_form(
    model: LanguageModel,
    count: int,
    request: Callable[[int, int], GenerationRequest],
    read: Callable[[int, Generation], T],
    retries: int,
) -> Replies[T]:
    """Ask for replies, all that are missing in one batch, until each is of its form or the tries are spent.

    Args:
        model: is asked.
        count: number of asks.
        request: from the place and the attempt (from 0) to the request.
        read: from the place and the reply to what it says; raises ``MalformedReplyError`` if the reply is of another form.
        retries: tries after the first.

    Raises:
        ModelServerError: if the model gives another number of replies than asked for.
    """
    replies: Replies[T] = Replies({}, {})
    for attempt in range(retries + 1):
        places = replies.missing(count)
        if not places:
            break
        answers = model.generate([request(place, attempt) for place in places])
        if len(answers) != len(places):
            raise ModelServerError(
                f"model {model.name!r} gave {len(answers)} replies to {len(places)} requests; use another"
            )
        for place, answer in zip(places, answers, strict=True):
            try:
                replies.read[place] = read(place, answer)
            except MalformedReplyError as error:
                replies.wrong[place] = str(error)
    return replies


def parse_json(text: str, form: type[Form]) -> Form:
    """Read a reply in JSON; a fence of code round it is allowed, nothing else is.

    Raises:
        MalformedReplyError: if it is no JSON, or not as the form asks.
    """
    body = text.strip()
    if body.startswith("```") and body.endswith("```"):
        body = body.removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        return form.model_validate(json.loads(body))
    except json.JSONDecodeError as error:
        raise MalformedReplyError(f"the reply is no JSON: {error}") from error
    except ValidationError as error:
        raise MalformedReplyError(f"the reply's JSON is not as asked: {faults_of(error, 'reply')}") from error
