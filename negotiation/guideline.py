"""Guidelines and the pools that players hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import EmbeddingError, GameError

KINDS = ("initial", "adversarial", "complementary", "innovative")
"""How a guideline came to be: a player's first one, or one of the three kinds of candidate (NCN section 3.3)."""

UNIT_WITHIN = 1.1e-5
"""By how much the length of an embedding may differ from 1."""


@dataclass(frozen=True, slots=True)
class Guideline:
    """What a culture proposes on a topic.

    Attributes:
        id: unique within a negotiation, e.g. ``"p0-r2-adversarial"``. Guidelines are compared by id, never by text.
        player: index of the player who proposed it, from 0.
        round: 0 for first guidelines, else the round it was proposed in.
        kind: one of ``KINDS``.
        content: the heading, a few words.
        reason: why the culture proposes it.
        description: what it asks for.
    """

    id: str
    player: int
    round: int
    kind: str
    content: str
    reason: str
    description: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise GameError(
                f"guideline {self.id!r}: kind is {self.kind!r}; it must be one of {', '.join(KINDS)}"
            )
        if not self.content.strip():
            raise GameError(f"guideline {self.id!r}: content is empty; a guideline needs a heading")

    @property
    def text(self) -> str:
        """The whole guideline as one text; this is what E embeds."""
        return f"{self.content}. {self.reason} {self.description}".strip()


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The guidelines that one player holds, with their embeddings.

    Attributes:
        player: index of the player, from 0.
        guidelines: (K,) in the order they were added; the first is the player's own first guideline.
        embeddings: (K, D) float64 with rows of unit length, read-only.

    Raises:
        GameError: if the pool is empty or an id occurs twice.
        EmbeddingError: if the embeddings are not (K, D), not finite, or have a row that is not of unit length.
    """

    player: int
    guidelines: tuple[Guideline, ...]
    embeddings: NDArray[np.float64]

    def __post_init__(self) -> None:
        ids = [guideline.id for guideline in self.guidelines]
        if not ids:
            raise GameError(f"player {self.player}: the pool is empty; a player needs at least one guideline")
        if len(set(ids)) != len(ids):
            raise GameError(f"player {self.player}: guideline ids occur twice in {ids}; ids must be unique")
        vectors = np.array(self.embeddings, dtype=np.float64)
        if vectors.ndim != 2 or len(vectors) != len(ids):
            raise EmbeddingError(
                f"player {self.player}: embeddings have shape {vectors.shape}; expected ({len(ids)}, D)"
            )
        if not np.isfinite(vectors).all():
            bad = [ids[k] for k in np.flatnonzero(~np.isfinite(vectors).all(axis=1))]
            raise EmbeddingError(f"player {self.player}: the embedding of {', '.join(bad)} is not finite")
        norms = np.linalg.norm(vectors, axis=1)
        if float(np.abs(norms - 1.0).max()) > UNIT_WITHIN:
            raise EmbeddingError(
                f"player {self.player}: embeddings must have unit length; found lengths {norms}"
            )
        vectors.setflags(write=False)
        object.__setattr__(self, "embeddings", vectors)

    def __len__(self) -> int:
        return len(self.guidelines)

    def with_guideline(self, guideline: Guideline, embedding: NDArray[np.float64]) -> Pool:
        """A new pool with one guideline more; ``embedding`` is (D,) of unit length."""
        return replace(
            self,
            guidelines=(*self.guidelines, guideline),
            embeddings=np.vstack([self.embeddings, np.asarray(embedding, dtype=np.float64)]),
        )


def unit_rows(vectors: NDArray[np.floating], what: str) -> NDArray[np.float64]:
    """Scale the rows of (K, D) to unit length.

    Raises:
        EmbeddingError: naming ``what`` and the row if one is not finite or is zero.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2:
        raise EmbeddingError(f"{what}: embeddings have shape {rows.shape}; expected (K, D)")
    norms = np.linalg.norm(rows, axis=1)
    bad = np.flatnonzero(~np.isfinite(norms) | (norms < 1e-12))
    if bad.size:
        raise EmbeddingError(
            f"{what}: the embedder returned a vector of length {norms[bad[0]]} for text {bad[0]} of {len(rows)};"
            " use another embedder or look at that text"
        )
    unit: NDArray[np.float64] = rows / norms[:, None]
    return unit
