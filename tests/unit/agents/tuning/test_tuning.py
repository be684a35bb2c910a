"""Adapters: tokens, loss, steps, state, folder, on tiny random models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from agents.cultures import get_culture
from agents.models import TransformersConfig, load_model
from agents.models.config import BundledConfig
from agents.models.protocol import GenerationRequest, ScoringRequest
from agents.prompts import PromptSet
from agents.tuning.adapter import AdapterTraining, Base
from agents.tuning.config import TuningConfig
from agents.tuning.curves import Curves, read_events
from agents.tuning.dialogues import IGNORED, Encoder, TrainingPair, collate, read_pairs, split_items
from agents.tuning.trainer import AnswerLoss, Progress, use_bfloat16
from negotiation.errors import ConfigurationError, ModelError, RecordError
from tests.unit.agents.tiny import TinyModel, save_model, save_tokenizer
from tests.unit.agents.tuning.wide import widen

CULTURE = get_culture("confucian")
PAIRS = [
    TrainingPair(f"item-{number % 4}", f"Does school {number} matter?", f"It matters {number % 4} times.")
    for number in range(16)
]
CPU = torch.device("cpu")


def settings(**changes: Any) -> TuningConfig:
    base: dict[str, Any] = {
        "rank": 4,
        "learning_rate": 5e-3,
        "steps": 6,
        "batch": 4,
        "validation_share": 0.25,
        "check_every": 2,
        "log_every": 1,
        "precision": "float32",
    }
    return TuningConfig(**base | changes)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = tmp_path_factory.mktemp("tuned") / "model"
    save_model(folder, len(save_tokenizer(folder)))
    widen(folder)
    return Base.of(TransformersConfig(path=str(folder), device="cpu"))


@pytest.fixture
def begin(base: Base) -> Callable[..., AdapterTraining]:
    def started(**changes: Any) -> AdapterTraining:
        return AdapterTraining(base, "confucian", PAIRS, settings(**changes), CPU)

    return started


def run(training: AdapterTraining) -> list[Progress]:
    return list(training.trainer.train())


def weights(training: AdapterTraining, folder: Path) -> dict[str, torch.Tensor]:
    folder.mkdir()
    training.save_adapter(folder)
    found: dict[str, torch.Tensor] = load_file(folder / "adapter_model.safetensors")
    return found


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_the_prompt_is_that_of_a_negotiation_and_the_answer_ends_its_turn(base: Base) -> None:
    from agents.models.loading import load_tokenizer

    tokenizer = load_tokenizer(base.config, base.path)
    (row,) = Encoder(tokenizer, CULTURE, answer_words=60).encode([PAIRS[1]])
    system, user = PromptSet.load().position(CULTURE, PAIRS[1].question, 60)
    prompt = tokenizer.decode(row.tokens[: row.prompt])
    assert prompt == (
        f"<|im_start|>system\n{system.content}<|im_end|>\n<|im_start|>user\n{user.content}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert tokenizer.decode(row.tokens[row.prompt :]) == "It matters 1 times.<|im_end|>"


def test_targets_are_answers_at_the_right_edge(base: Base) -> None:
    from agents.models.loading import load_tokenizer

    tokenizer = load_tokenizer(base.config, base.path)
    pairs = [TrainingPair("a", "Why?", "No."), TrainingPair("b", "Why so?", "It is a long story.")]
    rows = Encoder(tokenizer, CULTURE, answer_words=60).encode(pairs)
    batch = collate(rows, pad=0)
    assert batch.tokens.shape == batch.mask.shape
    assert batch.tokens.shape[1] % 16 == 0
    for place, row in enumerate(rows):
        learned = batch.targets[place][batch.targets[place] != IGNORED]
        assert tuple(learned) == row.tokens[row.prompt :]
        assert tuple(batch.tokens[place][batch.mask[place] == 1]) == row.tokens
        assert tuple(batch.tokens[place][-row.answer :]) == tuple(learned)


def test_the_loss_is_that_of_the_answer_alone(base: Base) -> None:
    from agents.models.loading import load_base, load_tokenizer

    tokenizer = load_tokenizer(base.config, base.path)
    pairs = [PAIRS[0], TrainingPair("x", "Is it so, and always, in every town?", "Yes.")]
    rows = Encoder(tokenizer, CULTURE, answer_words=60).encode(pairs)
    loss = AnswerLoss(load_base(base.config, base.path, torch.float32, CPU), bfloat16=False)
    batch = collate(rows, pad=0)
    found = float(loss(*(torch.from_numpy(array) for array in (batch.tokens, batch.mask, batch.targets))))
    model = load_model(base.config)
    requests = [
        ScoringRequest(PromptSet.load().position(CULTURE, pair.question, 60), f"{pair.answer}<|im_end|>")
        for pair in pairs
    ]
    assert found == pytest.approx(-sum(score.logprob for score in model.score(requests)), rel=1e-5)


def test_items_are_held_out_whole_and_by_seed() -> None:
    training, validation = split_items(PAIRS, 0.25, seed=0)
    assert {pair.item for pair in training} & {pair.item for pair in validation} == set()
    assert len(training) + len(validation) == len(PAIRS)
    assert len({pair.item for pair in validation}) == 1
    assert split_items(PAIRS, 0.25, seed=0) == (training, validation)
    assert any(split_items(PAIRS, 0.25, seed)[1] != validation for seed in range(1, 9))
    with pytest.raises(ConfigurationError, match="give two or more"):
        split_items(PAIRS[:1], 0.5, seed=0)


def test_training_lowers_the_loss_and_tells_the_curve(begin: Callable[..., AdapterTraining]) -> None:
    curve = run(begin(steps=30, check_every=10))
    assert [point.step for point in curve] == list(range(31))
    checked = [point for point in curve if point.validation_loss is not None]
    assert [point.step for point in checked] == [0, 10, 20, 30]
    assert checked[-1].validation_loss < 0.8 * checked[0].validation_loss  # type: ignore[operator]
    assert curve[0].loss is None
    assert curve[-1].loss < curve[1].loss  # type: ignore[operator]
    assert curve[-1].learning_rate < curve[5].learning_rate


def test_each_epoch_sees_every_row_once_in_another_order(begin: Callable[..., AdapterTraining]) -> None:
    trainer = begin(steps=6).trainer  # twelve rows, four in a step
    first, second = (
        [place for step in epoch for place in trainer.places(step)] for epoch in ((0, 1, 2), (3, 4, 5))
    )
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


def test_the_same_seed_gives_the_same_adapter(begin: Callable[..., AdapterTraining], tmp_path: Path) -> None:
    found = []
    for number, seed in enumerate((0, 0, 1)):
        training = begin(seed=seed)
        run(training)
        found.append(weights(training, tmp_path / str(number)))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_going_on_from_a_state_is_as_not_having_stopped(
    begin: Callable[..., AdapterTraining], tmp_path: Path
) -> None:
    whole = begin()
    curve = run(whole)
    (tmp_path / "state").mkdir()
    stopped = begin()
    for point in stopped.trainer.train():
        if point.step == 3:
            stopped.trainer.save(tmp_path / "state")
            break
    again = begin()
    again.trainer.load(tmp_path / "state")
    rest = run(again)
    assert [point.loss for point in rest] == [point.loss for point in curve if point.step > 3]
    assert same(weights(whole, tmp_path / "a"), weights(again, tmp_path / "b"))


def test_a_state_that_does_not_fit_is_refused(begin: Callable[..., AdapterTraining], tmp_path: Path) -> None:
    begin().trainer.save(tmp_path)
    with pytest.raises(RecordError, match="training of 6 steps, this one has 7"):
        begin(steps=7).trainer.load(tmp_path)
    with pytest.raises(RecordError, match="begin a new training"):
        begin(rank=2).trainer.load(tmp_path)
    (tmp_path / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(RecordError, match="begin a new training"):
        begin().trainer.load(tmp_path)


def test_several_passes_make_the_same_step(begin: Callable[..., AdapterTraining], tmp_path: Path) -> None:
    found = []
    for number, rows in enumerate((None, 3)):
        training = begin(pass_rows=rows)
        run(training)
        found.append(weights(training, tmp_path / str(number)))
    for name in found[0]:
        torch.testing.assert_close(found[0][name], found[1][name], atol=2e-4, rtol=1e-3)


def test_the_folder_is_a_peft_adapter_that_speaks(
    begin: Callable[..., AdapterTraining], base: Base, tmp_path: Path
) -> None:
    training = begin(steps=20)
    run(training)
    weights(training, tmp_path / "adapter")
    assert sorted(path.name for path in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "base_fingerprint.txt",
    ]
    adapters = {"confucian": str(tmp_path / "adapter")}
    model = load_model(base.config.model_copy(update={"adapters": adapters}))
    prompt = PromptSet.load().position(CULTURE, PAIRS[0].question, 60)
    with_it, without = model.score(
        [ScoringRequest(prompt, PAIRS[0].answer, adapter) for adapter in ("confucian", None)]
    )
    assert with_it.logprob > without.logprob + 1.0
    assert model.generate([GenerationRequest(prompt, 8, 0.0, 1.0, 0, "confucian")])


def test_loading_refuses_the_adapter_of_another_base(
    begin: Callable[..., AdapterTraining], tiny: TinyModel, tmp_path: Path
) -> None:
    weights(begin(), tmp_path / "adapter")
    other = tmp_path / "other"
    save_model(other, len(save_tokenizer(other)), seed=5)
    with pytest.raises(ModelError, match="made for another base"):
        load_model(
            TransformersConfig(path=str(other), adapters={"a": str(tmp_path / "adapter")}, device="cpu")
        )


def test_the_bundled_model_is_a_base_without_its_adapters() -> None:
    base = Base.of(BundledConfig())
    assert base.name == "concordat-bundled"
    assert base.config.adapters == {}


def test_a_step_needs_a_row_for_each_worker(base: Base) -> None:
    class Many:
        rank, size = 0, 5

    with pytest.raises(ConfigurationError, match="batch is 4 for 5 workers"):
        AdapterTraining(base, "confucian", PAIRS, settings(), CPU, Many())  # type: ignore[arg-type]


def test_a_dialogue_longer_than_the_window_is_refused(base: Base) -> None:
    pairs = [*PAIRS, TrainingPair("item-0", "Why?", "so " * 500)]
    with pytest.raises(ModelError, match=r"item 'item-0' has \d+ tokens; the model takes 512"):
        AdapterTraining(base, "confucian", pairs, settings(), CPU)


def test_a_loss_that_is_not_finite_ends_the_training(begin: Callable[..., AdapterTraining]) -> None:
    training = begin(learning_rate=1.0, clip=1e30, steps=200, check_every=200)
    for parameter in training.trainer._parameters.values():
        parameter.data.fill_(float("inf"))
    with pytest.raises(ModelError, match=r"step 0: the loss is not finite"):
        for _ in training.trainer.train():
            pass


def test_pairs_are_read_by_culture(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = [
        {"culture": c, "item": "i", "question": "q", "answer": c, "share": 0.5} for c in ("confucian", "x")
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / "part-00000.parquet")
    assert read_pairs(tmp_path, "confucian") == [TrainingPair("i", "q", "confucian")]
    assert read_pairs(tmp_path / "data", "x") == [TrainingPair("i", "q", "x")]
    with pytest.raises(ConfigurationError, match="there is text of confucian, x"):
        read_pairs(tmp_path, "orthodox-europe")
    with pytest.raises(ConfigurationError, match="no Parquet files"):
        read_pairs(tmp_path / "none", "confucian")
    pq.write_table(pa.table({"culture": ["x"]}), tmp_path / "data" / "part-00000.parquet")
    with pytest.raises(ConfigurationError, match="give Parquet with the columns"):
        read_pairs(tmp_path, "confucian")


def test_the_rate_rises_and_falls() -> None:
    config = TuningConfig(learning_rate=1.0, warmup=0.1)
    rates = [config.rate(step, 40) for step in range(40)]
    assert max(rates) == 1.0
    assert int(np.argmax(rates)) == 3
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert 0 < rates[-1] < 0.03


def test_bfloat16_is_used_where_asked_for() -> None:
    assert use_bfloat16("bfloat16", CPU)
    assert not use_bfloat16("float32", torch.device("cuda"))


def test_curves_go_on_without_the_points_that_come_again(tmp_path: Path) -> None:
    def point(step: int) -> Progress:
        return Progress(step, 9, 2.0, None, 1e-3, 100.0)

    with Curves(tmp_path, 0) as curves:
        curves.began(0, 2, "cpu")
        for step in (1, 2, 3):
            curves.add(point(step))
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"torn')
    with Curves(tmp_path, 2) as curves:
        curves.began(2, 2, "cpu")
        curves.add(point(3))
    assert [(event["event"], event["step"]) for event in read_events(tmp_path)] == [
        ("workers_started", 0),
        ("progress", 1),
        ("progress", 2),
        ("workers_started", 2),
        ("progress", 3),
    ]
    assert list((tmp_path / "tensorboard").iterdir())
