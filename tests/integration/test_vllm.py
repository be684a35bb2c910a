"""vLLM itself, where it is installed: the bundled model answers and scores as it does in the transformers engine.

vLLM's builds for CPUs do as well as those for GPUs; set ``VLLM_CPU_KVCACHE_SPACE=1`` there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed")

from agents.bundled import bundled_transformers_config
from agents.cultures import get_culture
from agents.models import (
    BundledConfig,
    GenerationRequest,
    LanguageModel,
    ScoringRequest,
    VLLMConfig,
    load_model,
)
from agents.prompts import PromptSet
from agents.topics import load_topics

CULTURES = ("confucian", "latin-america", "protestant-europe")
PROMPTS = PromptSet.load()


@pytest.fixture(scope="module")
def ours() -> LanguageModel:
    return load_model(BundledConfig(adapters=CULTURES, device="cpu", dtype="float32"))


@pytest.fixture(scope="module")
def theirs() -> Iterator[Any]:
    plain = bundled_transformers_config(BundledConfig(adapters=CULTURES))
    model: Any = load_model(
        VLLMConfig(
            path=plain.path,
            adapters=plain.adapters,
            dtype="float32",
            max_model_len=1024,
            enforce_eager=True,
            gpu_memory_utilization=0.3,
        )
    )
    yield model
    model.close()


def asked(temperature: float, adapter: str | None, place: int, seed: int = 0) -> GenerationRequest:
    culture = get_culture(CULTURES[place % len(CULTURES)])
    messages = PROMPTS.position(culture, load_topics()[place].text, 100)
    return GenerationRequest(messages, 24, temperature, 0.95, seed, adapter)


def test_greedy_replies_of_mixed_adapters_are_the_same(ours: LanguageModel, theirs: Any) -> None:
    requests = [asked(0.0, adapter, place) for place, adapter in enumerate([*CULTURES, None] * 2)]
    here, there = ours.generate(requests), theirs.generate(requests)
    # Near ties may be rounded another way; most replies have none.
    assert sum(a.text == b.text for a, b in zip(here, there, strict=True)) >= len(requests) - 1
    assert [a.prompt_tokens for a in here] == [b.prompt_tokens for b in there]
    same = [(a, b) for a, b in zip(here, there, strict=True) if a.text == b.text]
    assert all((a.generated_tokens, a.finish) == (b.generated_tokens, b.finish) for a, b in same)


def test_scores_are_the_same(ours: LanguageModel, theirs: Any) -> None:
    text = "Voting should be a duty, since everybody gains by it."
    requests = [
        ScoringRequest(asked(0.0, adapter, place).messages, text, adapter)
        for place, adapter in enumerate([*CULTURES, None])
    ]
    for one, other in zip(ours.score(requests), theirs.score(requests), strict=True):
        assert one.tokens == other.tokens
        assert other.token_logprobs == pytest.approx(one.token_logprobs, abs=2e-3)


def test_a_seed_gives_the_same_reply_in_another_batch(theirs: Any) -> None:
    request = asked(1.0, CULTURES[0], 0, seed=7)
    (alone,) = theirs.generate([request])
    others = [asked(1.0, None, place, seed=place) for place in range(1, 5)]
    assert theirs.generate([*others, request])[-1].text == alone.text
    (another,) = theirs.generate([asked(1.0, CULTURES[0], 0, seed=8)])
    assert another.text != alone.text
