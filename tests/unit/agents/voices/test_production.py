"""Training text: provenance, retries, the judge, and what is kept on disk."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from agents.cultures import get_culture
from agents.models.protocol import GenerationRequest, ScoringRequest
from agents.survey.profile import AnswerShares
from agents.voices.config import VoicesConfig
from agents.voices.judge import Judge, ModelJudge, NoJudge, Verdict
from agents.voices.production import Chunk, VoiceMaker
from agents.voices.prompts import VOICE_PROMPTS, VoicePrompts
from agents.voices.rows import Answered, Pair
from agents.voices.storage import VoicesFolder
from agents.voices.writers import ModelWriter, TemplateWriter, parse_pair
from negotiation.errors import ConfigurationError, MalformedReplyError, RecordError, RunError
from tests.unit.agents.voices.voice_fakes import ScriptedModel, answered, honest, survey_item

CULTURE = get_culture("confucian")
PROMPTS = VoicePrompts.load()


def maker(model: ScriptedModel, judge: Judge | None = None, **settings: Any) -> VoiceMaker:
    config = VoicesConfig(**settings)
    writer = ModelWriter(model, CULTURE, PROMPTS, config)
    return VoiceMaker(CULTURE.id, writer, judge or ModelJudge(model, PROMPTS), config, PROMPTS)


def test_every_row_says_where_it_comes_from_and_calls_are_shared() -> None:
    model = ScriptedModel()
    made = maker(model, pairs=10, seed=7).make([answered("family"), answered("work", 0.0, 0.25, 0.75)])
    assert made.dropped == ()
    assert Counter((row.item, row.option) for row in made.rows) == {
        ("family", 0): 5,
        ("family", 1): 3,
        ("family", 2): 2,
        ("work", 1): 2,  # quotas 2.5 and 7.5: the tie goes to the larger share
        ("work", 2): 8,
    }
    row = made.rows[5]
    assert (row.culture, row.item, row.category, row.option, row.number) == (
        "confucian",
        "family",
        "family",
        1,
        0,
    )
    assert (row.option_label, row.share, row.source) == ("Rather important", 0.3, "WVS 7")
    assert (row.model, row.attempt, row.judge, row.seed, row.prompts) == (
        "scripted",
        0,
        "scripted",
        7,
        "voices 1",
    )
    assert row.probability is not None
    assert row.probability > 0.9
    assert row.answer == "We find it rather important."
    assert model.generated == [20]  # one call for both items
    assert model.scored == [2 * 3 + 20 * 3]  # one call: two blind rows and one of each pair


def test_the_same_settings_give_the_same_text() -> None:
    first, second = (maker(ScriptedModel(), seed=3).make([answered("family")]) for _ in range(2))
    assert first == second
    assert first != maker(ScriptedModel(), seed=4).make([answered("family")])


def test_garbage_is_dropped_with_its_reason_within_the_bound() -> None:
    model = ScriptedModel(reply=lambda request: "I cannot help with that.")
    made = maker(model, pairs=4, retries=2).make([answered("family")])
    assert made.rows == ()
    assert model.generated == [4, 4, 4]
    assert model.scored == []
    assert {drop.reason for drop in made.dropped} == {"malformed"}
    assert Counter((drop.attempt, drop.last) for drop in made.dropped) == {
        (0, False): 4,
        (1, False): 4,
        (2, True): 4,
    }
    assert len({request.seed for request in model.asked}) == 12  # each retry has a seed of its own
    assert "expected two" in made.dropped[0].problem
    assert made.dropped[0].text == "I cannot help with that."


def test_a_reply_that_was_cut_off_is_no_pair() -> None:
    made = maker(ScriptedModel(finish="length"), pairs=2, retries=0).make([answered("family")])
    assert {drop.problem for drop in made.dropped} == {"the reply was cut off at 20 tokens"}


def test_only_what_was_dropped_is_asked_again() -> None:
    tries: list[int] = []

    def second_time(request: GenerationRequest) -> str:
        tries.append(request.seed)
        return "nonsense" if len(tries) in (2, 4) else honest(request)

    model = ScriptedModel(reply=second_time)
    made = maker(model, pairs=5).make([answered("family")])
    assert model.generated == [5, 2]
    assert [row.attempt for row in made.rows] == [0, 1, 0, 1, 0]
    assert [(row.option, row.number) for row in made.rows] == [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0)]


def test_the_same_pair_is_not_kept_twice() -> None:
    same = ScriptedModel(reply=lambda _: "Question: What counts?\nAnswer: We find it very important.")
    made = maker(same, judge=NoJudge(), pairs=3, retries=1).make([answered("family", 1.0, 0.0, 0.0)])
    assert len(made.rows) == 1
    assert [drop.reason for drop in made.dropped] == ["duplicate"] * 4


def test_what_expresses_another_option_is_dropped() -> None:
    model = ScriptedModel(
        reply=lambda request: f"Question: {request.seed}?\nAnswer: We find it not important."
    )
    made = maker(model, pairs=10, retries=1).make([answered("family")])
    assert {row.option for row in made.rows} == {2}
    assert Counter(drop.reason for drop in made.dropped) == {"judged": 16}
    assert made.dropped[0].problem.startswith("the judge reads 'Not important' (0.9")


def test_the_judge_takes_its_prejudice_for_an_option_out() -> None:
    def fond_of_the_last(request: ScoringRequest) -> float:
        fond = 0.0 if request.text == "Not important" else -20.0
        return fond - (0.0 if "We find it very important." in request.messages[1].content else 2.0) * (
            request.text == "Very important"
        )

    judge = ModelJudge(ScriptedModel(logprob=fond_of_the_last), PROMPTS)
    (verdict,) = judge.judge([(survey_item("family"), Pair("How?", "We find it very important."))])
    # Log-ratios by hand: very +2, rather 0, not 0.
    assert verdict.probabilities == pytest.approx([0.7870, 0.1065, 0.1065], abs=1e-4)
    assert verdict.keeps(0, 0.5)
    assert not verdict.keeps(0, 0.8)


def test_a_judge_without_preference_keeps_nothing() -> None:
    assert not Verdict((0.5, 0.5)).keeps(0, 0.0)
    assert Verdict(None).keeps(0, 1.0)


def test_on_a_scale_a_neighbour_may_count() -> None:
    verdict = Verdict((0.1, 0.3, 0.4, 0.2))
    assert not verdict.keeps(1, 0.0)
    assert verdict.keeps(1, 0.8, tolerance=1)
    assert not verdict.keeps(1, 0.9, tolerance=1)
    assert not verdict.keeps(0, 0.0, tolerance=1)


def test_a_bare_number_is_said_with_the_ends_of_its_scale() -> None:
    scale = survey_item("trust", "1 (none)", "2", "3 (full)")
    assert PROMPTS.spoken(scale, 1) == "2, on a scale from 1 (none) to 3 (full)"
    assert PROMPTS.spoken(scale, 0) == "1 (none)"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 lines"),
        ("Question: Why?", "1 line;"),
        ("Frage: Why?\nAnswer: So.", "line 1 begins 'Frage"),
        ("Question: Why?\nReply: So.", "line 2 begins 'Reply"),
        ("Question:\nAnswer: So.", "line 1 .Question.: reply is empty"),
        ("Question: Tell us.\nAnswer: So.", "asks nothing"),
        ("Question: Why?\nAnswer: " + "so " * 80, "80 words"),
        ("Question: Why?\nAnswer: So\ufffd.", "no text"),
    ],
)
def test_parsing_is_strict(text: str, problem: str) -> None:
    with pytest.raises(MalformedReplyError, match=problem):
        parse_pair(text, 60)


def test_parsing_reads_back_what_the_template_says() -> None:
    assert parse_pair(PROMPTS.written("Why vote?", "We owe it."), 60) == Pair("Why vote?", "We owe it.")


def test_text_without_a_model_names_question_and_option() -> None:
    config = VoicesConfig(pairs=24)
    template = VoiceMaker(CULTURE.id, TemplateWriter(PROMPTS), NoJudge(), config, PROMPTS)
    made = template.make([answered("family", 1.0, 0.0, 0.0)])
    assert len({(row.question, row.answer) for row in made.rows}) == 24  # every frame with every other
    assert all("How important is family" in row.question for row in made.rows)
    assert all("Very important" in row.answer for row in made.rows)
    assert {(row.model, row.judge, row.probability) for row in made.rows} == {("template", "none", None)}


def test_shares_must_fit_the_item() -> None:
    shares = AnswerShares(item="family", shares=(0.5, 0.5), respondents=9, source="WVS 7")
    with pytest.raises(ConfigurationError, match="3 options and 2 shares"):
        Answered(survey_item("family"), shares)
    with pytest.raises(ConfigurationError, match="pair them by id"):
        Answered(survey_item("work"), shares)


def test_prompts_with_other_fields_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "voices.yaml"
    text = VOICE_PROMPTS.read_text(encoding="utf-8")
    path.write_text(text.replace("{asked}", "{asker}"))
    with pytest.raises(ConfigurationError, match="template 'judge' uses the fields answer, asker"):
        VoicePrompts.load(path)
    with pytest.raises(ConfigurationError, match="No such file"):
        VoicePrompts.load(tmp_path / "none.yaml")


def folder(path: Path, **settings: Any) -> VoicesFolder:
    items = [answered(f"item-{number}") for number in range(5)]
    config = VoicesConfig(pairs=4, chunk_items=2, **settings)
    return VoicesFolder(path, CULTURE.id, items, config, PROMPTS)


def fill(found: VoicesFolder, model: ScriptedModel, upto: int = 99) -> None:
    for number in found.pending[:upto]:
        found.write(number, maker(model, pairs=4).make(found.chunks[number]))


def test_a_stopped_making_goes_on_without_doing_anything_twice(tmp_path: Path) -> None:
    model = ScriptedModel()
    fill(folder(tmp_path / "a"), model, upto=2)
    assert sum(model.generated) == 16
    again = folder(tmp_path / "a")
    assert again.pending == [2]
    fill(again, model)
    assert sum(model.generated) == 20
    assert folder(tmp_path / "a").pending == []
    fill(folder(tmp_path / "b"), ScriptedModel())
    for part in sorted((tmp_path / "b" / "data").iterdir()):
        assert part.read_bytes() == (tmp_path / "a" / "data" / part.name).read_bytes()


def test_a_chunk_torn_while_it_was_written_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = folder(tmp_path / "a")
    chunk: Chunk = maker(ScriptedModel(), pairs=4).make(found.chunks[0])
    import agents.voices.storage as storage

    real = storage.pq.write_table

    def full(table: Any, path: Path) -> None:
        if "data" in str(path):
            raise OSError(28, "No space left on device")
        real(table, path)

    monkeypatch.setattr(storage.pq, "write_table", full)
    with pytest.raises(RunError, match="No space left"):
        found.write(0, chunk)
    assert folder(tmp_path / "a").pending == [0, 1, 2]


def test_datasets_loads_what_was_made(tmp_path: Path) -> None:
    found = folder(tmp_path / "text")
    fill(found, ScriptedModel(reply=lambda request: honest(request) if request.seed % 2 else "no"))
    kept = load_dataset(
        "parquet", data_files=str(tmp_path / "text/data/*.parquet"), cache_dir=str(tmp_path / "c")
    )
    summary = found.summary()
    assert kept["train"].num_rows == summary.kept
    assert summary.items == 5
    assert summary.wanted == 20 == summary.kept + summary.missing
    assert summary.dropped["malformed"] > 0
    by_card = load_dataset(str(tmp_path / "text"), cache_dir=str(tmp_path / "c"))
    assert by_card["train"].num_rows == summary.kept
    assert set(kept["train"].column_names) >= {"item", "option", "share", "model", "attempt", "source"}


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    folder(tmp_path / "text")
    with pytest.raises(RunError, match=r"config\.seed: it has 0, you ask for 1"):
        folder(tmp_path / "text", seed=1)
    (tmp_path / "text" / "settings.json").write_text("{")
    with pytest.raises(RecordError, match="cannot be read"):
        folder(tmp_path / "text")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="holds no training text"):
        folder(tmp_path / "full")


def test_items_are_needed_and_each_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no items"):
        VoicesFolder(tmp_path / "a", CULTURE.id, [], VoicesConfig(), PROMPTS)
    with pytest.raises(ConfigurationError, match="given twice"):
        VoicesFolder(tmp_path / "a", CULTURE.id, [answered("x"), answered("x")], VoicesConfig(), PROMPTS)


def test_configuration_reads_models_as_text() -> None:
    config = VoicesConfig(model="bundled", judge="openai:big@http://127.0.0.1:1/v1")
    assert config.model.kind == "bundled"
    assert config.model.adapters == ()
    assert config.judging is not None
    assert config.judging.kind == "openai"
    assert VoicesConfig(model="bundled").judging == VoicesConfig(model="bundled").model
    assert VoicesConfig(model="bundled", judge="none").judging is None
    assert VoicesConfig().judging is None
    assert VoicesConfig.model_validate(json.loads(config.model_dump_json())) == config
