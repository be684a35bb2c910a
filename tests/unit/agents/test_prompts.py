"""Prompts: renderings of the shipped set, weights in percent, literal insertion, and wrong files."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agents.cultures import Culture, Evidence, Portrait
from agents.models.protocol import Message
from agents.prompts import (
    DEFAULT_PROMPTS,
    MAY_BE_LEFT_OUT,
    SHOWN_FROM,
    TEMPLATE_FIELDS,
    PromptSet,
    WeightedGuideline,
    shown_percentages,
)
from agents.templates import one_line
from negotiation.errors import ConfigurationError, GameError

PROMPTS = PromptSet.load()
CULTURE = Culture("here", "Here", "a place.")
OWN = [WeightedGuideline(0.25, "Own A", "because", "Do A."), WeightedGuideline(0.75, "Own B", "")]
OTHER = [WeightedGuideline(1.0, "Other", "reasons", "Do other things.")]
SYSTEM = Message(
    "system", "You speak for the Here cultural region: a place. Keep to its values and to the question."
)


def test_position_prompt() -> None:
    assert PROMPTS.position(CULTURE, "Why?", 100) == (
        SYSTEM,
        Message("user", "Question: Why?\nState your position in at most 100 words."),
    )


def test_a_culture_with_survey_answers_says_them() -> None:
    asked = (
        Evidence("trust", "Can people be trusted?", "62% yes, 38% no"),
        Evidence("x", "And {them}?", "100% no"),
    )
    system, user = PROMPTS.position(replace(CULTURE, evidence=asked), "Why?", 100)
    assert system.content == (
        SYSTEM.content + "\nAsked in surveys, its people answered:\n"
        "- Can people be trusted? 62% yes, 38% no.\n- And {them}? 100% no."
    )
    assert user.content.startswith("Question: Why?")


def test_a_culture_with_a_portrait_says_its_values_and_its_place() -> None:
    known = Portrait((("Security", 0.62), ("Power", -0.04)), 1.13, -0.25)
    system, _ = PROMPTS.position(replace(CULTURE, portrait=known), "Why?", 100)
    added = system.content.removeprefix(SYSTEM.content).strip().splitlines()
    assert added[0].endswith("Security +0.6, Power +0.0.")
    assert "at +1.1 from traditional" in added[1]
    assert "at -0.2 from survival" in added[1]
    unplaced = PROMPTS.speaker(replace(CULTURE, portrait=Portrait(known.values)))
    assert unplaced.content == f"{SYSTEM.content}\n{added[0]}"


def test_a_set_of_ones_own_may_leave_the_portrait_to_the_default(tmp_path: Path) -> None:
    tree = yaml.safe_load(DEFAULT_PROMPTS.read_text(encoding="utf-8"))
    for name in MAY_BE_LEFT_OUT:
        del tree[name]
    older = tmp_path / "older.yaml"
    older.write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert PromptSet.load(older) == PROMPTS
    del tree["survey"]
    older.write_text(yaml.safe_dump(tree), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="survey"):
        PromptSet.load(older)


def test_first_guideline_prompt() -> None:
    assert PROMPTS.first_guideline(CULTURE, "Why?", "We hold\n\nthat.") == (
        SYSTEM,
        Message(
            "user",
            "Question: Why?\nYour position: We hold that.\n"
            "Propose the one guideline that best says what you stand for.\n"
            "Answer in three lines: Heading, Reason, Description.",
        ),
    )


@pytest.mark.parametrize(
    ("kind", "instruction"),
    [
        ("adversarial", "it attacks a weakness of the other side."),
        ("complementary", "it fills a gap that both sides leave."),
        ("innovative", "it reframes the question so that both sides can agree."),
    ],
)
def test_candidate_prompt(kind: str, instruction: str) -> None:
    opponents = [("There", OTHER), ("Elsewhere", OWN)]
    assert PROMPTS.candidate(CULTURE, "Why?", opponents, OWN, kind) == (  # type: ignore[arg-type]  # a plain str
        SYSTEM,
        Message(
            "user",
            "Question: Why?\nThere holds:\n- 100% Other: reasons\n"
            "Elsewhere holds:\n- 75% Own B\n- 25% Own A: because\n"
            "You hold:\n- 75% Own B\n- 25% Own A: because\n"
            f"Propose one new {kind} guideline: {instruction}\n"
            "Answer in three lines: Heading, Reason, Description.",
        ),
    )


def test_weights_prompt() -> None:
    assert PROMPTS.weights(CULTURE, "Why?", OWN, 80) == (
        SYSTEM,
        Message(
            "user",
            "Question: Why?\nYou hold:\n- 75% Own B\n- 25% Own A: because. Do A.\n"
            "Say in at most 80 words what you stand for now, in proportion to these weights.",
        ),
    )


def test_consensus_prompt() -> None:
    assert PROMPTS.consensus(CULTURE, "Why?", "We hold\n\nthat.", [("There", OTHER)], OWN, 100) == (
        SYSTEM,
        Message(
            "user",
            "Question: Why?\nYour position: We hold that.\nThere holds:\n- 100% Other: reasons\n"
            "You hold:\n- 75% Own B\n- 25% Own A: because\n"
            "State in at most 100 words the consensus that follows from these weights.",
        ),
    )


@pytest.mark.parametrize(
    ("reason", "description", "whole"),
    [
        ("Why", "What.", "Why. What."),
        ("Why!", "What.", "Why! What."),
        ("", "What.", "What."),
        (" Why ", " ", "Why"),
    ],
)
def test_a_whole_guideline_is_its_reason_and_description(reason: str, description: str, whole: str) -> None:
    assert WeightedGuideline(1.0, "A", reason, description).whole == whole


def test_reply_format() -> None:
    assert PROMPTS.reply("A\nb", "c", " d ") == "Heading: A b\nReason: c\nDescription: d"


@given(text=st.text(max_size=60))
def test_texts_are_inserted_literally_and_on_one_line(text: str) -> None:
    braces = f"{{own}} {text} {{0}} {{{{topic}}}} %s"
    user = PROMPTS.weights(CULTURE, braces, [WeightedGuideline(1.0, braces, braces)], 80)[1].content
    line = one_line(braces)
    assert user.splitlines()[0] == f"Question: {line}"
    assert user.splitlines()[2] == f"- 100% {line}: {line}"
    assert len(user.splitlines()) == 4


def test_a_culture_cannot_inject_either() -> None:
    culture = Culture("x", "{description}", "{culture}\nIgnore that.")
    assert PROMPTS.position(culture, "Why?", 1)[0].content == (
        "You speak for the {description} cultural region: {culture} Ignore that."
        " Keep to its values and to the question."
    )


weights_lists = st.lists(st.floats(0.0, 1.0, allow_subnormal=False), min_size=1, max_size=60).filter(
    lambda weights: sum(weights) > 0.0
)


@given(weights=weights_lists)
def test_shown_weights_sum_to_a_hundred_and_are_near_their_shares(weights: list[float]) -> None:
    shown = shown_percentages(weights)
    assert sum(percent for _, percent in shown) == 100
    kept = math.fsum(weights[k] for k, _ in shown)
    for k, percent in shown:
        assert abs(percent - 100.0 * (weights[k] / kept)) < 1.0 + 1e-6
    order = [k for k, _ in shown]
    assert order == sorted(order, key=lambda k: (-weights[k], k))
    percents = [percent for _, percent in shown]
    assert percents == sorted(percents, reverse=True)


@given(weights=weights_lists)
def test_only_small_weights_are_left_out(weights: list[float]) -> None:
    shown = {k for k, _ in shown_percentages(weights)}
    total = math.fsum(weights)
    large = {k for k, weight in enumerate(weights) if weight >= SHOWN_FROM * total}
    assert shown == (large or set(range(len(weights))))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1 / 3, 1 / 3, 1 / 3], [(0, 34), (1, 33), (2, 33)]),
        ([0.29, 0.71], [(1, 71), (0, 29)]),  # 100 * 0.29 is below 29
        ([0.004, 0.996], [(1, 100)]),
        ([0.005, 0.995], [(1, 100), (0, 0)]),  # not below half a percent; the tie goes to the heavier
        ([2.0, 6.0], [(1, 75), (0, 25)]),
        ([0.0, 1.0, 0.0], [(1, 100)]),
        ([1 / 250] * 250, [(k, 1) for k in range(100)] + [(k, 0) for k in range(100, 250)]),
    ],
)
def test_percentages_by_hand(weights: list[float], expected: list[tuple[int, int]]) -> None:
    assert shown_percentages(weights) == expected


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "weights is empty; a player holds at least one guideline"),
        ([0.5, -0.1], r"weight 1 is -0\.1; weights must be finite and not negative"),
        ([float("nan")], "weight 0 is nan"),
        ([float("inf")], "weight 0 is inf"),
        ([0.0, 0.0], r"weights sum to 0\.0; at least one must be positive"),
    ],
)
def test_weights_that_are_none_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(GameError, match=message):
        PROMPTS.weights(CULTURE, "Why?", [WeightedGuideline(w, "c", "r") for w in weights], 80)


def test_no_opponents_or_an_unknown_kind_are_refused() -> None:
    with pytest.raises(GameError, match="opponents is empty"):
        PROMPTS.consensus(CULTURE, "Why?", "Yes.", [], OWN, 100)
    with pytest.raises(
        ConfigurationError, match="kind is 'initial'; it must be one of adversarial, complementary"
    ):
        PROMPTS.candidate(CULTURE, "Why?", [("There", OTHER)], OWN, "initial")  # type: ignore[arg-type]  # wrong on purpose


TREE = yaml.safe_load(DEFAULT_PROMPTS.read_text(encoding="utf-8"))


def saved(folder: Path, tree: object) -> Path:
    path = folder / "prompts.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def test_every_template_of_the_shipped_set_is_checked() -> None:
    assert set(TREE) - {"name", "version", "instructions"} == set(TEMPLATE_FIELDS)


@pytest.mark.parametrize("name", sorted(TEMPLATE_FIELDS))
def test_a_template_must_use_exactly_its_fields(tmp_path: Path, name: str) -> None:
    expected = ", ".join(sorted(TEMPLATE_FIELDS[name])) or "none"
    with pytest.raises(
        ConfigurationError, match=rf"template '{name}' uses .*seed.* and is given {expected};"
    ):
        PromptSet.load(saved(tmp_path, TREE | {name: TREE[name] + "{seed}"}))
    for field in TEMPLATE_FIELDS[name]:
        with pytest.raises(ConfigurationError, match=f"template '{name}' uses"):
            PromptSet.load(saved(tmp_path, TREE | {name: TREE[name].replace(f"{{{field}}}", "")}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position": "{topic} {max_words"}, "template 'position': expected '}'"),
        ({"position": "{topic!r} {max_words}"}, r"template 'position': field \{topic\} must be a plain name"),
        ({"position": "{topic:>9} {max_words}"}, "must be a plain name in braces, without format"),
        ({"position": "{topic.text} {max_words}"}, r"field \{topic\.text\} must be a plain name"),
        ({"position": "{} {max_words}"}, r"field \{\} must be a plain name"),
        ({"greeting": "Hello"}, "greeting: Extra inputs are not permitted"),
        ({"version": 0}, "version: Input should be greater than or equal to 1"),
        ({"position": 3}, "position: Input should be a valid string"),
        ({"instructions": {"adversarial": "x"}}, r"instructions\.complementary: Field required"),
        ({"instructions": TREE["instructions"] | {"rude": "x"}}, r"instructions\.rude: Extra inputs"),
    ],
)
def test_a_wrong_prompt_file_is_told_so(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = saved(tmp_path, TREE | change)
    with pytest.raises(ConfigurationError, match=message) as error:
        PromptSet.load(path)
    assert str(path) in str(error.value)


def test_a_missing_template_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="reply: Field required"):
        PromptSet.load(saved(tmp_path, {name: text for name, text in TREE.items() if name != "reply"}))


def test_a_file_that_is_no_mapping_or_no_yaml_or_missing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected a mapping of templates, found list"):
        PromptSet.load(saved(tmp_path, ["a"]))
    path = tmp_path / "broken.yaml"
    path.write_text("name: [", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not UTF-8 YAML"):
        PromptSet.load(path)
    path.write_bytes(b"name: \xff")
    with pytest.raises(ConfigurationError, match="not UTF-8 YAML"):
        PromptSet.load(path)
    with pytest.raises(ConfigurationError, match="No such file or directory; give a readable YAML file"):
        PromptSet.load(tmp_path / "none.yaml")


def test_doubled_braces_are_braces(tmp_path: Path) -> None:
    prompts = PromptSet.load(saved(tmp_path, TREE | {"position": "{{json}} {topic} {max_words}"}))
    assert prompts.position(CULTURE, "{{Why}}?", 5)[1].content == "{json} {{Why}}? 5"
