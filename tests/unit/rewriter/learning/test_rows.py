"""Answers behind a shared prompt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewriter.learning.rows import LENGTH_STEP, Answered, collate, passes

ANSWERS = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.integers(1, 99), min_size=1, max_size=6)),
    min_size=1,
    max_size=12,
)


def prompt_of(number: int) -> tuple[int, ...]:
    return (100 + number, *range(101, 103 + number))


def test_a_row_by_hand() -> None:
    found = collate([Answered((1, 2, 3), ((4, 5), (6,)), (0, 1))])
    start = LENGTH_STEP - 6
    assert found.tokens[0, start:].tolist() == [1, 2, 3, 4, 5, 6]
    assert found.positions[0, start:].tolist() == [0, 1, 2, 3, 4, 3]
    assert found.seen is not None
    assert found.seen[0, start:, start:].astype(int).tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 0, 0, 1],
    ]
    assert not found.seen[0, start:, :start].any()
    assert found.seen[0].any(axis=1).all()  # a token that sees nothing makes NaN
    assert found.kept == 4
    # Of the last four positions, 3 4 5 6: 4 is predicted behind 3, 5 behind 4, 6 behind 3.
    assert found.sources.tolist() == [0, 1, 0]
    assert found.targets.tolist() == [4, 5, 6]
    assert found.lengths == (2, 1)


@given(ANSWERS, st.integers(1, 200), st.booleans())
def test_every_answer_is_somewhere_once_and_predicted_from_what_is_before_it(
    rows: list[tuple[int, list[int]]], most: int, share: bool
) -> None:
    prompts = [prompt_of(number) for number, _ in rows]
    answers = [tuple(answer) for _, answer in rows]
    found = passes(prompts, answers, most, share=share)
    assert sorted(place for part in found for place in part.places) == list(range(len(rows)))
    for part in found:
        kept = part.tokens[:, -part.kept :].reshape(-1)
        behind = np.split(kept[part.sources], np.cumsum(part.lengths)[:-1])
        targets = np.split(part.targets, np.cumsum(part.lengths)[:-1])
        for place, before, own in zip(part.places, behind, targets, strict=True):
            assert tuple(own) == answers[place]
            assert tuple(before) == (prompts[place][-1], *answers[place][:-1])


@given(ANSWERS, st.integers(1, 200), st.booleans())
def test_a_pass_is_within_its_bound_unless_a_row_is_alone(
    rows: list[tuple[int, list[int]]], most: int, share: bool
) -> None:
    found = passes([prompt_of(n) for n, _ in rows], [tuple(answer) for _, answer in rows], most, share=share)
    assert all(part.tokens.size <= most or len(part.tokens) == 1 for part in found)
    assert all(part.tokens.shape[1] % LENGTH_STEP == 0 for part in found)


def test_without_sharing_each_answer_has_a_row() -> None:
    found = passes([(1, 2)] * 3, [(3,), (4,), (5,)], 1000, share=False)
    assert found[0].tokens.shape[0] == 3
    assert found[0].seen is None


@pytest.mark.parametrize(("prompt", "answers"), [((), ((1,),)), ((1,), ()), ((1,), ((),))])
def test_nothing_to_predict_is_refused(prompt: tuple[int, ...], answers: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="no tokens"):
        Answered(prompt, answers, tuple(range(len(answers))))
