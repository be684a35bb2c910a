# ruff: noqa: RUF001 - marks of many scripts are meant as they stand
"""Guards against copies and collapse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rewriter.guards import DEFAULT_GUARDS, REASONS, GuardsConfig, is_collapsed, is_copy, repetition

SOURCE = (
    "Families in the valley share water by an old rule. Each household draws on its own day, and nobody may sell its turn."
    " The elders settle quarrels in the spring, before the fields are sown."
)
REWRITTEN = (
    "In the valley an ancient rule still tells families how water is shared. Every home has a day of its own, and a turn is"
    " never for sale. Quarrels come before the elders in spring, ahead of the sowing."
)


def test_a_real_rewriting_passes_both() -> None:
    assert is_copy(SOURCE, REWRITTEN) is None
    assert is_collapsed(SOURCE, REWRITTEN) is None


@pytest.mark.parametrize(
    "text",
    [
        SOURCE,
        SOURCE.upper().replace(",", ";"),
        SOURCE.replace(" old ", " good "),
    ],
)
def test_near_verbatim_texts_are_copies(text: str) -> None:
    reason = is_copy(SOURCE, text)
    assert reason is not None
    assert reason.startswith("copy: ")


def test_the_share_of_common_runs_by_hand() -> None:
    # Ten words have 12 padded runs of 3; one word changed in the middle changes 3 of them: Dice 9/12.
    source, text = "a b c d e f g h i j", "a b c d X f g h i j"
    assert is_copy(source, text) is None
    assert (
        is_copy(source, text, GuardsConfig(copy_share=0.75))
        == "copy: 75% of its runs of 3 words are the source's"
    )
    assert is_copy(source, text, GuardsConfig(copy_share=0.751)) is None


def test_a_text_that_holds_the_source_and_as_much_again_is_no_copy() -> None:
    assert is_copy(SOURCE, f"{SOURCE} {REWRITTEN}") is None


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("", "stop", "blank"),
        (" \n .!? ", "stop", "blank"),
        ("Families share.", "stop", "short"),
        (SOURCE + REWRITTEN + SOURCE.replace("e", "o") + REWRITTEN.replace("a", "u"), "stop", "long"),
        (REWRITTEN, "length", "cut"),
        (REWRITTEN + " We agree. We agree. We agree. We agree.", "stop", "loop"),
        (REWRITTEN + " ha ha ha ha ha ha ha ha", "stop", "loop"),
        (
            "The old rule is good, and the old rule is wise, and we keep what the old rule is. " * 2,
            "stop",
            "repetition",
        ),
    ],
)
def test_collapse_is_told_by_its_reason(text: str, finish: str, reason: str) -> None:
    found = is_collapsed(SOURCE, text, finish)  # type: ignore[arg-type]
    assert found is not None
    assert found.split(":")[0] == reason
    assert reason in REASONS


def test_what_is_no_collapse() -> None:
    assert is_collapsed(SOURCE, REWRITTEN + " No, no, no, no!") is None, "emphasis is no loop"
    assert is_collapsed("Yes.", "I do agree with what you say here.") is None, "short sources have some slack"
    assert is_collapsed(SOURCE, REWRITTEN, "length", GuardsConfig(cut_collapses=False)) is None
    refrain = (
        "We sing of the sea tonight. We sing of the sea again. We sing of the sea, my love. The waves rise. "
    )
    assert is_collapsed(refrain, refrain.replace("love", "friend")) is None, "as repetitive as its source"


def test_scripts_without_spaces_are_read_by_sign() -> None:
    source = "我们尊重长辈的意见，并保护传统。"
    assert is_copy(source, source) is not None
    assert is_copy(source, "年轻人应当自由选择自己的道路。") is None
    assert is_collapsed(source, "好的好的好的好的好的好的") is not None


def test_repetition_by_hand() -> None:
    assert repetition("one two three four five", 4) == 0.0
    assert repetition("a a a a a", 4) == 0.5  # two runs, one of them new
    assert repetition("a b", 4) == 0.0


@pytest.mark.parametrize(
    "setting", [{"copy_share": 0.0}, {"copy_share": 1.1}, {"shortest": 3.0}, {"loop_times": 1}, {"copies": 1}]
)
def test_settings_are_checked(setting: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        GuardsConfig.model_validate(setting)


WORDS = st.lists(
    st.sampled_from(["we", "honor", "old", "ways", "new", "roads", "law", "rice"]), min_size=1, max_size=30
)


@given(WORDS, WORDS)
def test_copies_are_mutual_and_every_text_copies_itself(left: list[str], right: list[str]) -> None:
    one, other = " ".join(left), " ".join(right)
    assert is_copy(one, one) is not None
    assert is_copy(one, other) == is_copy(other, one)
    assert is_copy(one, other.title()) == is_copy(one, other)


@given(WORDS, st.integers(3, 9))
def test_a_tail_said_over_and_over_is_always_found(words: list[str], times: int) -> None:
    text = f"{' '.join(words)} " + "so be it now then friends say I " * times
    found = is_collapsed(" ".join(words), text, "stop")
    assert found is not None
    assert found.startswith("loop")


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_texts_are_taken(source: str, text: str) -> None:
    reason = is_collapsed(source, text)
    assert reason is None or reason.split(":")[0] in REASONS
    assert 0.0 <= repetition(text, DEFAULT_GUARDS.repeated_words) < 1.0
    is_copy(source, text)
