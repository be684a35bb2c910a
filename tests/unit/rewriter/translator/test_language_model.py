"""A language model as translator: strict JSON, bounded retries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import get_args

import pytest

from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import MalformedReplyError, TargetError
from rewriter.translator.language_model import LanguageModelTranslator, ValueName

GOOD = json.dumps({"movements": [{"value": "Tradition", "movement": 0.5, "words": "more customs"}]})


class Scripted:
    """Gives replies in turn and keeps what it was asked."""

    name = "scripted"

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.asked: list[list[GenerationRequest]] = []

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.asked.append(list(requests))
        return [Generation(self.replies.pop(0), 1, 1, "stop", 0.0) for _ in requests]

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        raise NotImplementedError


def test_the_names_are_the_ten():
    assert get_args(ValueName) == SCHWARTZ_VALUES


def test_a_reply_is_read():
    shift = LanguageModelTranslator(Scripted(f"```json\n{GOOD}\n```")).translate(["more customs"])[0]
    assert shift.values == (*(0.0,) * 7, 0.5, 0.0, 0.0)
    assert shift.explanation == ("Tradition +0.50: read in 'more customs' (by the model)",)


def test_only_what_failed_is_asked_again_and_hotter():
    model = Scripted(GOOD, "Tradition, I think", GOOD)
    assert len(LanguageModelTranslator(model).translate(["a", "b"])) == 2
    assert [len(batch) for batch in model.asked] == [2, 1]
    assert [batch[-1].temperature for batch in model.asked] == [0.0, 0.7]
    assert model.asked[1][0].messages[-1].content == "b"


@pytest.mark.parametrize(
    ("reply", "part"),
    [
        ("nothing", "no JSON"),
        ('{"movements": [{"value": "Money", "movement": 1, "words": "x"}]}', "movements.0.value"),
        ('{"movements": [{"value": "Power", "movement": 3, "words": "x"}]}', "movements.0.movement"),
        ('{"movements": [], "note": "x"}', "note"),
        (json.dumps({"movements": [{"value": "Power", "movement": 1, "words": "x"}] * 2}), "Power twice"),
    ],
)
def test_the_bound_on_tries_holds(reply, part):
    model = Scripted(*[reply] * 9)
    with pytest.raises(MalformedReplyError, match=f"in 3 tries.*{part}"):
        LanguageModelTranslator(model, retries=2).translate(["more customs"])
    assert len(model.asked) == 3


def test_no_value_found_is_no_malformed_reply():
    with pytest.raises(TargetError, match="no value is found"):
        LanguageModelTranslator(Scripted('{"movements": []}')).translate(["rhyme"])
    with pytest.raises(TargetError, match="instruction 1 is empty"):
        LanguageModelTranslator(Scripted(GOOD)).translate(["more customs", " "])
