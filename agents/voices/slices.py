"""Calls to a model cut into slices of one size, so that one process and any number of actors compute the same batches."""

from __future__ import annotations

from collections.abc import Sequence

from agents.models.protocol import Generation, GenerationRequest, LanguageModel, Score, ScoringRequest

SLICE = 64
"""Most requests of one call: the composition of a batch changes the rounding of matrix products, and so may a reply."""


class SlicedModel:
    """A model that is called with at most ``SLICE`` requests at once.

    Attributes:
        name: of the model.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.name = model.name
        self._model = model

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One generation a request; errors of the model."""
        parts = [requests[start : start + SLICE] for start in range(0, len(requests), SLICE)]
        return [reply for part in parts for reply in self._model.generate(part)]

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """One score a request; errors of the model."""
        parts = [requests[start : start + SLICE] for start in range(0, len(requests), SLICE)]
        return [score for part in parts for score in self._model.score(part)]
