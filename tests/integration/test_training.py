"""Training text and adapters through the command line and Ray: the same as in one process, and after a worker was killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from agents.models import TransformersConfig, load_model
from agents.models.protocol import ScoringRequest
from agents.prompts import PromptSet
from agents.survey.codebook import load_items
from agents.survey.profile import AnswerShares, CultureProfile, save_profiles
from agents.tuning.adapter import AdapterTraining, Base
from agents.tuning.curves import read_events
from agents.tuning.dialogues import read_pairs
from cluster.training_config import CultureTrainingConfig, culture_training_config
from negotiation.errors import ModelError, RunError
from tests.integration.conftest import Outcome
from tests.unit.agents.tiny import save_model, save_tokenizer
from tests.unit.agents.tuning.wide import widen

ITEMS = load_items()[:4]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "model"
    save_model(folder, len(save_tokenizer(folder)))
    widen(folder)
    return folder


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of one culture to four items."""
    answers = {}
    for item in ITEMS:
        shares = [0.75, *[0.25 / (len(item.options) - 1)] * (len(item.options) - 1)]
        answers[item.id] = AnswerShares(item=item.id, shares=tuple(shares), respondents=50, source="a test")
    path = tmp_path_factory.mktemp("profiles") / "profiles.json"
    save_profiles({"confucian": CultureProfile(culture="confucian", answers=answers)}, path)
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training text of two cultures, without a model."""
    folder = tmp_path_factory.mktemp("text")
    rows = [
        {
            "culture": culture,
            "item": f"item-{number % 4}",
            "question": f"Does {number} matter?",
            "answer": f"It matters {number % 4} times to {culture}.",
        }
        for culture in ("confucian", "latin-america")
        for number in range(16)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "text.parquet")
    return folder


def config(text: Path, model: Path, work: Path, **changes: Any) -> CultureTrainingConfig:
    flags = {
        "culture": "confucian",
        "data": text,
        "model": str(model),
        "work": work,
        "rank": 4,
        "batch": 4,
        "learning_rate": 2e-3,
        "device": "cpu",
    }
    plain = culture_training_config(flags | changes)
    exact = {"precision": "float32", "check_every": 5, "validation_share": 0.25}
    return plain.model_copy(update={"tuning": plain.tuning.model_copy(update=exact)})


def in_one_process(settings: CultureTrainingConfig, folder: Path) -> tuple[dict[str, torch.Tensor], float]:
    pairs = read_pairs(settings.data, settings.culture)
    training = AdapterTraining(
        Base.of(settings.model), settings.culture, pairs, settings.tuning, torch.device("cpu")
    )
    *_, last = training.trainer.train()
    folder.mkdir()
    training.save_adapter(folder)
    assert last.validation_loss is not None
    return load_file(folder / "adapter_model.safetensors"), last.validation_loss


@pytest.mark.usefixtures("local_ray")
def test_two_workers_one_of_them_killed_train_what_one_does(text: Path, model: Path, tmp_path: Path) -> None:
    from cluster.culture_training import train_culture

    settings = config(text, model, tmp_path / "work", workers=2, steps=30)
    killed: list[int] = []

    def kill_once(event: dict[str, Any]) -> None:
        if event["event"] == "checkpoint_saved" and event["step"] >= 10 and not killed:
            started = [e for e in read_events(tmp_path / "work") if e["event"] == "workers_started"]
            killed.append(started[-1]["pid"])
            os.kill(killed[0], signal.SIGKILL)

    figures = train_culture(settings, kill_once)
    first, second = (e for e in read_events(tmp_path / "work") if e["event"] == "workers_started")
    assert killed == [first["pid"]]
    assert (first["step"], first["workers"]) == (0, 2)
    assert 5 <= second["step"] < 30
    points = [e["step"] for e in read_events(tmp_path / "work") if e["event"] == "progress"]
    assert points == sorted(set(points))  # what was computed twice is told once
    assert (figures["steps"], figures["workers"], figures["rows"]) == (30, 2, 12)
    assert figures["validation_loss"] < figures["first_validation_loss"]
    expected, loss = in_one_process(settings, tmp_path / "expected")
    found = load_file(tmp_path / "work" / "adapter" / "adapter_model.safetensors")
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-3, rtol=1e-2)
    assert figures["validation_loss"] == pytest.approx(loss, rel=1e-3)
    # Finished: the same call trains nothing, another one is refused.
    assert train_culture(settings) == figures
    with pytest.raises(RunError, match=r"tuning\.steps: the run has 30, you ask for 31"):
        train_culture(config(text, model, tmp_path / "work", steps=31))


def test_an_error_of_all_workers_is_told_as_it_is_and_not_tried_again(
    text: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cluster import culture_training

    class OneWorker:
        """Stands in for Ray Train: runs one worker here, until its training loop is reached."""

        def __init__(self, loop: Callable[..., Any], *, train_loop_config: Any, **rest: Any) -> None:
            self._loop = partial(loop, train_loop_config)

        def fit(self) -> Any:
            return SimpleNamespace(return_value=self._loop(), checkpoint=None, metrics=None)

    def too_long(*given: Any) -> None:
        raise ModelError("a pair has 999 tokens; the model takes 512")

    monkeypatch.setattr(culture_training, "TorchTrainer", OneWorker)
    monkeypatch.setattr(culture_training, "_scaling", lambda config: None)
    monkeypatch.setattr(culture_training, "_train", too_long)
    settings = config(text, model, tmp_path / "work")
    with pytest.raises(ModelError, match="the model takes 512"):
        culture_training._fit(settings, tmp_path / "work", read_pairs(text, "confucian"))
    monkeypatch.setattr(culture_training, "_train", lambda *given: None)
    with pytest.raises(RunError, match="left no checkpoint"):
        culture_training._fit(settings, tmp_path / "work", read_pairs(text, "confucian"))


def test_from_answers_to_an_adapter_that_speaks(
    profiles: Path, model: Path, concordat: Callable[..., Outcome], tmp_path: Path, local_ray: None
) -> None:
    flags = ("--culture", "confucian", "--profiles", profiles, "--out", tmp_path / "text", "--json")
    plan = concordat("train", "voices", *flags, "--dry-run")
    assert plan.json["items"] == 4
    assert not (tmp_path / "text").exists()
    made = concordat("train", "voices", *flags)
    assert made.status == 0, made.err
    assert (made.json["kept"], made.json["missing"]) == (40, 0)
    assert "confucian: 4/4 items" in made.err
    command = ("train", "culture", "--culture", "confucian", "--data", tmp_path / "text", "--model", model)
    command += (
        "--work",
        tmp_path / "work",
        "--out",
        tmp_path / "adapter",
        "--steps",
        12,
        "--batch",
        8,
        "--lr",
        0.01,
    )
    plan = concordat(*command, "--json", "--dry-run")
    assert (plan.json["rows"], plan.json["held_out_rows"], plan.json["steps"]) == (30, 10, 12)
    done = concordat(*command, "--device", "cpu", "--json")
    assert done.status == 0, done.err
    assert done.json["figures"]["steps"] == 12
    assert "confucian: step 12/12" in done.err
    settings = culture_training_config(
        {"culture": "confucian", "data": tmp_path / "text", "model": str(model), "steps": 12, "batch": 8}
        | {"learning_rate": 0.01}
    )
    expected, _ = in_one_process(settings, tmp_path / "expected")
    found = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    adapters = {"confucian": str(tmp_path / "adapter")}
    speaker = load_model(TransformersConfig(path=str(model), adapters=adapters, device="cpu"))
    pair = read_pairs(tmp_path / "text", "confucian")[0]
    from agents.cultures import get_culture

    prompt = PromptSet.load().position(get_culture("confucian"), pair.question, 60)
    with_it, without = speaker.score(
        [ScoringRequest(prompt, pair.answer, name) for name in ("confucian", None)]
    )
    assert with_it.logprob > without.logprob


@pytest.mark.usefixtures("local_ray")
def test_text_of_actors_is_that_of_one_process(
    profiles: Path, model: Path, concordat: Callable[..., Outcome], tmp_path: Path
) -> None:
    # A random model writes garbage: everything is dropped, with the same replies on both ways.
    flags = ("--culture", "confucian", "--profiles", profiles, "--model", model, "--pairs", 3, "--retries", 1)
    tables = []
    for name, way in (("here", ("--serial",)), ("there", ("--actors", 2))):
        outcome = concordat("train", "voices", *flags, *way, "--out", tmp_path / name, "--json")
        assert outcome.status == 1
        assert outcome.json["dropped"]["malformed"] == 4 * 3 * 2
        tables.append(pq.read_table(tmp_path / name / "dropped").to_pylist())
    assert tables[0] == tables[1]
    assert len({row["text"] for row in tables[0]}) > 12


def test_what_is_wrong_is_told_before_anything_begins(
    profiles: Path, text: Path, concordat: Callable[..., Outcome], tmp_path: Path
) -> None:
    missing = concordat("train", "voices", "--culture", "latin-america", "--profiles", profiles, "--json")
    assert missing.status == 2
    assert "nothing of 'latin-america'; there are confucian" in missing.err
    empty = concordat("train", "voices", "--culture", "confucian", "--json")
    assert "has no answers to items of the codebook" in empty.err
    other = concordat("train", "culture", "--culture", "orthodox-europe", "--data", text, "--json")
    assert other.status == 2
    assert "there is text of confucian, latin-america" in other.err
    wrong = concordat("train", "culture", "--culture", "confucian", "--data", text, "--rank", "0", "--json")
    assert "tuning.rank" in wrong.err
    server = ("--model", "openai:x@http://127.0.0.1:1/v1")
    served = concordat("train", "culture", "--culture", "confucian", "--data", text, *server, "--json")
    assert served.status == 2
    assert json.loads(served.out)["error"]["type"] == "ConfigurationError"
