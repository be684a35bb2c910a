"""Models that vLLM runs, against a small stand-in with the signatures of vLLM 0.32; ``tests/integration/test_vllm.py`` takes the
real one where it is installed.
"""

from __future__ import annotations

import math
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from agents.models import GenerationRequest, Message, ScoringRequest, VLLMConfig, gpus_of, load_model
from negotiation.errors import ModelError
from tests.unit.agents.tiny import WINDOW, TinyModel

DIALOGUE = (Message("user", "Why?"),)


class Params(SimpleNamespace):
    prompt_logprobs: int | None = None


class FakeLLM:
    """Answers with the request's seed, and gives token t the log-probability -t/1000."""

    made: dict[str, Any]

    def __init__(self, model: str, **arguments: Any) -> None:
        type(self).made = {"model": model, **arguments}
        self.model_config = SimpleNamespace(max_model_len=arguments.get("max_model_len", WINDOW))
        self.llm_engine = SimpleNamespace(add_lora=lambda lora: True)
        self.calls: list[Any] = []

    def generate(
        self, prompts: Any, sampling_params: Any = None, *, use_tqdm: bool = True, lora_request: Any = None
    ) -> Any:
        self.calls.append((prompts, sampling_params, lora_request))
        outputs = []
        for prompt, params in zip(prompts, sampling_params, strict=True):
            ids = prompt["prompt_token_ids"]
            scores = [None, *({t: SimpleNamespace(logprob=-t / 1000)} for t in ids[1:])]
            text = SimpleNamespace(
                text=str(getattr(params, "seed", "")), token_ids=(5, 2), finish_reason="stop"
            )
            outputs.append(SimpleNamespace(outputs=[text], prompt_logprobs=scores))
        return outputs


@pytest.fixture
def _vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    root, lora, request = ModuleType("vllm"), ModuleType("vllm.lora"), ModuleType("vllm.lora.request")
    parts: Any = (root, lora, request)
    parts[0].LLM, parts[0].SamplingParams, parts[0].lora = FakeLLM, Params, lora
    parts[1].request = request
    parts[2].LoRARequest = lambda name, number, path: (name, number, path)
    for module in parts:
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.usefixtures("_vllm")
def test_requests_keep_their_seed_bound_and_adapter(tiny: TinyModel) -> None:
    model: Any = load_model(
        VLLMConfig(path=str(tiny.path), adapters=tiny.adapters, tensor_parallel_size=2, dtype="float32")
    )
    replies = model.generate(
        [
            GenerationRequest(DIALOGUE, 8, 0.0, 0.5, 3),
            GenerationRequest(DIALOGUE, 10_000, 0.7, 0.5, 4, "west"),
        ]
    )
    assert [(reply.text, reply.generated_tokens, reply.finish) for reply in replies] == [
        ("3", 2, "stop"),
        ("4", 2, "stop"),
    ]
    prompts, params, loras = model._engine.calls[0]
    assert (params[0].temperature, params[0].top_p, params[1].top_p) == (0.0, 1.0, 0.5)
    assert params[1].max_tokens == WINDOW - len(prompts[1]["prompt_token_ids"])
    assert [lora and lora[0] for lora in loras] == [None, "west"]
    made = FakeLLM.made
    assert (made["tensor_parallel_size"], made["dtype"]) == (2, "float32")
    assert made["distributed_executor_backend"] == "mp"  # the actor holds the GPUs; Ray has no others to give
    assert (made["max_loras"], made["max_lora_rank"]) == (2, 8)
    assert model.name.startswith("vllm:model@")


@pytest.mark.usefixtures("_vllm")
def test_what_an_interrupted_call_left_behind_is_not_taken_for_an_answer(
    tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = load_model(VLLMConfig(path=str(tiny.path)))
    whole = FakeLLM.generate

    def with_leftovers(self: FakeLLM, prompts: Any, sampling_params: Any = None, **more: Any) -> Any:
        left = SimpleNamespace(outputs=[SimpleNamespace(text="left", token_ids=(2,), finish_reason="stop")])
        return [left, *whole(self, prompts, sampling_params, **more)]

    monkeypatch.setattr(FakeLLM, "generate", with_leftovers)
    (reply,) = model.generate([GenerationRequest(DIALOGUE, 8, 0.7, 0.5, 9)])
    assert reply.text == "9"


@pytest.mark.usefixtures("_vllm")
def test_scores_are_of_the_text_alone(tiny: TinyModel) -> None:
    model: Any = load_model(VLLMConfig(path=str(tiny.path)))
    (score,) = model.score([ScoringRequest(DIALOGUE, "Trust.")])
    ids = model._tokenizer("Trust.", add_special_tokens=False)["input_ids"]
    assert score.token_logprobs == tuple(-t / 1000 for t in ids)
    assert math.isclose(score.logprob, -sum(ids) / 1000)
    with pytest.raises(ModelError, match="adapter 'north' is not loaded; there are: none"):
        model.score([ScoringRequest(DIALOGUE, "Trust.", "north")])


def test_without_vllm_the_extra_is_named(tiny: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ModelError, match=r"install the extra"):
        load_model(VLLMConfig(path=str(tiny.path)))


def test_gpus_and_options() -> None:
    assert gpus_of(VLLMConfig(path="a/b", tensor_parallel_size=4, pipeline_parallel_size=2)) == 8
    with pytest.raises(ValueError, match="dtype cannot be set here"):
        VLLMConfig(path="a/b", engine_options={"dtype": "float16"})
