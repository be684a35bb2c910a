"""Log-probabilities of texts behind dialogues: each dialogue with its text, or several texts behind one dialogue.

Where several texts stand behind the same dialogue, as the options of a survey question do, the dialogue goes through the model
once. Its keys and values are then copied for each of its texts, and only the texts go through the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

LENGTH_STEP = 16
"""Dialogues are padded to a multiple of this: fewer shapes, for which the libraries below keep buffers."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request with its place in the call and its dialogue as tokens; the scored text's too."""

    place: int
    ids: list[int]
    adapter: str | None
    text_ids: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Tokens in all."""
        return len(self.ids) + len(self.text_ids)


class Forward(Protocol):
    """One pass of a model over rows, with the adapter of each."""

    def __call__(
        self, rows: Sequence[Prompt], ids: torch.Tensor, mask: torch.Tensor, kept: int, **more: Any
    ) -> Any:
        """The model's output for ``ids`` (B, L), the last of ``mask`` (B, >= L); logits of at least the last ``kept`` places."""
        ...


def padded(
    rows: Sequence[Sequence[int]], pad: int, *, left: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, L) token ids and mask; padding on the left makes L a multiple of ``LENGTH_STEP``."""
    longest = max(len(row) for row in rows)
    length = -(-longest // LENGTH_STEP) * LENGTH_STEP if left else longest
    ids = torch.full((len(rows), length), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for place, row in enumerate(rows):
        start = length - len(row) if left else 0
        ids[place, start : start + len(row)] = torch.tensor(row, dtype=torch.long)
        mask[place, start : start + len(row)] = 1
    return ids, mask


def by_dialogue(prompts: Sequence[Prompt]) -> tuple[list[Prompt], list[list[Prompt]]]:
    """Prompts whose dialogue, with its adapter, has no other text; and the others, a group a dialogue."""
    groups: dict[tuple[tuple[int, ...], str | None], list[Prompt]] = {}
    for prompt in prompts:
        groups.setdefault((tuple(prompt.ids), prompt.adapter), []).append(prompt)
    alone = [group[0] for group in groups.values() if len(group) == 1]
    return alone, [group for group in groups.values() if len(group) > 1]


def chunks_of_groups(groups: Sequence[Sequence[Prompt]], size: int) -> Iterator[list[list[Prompt]]]:
    """Runs of groups of similar length with at most ``size`` prompts; a larger group is cut."""
    ordered = sorted(groups, key=lambda group: (len(group[0].ids), group[0].place))
    parts = [list(group[start : start + size]) for group in ordered for start in range(0, len(group), size)]
    chunk: list[list[Prompt]] = []
    for part in parts:
        if chunk and sum(map(len, chunk)) + len(part) > size:
            yield chunk
            chunk = []
        chunk.append(part)
    if chunk:
        yield chunk


def score_apart(
    chunk: Sequence[Prompt], forward: Forward, pad: int, device: torch.device
) -> list[list[float]]:
    """Log-probability of each token of each text, teacher-forced, in one pass over dialogues with their texts."""
    ids, mask = (part.to(device) for part in padded([[*p.ids, *p.text_ids] for p in chunk], pad))
    # Texts stand at the right edge; the token before each is predicted from too.
    kept = max(len(prompt.text_ids) for prompt in chunk) + 1
    output = forward(chunk, ids, mask, kept, use_cache=False)
    rows = _chosen(output.logits[:, -kept:-1], ids[:, 1 - kept :])
    return [row[-len(prompt.text_ids) :] for prompt, row in zip(chunk, rows, strict=True)]


def score_together(
    groups: Sequence[Sequence[Prompt]], forward: Forward, pad: int, device: torch.device, cache_name: str
) -> list[list[float]]:
    """The same for groups of texts behind one dialogue each, in a pass over dialogues and one over texts.

    Args:
        groups: of prompts with the same dialogue and adapter.
        forward: of a model whose cache can be copied row by row.
        pad: token for padding.
        device: of the model.
        cache_name: what the model calls its key-value cache, as argument and in its output.

    Returns:
        One list a prompt, in the order of groups and of prompts in them; equal to ``score_apart`` up to rounding.
    """
    dialogues = [group[0] for group in groups]
    ids, mask = (part.to(device) for part in padded([prompt.ids for prompt in dialogues], pad))
    output = forward(dialogues, ids, mask, 1, use_cache=True)
    rows = [prompt for group in groups for prompt in group]
    owner = torch.tensor([place for place, group in enumerate(groups) for _ in group], device=device)
    first = torch.tensor([[prompt.text_ids[0]] for prompt in rows], device=device)
    found = _chosen(output.logits[owner, -1:], first)
    if max(len(prompt.text_ids) for prompt in rows) > 1:
        # The last token of a text predicts nothing that is asked; a text of one token brings a row of padding.
        before, there = padded([prompt.text_ids[:-1] for prompt in rows], pad, left=False)
        after, _ = padded([prompt.text_ids[1:] for prompt in rows], pad, left=False)
        cache = output[cache_name]
        cache.batch_select_indices(owner)
        whole = torch.cat([mask[owner], there.to(device)], dim=1)
        kept = before.shape[1]
        output = forward(rows, before.to(device), whole, kept, use_cache=True, **{cache_name: cache})
        rest = _chosen(output.logits[:, -kept:], after.to(device))
        found = [[*head, *tail] for head, tail in zip(found, rest, strict=True)]
    return [row[: len(prompt.text_ids)] for prompt, row in zip(rows, found, strict=True)]


def _chosen(logits: torch.Tensor, targets: torch.Tensor) -> list[list[float]]:
    """Log-probabilities (B, T) of ``targets`` (B, T) under ``logits`` (B, T, V)."""
    logits = logits.float()
    chosen = logits.gather(2, targets[:, :, None])[:, :, 0]
    rows: list[list[float]] = (chosen - logits.logsumexp(dim=2)).double().tolist()
    return rows
