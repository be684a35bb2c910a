"""A text cut into passages that are rewritten one by one, and put together again in order, its paragraphs kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from negotiation.errors import TextError
from rewriter.sentences import split_sentences

_PARAGRAPH = re.compile(r"(\s*\n\s*)")


@dataclass(frozen=True, slots=True)
class Passages:
    """A text in parts.

    Attributes:
        parts: none blank; each is rewritten for itself.
        gaps: (len(parts) + 1,) what stood before, between and after them, white space alone.
    """

    parts: tuple[str, ...]
    gaps: tuple[str, ...]

    def join(self, rewritten: Sequence[str]) -> str:
        """The rewritten parts in the places of the parts."""
        pieces = [self.gaps[0]]
        for part, gap in zip(rewritten, self.gaps[1:], strict=True):
            pieces += [part, gap]
        return "".join(pieces).strip()


def cut_passages(text: str, characters: int, sentences: int | None, most: int) -> Passages:
    r"""Cut a text at the borders of paragraphs, and paragraphs that are too long at those of sentences.

    Without a bound on sentences neighbouring paragraphs stay together while they fit. A single sentence is never cut.

    Args:
        text: not blank.
        characters: that a passage should not exceed; a single longer sentence is a passage of its own.
        sentences: most of a passage, which then never spans paragraphs; None: as many as fit.
        most: characters that no passage may exceed.

    Raises:
        TextError: if a sentence is longer than ``most`` characters.

    >>> cut_passages("One. Two. Three.\n\nFour.", 100, 2, 100).parts
    ('One. Two.', 'Three.', 'Four.')
    >>> cut_passages("One. Two. Three.\n\nFour.", 100, None, 100).parts
    ('One. Two. Three.\n\nFour.',)
    """
    pieces = _PARAGRAPH.split(text.strip())
    parts: list[str] = []
    gaps = [""]
    for paragraph, gap in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        fitting = sentences is None and bool(parts) and len(parts[-1] + gaps[-1] + paragraph) <= characters
        if fitting:
            parts[-1] += gaps[-1] + paragraph
            gaps[-1] = gap
            continue
        runs = _runs(paragraph, characters, sentences)
        parts += runs
        gaps += [*[" "] * (len(runs) - 1), gap]
    for part in parts:
        if len(part) > most:
            raise TextError(
                f"the sentence that begins {part[:60]!r} has {len(part)} characters, more than the {most} that the rewriter"
                " takes; shorten it, or use a model with a longer context"
            )
    return Passages(tuple(parts), tuple(gaps))


def _runs(paragraph: str, characters: int, sentences: int | None) -> list[str]:
    """Runs of whole sentences, as long as the bounds allow."""
    if sentences is None and len(paragraph) <= characters:
        return [paragraph]
    runs: list[list[str]] = [[]]
    for sentence in split_sentences(paragraph):
        full = sentences is not None and len(runs[-1]) == sentences
        if runs[-1] and (full or len(" ".join([*runs[-1], sentence])) > characters):
            runs.append([])
        runs[-1].append(sentence)
    return [" ".join(run) for run in runs]
