"""Prompts with their answers as arrays: answers to one prompt share its tokens.

A row is a prompt with one answer or several behind it. Each answer's tokens see the prompt and their own answer only, and
have the positions that they would have alone, so that the model computes of each what it would alone, and the prompt once:

    tokens     p0 p1 p2 a0 a1 b0 b1 b2
    positions   0  1  2  3  4  3  4  5
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LENGTH_STEP = 32
"""Rows are padded to a multiple of this: few shapes, for which the libraries below keep buffers."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt and answers to it.

    Attributes:
        prompt: token ids, at least one.
        answers: token ids of each answer, at least one each.
        places: of the answers, in whatever they were taken from.
    """

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    places: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.prompt or not self.answers or not all(self.answers):
            raise ValueError("a prompt or an answer has no tokens; give at least one each")
        if len(self.places) != len(self.answers):
            raise ValueError(f"{len(self.answers)} answers at {len(self.places)} places; give one each")

    @property
    def length(self) -> int:
        """Tokens of the prompt and all answers."""
        return len(self.prompt) + sum(map(len, self.answers))


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """Rows of one forward pass, padded on the left, so that answers stand at the right edge.

    Attributes:
        tokens: (B, T) int64.
        mask: (B, T) int64, 1 for a token and 0 for padding.
        positions: (B, T) int64.
        seen: (B, T, T) bool, what each token attends to; None if all rows have one answer: what came before is seen then.
        kept: number of last positions whose logits are needed.
        sources: (N,) int64, where among the B * kept logits, row by row, each answer token is predicted from.
        targets: (N,) int64, the answer tokens: rows in order, their answers in order.
        places: of all answers in that order.
        lengths: tokens of each, with sum N.
    """

    tokens: NDArray[np.int64]
    mask: NDArray[np.int64]
    positions: NDArray[np.int64]
    seen: NDArray[np.bool_] | None
    kept: int
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    places: tuple[int, ...]
    lengths: tuple[int, ...]


def passes(
    prompts: Sequence[tuple[int, ...]], answers: Sequence[tuple[int, ...]], most: int, *, share: bool
) -> list[Pass]:
    """Answers and their prompts as forward passes: the answers to one prompt together, rows of like length together.

    Args:
        prompts: (N,) of each answer.
        answers: (N,) tokens.
        most: tokens in a pass, padding included; a longer row goes alone.
        share: answers to one prompt share a row, as far as ``most`` allows; else each has its own.

    Returns:
        Passes whose ``places`` are those of ``answers``.
    """
    rows = sorted(_rows(prompts, answers, most, share=share), key=lambda row: (row.length, row.places))
    parts: list[list[Answered]] = []
    for row in rows:
        if parts and (len(parts[-1]) + 1) * _padded(row.length) <= most:
            parts[-1].append(row)
        else:
            parts.append([row])
    return [collate(part) for part in parts]


def one_pass(prompts: Sequence[tuple[int, ...]], answers: Sequence[tuple[int, ...]], *, share: bool) -> Pass:
    """Answers and their prompts as one forward pass, as in ``passes``."""
    return collate(_rows(prompts, answers, None, share=share))


def _rows(
    prompts: Sequence[tuple[int, ...]], answers: Sequence[tuple[int, ...]], most: int | None, *, share: bool
) -> list[Answered]:
    if not share:
        return [
            Answered(prompt, (answer,), (place,))
            for place, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
        ]
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, prompt in enumerate(prompts):
        groups.setdefault(prompt, []).append(place)
    rows = []
    for prompt, places in groups.items():
        start, length = 0, len(prompt)
        for end, place in enumerate(places):
            if most is not None and end > start and length + len(answers[place]) > most:
                rows.append((prompt, places[start:end]))
                start, length = end, len(prompt)
            length += len(answers[place])
        rows.append((prompt, places[start:]))
    return [
        Answered(prompt, tuple(answers[place] for place in chosen), tuple(chosen)) for prompt, chosen in rows
    ]


def collate(rows: Sequence[Answered]) -> Pass:
    """Rows as one pass."""
    length = _padded(max(row.length for row in rows))
    # The first token of each answer is predicted from the prompt's last.
    kept = max(row.length - len(row.prompt) for row in rows) + 1
    tokens = np.zeros((len(rows), length), dtype=np.int64)
    mask = np.zeros_like(tokens)
    positions = np.zeros_like(tokens)
    several = any(len(row.answers) > 1 for row in rows)
    seen = np.zeros((len(rows), length, length), dtype=np.bool_) if several else None
    sources: list[NDArray[np.int64]] = []
    for number, row in enumerate(rows):
        start = length - row.length
        mask[number, start:] = 1
        begin = start + len(row.prompt)
        tokens[number, start:begin] = row.prompt
        positions[number, start:begin] = np.arange(len(row.prompt))
        if seen is not None:
            _see(seen[number], start, row)
        first = number * kept + begin - 1 - (length - kept)
        edge = begin
        for answer in row.answers:
            end = edge + len(answer)
            tokens[number, edge:end] = answer
            positions[number, edge:end] = len(row.prompt) + np.arange(len(answer))
            behind = number * kept + edge - (length - kept) + np.arange(len(answer) - 1)
            sources.append(np.concatenate([[first], behind]))
            edge = end
    return Pass(
        tokens,
        mask,
        positions,
        seen,
        kept,
        np.concatenate(sources).astype(np.int64),
        np.array([token for row in rows for answer in row.answers for token in answer], dtype=np.int64),
        tuple(place for row in rows for place in row.places),
        tuple(len(answer) for row in rows for answer in row.answers),
    )


def _see(seen: NDArray[np.bool_], start: int, row: Answered) -> None:
    """Fill (T, T): the prompt and the answers as lower triangles, and the prompt seen by all."""
    np.fill_diagonal(seen[:start, :start], val=True)  # padding sees itself: nothing to see makes NaN
    begin = start + len(row.prompt)
    seen[begin:, start:begin] = True
    edges = np.cumsum([begin, *map(len, row.answers)])
    for left, right in zip([start, *edges[:-1]], edges, strict=True):
        size = right - left
        seen[left:right, left:right] = np.tri(size, dtype=np.bool_)


def _padded(length: int) -> int:
    return -(-length // LENGTH_STEP) * LENGTH_STEP
