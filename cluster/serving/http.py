"""The HTTP application: routes, errors, page, and the gate before them. It knows nothing of Ray."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from cluster import __version__
from cluster.serving.bargaining_routes import bargaining_routes
from cluster.serving.config import ServeConfig
from cluster.serving.core import Core
from cluster.serving.errors import install_handlers
from cluster.serving.gate import Counts, Gate, NoCounts
from cluster.serving.keys import Doorkeeper
from cluster.serving.native_routes import health_routes, native_routes, negotiation_routes
from cluster.serving.openai_routes import openai_routes
from cluster.serving.openapi import describe
from cluster.serving.page import HEADERS, page_files

logger = logging.getLogger(__name__)


def make_app(
    config: ServeConfig,
    get_core: Callable[[], Core],
    doorkeeper: Callable[[], Doorkeeper],
    counts: Callable[[], Counts] = NoCounts,
    *,
    gives_ids: bool = True,
) -> FastAPI:
    """The application.

    Args:
        config: of the server.
        get_core: gives the server behind it; asked at each request, since a replica makes it after the application.
        doorkeeper: checks keys.
        counts: metrics.
        gives_ids: whether replies get the header X-Request-ID here.
    """

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(_watch(get_core, config.reload_s))
        yield
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    app = FastAPI(
        title="Concordat",
        version=__version__,
        lifespan=living,
        docs_url=None,  # they would load from other places
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.get_core = get_core
    for routes in (openai_routes, native_routes, bargaining_routes, negotiation_routes, health_routes):
        app.include_router(routes())
    if config.page:
        _add_page(app)
    install_handlers(app)
    describe(app, keys=bool(doorkeeper().keys))
    app.add_middleware(
        _middleware(Gate), core=get_core, doorkeeper=doorkeeper, counts=counts, gives_ids=gives_ids
    )
    if config.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.cors),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    return app


def _middleware(kind: Any) -> Any:
    """A dataclass as the framework makes middleware."""

    def make(app: ASGIApp, **settings: Any) -> ASGIApp:
        made: ASGIApp = kind(app=app, **settings)
        return made

    return make


def _add_page(app: FastAPI) -> None:
    for path, file in page_files().items():

        def serve(request: Request, file: Any = file) -> Response:
            headers = {**HEADERS, "ETag": file.etag}
            if request.headers.get("if-none-match") == file.etag:
                return Response(status_code=304, headers=headers)
            return Response(file.content, media_type=file.media_type, headers=headers)

        app.add_api_route(path, serve, methods=["GET"], include_in_schema=False)


async def _watch(get_core: Callable[[], Core], every_s: float) -> None:
    """Look at the run folder now and then."""
    while True:
        await asyncio.sleep(every_s)
        try:
            core = get_core()
            if await asyncio.to_thread(core.refresh):
                logger.info("the run folder has changed; %d policies are served", len(core.snapshot.held))
        except Exception:
            logger.exception("the run folder could not be looked at")
