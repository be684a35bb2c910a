"""A model spread over devices: what is handed on, and that replies stay the same. Several GPUs were not at hand."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from agents.models import GenerationRequest, Message, TransformersConfig, load_model
from negotiation.errors import ModelError
from tests.unit.agents.tiny import TinyModel


def test_a_spread_model_answers_as_one_on_one_device(
    tiny: TinyModel, tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    load = AutoModelForCausalLM.from_pretrained

    def noted(*arguments: Any, **settings: Any) -> Any:
        asked.append(settings.get("device_map"))
        return load(*arguments, **settings)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", noted)
    model = load_model(
        TransformersConfig(
            path=str(tiny.path), adapters=tiny.adapters, device_map="balanced", dtype="float32"
        )
    )
    assert asked == ["balanced"]
    requests = [
        GenerationRequest((Message("user", "Why?"),), 8, 1.0, 1.0, 1, name) for name in (None, "east", "west")
    ]
    assert [r.text for r in model.generate(requests)] == [r.text for r in tiny_model.generate(requests)]


def test_a_map_needs_free_choice_of_devices() -> None:
    with pytest.raises(ValueError, match="leave one of them out"):
        TransformersConfig(path="a/b", device="cpu", device_map="auto")
    with pytest.raises(ValueError, match="set device_map: auto"):
        TransformersConfig(path="a/b", gpus=2)


def test_a_model_that_does_not_fit_is_refused() -> None:
    from agents.models.loading import _check_spread

    with pytest.raises(ModelError, match="does not fit"):
        _check_spread(
            TransformersConfig(path="a/b", device_map="auto"), {"model.layers.0": 0, "lm_head": "disk"}
        )
