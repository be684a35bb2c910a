"""The model that ships: whole, small enough, trained on the present prompts, and as good as its card must say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from agents.bundle.corpus import TASKS, prompt_fingerprint
from agents.bundled import BUNDLED_ROOT, bundled_adapters
from agents.cultures import load_cultures
from agents.models.config import BundledConfig, load_model
from agents.models.loading import weights_fingerprint
from agents.models.protocol import GenerationRequest
from agents.parsing import parse_guideline
from agents.prompts import PromptSet
from agents.topics import EXAMPLE_TOPICS, load_topics
from negotiation.errors import MalformedReplyError

MOST_BYTES = 40_000_000


@pytest.fixture(scope="module")
def figures() -> dict:  # type: ignore[type-arg]  # as read
    return json.loads((BUNDLED_ROOT / "figures.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in BUNDLED_ROOT.rglob("*") if path.is_file()) <= MOST_BYTES


def test_it_was_trained_on_the_present_prompts(figures: dict) -> None:  # type: ignore[type-arg]
    assert figures["prompts"] == prompt_fingerprint(), (
        "train the bundle again: concordat train bundle --data DIR"
    )


def test_every_region_has_an_adapter_for_this_base() -> None:
    assert set(bundled_adapters()) == {culture.id for culture in load_cultures()}
    fingerprint = weights_fingerprint(BUNDLED_ROOT)
    for culture in bundled_adapters():
        kept = (BUNDLED_ROOT / "adapters" / culture / "base_fingerprint.txt").read_text(encoding="utf-8")
        assert kept.strip() == fingerprint


def test_its_figures_reach_the_marks(figures: dict) -> None:  # type: ignore[type-arg]
    loss = figures["loss"]
    assert set(loss) == {"all", *TASKS}
    assert loss["all"]["nats_per_token"] <= 1.6
    assert loss["all"]["bits_per_character"] <= 0.42
    guidelines = figures["guidelines"]
    assert guidelines["well_formed"] >= 0.99
    assert guidelines["on_topic"] >= 0.76
    assert guidelines["copied"] <= 0.10
    assert len(figures["adapters"]) == 8
    for row in figures["adapters"].values():
        assert row["own"] < row["others"]


def test_the_card_says_its_figures(figures: dict) -> None:  # type: ignore[type-arg]
    card = (BUNDLED_ROOT / "README.md").read_text(encoding="utf-8")
    for task, row in figures["loss"].items():
        assert f"| {task} | {row['nats_per_token']:.3f} | {row['bits_per_character']:.3f} |" in card


def test_it_writes_guidelines() -> None:
    model = load_model(BundledConfig())
    prompts, rng = PromptSet.load(), np.random.default_rng(0)
    cultures = load_cultures()
    requests = [
        GenerationRequest(
            prompts.first_guideline(culture, topic.text, "We hold that both sides have a point."),
            384,
            0.8,
            1.0,
            int(rng.integers(2**31)),
            culture.id,
        )
        for culture, topic in zip(cultures * 2, load_topics(EXAMPLE_TOPICS), strict=False)
    ]
    formed, texts = 0, set()
    for reply in model.generate(requests):
        texts.add(reply.text)
        try:
            parse_guideline(reply.text, "initial")
        except MalformedReplyError:
            continue
        formed += 1
    assert len(requests) == len(texts) == 16
    assert formed >= 14
