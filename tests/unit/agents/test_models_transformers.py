"""The transformers model: generation, sampling, adapters and scores against plain computations."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import AutoModelForCausalLM, AutoTokenizer

from agents.models import (
    GenerationRequest,
    Message,
    ScoringRequest,
    TransformersConfig,
    load_model,
)
from agents.models.loading import check_adapter, weights_fingerprint
from agents.models.sampling import sample
from negotiation.errors import ModelError
from tests.unit.agents.tiny import WINDOW, TinyModel, save_adapter, save_model, save_tokenizer

QUESTION = (Message("system", "You speak for the region."), Message("user", "Should schools teach religion?"))
SHORT = (Message("user", "Why?"),)
LONG = (Message("user", "Question: Should schools teach religion? State your position in at most 80 words."),)


def ask(seed: int = 0, **changes: Any) -> GenerationRequest:
    request = GenerationRequest(messages=QUESTION, max_new_tokens=16, temperature=1.0, top_p=1.0, seed=seed)
    return replace(request, **changes)


def load(tiny: TinyModel, **settings: Any) -> Any:
    return load_model(TransformersConfig(path=str(tiny.path), device="cpu", **settings))


@pytest.fixture(scope="module")
def plain(tiny: TinyModel) -> tuple[Any, Any]:
    """The same model and tokenizer, loaded without our code."""
    return AutoModelForCausalLM.from_pretrained(tiny.path).eval(), AutoTokenizer.from_pretrained(tiny.path)


def prompt_ids(tokenizer: Any, messages: tuple[Message, ...]) -> list[int]:
    turns = [{"role": m.role, "content": m.content} for m in messages]
    ids: list[int] = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    return ids


def by_hand(plain: tuple[Any, Any], request: GenerationRequest) -> tuple[str, int]:
    """Token by token without cache or batch: inverse distribution function at the request's uniforms."""
    model, tokenizer = plain
    ids = prompt_ids(tokenizer, request.messages)
    start = len(ids)
    uniforms = np.random.Generator(np.random.PCG64(request.seed)).random(request.max_new_tokens)
    for uniform in uniforms:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].double().numpy()
        if request.temperature == 0:
            ids.append(int(logits.argmax()))
        else:
            weights = np.exp((logits - logits.max()) / request.temperature)
            weights /= weights.sum()
            order = np.argsort(-weights)
            within = np.cumsum(weights[order]) - weights[order] < request.top_p
            weights[order[~within]] = 0
            cumulative = np.cumsum(weights)
            ids.append(int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right")))
        if ids[-1] == tokenizer.eos_token_id:
            break
    return tokenizer.decode(ids[start:], skip_special_tokens=True), len(ids) - start


@pytest.mark.parametrize(("temperature", "top_p"), [(0.0, 1.0), (1.0, 1.0), (0.7, 0.8), (2.5, 0.3)])
def test_generates_as_computed_by_hand(
    tiny_model: Any, plain: tuple[Any, Any], temperature: float, top_p: float
) -> None:
    requests = [
        ask(seed, temperature=temperature, top_p=top_p, messages=messages)
        for seed, messages in enumerate((QUESTION, SHORT, LONG))
    ]
    for request, reply in zip(requests, tiny_model.generate(requests), strict=True):
        text, tokens = by_hand(plain, request)
        assert (reply.text, reply.generated_tokens) == (text, tokens)
        assert reply.prompt_tokens == len(prompt_ids(plain[1], request.messages))
        assert reply.seconds > 0


def test_a_reply_does_not_depend_on_its_neighbours(tiny_model: Any) -> None:
    request = ask(7, top_p=0.9, temperature=0.8)
    alone = tiny_model.generate([request])[0]
    neighbours = [
        ask(1, messages=LONG, max_new_tokens=40),
        ask(2, messages=SHORT, temperature=0),
        ask(3, adapter="east", temperature=2.0),
        ask(4, adapter="west", messages=LONG),
        ask(5, max_new_tokens=1),
    ]
    for place in range(len(neighbours) + 1):
        batch = [*neighbours[:place], request, *neighbours[place:]]
        together = tiny_model.generate(batch)[place]
        assert replace(together, seconds=0) == replace(alone, seconds=0)


def test_batches_cut_down_to_the_rows_that_go_on_give_the_same_replies(
    tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tiny, adapters=tiny.adapters, max_batch=16)
    bounds = [1, 2, 2, 3, 5, 5, 8, 8, 13, 16, 21, 24]
    asked = [
        ask(
            seed,
            max_new_tokens=bound,
            messages=(SHORT, QUESTION, LONG)[seed % 3],
            adapter=(None, "east", "west")[seed % 3],
        )
        for seed, bound in enumerate(bounds)
    ]
    sizes: list[int] = []
    generate = type(model._model).generate
    monkeypatch.setattr(
        type(model._model),
        "generate",
        lambda self, *args, **settings: (
            sizes.append(len(settings["input_ids"])) or generate(self, *args, **settings)
        ),
    )
    shrunk = model.generate(asked)
    assert len(sizes) > 2
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == len(asked)
    monkeypatch.setattr(model, "_shrinks", False)
    sizes.clear()
    whole = model.generate(asked)
    assert sizes == [len(asked)]
    assert [(g.text, g.generated_tokens, g.finish) for g in shrunk] == [
        (g.text, g.generated_tokens, g.finish) for g in whole
    ]


def test_same_seed_same_reply_whatever_torchs_generator(tiny_model: Any) -> None:
    state = torch.random.get_rng_state()
    first = tiny_model.generate([ask(3)])[0]
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(5)
    assert tiny_model.generate([ask(3)])[0].text == first.text
    texts = {reply.text for reply in tiny_model.generate([ask(seed) for seed in range(8)])}
    assert len(texts) == 8


def test_a_longer_bound_continues_the_same_reply(tiny_model: Any) -> None:
    short, long = tiny_model.generate([ask(5, max_new_tokens=6), ask(5, max_new_tokens=24)])
    assert short.finish == "length"
    assert short.generated_tokens == 6
    assert long.text.startswith(short.text[:-1])


def test_stops_at_the_end_of_turn_and_counts_it(tiny_model: Any, plain: tuple[Any, Any]) -> None:
    replies = tiny_model.generate([ask(seed, max_new_tokens=60, temperature=3.0) for seed in range(40)])
    stopped = [reply for reply in replies if reply.finish == "stop"]
    assert stopped
    assert all(reply.generated_tokens == 60 for reply in replies if reply.finish == "length")
    assert all("<|" not in reply.text for reply in replies)
    seed = replies.index(stopped[0])
    assert by_hand(plain, ask(seed, max_new_tokens=60, temperature=3.0)) == (
        stopped[0].text,
        stopped[0].generated_tokens,
    )


def test_sampling_follows_the_softmax() -> None:
    logits = torch.tensor([2.0, 1.0, 0.5, -1.0, 3.0, 0.0])
    draws = 20_000
    for temperature in (0.5, 1.0, 2.0):
        uniforms = torch.tensor(np.random.Generator(np.random.PCG64(11)).random(draws))
        tokens = sample(logits.repeat(draws, 1), torch.full((draws, 1), temperature), None, uniforms)
        expected = torch.softmax(logits.double() / temperature, 0).numpy() * draws
        assert chisquare(np.bincount(tokens.numpy(), minlength=6), expected).pvalue > 0.01


@pytest.mark.parametrize("size", [6, 1000])
def test_top_p_keeps_the_smallest_set_that_reaches_it(size: int) -> None:
    probabilities = np.full(size, 1e-9)
    probabilities[[4, 1, 5, 2]] = [0.4, 0.3, 0.2, 0.1]
    logits = torch.tensor(np.log(probabilities), dtype=torch.float32)
    uniforms = torch.linspace(0, 1 - 1e-9, 2001, dtype=torch.float64)
    for top_p, kept in [(0.39, {4}), (0.69, {1, 4}), (0.71, {1, 4, 5}), (0.95, {1, 2, 4, 5})]:
        tokens = sample(logits.repeat(2001, 1), torch.ones(2001, 1), torch.full((2001, 1), top_p), uniforms)
        assert set(tokens.tolist()) == kept


def test_top_p_beyond_the_first_256_tokens_and_ties() -> None:
    logits = torch.zeros(2, 1000)
    logits[1, :3] = 20.0
    top_p = torch.tensor([[0.5], [0.5]])
    uniforms = torch.tensor([0.9999, 0.9999], dtype=torch.float64)
    # All tokens of the first row are as probable as the last within: all stay. So do the three of the second.
    assert sample(logits, torch.ones(2, 1), top_p, uniforms).tolist() == [999, 2]
    flat = torch.linspace(1, 0, 1000)[None, :] * 1e-3
    token = sample(flat, torch.ones(1, 1), torch.tensor([[0.5]]), torch.tensor([1 - 1e-12]).double())
    assert 495 <= int(token) <= 505


def test_a_tiny_temperature_is_greedy_and_the_last_token_can_be_drawn() -> None:
    logits = torch.tensor([[1.0, 5.0, -3.0]])
    near_one = torch.tensor([np.nextafter(1.0, 0.0)], dtype=torch.float64)
    assert sample(logits, torch.tensor([[1e-30]]), None, near_one).tolist() == [1]
    assert sample(torch.tensor([[0.0, 0.0, -torch.inf]]), torch.ones(1, 1), None, near_one).tolist() == [1]


def test_adapters_change_replies_and_mix_in_a_batch(tiny_model: Any) -> None:
    names: list[str | None] = [None, "east", "west", None, "east"]
    requests = [ask(9, adapter=name) for name in names]
    together = [reply.text for reply in tiny_model.generate(requests)]
    alone = [tiny_model.generate([request])[0].text for request in requests]
    assert together == alone
    assert together[0] == together[3]
    assert together[1] == together[4]
    assert len(set(together)) == 3


def test_without_adapter_the_base_answers_to_the_bit(tiny: TinyModel, tiny_model: Any) -> None:
    base = load(tiny)
    requests = [ScoringRequest(QUESTION, "The region holds that trust grows slowly.")]
    tiny_model.score([replace(requests[0], adapter="east")])
    assert tiny_model.score(requests) == base.score(requests)
    assert tiny_model.score([replace(requests[0], adapter="east")]) != base.score(requests)
    # A dialogue of its own, or the two would share one; of the same length, for a batch of the same shape.
    twin = replace(requests[0], messages=(QUESTION[0], Message("user", "Should schools teach religion!")))
    mixed = [requests[0], replace(twin, adapter="west")]
    assert tiny_model.score(mixed)[0] == base.score([requests[0], twin])[0]


def test_scores_are_the_cross_entropy(tiny_model: Any, plain: tuple[Any, Any]) -> None:
    model, tokenizer = plain
    texts = ["Trust.", "Let each side report yearly.", "The dignity of families."]
    dialogues = (QUESTION, SHORT, LONG)
    requests = [ScoringRequest(m, text) for m, text in zip(dialogues, texts, strict=True)] * 2
    scores = tiny_model.score(requests)
    for request, score in zip(requests, scores, strict=True):
        ids, text = prompt_ids(tokenizer, request.messages), tokenizer(request.text)["input_ids"]
        labels = torch.tensor([[-100] * len(ids) + text])
        with torch.no_grad():
            loss = model(torch.tensor([ids + text]), labels=labels).loss
        assert score.tokens == len(text) == len(score.token_logprobs)
        assert score.nats_per_token == pytest.approx(float(loss), abs=1e-5)
        assert score.perplexity == pytest.approx(math.exp(float(loss)), rel=1e-4)


def test_scores_do_not_depend_on_the_batch(tiny_model: Any) -> None:
    requests = [
        ScoringRequest(messages, text, adapter)
        for adapter in (None, "east", "west")
        for messages, text in ((QUESTION, "Trust grows slowly."), (LONG, "No."), (SHORT, "Each side." * 5))
    ]
    for request, score in zip(requests, tiny_model.score(requests), strict=True):
        alone = tiny_model.score([request])[0]
        assert score.token_logprobs == pytest.approx(alone.token_logprobs, abs=1e-4)


OPTIONS = ("Trust", "Trust grows slowly.", "no", "Let each side report yearly.", "x")


@pytest.mark.parametrize("size", [3, 64])
def test_texts_behind_one_dialogue_score_as_each_alone(tiny: TinyModel, size: int) -> None:
    model = load(tiny, adapters=tiny.adapters, max_batch=size)
    requests = [
        ScoringRequest(dialogue, text, adapter)
        for text in OPTIONS
        for adapter in ("east", None, "west")
        for dialogue in (QUESTION, SHORT, LONG)
    ]
    requests.insert(
        7, ScoringRequest((Message("user", "Whose?"),), "Trust.", "west")
    )  # behind a dialogue of its own
    for request, score in zip(requests, model.score(requests), strict=True):
        (alone,) = model.score([request])
        assert score.tokens == alone.tokens
        assert score.token_logprobs == pytest.approx(alone.token_logprobs, abs=1e-4)


def test_a_dialogue_of_several_texts_goes_through_the_model_once(
    tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tiny, max_batch=64)
    shapes: list[tuple[int, ...]] = []
    inner = model._forward

    def spied(rows: Any, ids: torch.Tensor, *rest: Any, **more: Any) -> Any:
        shapes.append(tuple(ids.shape))
        return inner(rows, ids, *rest, **more)

    monkeypatch.setattr(model, "_forward", spied)
    model.score([ScoringRequest(LONG, text) for text in OPTIONS])
    (dialogues, length), (texts, longest) = shapes
    assert (dialogues, texts) == (1, len(OPTIONS))
    assert longest < length
    shapes.clear()
    model._shares = False  # as of a model whose cache cannot be copied
    model.score([ScoringRequest(LONG, text) for text in OPTIONS])
    assert [rows for rows, _ in shapes] == [len(OPTIONS)]


def test_nothing_asked_nothing_done(tiny_model: Any) -> None:
    assert tiny_model.generate([]) == []
    assert tiny_model.score([]) == []


def test_a_prompt_beyond_the_window_is_refused(tiny_model: Any) -> None:
    message = (Message("user", "word " * 300),)
    with pytest.raises(ModelError, match=rf"request 1: \d+ tokens .* window of {WINDOW} tokens"):
        tiny_model.generate([ask(), ask(messages=message)])
    with pytest.raises(ModelError, match=f"window of {WINDOW} tokens"):
        tiny_model.score([ScoringRequest(SHORT, "word " * 300)])


def test_a_reply_ends_at_the_window(tiny_model: Any) -> None:
    reply = tiny_model.generate([ask(temperature=0, max_new_tokens=10_000, messages=SHORT)])[0]
    assert reply.finish == "stop" or reply.prompt_tokens + reply.generated_tokens == WINDOW


def test_an_unknown_adapter_is_named(tiny_model: Any) -> None:
    with pytest.raises(ModelError, match="adapter 'north' is not loaded; there are: east, west"):
        tiny_model.generate([ask(adapter="north")])


def test_formats_autocast_and_threads(tiny: TinyModel) -> None:
    threads = torch.get_num_threads()
    try:
        half = load(tiny, dtype="bfloat16", num_threads=1, adapters={"east": tiny.adapters["east"]})
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)
    cast = load(tiny, dtype="autocast")
    full = load(tiny)
    request = ScoringRequest(QUESTION, "Trust grows slowly.")
    exact = full.score([request])[0].nats_per_token
    assert half.score([request])[0].nats_per_token == pytest.approx(exact, rel=0.1)
    assert half.score([replace(request, adapter="east")])[0].tokens
    assert cast.score([request])[0].nats_per_token == pytest.approx(exact, rel=0.1)
    assert cast.score([request])[0] != full.score([request])[0]


