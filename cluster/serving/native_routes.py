"""The endpoints of its own: policies, cultures, values, translation, rewriting, negotiations, health."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse, StreamingResponse

from agents.cultures import get_culture
from cluster.serving.answers import named, vector
from cluster.serving.core import Core
from cluster.serving.errors import ApiError, as_api_error, retriable
from cluster.serving.negotiation_schema import Cancelled, FailedEvent, NegotiateRequest
from cluster.serving.openai_routes import EVENTS, Asked, in_time
from cluster.serving.schema import ConsistencyReading, CultureList, Health, PolicyList, PolicyReply
from cluster.serving.services import Event, RewriteJob
from cluster.serving.text_schema import (
    ReadValues,
    RewriteTextReply,
    RewriteTextRequest,
    TranslateReply,
    TranslateRequest,
    ValuesReply,
    ValuesRequest,
)
from negotiation.errors import CultureError
from rewriter.injection import Failure
from rewriter.targets import Absolute, CultureAim, VectorAim, Wanted, resolve
from rewriter.vocabulary import Shift

BEAT_S = 10.0
"""A stream in which nothing happens gets a comment so often, which also shows whether its client is still there."""

Named = Annotated[str, Path(min_length=1, max_length=200)]

READY_S = 10.0
"""How long the parts behind the API may take to say that they are there."""


def native_routes() -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["Concordat"])

    @router.get("/v1/policies")
    async def list_policies(core: Asked) -> PolicyList:
        """The policies of the run, in the order of their ids."""
        return PolicyList(data=core.rows())

    @router.get("/v1/policies/{policy}")
    async def get_policy(policy: Named, core: Asked) -> PolicyReply:
        """A policy with its pools, weights and statements, and the values that the detector reads in it."""
        held = core.held(policy, None)
        values = await in_time(core, core.values(held))
        return held.policy().reply(values, policy in core.bargaining.held)

    @router.get("/v1/cultures")
    async def list_cultures(core: Asked) -> CultureList:
        """The cultures that can be asked and that can negotiate, with what surveys found of their people."""
        return CultureList(data=core.cultures())

    @router.post("/v1/values")
    async def read_values(body: ValuesRequest, core: Asked) -> ValuesReply:
        """Read ten values in texts."""
        readings = await in_time(core, core.services.read(body.texts))
        return ValuesReply(
            data=[ReadValues(values=named(one.values), confidence=one.confidence) for one in readings]
        )

    @router.post("/v1/translate")
    async def translate(body: TranslateRequest, core: Asked) -> TranslateReply:
        """What do words, a culture or a policy ask of a text?"""
        wanted = await in_time(core, _wanted(core, body.instruction, body.culture, body.policy, None, 1.0))
        return TranslateReply(
            kind="shift" if isinstance(wanted, Shift) else "place",
            shift=named(wanted.values),
            explanation=list(wanted.explanation),
        )

    @router.post("/v1/rewrite")
    async def rewrite(body: RewriteTextRequest, core: Asked) -> RewriteTextReply:
        """Move a text to other values and keep what it says."""
        return await in_time(core, _rewritten(core, body))

    return router


def negotiation_routes() -> APIRouter:
    """Negotiations, as server-sent events."""
    router = APIRouter(tags=["Concordat"])

    @router.post(
        "/v1/negotiate",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "Events started, opened, round, and finished or failed; lines that begin with ':' are comments.",
                "content": {"text/event-stream": {}},
            }
        },
    )
    async def negotiate(body: NegotiateRequest, core: Asked) -> StreamingResponse:
        """Let cultures negotiate a question, and follow it. A client that leaves cancels it."""
        asked = body.model_copy(update={"cultures": _seats(body.cultures)})
        events = core.services.negotiate(asked, f"live-{secrets.token_urlsafe(12)}")
        first = await in_time(core, anext(events))  # so that a server without room says so by its status
        return StreamingResponse(_lines(first, events), media_type="text/event-stream", headers=EVENTS)

    @router.delete("/v1/negotiate/{negotiation_id}")
    async def cancel(
        negotiation_id: Annotated[str, Path(min_length=1, max_length=100)], core: Asked
    ) -> Cancelled:
        """Cancel a negotiation; its stream ends with the event failed and the code cancelled."""
        if not await in_time(core, core.services.cancel(negotiation_id)):
            raise ApiError(404, "there is no such negotiation under way", code="negotiation_not_found")
        return Cancelled(negotiation_id=negotiation_id)

    return router


def health_routes() -> APIRouter:
    """Whether the process lives, and whether it can answer."""
    router = APIRouter(tags=["Health"])

    @router.get("/healthz")
    async def healthz() -> Health:
        """The process lives."""
        return Health(status="ok")

    @router.get("/readyz", response_model=Health, responses={503: {"model": Health}})
    async def readyz(core: Asked) -> Any:
        """Models are loaded and policies read; 503 before that, and once the server is about to stop."""
        if core.draining:
            return JSONResponse(Health(status="draining").model_dump(), 503, {"Retry-After": "5"})
        try:
            await asyncio.wait_for(core.services.check(), READY_S)
        except Exception as error:
            detail = as_api_error(error).body.message
            return JSONResponse(
                Health(status="starting", detail=detail).model_dump(), 503, {"Retry-After": "5"}
            )
        return Health(status="ok", detail=f"{len(core.snapshot.held)} policies")

    return router


async def _wanted(
    core: Core,
    words: str | None,
    culture: str | None,
    policy: str | None,
    target: dict[str, float] | None,
    strength: float,
) -> Wanted:
    """Where to; exactly one is given."""
    if words is not None:
        shift = await core.services.translate(words)
        return Shift(tuple(strength * value for value in shift.values), shift.explanation)
    if culture is not None:
        return resolve(CultureAim(culture), strength)
    if policy is not None:
        held = core.held(policy)
        lines = (f"consensus on {held.row.topic.text!r}",)
        return Absolute(vector(await core.values(held)), lines, strength)
    assert target is not None
    return resolve(VectorAim(vector(target)), strength)


async def _rewritten(core: Core, body: RewriteTextRequest) -> RewriteTextReply:
    wanted = await _wanted(core, body.toward, body.culture, body.policy, body.target, body.strength)
    outcome = await core.services.rewrite(RewriteJob(body.text, wanted, body.seed))
    if isinstance(outcome, Failure):
        raise outcome.error
    return RewriteTextReply(
        text=outcome.text,
        values_before=named(outcome.request.before),
        values_target=named(outcome.request.target),
        values_after=named(outcome.after),
        consistency=ConsistencyReading(
            forward=outcome.consistency.forward, backward=outcome.consistency.backward
        ),
        faults=[*outcome.faults, *outcome.consistency.faults],
    )


def _seats(names: list[str]) -> list[str]:
    """Ids of different cultures; ``CultureError`` if one is unknown or there twice."""
    found = [get_culture(name).id for name in names]
    if len(set(found)) < len(found):
        raise CultureError(f"cultures: {', '.join(found)}; name each once")
    return found


async def _lines(first: Event, events: AsyncIterator[Event]) -> AsyncIterator[str]:
    """Server-sent events; with a comment where nothing happens for a while."""
    yield _line(first)
    following: asyncio.Future[Event] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(_next(events))
            done, _ = await asyncio.wait({following}, timeout=BEAT_S)
            if not done:
                yield ": still at it\n\n"
                continue
            try:
                event = following.result()
            except StopAsyncIteration:
                return
            except Exception as error:
                yield _line(("failed", FailedEvent(error=as_api_error(error).body).model_dump(mode="json")))
                return
            following = None
            yield _line(event)
    finally:
        if following is not None:
            following.cancel()
        close = getattr(events, "aclose", None)
        if close is not None and (following is None or following.done()):
            await close()


async def _next(events: AsyncIterator[Event]) -> Event:
    return await anext(events)


def _line(event: Event) -> str:
    name, data = event
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def no_room(after_s: int, most: int) -> ApiError:
    """All places at negotiation tables are taken."""
    return retriable("overloaded", f"{most} negotiations are under way; try again when one is over", after_s)
