"""What the flags of ``concordat train`` become."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from agents.survey.codebook import load_items
from agents.survey.profile import AnswerShares, CultureProfile, save_profiles
from cluster.runfolder import hold
from cluster.training import _event_line
from cluster.training_config import BUNDLED_RATE, culture_training_config
from cluster.voices_run import VoicesJob, answers_of, make_voices
from negotiation.errors import ConfigurationError, CultureError, RunError, RunInUseError

FLAGS: dict[str, Any] = {"culture": "Confucian", "data": Path("text")}


def test_what_is_not_given_has_defaults() -> None:
    config = culture_training_config(FLAGS | {"rank": None, "work": None})
    assert config.culture == "confucian"
    assert config.model.kind == "bundled"
    assert config.work == Path("runs/adapters/confucian")
    assert config.out == config.work / "adapter"
    assert config.tuning.learning_rate == BUNDLED_RATE
    assert (config.tuning.rank, config.workers) == (16, 1)


def test_flags_find_their_place() -> None:
    given = {"model": "./llama", "learning_rate": None, "epochs": 2.0, "batch": 32, "seed": 5, "workers": 4}
    config = culture_training_config(FLAGS | given)
    assert config.model.kind == "transformers"
    assert config.tuning.learning_rate == 2e-4
    assert (config.tuning.epochs, config.tuning.batch, config.tuning.seed) == (2.0, 32, 5)
    assert config.workers == 4
    assert culture_training_config(FLAGS | {"learning_rate": 0.01}).tuning.learning_rate == 0.01


def test_only_what_determines_the_adapter_must_stay_the_same() -> None:
    one = culture_training_config(FLAGS | {"workers": 1, "work": Path("a")})
    two = culture_training_config(FLAGS | {"workers": 2, "work": Path("b"), "threads": 3})
    assert one.tree() == two.tree()
    assert one.tree() != culture_training_config(FLAGS | {"seed": 1}).tree()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rank": 0}, r"tuning\.rank"),
        ({"device": "tpu"}, "device"),
        ({"workers": 0}, "workers"),
        ({"model": "openai:x@http://127.0.0.1:1/v1"}, "model"),
        ({"culture": "atlantis"}, "unknown culture 'atlantis'"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        culture_training_config(FLAGS | wrong)


def test_events_are_told_to_people() -> None:
    started = {"event": "workers_started", "workers": 2, "device": "cpu", "step": 50}
    assert _event_line("x", started) == "x: 2 workers on cpu, from step 50"
    first = {
        "event": "progress",
        "step": 0,
        "steps": 9,
        "loss": None,
        "validation_loss": 3.0,
        "tokens_per_s": None,
    }
    assert _event_line("x", first) == "x: step 0/9, held-out 3.000"
    later = first | {"step": 5, "loss": 2.0, "validation_loss": None, "tokens_per_s": 1234.5}
    assert _event_line("x", later) == "x: step 5/9, loss 2.000 nats a token, 1,234 tokens/s"
    assert _event_line("x", {"event": "checkpoint_saved", "step": 5}) == "x: checkpoint of step 5"


def profile(tmp_path: Path, count: int) -> Path:
    answers = {}
    for item in reversed(load_items()[:count]):
        shares = (1.0, *[0.0] * (len(item.options) - 1))
        answers[item.id] = AnswerShares(item=item.id, shares=shares, respondents=9, source="a test")
    path = tmp_path / "profiles.json"
    save_profiles({"confucian": CultureProfile(culture="confucian", answers=answers)}, path)
    return path


def test_answers_come_in_the_order_of_the_codebook(tmp_path: Path) -> None:
    culture, answered = answers_of("Confucian", profile(tmp_path, 5))
    assert culture == "confucian"
    assert [entry.item.id for entry in answered] == [item.id for item in load_items()[:5]]


def test_a_culture_without_answers_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(CultureError, match="nothing of 'latin-america'; there are confucian"):
        answers_of("latin-america", profile(tmp_path, 2))
    with pytest.raises(CultureError, match="'confucian' has no answers to items of the codebook"):
        answers_of("confucian", profile(tmp_path, 0))


def test_text_is_told_of_chunk_by_chunk_and_not_made_again(tmp_path: Path) -> None:
    from agents.voices.config import VoicesConfig

    culture, answered = answers_of("confucian", profile(tmp_path, 5))
    job = VoicesJob(culture, answered, tmp_path / "text", VoicesConfig(pairs=3, chunk_items=2))
    told: list[tuple[int, int]] = []
    first = make_voices(job, lambda summary, items: told.append((summary.items, items)))
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert first.kept == 15
    assert make_voices(job, lambda summary, items: told.append((0, 0))) == first
    assert len(told) == 3


def test_one_process_at_a_time_makes_text_or_trains_in_a_folder(tmp_path: Path) -> None:
    from agents.voices.config import VoicesConfig
    from cluster.culture_training import train_culture

    culture, answered = answers_of("confucian", profile(tmp_path, 3))
    job = VoicesJob(culture, answered, tmp_path / "text", VoicesConfig(pairs=3))
    make_voices(job)
    settings = culture_training_config(FLAGS | {"data": tmp_path / "text", "work": tmp_path / "work"})
    message = f"in use by process {os.getpid()} on .* or choose another "
    with hold(tmp_path / "text", "--out"), hold(tmp_path / "work", "--work"):
        with pytest.raises(RunInUseError, match=f"{message}--out"):
            make_voices(job)
        with pytest.raises(RunInUseError, match=f"{message}--work"):
            train_culture(settings)
    assert make_voices(job).kept == 9  # let go again


def test_a_work_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(RunError, match=r"work folder .*file/work cannot be used .* choose another --work"),
        hold(tmp_path / "file" / "work", "--work"),
    ):
        pass