def test_names_tell_the_weights(tiny: TinyModel, tmp_path: Path) -> None:
    assert load(tiny).name == f"model@{weights_fingerprint(tiny.path)[:12]}"
    save_model(tmp_path, 300, seed=1)
    assert weights_fingerprint(tmp_path) != weights_fingerprint(tiny.path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"no folder .*nowhere; give a folder in transformers' format or a hub"
    ):
        load_model(TransformersConfig(path=str(tmp_path / "nowhere")))
    with pytest.raises(ModelError, match=r"no file .*config\.json"):
        load_model(TransformersConfig(path=str(tmp_path)))


def test_a_damaged_folder(tiny: TinyModel, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny.path, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(TransformersConfig(path=str(broken)))


def test_a_checkpoint_with_missing_weights(tiny: TinyModel, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    partial = shutil.copytree(tiny.path, tmp_path / "partial")
    weights = load_file(partial / "model.safetensors")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights, model\.layers\.1\.mlp\.up_proj\.weight"):
        load_model(TransformersConfig(path=str(partial)))


def test_a_model_without_chat_template(tmp_path: Path) -> None:
    tokenizer = save_tokenizer(tmp_path, template=None)
    save_model(tmp_path, len(tokenizer))
    with pytest.raises(ModelError, match="has no chat template; use an instruction-tuned model"):
        load_model(TransformersConfig(path=str(tmp_path)))


def test_a_template_that_refuses_a_system_turn(tmp_path: Path) -> None:
    template = "{{ raise_exception('System role not supported') if messages[0].role == 'system' }}"
    tokenizer = save_tokenizer(tmp_path, template)
    save_model(tmp_path, len(tokenizer))
    with pytest.raises(ModelError, match=r"refuses the dialogue .System role not supported"):
        load_model(TransformersConfig(path=str(tmp_path), device="cpu")).generate([ask()])


def test_an_adapter_that_is_not_there(tiny: TinyModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="adapter 'east': no folder"):
        load(tiny, adapters={"east": str(tmp_path / "none")})
    with pytest.raises(ModelError, match=r"adapter 'east': no file .*adapter_config\.json"):
        load(tiny, adapters={"east": str(tmp_path)})


def test_an_adapter_of_another_shape(tiny: TinyModel, tmp_path: Path) -> None:
    other = save_model(tmp_path / "other", 300, hidden=64)
    save_adapter(tmp_path / "adapter", other, 1)
    with pytest.raises(
        ModelError, match=r"q_proj has 64 inputs there and 32 here; use the base it was trained"
    ):
        load(tiny, adapters={"east": str(tmp_path / "adapter")})


def test_an_adapter_of_another_base_of_the_same_shape(tiny: TinyModel, tmp_path: Path) -> None:
    other = shutil.copytree(tiny.path, tmp_path / "other")
    save_model(other, len(AutoTokenizer.from_pretrained(tiny.path)), seed=5)
    with pytest.raises(ModelError, match="was made for another base"):
        load_model(TransformersConfig(path=str(other), device="cpu", adapters=tiny.adapters))
    # With a fingerprint in the adapter's folder the base need not be there to be told apart.
    shipped = shutil.copytree(tiny.adapters["east"], tmp_path / "east")
    config = json.loads((shipped / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "some/hub-name"
    (shipped / "adapter_config.json").write_text(json.dumps(config))
    (shipped / "base_fingerprint.txt").write_text(weights_fingerprint(tiny.path) + "\n")
    assert load(tiny, adapters={"east": str(shipped)}).adapters == ("east",)
    with pytest.raises(ModelError, match="was made for another base"):
        load_model(TransformersConfig(path=str(other), device="cpu", adapters={"east": str(shipped)}))


def test_an_adapter_that_names_another_hub_model(tiny: TinyModel, tmp_path: Path, plain: Any) -> None:
    shipped = shutil.copytree(tiny.adapters["east"], tmp_path / "east")
    config = json.loads((shipped / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "Org/Model-A"
    (shipped / "adapter_config.json").write_text(json.dumps(config))
    shapes = {name: tuple(part.weight.shape) for name, part in plain[0].named_modules() if "proj" in name}
    check_adapter("east", str(shipped), "org/model-a", None, shapes)
    with pytest.raises(ModelError, match="made for base model 'Org/Model-A', not for 'Org/Model-B'"):
        check_adapter("east", str(shipped), "Org/Model-B", None, shapes)
    with pytest.raises(ModelError, match="which the model does not have"):
        check_adapter("east", str(shipped), "Org/Model-A", None, {})


def test_an_adapter_with_missing_matrices(tiny: TinyModel, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    partial = shutil.copytree(tiny.adapters["east"], tmp_path / "partial")
    weights = load_file(partial / "adapter_model.safetensors")
    weights.pop(next(iter(weights)))
    save_file(weights, partial / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="missing adapter keys"):
        load(tiny, adapters={"east": str(partial)})


def test_an_adapter_twice(tiny: TinyModel) -> None:
    model = load(tiny, adapters={"east": tiny.adapters["east"]})
    with pytest.raises(ModelError, match="loaded already"):
        model.add_adapter("east", tiny.adapters["west"])


def test_a_device_that_is_not_there(tiny: TinyModel) -> None:
    with pytest.raises(ModelError, match="device 'cuda:99' is not there"):
        load_model(TransformersConfig(path=str(tiny.path), device="cuda:99"))


def test_logits_that_are_not_finite(tiny: TinyModel) -> None:
    model = load(tiny)
    with torch.no_grad():
        model._base.get_output_embeddings().weight[0, 0] = torch.nan
    with pytest.raises(ModelError, match="not finite"):
        model.generate([ask()])
    with pytest.raises(ModelError, match="not finite"):
        model.score([ScoringRequest(SHORT, "Trust.")])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_as_on_the_cpu(tiny: TinyModel, tiny_model: Any) -> None:
    on_gpu = load_model(
        TransformersConfig(path=str(tiny.path), adapters=tiny.adapters, device="cuda", dtype="float32")
    )
    names: list[str | None] = [None, "east", "west"]
    requests = [ask(seed, adapter=names[seed % 3], top_p=0.9) for seed in range(12)]
    here, there = tiny_model.generate(requests), on_gpu.generate(requests)
    assert sum(a.text == b.text for a, b in zip(here, there, strict=True)) >= 10
    scored = [ScoringRequest(QUESTION, "Trust grows slowly.", adapter=name) for name in names]
    for a, b in zip(tiny_model.score(scored), on_gpu.score(scored), strict=True):
        assert a.token_logprobs == pytest.approx(b.token_logprobs, abs=1e-3)
    half = load_model(TransformersConfig(path=str(tiny.path), device="auto"))
    assert next(half._base.parameters()).dtype == torch.bfloat16  # type: ignore[attr-defined]
    assert half.generate([ask()])[0].generated_tokens
