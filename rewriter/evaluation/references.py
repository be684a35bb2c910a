"""Trivial rewriters to set others beside: one that copies its source, one that hands out a stored text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from negotiation.errors import ConfigurationError
from rewriter.evaluation.second_reading import Embedder
from rewriter.pairs.units import Unit
from rewriter.vocabulary import RewriteRequest


class CopyingRewriter:
    """Hands back the source: full consistency, no movement. Whoever does not beat it moves nothing that counts."""

    name = "copy"

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """The sources."""
        return [request.source for request in requests]


class RetrievingRewriter:
    """Hands out the stored text that is nearest to the target among those nearest in meaning to the source.

    What can be had without writing anything: it moves values well and keeps little.

    Args:
        units: stored texts, of training topics.
        embedder: of sentences.
        near: how many texts, the nearest in meaning, are looked at, at least 1.
    """

    name = "retrieve"

    def __init__(self, units: Sequence[Unit], embedder: Embedder, near: int = 20) -> None:
        if not units:
            raise ConfigurationError("there are no stored texts to retrieve from; give at least one")
        self._texts = [unit.text for unit in units]
        self._values = np.array([unit.values for unit in units])
        self._embedder = embedder
        self._rows = embedder.embed(self._texts)
        self._near = near

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """One stored text a request."""
        if not requests:
            return []
        similar = self._embedder.embed([request.source for request in requests]) @ self._rows.T
        written = []
        for request, row in zip(requests, similar, strict=True):
            candidates = np.argsort(-row, kind="stable")[: self._near]
            distance = np.linalg.norm(self._values[candidates] - np.array(request.target), axis=1)
            written.append(self._texts[candidates[int(np.argmin(distance))]])
        return written
