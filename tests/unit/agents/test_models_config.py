"""Requests, results and configurations: checks, pickling, and that importing them is light."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from agents import bundled
from agents.models import (
    BundledConfig,
    Generation,
    GenerationRequest,
    Message,
    ModelConfig,
    OpenAIConfig,
    Score,
    ScoringRequest,
    TransformersConfig,
    parse_model_argument,
)
from negotiation.errors import ModelError

USER = (Message("user", "Why?"),)


@pytest.mark.parametrize(
    "value",
    [
        Message("system", "You speak."),
        GenerationRequest(USER, 10, 0.8, 0.9, 3, "east"),
        Generation("Because.", 3, 2, "stop", 0.1),
        ScoringRequest(USER, "Because.", "east"),
        Score.of((-1.0, -2.5)),
        BundledConfig(adapters=("east",)),
        TransformersConfig(path="Org/Model", adapters={"east": "folder"}, dtype="bfloat16"),
        OpenAIConfig(model="small", base_url="http://127.0.0.1:8000/v1"),
    ],
)
def test_values_pickle(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"messages": ()}, "dialogue is empty"),
        ({"messages": (*USER, Message("assistant", "No."))}, "ends with an assistant turn"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_requests_are_checked(changes: dict[str, Any], problem: str) -> None:
    good = {"messages": USER, "max_new_tokens": 1, "temperature": 1.0, "top_p": 1.0, "seed": 0}
    with pytest.raises(ModelError, match=problem):
        GenerationRequest(**{**good, **changes})


def test_messages_and_texts_are_checked() -> None:
    with pytest.raises(ModelError, match="role is 'teacher'"):
        Message("teacher", "")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="text to score is empty"):
        ScoringRequest(USER, "")


def test_model_arguments() -> None:
    assert parse_model_argument("bundled", max_batch=8) == BundledConfig(max_batch=8)
    assert parse_model_argument(" Qwen/Qwen3-4B ") == TransformersConfig(path="Qwen/Qwen3-4B")
    served = parse_model_argument("openai:team@model:1@https://host.example/v1/")
    assert served == OpenAIConfig(model="team@model:1", base_url="https://host.example/v1")


@pytest.mark.parametrize(
    ("argument", "settings", "problem"),
    [
        ("", {}, "model is empty"),
        ("openai:small", {}, "not of the form openai:MODEL@"),
        ("openai:@http://host/v1", {}, "not of the form openai:MODEL@"),
        ("openai:small@http://user:pass@host/v1", {}, "environment variable"),
        ("bundled", {"max_batch": 0}, "max_batch: .*greater than or equal to 1"),
        ("bundled", {"device": "gpu"}, "device: "),
        ("a/b", {"beams": 3}, "beams: Extra inputs"),
    ],
)
def test_bad_model_arguments(argument: str, settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        parse_model_argument(argument, **settings)


def test_kinds_are_told_apart_and_documented() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ModelConfig)
    for config in (
        BundledConfig(),
        TransformersConfig(path="x"),
        OpenAIConfig(model="m", base_url="http://h/v1"),
    ):
        assert adapter.validate_json(adapter.dump_json(config)) == config
        assert all(field.description for name, field in type(config).model_fields.items() if name != "kind")
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": "bundled", "unknown": 1})
    with pytest.raises(ValidationError, match="not an address"):
        OpenAIConfig(model="m", base_url="127.0.0.1:8000")


def test_importing_is_light() -> None:
    program = (
        "import sys, agents.models, agents.bundled, agents.batching, agents.embedding\n"
        "heavy = {'torch', 'transformers', 'peft', 'httpx', 'ray', 'sentence_transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])


def test_the_bundled_model_is_found_or_its_absence_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "BUNDLED_ROOT", tmp_path)
    with pytest.raises(ModelError, match=r"bundled model is missing: no file .*concordat train bundle"):
        bundled.bundled_model_path()
    with pytest.raises(ModelError, match="no adapter for culture 'confucian'; there are: none"):
        bundled.bundled_adapter_path("confucian")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    for culture in ("latin-america", "confucian"):
        (tmp_path / "adapters" / culture).mkdir(parents=True)
        (tmp_path / "adapters" / culture / "adapter_config.json").write_text("{}")
    assert bundled.bundled_model_path() == tmp_path
    config = bundled.bundled_transformers_config(BundledConfig(max_batch=5, num_threads=1))
    assert list(config.adapters) == ["confucian", "latin-america"]
    assert (config.path, config.max_batch, config.num_threads) == (str(tmp_path), 5, 1)
    only = bundled.bundled_transformers_config(BundledConfig(adapters=("confucian",)))
    assert only.adapters == {"confucian": str(tmp_path / "adapters" / "confucian")}
    with pytest.raises(ModelError, match="'nowhere'; there are: confucian, latin-america"):
        bundled.bundled_transformers_config(BundledConfig(adapters=("nowhere",)))
