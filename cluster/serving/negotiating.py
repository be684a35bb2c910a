"""A negotiation as a stream of events: the game of ``negotiation``, with models that live elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agents.culture_agent import CultureAgent
from agents.cultures import Culture, get_culture
from agents.grounding import Grounding
from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from agents.prompts import PromptSet
from agents.topics import topic_from_text
from cluster import __version__
from cluster.policy import consensus_policy
from cluster.serving.config import ServeConfig
from cluster.serving.core import adapters_of
from cluster.serving.errors import ApiError, as_api_error
from cluster.serving.negotiation_schema import (
    AddedGuideline,
    FailedEvent,
    FinishedEvent,
    FirstGuideline,
    NegotiateRequest,
    OpenedEvent,
    OpenedSide,
    RoundEvent,
    Started,
)
from cluster.serving.policies import Policy
from cluster.serving.schema import Values
from cluster.serving.services import Embedded, Event, data_of
from negotiation.config import GameConfig
from negotiation.errors import ModelServerError
from negotiation.oracle import NegotiationEvent, Opened, RoundFinished
from negotiation.psro import negotiate
from rewriter.targets import PolicyText

logger = logging.getLogger(__name__)

MODEL = "base"
"""Name of the one model in a session; who speaks is told by the adapter and the prompt."""


class Parts(Protocol):
    """What a negotiation asks of the parts behind the API."""

    async def replies(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One reply a request."""
        ...

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """The vectors of texts."""
        ...

    async def policy_values(self, policy: PolicyText) -> Values:
        """The values of a policy."""
        ...


class _Session:
    """Where agents' calls go."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.name = "the server's embedder"

    async def generate(self, model: str, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One reply a request."""
        return await self._parts.replies(requests) if requests else []

    async def score(self, model: str, requests: Sequence[ScoringRequest]) -> list[Score]:
        """Nothing that is served asks for scores."""
        raise ModelServerError("the server's models do not score texts; use 'concordat evaluate'")

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, D) unit rows."""
        return (await self._parts.embed(list(texts))).vectors


class Negotiations:
    """Holds negotiations, each with a queue of events; nothing is kept of those that are over.

    Args:
        config: of the server.
        parts: the models.
    """

    def __init__(self, config: ServeConfig, parts: Parts) -> None:
        self._config, self._parts = config, parts
        self._prompts = PromptSet.load(None if config.prompts is None else Path(config.prompts))
        self._adapters = adapters_of(config.model)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()

    @property
    def running(self) -> int:
        """Negotiations under way."""
        return len(self._running)

    def cancel(self, negotiation: str) -> bool:
        """Cancel one; whether there was one."""
        task = self._running.get(negotiation)
        if task is None:
            return False
        self._cancelled.add(negotiation)
        task.cancel()
        return True

    async def events(self, request: NegotiateRequest, negotiation: str) -> AsyncIterator[Event]:
        """The events of a negotiation, from ``started`` to ``finished`` or ``failed``. Closing the iterator cancels it.

        Raises:
            ApiError: if there is no room for one more.
        """
        most = self._config.limits.negotiations
        if len(self._running) >= most:
            from cluster.serving.native_routes import no_room

            raise no_room(self._config.limits.retry_after_s, most)
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        task = asyncio.create_task(self._negotiate(request, negotiation, queue))
        self._running[negotiation] = task
        try:
            yield (
                "started",
                data_of(
                    Started(negotiation_id=negotiation, cultures=list(request.cultures), topic=request.topic)
                ),
            )
            while (event := await queue.get()) is not None:
                yield event
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._running.pop(negotiation, None)
            self._cancelled.discard(negotiation)

    async def _negotiate(
        self, request: NegotiateRequest, negotiation: str, queue: asyncio.Queue[Event | None]
    ) -> None:
        try:
            limit = self._config.limits.negotiation_timeout_s
            policy = await asyncio.wait_for(self._play(request, queue), limit)
            queue.put_nowait(("finished", data_of(FinishedEvent(policy=policy))))
        except asyncio.CancelledError:
            if negotiation in self._cancelled:
                error = ApiError(409, "the negotiation was cancelled", code="cancelled")
                queue.put_nowait(("failed", data_of(FailedEvent(error=error.body))))
        except Exception as error:
            queue.put_nowait(("failed", data_of(FailedEvent(error=as_api_error(error).body))))
        finally:
            queue.put_nowait(None)

    async def _play(self, request: NegotiateRequest, queue: asyncio.Queue[Event | None]) -> Any:
        session = _Session(self._parts)
        cultures = await self._cultures(request, session)
        agents = [
            CultureAgent(
                culture,
                session,
                MODEL,
                adapter=culture.id if culture.id in self._adapters else None,
                prompts=self._prompts,
            )
            for culture in cultures
        ]

        def listen(event: NegotiationEvent) -> None:
            told = _event(event)
            if told is not None:
                queue.put_nowait(told)

        record = await negotiate(
            topic_from_text(request.topic),
            [culture.id for culture in cultures],
            agents,
            session,
            GameConfig(rounds=request.rounds),
            seed=request.seed,
            provenance={"concordat": __version__, "model": self._config.model_name},
            listener=listen,
        )
        policy = Policy.model_validate(consensus_policy(record))
        return policy.reply(await self._parts.policy_values(policy.text()))

    async def _cultures(self, request: NegotiateRequest, session: _Session) -> list[Culture]:
        cultures = [get_culture(name) for name in request.cultures]
        grounding = Grounding.load(self._config.grounding, [one.id for one in cultures])
        return cultures if grounding is None else await grounding.ground(cultures, request.topic, session)


def _event(event: NegotiationEvent) -> Event | None:
    """What a client is told of the game; None for its end, which the policy tells."""
    if isinstance(event, Opened):
        sides = [
            OpenedSide(
                culture=culture,
                statement=opening.statement,
                guideline=FirstGuideline(
                    id=f"p{player}-r0-initial",
                    content=opening.guideline.content,
                    reason=opening.guideline.reason,
                    description=opening.guideline.description,
                ),
            )
            for player, (culture, opening) in enumerate(zip(event.players, event.openings, strict=True))
        ]
        return "opened", data_of(OpenedEvent(sides=sides))
    if isinstance(event, RoundFinished):
        added = [
            None
            if one is None
            else AddedGuideline(
                id=one.id,
                content=one.content,
                reason=one.reason,
                description=one.description,
                kind=one.kind,
            )
            for one in event.accepted
        ]
        told = RoundEvent(
            round=event.round,
            weights=[list(weights) for weights in event.weights],
            nash_conv=event.nash_conv,
            gains=list(event.best_gains),
            added=added,
        )
        return "round", data_of(told)
    return None
