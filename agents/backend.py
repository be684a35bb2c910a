"""Where batches are computed: the protocol, and models in this process. Ray's actors are ``cluster``'s."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from agents.models.protocol import Generation, GenerationRequest, LanguageModel, Score, ScoringRequest
from negotiation.errors import ConfigurationError, ModelError

T = TypeVar("T")


class Backend(Protocol):
    """Where batches are computed: in this process, or in actors. One call is one batch for one model."""

    async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
        """One reply a request, in order."""
        ...

    async def embed(self, texts: list[str]) -> NDArray[np.float64]:
        """(n, D) unit rows for n texts, in order."""
        ...

    async def score(self, model: str, requests: list[ScoringRequest]) -> list[Score]:
        """One score a request, in order."""
        ...


class Embedder(Protocol):
    """What ``LocalBackend`` asks of an embedder (``agents.embedding.SentenceEmbedder`` is one)."""

    @property
    def name(self) -> str:
        """For records."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, D) unit rows for n texts."""
        ...


class LocalBackend:
    """Models and an embedder in this process.

    Batches run in worker threads so that the event loop (signals, live view) goes on. One worker by default,
    since models here compete for the same cores; with models behind servers, give as many workers as there are
    models. Calls of one model never overlap.

    Args:
        models: by the names that jobs use; one model may stand under several names.
        embedder: for texts.
        workers: batches at once, at least 1.
    """

    def __init__(self, models: Mapping[str, LanguageModel], embedder: Embedder, workers: int = 1) -> None:
        if workers < 1:
            raise ConfigurationError(f"workers is {workers}; a backend needs at least one")
        self._models = dict(models)
        self._embedder = embedder
        self._workers = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="model")
        self._locks = {id(owner): threading.Lock() for owner in (*self._models.values(), embedder)}

    async def generate(self, model: str, requests: list[GenerationRequest]) -> list[Generation]:
        """One reply a request, in order."""
        found = self._model(model)
        return await self._call(found, found.generate, requests)

    async def score(self, model: str, requests: list[ScoringRequest]) -> list[Score]:
        """One score a request, in order."""
        found = self._model(model)
        return await self._call(found, found.score, requests)

    async def embed(self, texts: list[str]) -> NDArray[np.float64]:
        """(n, D) unit rows for n texts, in order."""
        return await self._call(self._embedder, self._embedder.embed, texts)

    def close(self) -> None:
        """Let the worker threads end; a batch that runs is waited for."""
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _model(self, name: str) -> LanguageModel:
        if name not in self._models:
            known = ", ".join(self._models) or "none"
            raise ModelError(f"no model named {name!r}; loaded are: {known}")
        return self._models[name]

    async def _call(self, owner: object, function: Callable[[Any], T], argument: Any) -> T:
        def locked() -> T:
            with self._locks[id(owner)]:
                return function(argument)

        return await asyncio.get_running_loop().run_in_executor(self._workers, locked)
