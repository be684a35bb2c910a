"""The making of the bundled model, on a small synthetic file in the published format."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from agents.bundle.corpus import (
    Corpus,
    grounded,
    kind_of,
    load_corpus,
    on_topic,
    unmixed,
)
from agents.bundle.optimise import OptimiserConfig, Trainer
from agents.bundle.tokenize import LENGTHS, batches, encode, train_tokenizer
from agents.cultures import get_culture
from agents.grounding import Grounding, GroundingConfig
from agents.parsing import parse_guideline
from agents.prompts import PromptSet
from negotiation.errors import ConfigurationError

PAIRS = [
    ("English_Speaking", "Confucian"),
    ("Protestant_Europe", "African_Islamic"),
    ("Catholic_Europe", "West_and_South_Asia"),
    ("Orthodox_Europe", "Latin_America"),
]
SUBJECTS = ["schools", "rivers", "markets", "courts", "festivals", "borders", "harvests", "libraries"]


def turn(round_number: int, side: str, subject: str, weights: list[tuple[str, float]]) -> dict[str, Any]:
    return {
        "round": round_number,
        "side": side,
        "content": f"Open the {subject} {round_number}{side}",
        "reason": f"It directly challenges closed {subject} in round {round_number}",
        "description": f"Everyone {side} may visit the {subject} on {round_number} days a week.",
        "speech": f"We of side {side} say: open the {subject} in round {round_number}.",
        "consistency": 0.5 if round_number == 1 else 0.9,
        "weights": [{"content": content, "weight": weight} for content, weight in weights],
    }


def row(topic_id: int, pair: tuple[str, str], method: str) -> dict[str, Any]:
    subject = SUBJECTS[topic_id % len(SUBJECTS)]
    turns = [
        turn(
            number,
            side,
            subject,
            [(f"Keep the {subject}", 0.75), (f"Open the {subject} {number}{side}", 0.25)],
        )
        for number in (1, 2)
        for side in "ab"
    ]
    return {
        "method": method,
        "culture_a": pair[0],
        "culture_b": pair[1],
        "topic_id": topic_id,
        "topic": f"Should the {subject} be open to all?",
        "initial_a": f"We hold that the {subject} matter.\n\nAnd more.",
        "initial_b": f"They hold that the {subject} are fine.\n\nAnd less.",
        "consensus_a": f"Together: the {subject} stay open.",
        "consensus_b": f"Agreed: the {subject} stay.",
        "turns": turns if method == "psro" else None,
    }


def bag_of_words(texts: Any) -> np.ndarray:
    """A fake embedder: which of the subjects a text names."""
    return np.array([[1.0 + 9.0 * (subject in text) for subject in SUBJECTS] for text in texts])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = [
        row(topic, pair, method)
        for topic in range(8)
        for pair in PAIRS
        for method in ("psro", "debate", "consultancy")
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "negotiations.parquet")
    return folder


@pytest.fixture(scope="module")
def corpus(data: Path) -> Corpus:
    return load_corpus(data, bag_of_words, validation_share=0.25)


def test_unmixed_inverts_the_published_mixture() -> None:
    equilibrium = {"a": 0.7, "b": 0.3, "c": 0.0}
    published = {key: 0.5 * weight + 0.5 / 3 for key, weight in equilibrium.items()}
    assert unmixed(published) == pytest.approx(equilibrium)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("It fills a gap that was overlooked", "complementary"),
        ("It weakens their claim and exposes a flaw", "adversarial"),
        ("A bridge that reconciles both", "innovative"),
        ("Nothing of the sort", "innovative"),
    ],
)
def test_kind_is_told_from_words(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_on_topic_by_hand() -> None:
    topics = np.eye(3)
    texts = np.array([[0.9, 0.3, 0.1], [0.5, 0.4, 0.7]])
    assert on_topic(texts, topics, np.array([0, 0])).tolist() == [1.0, 0.5]


def test_topics_are_split_not_rows(corpus: Corpus) -> None:
    training = {example.topic_id for example in corpus.training}
    validation = {example.topic_id for example in corpus.validation}
    assert len(validation) == 2
    assert not training & validation
    assert training | validation == set(range(8))


def test_every_task_and_culture_is_there_without_duplicates(corpus: Corpus) -> None:
    assert {e.task for e in corpus.training} == {
        "position",
        "first_guideline",
        "candidate",
        "weights",
        "consensus",
    }
    assert len({e.culture for e in corpus.training}) == 8
    assert len(set(corpus.training)) == len(corpus.training)


def test_candidates_are_asked_with_the_pools_before_the_round_and_parse(corpus: Corpus) -> None:
    second = next(
        e
        for e in corpus.training
        if e.task == "candidate" and "2a" in e.answer and "English" in e.messages[0].content
    )
    prompt = second.messages[1].content
    # After round 1 the published weights .75 and .25 are an even .5 mixed with the pure first guideline.
    assert "- 100% Keep the" in prompt
    assert "Open the" not in prompt
    assert "adversarial" in prompt
    assert second.topic in prompt
    for example in corpus.training:
        if example.task in ("candidate", "first_guideline"):
            parse_guideline(example.answer, "initial")


def test_first_guideline_is_the_one_nearest_to_the_opening(corpus: Corpus) -> None:
    answers = {e.answer.split("\n")[0][-2] for e in corpus.training if e.task == "first_guideline"}
    assert answers == {"2"}  # the second turn has the higher logged consistency


def test_long_openings_are_asked_for_in_as_many_words_as_they_have(corpus: Corpus) -> None:
    long = [e for e in corpus.training if e.task == "position" and "50 words" in e.messages[1].content]
    assert long
    assert all("And more." in example.answer or "And less." in example.answer for example in long)


def test_statements_are_asked_for_with_the_whole_own_guidelines(corpus: Corpus) -> None:
    for example in corpus.training:
        if example.task == "weights":
            assert re.search(
                r"Open the \w+ \d[ab]: It directly .* Everyone [ab] may visit", example.messages[1].content
            )
            assert "- 75% Keep the " in example.messages[1].content  # as published, with the mixture
        if example.task == "consensus":
            assert re.search(r"Your position: \w+ hold that", example.messages[1].content)


def test_missing_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"negotiations\.parquet"):
        load_corpus(tmp_path, bag_of_words)
    pq.write_table(pa.table({"method": ["psro"]}), tmp_path / "negotiations.parquet")
    with pytest.raises(ConfigurationError, match="lacks the columns"):
        load_corpus(tmp_path, bag_of_words)


@pytest.fixture(scope="module")
def tokenizer(corpus: Corpus) -> Any:
    return train_tokenizer(corpus.training, 512)


def test_targets_are_the_answer_and_its_end(corpus: Corpus, tokenizer: Any) -> None:
    rows = encode(corpus.training, tokenizer)
    example, token_row = corpus.training[0], rows[0]
    answer = tokenizer.decode(token_row.tokens[token_row.prompt :])
    assert answer == example.answer + "<|end|>"
    rendered = tokenizer.decode(token_row.tokens[: token_row.prompt])
    assert rendered.endswith("<|end|><|assistant|>")
    assert example.messages[1].content in rendered
    [batch] = batches([token_row], 1, tokenizer.pad_token_id, None)
    targets = batch.targets[0]
    assert targets[targets != -100].tolist() == token_row.tokens[token_row.prompt :].tolist()
    place = int(np.flatnonzero(targets != -100)[0])
    assert batch.tokens[0, place + 1] == targets[place]


def test_batches_hold_every_row_once_in_few_shapes(corpus: Corpus, tokenizer: Any) -> None:
    rows = encode(corpus.training, tokenizer)
    shuffled = batches(rows, 2048, tokenizer.pad_token_id, np.random.default_rng(1))
    total = sum(int((batch.targets != -100).sum()) for batch in shuffled)
    assert total == sum(len(r.tokens) - r.prompt for r in rows)
    assert {batch.tokens.shape[1] for batch in shuffled} <= set(LENGTHS)
    assert len({batch.tokens.shape for batch in shuffled}) <= len(LENGTHS)


def tiny_model(tokenizer: Any) -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=len(tokenizer),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=16,
                tie_word_embeddings=True,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                bos_token_id=None,
            )
        )


def test_rate_warms_up_stays_and_falls_to_zero() -> None:
    config = OptimiserConfig(tokens=100 * 10, batch_tokens=10, warmup=0.1, decay=0.2)
    rates = [config.rate(step) for step in range(config.steps)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:80] == [1.0] * 71
    assert rates[-1] == pytest.approx(1 / 20)
    assert all(rate > 0 for rate in rates)


def test_training_learns_and_resumes_to_the_same_weights(
    corpus: Corpus, tokenizer: Any, tmp_path: Path
) -> None:
    rows = encode(corpus.training, tokenizer)
    held = encode(corpus.validation, tokenizer)[:40]
    config = OptimiserConfig(tokens=2048 * 24, batch_tokens=2048)

    def trainer(name: str) -> Trainer:
        return Trainer(tiny_model(tokenizer), config, tmp_path / name, seed=3)

    whole = trainer("whole")
    log = list(whole.train(rows, held, tokenizer.pad_token_id, evaluate_every=8))
    assert [p.step for p in log if p.validation_loss is not None] == [8, 16, 24]
    validation = [p.validation_loss for p in log if p.validation_loss is not None]
    assert validation[0] > validation[1] > validation[2]

    first = trainer("parts").train(rows, held, tokenizer.pad_token_id, evaluate_every=8)
    while next(first).step < 16:
        pass
    first.close()
    second = trainer("parts")
    assert [p.step for p in second.train(rows, held, tokenizer.pad_token_id, evaluate_every=8)][-1] == 24
    for name, parameter in whole.parameters.items():
        torch.testing.assert_close(second.parameters[name], parameter, rtol=0, atol=0, msg=name)


def test_copy_finder_wants_more_than_twenty_tokens(tokenizer: Any, tmp_path: Path) -> None:
    from agents.bundle.measure import CopyFinder

    tokenizer.save_pretrained(str(tmp_path))
    source = (
        "zq " * 10
        + "the schools and the rivers and the courts and the markets and the borders of all the lands"
    )
    ids = tokenizer(source)["input_ids"]
    finder = CopyFinder([source], tmp_path)
    assert finder.copied("Before. " + tokenizer.decode(ids[-21:]))
    assert not finder.copied("Before. " + tokenizer.decode(ids[-20:]))
    assert not finder.copied("short")


def test_bundle_from_data_to_card(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from agents.bundle import config as settings
    from agents.bundle.train import train_bundle

    tiny = settings.ShapeConfig(
        vocabulary=512, layers=1, width=64, feed_forward=64, heads=1, key_value_heads=1
    )
    monkeypatch.setitem(settings.SHAPES, "small", tiny)
    config = settings.BundleConfig(
        data=data,
        work=tmp_path / "work",
        out=tmp_path / "out",
        tokens=4096,
        adapter_tokens=2048,
        batch_tokens=2048,
        validation_share=0.25,
        device="cpu",
        compile=False,
        samples=8,
    )
    stages: list[str] = []
    figures = train_bundle(config, lambda stage, progress: stages.append(stage))
    assert set(figures["adapters"]) == set(stages) - {"base"}
    assert len(figures["adapters"]) == 8
    # Two steps teach next to nothing: the loss is near that of a uniform guess, and nothing is well formed.
    assert figures["loss"]["all"]["nats_per_token"] == pytest.approx(np.log(512), abs=1.0)
    assert figures["guidelines"]["well_formed"] == 0.0
    card = (config.out / "README.md").read_text(encoding="utf-8")
    assert "## Limits" in card
    assert f"{figures['loss']['all']['nats_per_token']:.3f}" in card
    again: list[str] = []
    train_bundle(config, lambda stage, progress: again.append(stage))
    assert again == []  # everything was there


def test_adapters_learn_what_agents_are_shown_of_their_people(corpus: Corpus) -> None:
    """The system message is the one that a default run sends; the rest of the dialogue stays."""
    plain = next(example for example in corpus.training if example.culture == "confucian")
    [shown] = grounded([plain])
    grounding = Grounding.load(GroundingConfig(), ("confucian",))
    assert grounding is not None
    [culture] = asyncio.run(grounding.ground([get_culture("confucian")], plain.topic, NoEmbedder()))
    assert shown.messages[0] == PromptSet.load().speaker(culture)
    assert shown.messages[0].content.startswith(plain.messages[0].content)
    assert "Universalism" in shown.messages[0].content
    assert (shown.messages[1:], shown.answer) == (plain.messages[1:], plain.answer)


class NoEmbedder:
    """Values need no embedding."""

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        raise AssertionError(texts)
