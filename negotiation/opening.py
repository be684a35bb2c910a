"""How a table opens, and what all ways of negotiating share: asking together, statements and their vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import EmbeddingError, OracleError
from negotiation.guideline import unit_rows
from negotiation.oracle import Embedder, Opening, Oracle, call_seed
from negotiation.topic import Topic

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Openings:
    """The first statements and guidelines of a table: asked once, the same for every way of negotiating.

    Attributes:
        sides: (N,) in player order.
        seconds: of wall clock that asking took, >= 0.
    """

    sides: tuple[Opening, ...]
    seconds: float

    @property
    def statements(self) -> tuple[str, ...]:
        """(N,) the positions, in player order."""
        return tuple(side.statement for side in self.sides)


async def open_table(topic: Topic, players: Sequence[str], oracles: Sequence[Oracle], seed: int) -> Openings:
    """Ask every player for its position and first guideline.

    Args:
        topic: the question.
        players: (N,) names.
        oracles: (N,) one a player, in player order.
        seed: of the run.

    Raises:
        OracleError: if a statement is blank, or a guideline is of another kind than ``"initial"``.
    """
    began = perf_counter()
    names = tuple(players)
    sides = await together(
        oracle.open(topic, i, names, call_seed(seed, topic.id, names, names[i], 0, "open"))
        for i, oracle in enumerate(oracles)
    )
    seconds = perf_counter() - began
    for name, side in zip(names, sides, strict=True):
        if side.guideline.kind != "initial" or not side.statement.strip():
            raise OracleError(
                f"topic {topic.id!r}: {name!r} opened with a guideline of kind"
                f" {side.guideline.kind!r} and the statement {side.statement[:40]!r};"
                " an opening needs kind 'initial' and a statement"
            )
    return Openings(sides, seconds)


async def together(calls: Iterable[Awaitable[T]]) -> tuple[T, ...]:
    """Await all calls at once; if some fail, raise the first in order once all have ended.

    Waiting for all keeps the outcome independent of timing and leaves no call running alone.
    """
    results = await asyncio.gather(*calls, return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return tuple(done)


async def embed_texts(embedder: Embedder, texts: Sequence[str], topic: Topic) -> NDArray[np.float64]:
    """(n, D) rows of unit length for n texts.

    Raises:
        EmbeddingError: naming topic and text, if the embedder returns NaN, zeros or wrong shapes.
    """
    raw = np.asarray(await embedder.embed(texts), dtype=np.float64)
    where = f"topic {topic.id!r}: embedder {embedder.name!r}"
    if raw.ndim != 2 or raw.shape[0] != len(texts) or not raw.shape[1]:
        raise EmbeddingError(
            f"{where} returned shape {raw.shape} for {len(texts)} texts; expected ({len(texts)}, D)"
        )
    for text, row in zip(texts, raw, strict=True):
        if not np.isfinite(row).all() or not np.linalg.norm(row) > 1e-12:
            found = "NaN or infinity" if not np.isfinite(row).all() else "a zero vector"
            raise EmbeddingError(f"{where} returned {found} for the text {text[:80]!r}; use another embedder")
    return unit_rows(raw, where)
