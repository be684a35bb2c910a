"""Rewards of completions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rewriter.learning.config import RewardConfig
from rewriter.learning.reward import RewriteJudge, closeness
from rewriter.vocabulary import Consistency, RewriteRequest, ValueReading, check_text
from tests.unit.rewriter.learning.examples import completion

TARGET = (1.0, 0.5, *(0.0,) * 8)
ASKED = RewriteRequest("Trust grows slowly.", (0.0,) * 10, TARGET)


class Reader:
    """Reads a text's length in words as its first value, in tenths."""

    name = "reader"
    calls = 0

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        self.calls += 1
        for text in texts:
            check_text(text, "text")
        return [ValueReading((len(text.split()) / 10, *(0.0,) * 9), 1.0) for text in texts]


class Comparer:
    """Supports each source by 0.2, is supported by 0.6."""

    name = "comparer"

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Consistency]:
        for _, text in pairs:
            check_text(text, "text")
        return [Consistency(0.2, 0.6) for _ in pairs]


def guards(source: str, text: str) -> tuple[bool, bool]:
    return source == text, not text or len(text.split()) > 5


def judge(**settings: object) -> RewriteJudge:
    return RewriteJudge(Reader(), Comparer(), RewardConfig(**settings), guards)  # type: ignore[arg-type]


def test_parts_by_hand() -> None:
    (reward,) = judge().judge([completion(text="Trust grows", asked=ASKED)])
    # cos((0.2, 0, ...), (1, 0.5, 0, ...)) = 1 / sqrt(1.25)
    assert reward.parts == pytest.approx({"value": 1.25**-0.5, "consistency": 0.4})
    assert not (reward.copied)
    assert not (reward.collapsed)


@pytest.mark.parametrize(("enough", "counted"), [(1.0, 0.4), (0.4, 0.4), (0.3, 0.3)])
def test_consistency_counts_up_to_what_is_enough(enough: float, counted: float) -> None:
    (reward,) = judge(consistency_enough=enough).judge([completion(text="Trust grows", asked=ASKED)])
    assert reward.parts["consistency"] == pytest.approx(counted)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("cosine", 1.25**-0.5),
        ("distance", 1 - np.sqrt(0.8**2 + 0.5**2) / 2),
        ("centred_cosine", (0.2 - 0.03) / np.sqrt((0.04 - 0.004) * (1.25 - 0.225))),
    ],
)
def test_kinds_of_closeness_by_hand(kind: str, expected: float) -> None:
    values = np.array([0.2, *(0.0,) * 9])
    assert closeness(values, np.array(TARGET), kind) == pytest.approx(expected)  # type: ignore[arg-type]


def test_a_vector_without_direction_has_cosine_zero() -> None:
    assert closeness(np.zeros(10), np.array(TARGET), "cosine") == 0.0
    assert closeness(np.full(10, 0.3), np.array(TARGET), "centred_cosine") == 0.0


def test_distance_sees_what_the_cosine_does_not() -> None:
    short, whole = 0.1 * np.array(TARGET), np.array(TARGET)
    assert closeness(short, whole, "cosine") == pytest.approx(closeness(whole, whole, "cosine"))
    assert closeness(short, whole, "distance") < closeness(whole, whole, "distance") == 1.0


def test_what_is_refused_gets_the_least_there_is_and_is_told() -> None:
    texts = ["Trust grows", "", "word " * 9, "Trust grows slowly."]
    rows = [completion(text=text.strip(), asked=ASKED) for text in texts]
    rows.append(completion(text="Trust", finish="length", asked=ASKED))
    floor = {"value": -1.0, "consistency": 0.0}
    found = judge().judge(rows)
    assert [one.parts == floor for one in found] == [False, True, True, False, True]
    assert [one.collapsed for one in found] == [False, True, True, False, False]
    assert [one.copied for one in found] == [False, False, False, True, False]
    assert judge(copy_floor=True).judge(rows)[3].parts == floor
    lenient = judge(collapse_floor=False, cut_floor=False).judge(rows)
    assert [one.parts == floor for one in lenient] == [
        False,
        True,
        False,
        False,
        False,
    ]  # a blank has no values


def test_the_detector_is_called_once() -> None:
    reader = Reader()
    RewriteJudge(reader, Comparer(), guards=guards).judge([completion(asked=ASKED)] * 5)
    assert reader.calls == 1


def test_parts_without_any_weight_are_refused() -> None:
    with pytest.raises(ValueError, match="both 0"):
        RewardConfig(value_weight=0, consistency_weight=0)
