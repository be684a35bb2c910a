"""A detector by a scripted language model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import ConfigurationError, MalformedReplyError, ModelServerError, TextError
from rewriter.detector.judge import JudgePrompts, LanguageModelDetector


def form(first: float = 0.5, confidence: float = 0.8) -> dict[str, object]:
    return {
        "values": dict.fromkeys(SCHWARTZ_VALUES, 0.0) | {"Self-Direction": first},
        "confidence": confidence,
    }


class ScriptedModel:
    """Replies by rule and remembers what it was asked."""

    name = "scripted"

    def __init__(self, reply: Callable[[GenerationRequest], str], finish: str = "stop") -> None:
        self.reply, self.finish = reply, finish
        self.calls: list[list[GenerationRequest]] = []

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.calls.append(list(requests))
        return [Generation(self.reply(request), 5, 9, self.finish, 0.0) for request in requests]  # type: ignore[arg-type]

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        raise NotImplementedError


def test_all_texts_are_asked_at_once_and_answered_in_order() -> None:
    model = ScriptedModel(
        lambda request: json.dumps(form(0.25 if "liberty" in request.messages[1].content else -1))
    )
    readings = LanguageModelDetector(model).read(["All for order.", "All for liberty."])
    assert [reading.values[0] for reading in readings] == [-1.0, 0.25]
    assert readings[0].confidence == 0.8
    assert [len(call) for call in model.calls] == [2]
    assert model.calls[0][0].temperature == 0.0


def test_the_prompt_holds_the_text_and_every_value() -> None:
    model = ScriptedModel(lambda request: json.dumps(form()))
    LanguageModelDetector(model).read(["  Keep {text} the harbour open. "])
    asked = model.calls[0][0].messages[1].content
    assert "Keep {text} the harbour open." in asked  # braces of a text are no fields
    assert all(name in asked for name in SCHWARTZ_VALUES)


def test_only_texts_with_a_bad_reply_are_asked_again() -> None:
    def reply(request: GenerationRequest) -> str:
        if "liberty" in request.messages[1].content and request.temperature == 0:
            return "It is all for liberty."
        return f"```json\n{json.dumps(form())}\n```"

    model = ScriptedModel(reply)
    assert len(LanguageModelDetector(model).read(["Order.", "Our liberty.", "Order!"])) == 3
    assert [len(call) for call in model.calls] == [3, 1]
    assert model.calls[1][0].temperature > 0
    assert model.calls[1][0].seed != model.calls[0][0].seed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no", "no JSON"),
        ("[1]", "not as asked"),
        (json.dumps(form(1.5)), "less than or equal to 1"),
        (json.dumps(form(confidence=2)), "confidence"),
        (json.dumps(form() | {"why": "so"}), "Extra inputs"),
        (json.dumps({"values": {"Power": 1.0}, "confidence": 1}), "missing"),
        (json.dumps({"values": dict.fromkeys(SCHWARTZ_VALUES, 0) | {"Love": 1}, "confidence": 1}), "Love"),
        (json.dumps({"values": dict.fromkeys(SCHWARTZ_VALUES, "1"), "confidence": 1}), "number"),
        ('{"values": NaN, "confidence": 1}', "not as asked"),
    ],
)
def test_replies_of_another_form_are_told_after_the_bound(text: str, message: str) -> None:
    model = ScriptedModel(lambda request: text)
    with pytest.raises(MalformedReplyError, match=message) as told:
        LanguageModelDetector(model, retries=2).read(["We keep order."])
    assert "text 0 in 3 tries" in str(told.value)
    assert len(model.calls) == 3


def test_a_reply_that_was_cut_is_no_reply() -> None:
    with pytest.raises(MalformedReplyError, match="cut off"):
        LanguageModelDetector(ScriptedModel(lambda request: json.dumps(form()), "length"), retries=0).read(
            ["A text."]
        )


def test_blank_texts_and_bad_settings_are_refused_before_the_model_is_asked() -> None:
    model = ScriptedModel(lambda request: json.dumps(form()))
    with pytest.raises(TextError, match="text 1"):
        LanguageModelDetector(model).read(["A text.", " "])
    assert model.calls == []
    with pytest.raises(ConfigurationError, match="retries"):
        LanguageModelDetector(model, retries=-1)


def test_too_few_replies_are_the_servers_fault() -> None:
    class Short(ScriptedModel):
        def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
            return super().generate(requests)[:-1]

    with pytest.raises(ModelServerError, match="0 replies to 1"):
        LanguageModelDetector(Short(lambda request: json.dumps(form()))).read(["A text."])


def test_no_texts_ask_nothing() -> None:
    model = ScriptedModel(lambda request: "")
    assert LanguageModelDetector(model).read([]) == []
    assert model.calls == []


def test_prompts_with_wrong_fields_are_refused(tmp_path) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text("name: x\nversion: 1\nsystem: s\nuser: '{text}'\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="form"):
        JudgePrompts.load(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        JudgePrompts.load(tmp_path / "absent.yaml")
