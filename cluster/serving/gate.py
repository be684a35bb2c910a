"""What every request passes before it is handled: id, log, host, drain, key, rate, room, size.

Plain ASGI, since a stream must go through piece by piece.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.serving.core import Core
from cluster.serving.errors import KEY, RATE, ApiError, as_api_error, retriable
from cluster.serving.keys import Doorkeeper

logger = logging.getLogger(__name__)

CLOSED_STATUS = 499
"""What logs and metrics say of a request whose client left before it was answered."""

NEGOTIATE = "/v1/negotiate"

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Counts(Protocol):
    """Where requests are counted."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """A request is over."""

    def in_flight(self, count: int) -> None:
        """So many are at work."""


class NoCounts:
    """Counts nothing."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """Nothing."""

    def in_flight(self, count: int) -> None:
        """Nothing."""


@dataclass(slots=True)
class _Passage:
    """One request on its way."""

    scope: Scope
    id: str
    began: float
    status: int = CLOSED_STATUS
    started: bool = False
    key: str = "-"


@dataclass(slots=True)
class Gate:
    """The way in.

    Attributes:
        app: what handles requests.
        core: says whether the server is draining, and the bounds.
        doorkeeper: checks keys; a function, since keys may be changed while the server runs.
        counts: metrics.
        gives_ids: whether replies get the header X-Request-ID here; Ray Serve puts it there by itself.
    """

    app: ASGIApp
    core: Callable[[], Core]
    doorkeeper: Callable[[], Doorkeeper]
    counts: Callable[[], Counts] = NoCounts
    gives_ids: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        passage = _Passage(scope, _request_id(scope), time.perf_counter())
        try:
            await self._admit(passage, receive, self._labelled(passage, send))
        except Exception as error:
            if passage.started:
                logger.error("request %s broke off", passage.id, exc_info=error)
                raise
            await _refuse(as_api_error(error), self._labelled(passage, send))
        finally:
            self._tell(passage)

    def _labelled(self, passage: _Passage, send: Send) -> Send:
        async def labelled(message: Message) -> None:
            if message["type"] == "http.response.start":
                passage.status, passage.started = message["status"], True
                headers = MutableHeaders(scope=message)
                if self.gives_ids:
                    headers["X-Request-ID"] = passage.id
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        return labelled

    async def _admit(self, passage: _Passage, receive: Receive, send: Send) -> None:
        scope, core = passage.scope, self.core()
        headers = Headers(scope=scope)
        limits = core.config.limits
        _check_host(core, headers)
        if not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        self._check_key(passage, headers)
        receive = _bounded(receive, headers, limits.body_bytes)
        if scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        if core.draining:
            raise retriable("draining", "the server is about to stop; try again", limits.retry_after_s)
        if scope["path"] == NEGOTIATE:  # has a bound of its own
            core.following += 1
            try:
                await self.app(scope, receive, send)
            finally:
                core.following -= 1
            return
        if core.busy >= limits.in_flight:
            raise retriable(
                "overloaded",
                f"the server already works on {core.busy} requests; try again",
                limits.retry_after_s,
            )
        core.busy += 1
        self.counts().in_flight(core.busy)
        try:
            await self.app(scope, receive, send)
        finally:
            core.busy -= 1
            self.counts().in_flight(core.busy)

    def _check_key(self, passage: _Passage, headers: Headers) -> None:
        doorkeeper = self.doorkeeper()
        if not doorkeeper.keys:
            return
        key = doorkeeper.find(headers.get("authorization"))
        if key is None:
            raise ApiError(
                401,
                "no API key that this server knows; send the header 'Authorization: Bearer KEY'",
                KEY,
                "invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )
        passage.key = key.name
        wait = doorkeeper.wait(key)
        if wait:
            raise retriable(
                "rate_limit_exceeded",
                "this key has used up its requests a minute; try again later",
                max(1, int(wait) + 1),
                RATE,
                429,
            )

    def _tell(self, passage: _Passage) -> None:
        seconds = time.perf_counter() - passage.began
        route = passage.scope.get("route")
        path = getattr(route, "path", None)
        shown = str(path) if path else "other"
        self.counts().request(shown, passage.status, seconds)
        level = logging.DEBUG if shown in ("/healthz", "/readyz") else logging.INFO
        logger.log(
            level,
            "request %s key %s %s %s %d %.1fms",
            passage.id,
            passage.key,
            passage.scope["method"],
            json.dumps(passage.scope["path"][:200]),  # quoted: a path may hold line breaks
            passage.status,
            1000 * seconds,
        )


def _request_id(scope: Scope) -> str:
    """The client's own if it is harmless, else a new one; the application below sees it too."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _check_host(core: Core, headers: Headers) -> None:
    allowed = core.config.hosts
    if allowed is None:
        return
    host = headers.get("host", "")
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    if name.lower() not in allowed:
        raise ApiError(421, "this server does not answer to that name", code="unknown_host")


def _bounded(receive: Receive, headers: Headers, most: int) -> Receive:
    """A body of at most so many bytes.

    Raises:
        ApiError: at once if the header says that it is larger, else when it has become so.
    """
    message = f"the body is larger than {most:,} bytes; send less"
    length = headers.get("content-length", "")
    if length.isdigit() and (len(length) > 15 or int(length) > most):
        raise ApiError(413, message, code="body_too_large")
    read = 0

    async def bounded() -> Any:
        nonlocal read
        part = await receive()
        if part["type"] == "http.request":
            read += len(part.get("body", b""))
            if read > most:
                raise HTTPException(413, message)  # the framework makes 400 of any other kind of error here
        return part

    return bounded


async def _refuse(error: ApiError, send: Send) -> None:
    body = json.dumps(error.reply()).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
