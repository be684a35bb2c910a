"""``concordat rewrite`` with real models: in this process and in Ray actors, one text and many."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.bundled import bundled_adapter_path
from agents.models.config import BundledConfig
from cluster.config import ResourcesConfig
from cluster.rewriting.rewrite_parts import Parts, PartsConfig, local_parts
from negotiation.errors import ModelError, TextError
from rewriter.bundled import BUNDLED_ADAPTER
from rewriter.language_model_rewriter import BUNDLED, SETTINGS_FILE
from rewriter.search import SearchConfig, search
from rewriter.vocabulary import RewriteRequest, Rewriting, Shift
from tests.integration.conftest import Outcome

TEXTS = (
    "Everyone should decide freely how to vote. The elders of the town may advise.",
    "Schools should set a dress code, since order helps to learn.\n\nParents may object within 14 days.",
    "Taxes on estates are fair. They pay for clinics and roads.",
)
SMALL = ResourcesConfig(actor_cpus=0.2, start_timeout_s=240.0)
MORE_TRADITION = Shift((*(0.0,) * 7, 0.8, 0.0, 0.0))


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the bundled model that is no rewriter's, with room for its long replies."""
    folder = tmp_path_factory.mktemp("adapter") / "any"
    shutil.copytree(bundled_adapter_path("confucian"), folder)
    roomy = BUNDLED.model_copy(update={"tokens_a_character": 3.0, "more_tokens": 300, "temperature": 0.7})
    (folder / SETTINGS_FILE).write_text(roomy.model_dump_json())
    return folder


@pytest.fixture(scope="module")
def config(adapter: Path) -> PartsConfig:
    return PartsConfig(adapter=str(adapter))


@pytest.fixture(scope="module")
def serial(config: PartsConfig) -> Parts:
    return local_parts(config)


@pytest.fixture(scope="module")
def in_actors(config: PartsConfig, local_ray: None) -> Iterator[Parts]:
    from cluster.rewriting.actors import actor_parts

    with actor_parts(config, None, "test-rewriter", SMALL) as parts:
        yield parts


def test_actors_and_one_process_write_the_same(serial, in_actors):
    here = serial.injection().inject(TEXTS, [MORE_TRADITION])
    there = in_actors.injection().inject(TEXTS, [MORE_TRADITION])
    assert here.outcomes == there.outcomes
    assert len(here.rewritings) == 3
    assert in_actors.rewriter.name == serial.rewriter.name
    assert in_actors.model.name == serial.model.name


def test_the_actors_have_names(in_actors):
    import ray

    names = {one["name"] for one in ray.util.list_named_actors(all_namespaces=True)}
    assert {f"test-rewriter/{part}" for part in ("model", "rewriter", "detector", "judge")} <= names


def test_the_actors_say_what_they_are():
    from cluster.rewriting.actors import DetectorActor, JudgeActor, ModelActor, RewriterActor

    shells = (
        ModelActor("the model", BundledConfig()),
        RewriterActor("the rewriter", "rewriter/model", None, BUNDLED, SMALL),
        DetectorActor("the detector", "bundled", 1),
        JudgeActor("the judge", "bundled", 1),
    )
    assert [repr(shell) for shell in shells] == ["the model", "the rewriter", "the detector", "the judge"]


def test_an_error_in_an_actor_comes_as_raised(in_actors):
    with pytest.raises(TextError, match=r"3[,_]?000"):
        in_actors.rewriter.rewrite([RewriteRequest("A" * 3001, (0.0,) * 10, (0.0,) * 10)])


def test_a_model_that_cannot_be_loaded_is_told(local_ray):
    from cluster.rewriting.actors import actor_parts

    with (
        pytest.raises(ModelError, match=r"no folder \./nowhere"),
        actor_parts(PartsConfig(model="./nowhere"), None, "lost", SMALL),
    ):
        pass  # pragma: no cover


def test_a_search_finds_a_front(serial):
    found = search(serial.injection(), TEXTS[0], SearchConfig(budget=6, first=4, round=2))
    assert len(found.front) + len(found.dominated) + found.failures + found.collapsed == 6


def test_one_text_as_json(concordat: Callable[..., Outcome], adapter: Path):
    outcome = concordat(
        "rewrite",
        "--text",
        TEXTS[0],
        "--toward",
        "more tradition",
        "--adapter",
        adapter,
        "--serial",
        "--json",
    )
    assert outcome.status == 0, outcome.err
    tree = outcome.json
    assert tree["text"] == TEXTS[0]
    assert tree["rewritten"].strip()
    assert tree["target"][7] == pytest.approx(min(1.0, tree["values_before"][7] + 0.5))
    assert set(tree["consistency"]) == {"forward", "backward", "mean"}
    assert tree["asked"] == ["Tradition +0.50: read in 'more tradition' ('tradition' names it)"]


def test_a_file_of_texts(concordat: Callable[..., Outcome], adapter: Path, tmp_path: Path):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"text": text, "target": [0.0] * 10} for text in TEXTS] + [{"text": ""}]
    source.write_text("\n".join(json.dumps(row) for row in rows))
    outcome = concordat(
        "rewrite", "--input", source, "--output", output, "--adapter", adapter, "--serial", "--json"
    )
    assert outcome.status == 1
    assert [bad["line"] for bad in outcome.json["bad"]] == [4]
    assert "line 4" in outcome.err
    written = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["text"] for row in written] == [*TEXTS, ""]
    assert all(len(row["values_after"]) == 10 for row in written[:3])


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--toward", "shorter sentences"), "no value is found"),
        (("--target", "1,2"), "2 numbers"),
        (("--target", ",".join(["2"] * 10)), "Self-Direction is 2.0"),
        (("--culture", "atlantis"), "unknown culture"),
        (("--policy", "none.json"), "none.json"),
        ((), "no aim"),
    ],
)
def test_bad_input_is_told_before_models_load(concordat, arguments, part):
    outcome = concordat("rewrite", "--text", TEXTS[0], "--adapter", "/nowhere/at/all", *arguments)
    assert outcome.status == 2
    assert part in outcome.err


def test_an_adapter_of_another_base_is_refused(concordat, tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["q_proj"],
    }
    (tmp_path / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": "org/other"})
    )
    module = "base_model.model.model.layers.0.self_attn.q_proj"
    tensors = {"lora_A": np.zeros((2, 512), np.float32), "lora_B": np.zeros((512, 2), np.float32)}
    save_file(
        {f"{module}.{name}.weight": one for name, one in tensors.items()},
        tmp_path / "adapter_model.safetensors",
    )
    outcome = concordat(
        "rewrite", "--text", TEXTS[0], "--culture", "confucian", "--adapter", tmp_path, "--serial"
    )
    assert outcome.status == 2
    assert "use the base it was trained on" in outcome.err


@pytest.mark.skipif(not BUNDLED_ADAPTER.is_dir(), reason="no rewriter adapter ships yet")
def test_the_rewriter_that_ships_writes_and_is_measured():
    parts = local_parts(PartsConfig())
    injected = parts.injection().inject(TEXTS, [MORE_TRADITION])
    assert all(isinstance(outcome, Rewriting) for outcome in injected.outcomes)
    assert injected.copies == 0
    assert injected.rewritings[1].text.count("\n\n") == 1  # paragraphs are kept
