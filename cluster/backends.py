"""Where models run: behind one interface, in this process or (``ray_backend``) in Ray actors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.backend import Backend, LocalBackend
from agents.batching import Session
from agents.embedding import load_embedder
from agents.models.config import OpenAIConfig, load_model
from agents.models.openai_model import OpenAIModel
from agents.models.protocol import Generation, GenerationRequest, LanguageModel, Score, ScoringRequest
from cluster.config import RunConfig
from cluster.speakers import SHARED, model_of, provenance, speakers


class RunBackend(Backend, Protocol):
    """A backend with models loaded; models are named by what they are asked through (``speakers.channels``).

    Attributes:
        embedder_name: of its embedder, for records.
        provenance: model name, adapters and versions, for records.
    """

    embedder_name: str
    provenance: dict[str, str]

    def close(self) -> None:
        """Let the models go."""
        ...


class SessionEmbedder:
    """The embedder that a negotiation sees: its texts join the batches of the others."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._name = name

    @property
    def name(self) -> str:
        """Of the embedder behind it."""
        return self._name

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, D) for n texts."""
        return await self._session.embed(list(texts))


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that came back.

    Attributes:
        model: culture it was sent for, ``"agents"`` if they share actors, or ``"embedder"``.
        requests: or texts.
        prompt_tokens: read, of generations.
        tokens: generated.
        seconds: until the answer.
    """

    model: str
    requests: int
    prompt_tokens: int
    tokens: int
    seconds: float


class MeteredBackend:
    """Passes batches on and tells of each that came back.

    Args:
        inner: where they go.
        told: of each that came back.
        queued: by model, of the number of requests that are there or on their way, each time it changes.
    """

    def __init__(
        self,
        inner: Backend,
        told: Callable[[Batch], None],
        queued: Callable[[str, int], None] | None = None,
    ) -> None:
        self._inner = inner
        self._told = told
        self._queued = queued
        self._there: Counter[str] = Counter()

    async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
        """One generation a request."""
        began = monotonic()
        with self._waiting(model, len(requests)):
            replies = await self._inner.generate(model, requests)
        read = sum(reply.prompt_tokens for reply in replies)
        written = sum(reply.generated_tokens for reply in replies)
        self._told(Batch(model, len(requests), read, written, monotonic() - began))
        return replies

    async def embed(self, texts: list[str]) -> NDArray[np.float64]:
        """(n, D) for n texts."""
        began = monotonic()
        with self._waiting("embedder", len(texts)):
            vectors = await self._inner.embed(texts)
        self._told(Batch("embedder", len(texts), 0, 0, monotonic() - began))
        return vectors

    async def score(self, model: str, requests: list[ScoringRequest]) -> list[Score]:
        """One score a request."""
        began = monotonic()
        with self._waiting(model, len(requests)):
            scores = await self._inner.score(model, requests)
        self._told(Batch(model, len(requests), 0, 0, monotonic() - began))
        return scores

    @contextmanager
    def _waiting(self, model: str, requests: int) -> Iterator[None]:
        self._count(model, requests)
        try:
            yield
        finally:
            self._count(model, -requests)

    def _count(self, model: str, requests: int) -> None:
        self._there[model] += requests
        if self._queued is not None:
            self._queued(model, self._there[model])


class SerialBackend(LocalBackend):
    """All models of a run in this process.

    One copy of a local model carries all adapters. Servers are asked for all cultures at once.

    Raises:
        ModelError: if a model or adapter cannot be loaded as configured.
    """

    def __init__(self, config: RunConfig) -> None:
        voices = speakers(config)
        models: dict[str, LanguageModel]
        if config.resources.actors == "shared":
            models = {SHARED: load_model(model_of(config, voices))}
        elif isinstance(config.model, OpenAIConfig):
            models = {voice.culture: load_model(model_of(config, [voice])) for voice in voices}
        else:
            models = dict.fromkeys((voice.culture for voice in voices), load_model(model_of(config, voices)))
        embedder = load_embedder(config.embedder, device="cpu", num_threads=config.resources.threads)
        super().__init__(models, embedder, workers=len(set(map(id, models.values()))))
        self._open = [model for model in models.values() if isinstance(model, OpenAIModel)]
        self.embedder_name = embedder.name
        self.provenance = provenance(voices, next(iter(models.values())).name, config.proposing)

    def close(self) -> None:
        """Close connections. A batch that runs is not waited for: nobody wants its answer any more."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        for model in self._open:
            model.close()
