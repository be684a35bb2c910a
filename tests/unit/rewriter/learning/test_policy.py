"""The policy: what it computes, its reference, and what is kept of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from agents.models import TransformersConfig, load_model
from agents.models.loading import load_base
from agents.models.protocol import ScoringRequest
from negotiation.errors import ModelError, TextError
from rewriter.learning.rows import Pass, passes
from rewriter.prompts import RewritePrompts
from tests.unit.agents.tiny import save_adapter, save_model
from tests.unit.rewriter.learning.conftest import PROMPTS
from tests.unit.rewriter.learning.examples import request

MakePolicy = Callable[..., Any]
ANSWERS = [(5, 6, 7, 2), (8, 2), (9, 10, 11, 12, 13, 2)]


def given(share: bool, prompt: tuple[int, ...] = (20, 21, 22, 23, 24)) -> list[Pass]:
    return passes([prompt] * 2 + [(30, 31)], ANSWERS, 1000, share=share)


def by_answer(policy: Any, parts: list[Pass]) -> list[Any]:
    found = {}
    for part in parts:
        found |= dict(zip(part.places, torch.split(policy.scored(part), list(part.lengths)), strict=True))
    return [found[place].numpy() for place in sorted(found)]


def test_answers_behind_one_prompt_are_computed_as_if_each_were_alone(make_policy: MakePolicy) -> None:
    policy = make_policy(stirred=0.1)
    assert policy.shares
    for shared, alone in zip(
        by_answer(policy, given(share=True)), by_answer(policy, given(share=False)), strict=True
    ):
        np.testing.assert_allclose(shared, alone, atol=2e-5)


def test_the_reference_has_the_very_logits_of_the_base_model(make_policy: MakePolicy) -> None:
    policy = make_policy(stirred=0.1)
    plain = load_base(policy.base.config, policy.base.path, torch.float32, torch.device("cpu"))
    tokens = torch.arange(3, 40).reshape(1, -1)
    with torch.no_grad():
        expected = plain(input_ids=tokens).logits
        adapted = policy.model(input_ids=tokens).logits
        with policy.as_reference():
            found = policy.model(input_ids=tokens).logits
        again = policy.model(input_ids=tokens).logits
    assert torch.equal(found, expected)
    assert not torch.allclose(adapted, expected, atol=0.1)
    assert torch.equal(again, adapted)


def test_only_full_attention_shares_prompts(make_policy: MakePolicy) -> None:
    from rewriter.learning.policy import _takes_any_mask

    model = make_policy().model.get_base_model()
    assert _takes_any_mask(model)
    for name, value in (
        ("layer_types", ["full_attention", "sliding_attention"]),
        ("_attn_implementation", "flash_attention_2"),
    ):
        config = copy.deepcopy(model.config)
        setattr(config, f"{name}_internal" if name.startswith("_") else name, value)
        assert not _takes_any_mask(SimpleNamespace(config=config, forward=model.forward)), name


def test_with_an_adapter_to_begin_with_that_is_the_reference(make_policy: MakePolicy, tmp_path: Path) -> None:
    first = make_policy(stirred=0.1)
    first.save(tmp_path)
    policy = make_policy(start=tmp_path, rank=9)
    part = given(share=True)[0]
    assert torch.equal(policy.reference(part), first.scored(part))
    with torch.no_grad():
        for parameter in policy.parameters.values():
            parameter.add_(0.05)
    assert torch.equal(policy.reference(part), first.scored(part))
    assert not torch.equal(policy.scored(part), first.scored(part))


def test_merged_it_computes_the_same_and_is_put_back_to_the_bit(make_policy: MakePolicy) -> None:
    policy = make_policy(stirred=0.1)
    before = {name: value.clone() for name, value in policy.model.state_dict().items()}
    part = given(share=True)[0]
    apart = policy.scored(part)
    with policy.merged():
        np.testing.assert_allclose(policy.scored(part), apart, atol=2e-5)
    assert all(torch.equal(before[name], value) for name, value in policy.model.state_dict().items())
    assert torch.equal(policy.scored(part), apart)


def test_log_probabilities_are_those_of_the_models_own_scoring(make_policy: MakePolicy) -> None:
    policy = make_policy()
    model = load_model(policy.base.config)
    asked = request()
    messages = _short(asked)
    answer = policy.tokens.answer("The region")
    (score,) = model.score([ScoringRequest(messages, "The region")])
    (part,) = passes([policy.tokens.prompt(asked)], [answer], 1000, share=True)
    np.testing.assert_allclose(policy.scored(part)[:-1], score.token_logprobs, atol=1e-5)
    assert answer[-1] == policy.tokens.end == 2


def test_a_saved_adapter_is_taken_by_the_model_and_says_the_same(
    make_policy: MakePolicy, tmp_path: Path
) -> None:
    policy = make_policy(stirred=0.1)
    policy.save(tmp_path / "kept")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "base_fingerprint.txt",
    ]
    config = TransformersConfig(
        path=policy.base.path, adapters={"kept": str(tmp_path / "kept")}, device="cpu"
    )
    messages = _short(request())
    (score,) = load_model(config).score([ScoringRequest(messages, "The region", adapter="kept")])
    (part,) = passes(
        [policy.tokens.prompt(request())], [policy.tokens.answer("The region")], 1000, share=True
    )
    np.testing.assert_allclose(policy.scored(part)[:-1], score.token_logprobs, atol=1e-5)


def _short(asked: Any) -> Any:
    return RewritePrompts.model_validate(PROMPTS).messages(asked)


def test_weights_go_out_and_in(make_policy: MakePolicy) -> None:
    policy, other = make_policy(stirred=0.1), make_policy(seed=5)
    weights = policy.weights()
    assert all(weight.dtype == np.float32 for weight in weights.values())
    other.load(weights)
    part = given(share=True)[0]
    assert torch.equal(other.scored(part), policy.scored(part))
    first = next(iter(weights))
    weights[first][...] = 0.0  # a copy: the policy keeps its own
    assert torch.equal(other.scored(part), policy.scored(part))


def test_weights_of_another_adapter_are_refused(make_policy: MakePolicy) -> None:
    with pytest.raises(ModelError, match="another adapter"):
        make_policy().load(make_policy(rank=3).weights())


def test_an_adapter_of_another_base_is_refused(make_policy: MakePolicy, tmp_path: Path) -> None:
    save_adapter(tmp_path, save_model(tmp_path / "model", 384, hidden=40), 0)
    with pytest.raises(ModelError, match="use the base it was trained on"):
        make_policy(start=tmp_path)


def test_a_text_that_does_not_fit_the_window_is_refused(make_policy: MakePolicy) -> None:
    with pytest.raises(TextError, match="split the text"):
        make_policy().tokens.prompt(request("Trust grows slowly. " * 100))


def test_entropy_is_that_of_the_distribution(make_policy: MakePolicy) -> None:
    policy = make_policy()
    part = given(share=True)[0]
    _, entropy = policy.logprobs(part)
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([[30, 31, *ANSWERS[2]]])).logits[0, 1:-1].float()
    expected = torch.distributions.Categorical(logits=logits).entropy()
    place = [number for number, answer in enumerate(part.places) if answer == 2]
    found = torch.split(entropy, list(part.lengths))[place[0]]
    np.testing.assert_allclose(found, expected, atol=1e-4)
