"""Errors as clients see them: OpenAI's form, a status, and never more than what they can act on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cluster.serving.schema import ErrorBody, ErrorReply
from negotiation.errors import (
    ConfigurationError,
    EmbeddingError,
    ModelError,
    ModelServerError,
    OracleError,
)

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse

logger = logging.getLogger(__name__)

INVALID, SERVER, BUSY, RATE, KEY = (
    "invalid_request_error",
    "server_error",
    "overloaded_error",
    "rate_limit_error",
    "authentication_error",
)
"""Types of errors."""

_SHOWN = 3
"""Faults of one request that are told."""


class ApiError(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        body: what the client is told.
        headers: to be sent along.
    """

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = INVALID,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, kind, code, param, headers)
        self.status = status
        self.body = ErrorBody(message=message, type=kind, code=code, param=param)
        self.headers = dict(headers or {})

    def reply(self) -> dict[str, Any]:
        """The body of the response."""
        return ErrorReply(error=self.body).model_dump()


def retriable(code: str, message: str, after_s: int, kind: str = BUSY, status: int = 503) -> ApiError:
    """An error that goes away by itself."""
    return ApiError(status, message, kind, code, headers={"Retry-After": str(after_s)})


def unknown_model(name: str) -> ApiError:
    """There is no such model."""
    shown = name if len(name) <= 100 else f"{name[:97]}..."
    return ApiError(
        404,
        f"model {shown!r} is not served; GET /v1/models lists those that are",
        code="model_not_found",
        param="model",
    )


def unknown_policy(name: str, param: str | None = "policy") -> ApiError:
    """There is no such policy."""
    shown = name if len(name) <= 100 else f"{name[:97]}..."
    return ApiError(
        404,
        f"policy {shown!r} is not served; GET /v1/policies lists those that are",
        code="policy_not_found",
        param=param,
    )


def as_api_error(error: BaseException) -> ApiError:
    """What a client is told of an error; for what was not raised on purpose only that something failed."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, TimeoutError):
        return ApiError(504, "the answer took too long; ask for less, or try again later", SERVER, "timeout")
    if isinstance(error, ModelError):
        if "context window" in str(error):
            return ApiError(
                400,
                "the messages do not fit into the model's context window; shorten them",
                code="context_length_exceeded",
                param="messages",
            )
        logger.error("the model refused a request: %s", error)
        return ApiError(500, "the model cannot take this request", SERVER, "model_error")
    if isinstance(error, (ConfigurationError, EmbeddingError)):  # a text, target, culture or topic
        return ApiError(400, str(error), code="invalid_value")
    if isinstance(error, OracleError):
        return ApiError(
            422,
            "the model wrote nothing usable for this; say it in other words, or try another seed",
            code="no_usable_reply",
        )
    if isinstance(error, ModelServerError):
        logger.error("the model's server: %s", error)
        return retriable("model_unreachable", "the model's server is out of reach; try again", 5, SERVER)
    logger.error("unexpected error", exc_info=error)
    return ApiError(
        500, "the server failed; its log has more under this request's x-request-id", SERVER, "internal"
    )


def install_handlers(app: FastAPI) -> None:
    """Let the application answer with OpenAI's form for every error, also those of the framework."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    async def on_api_error(request: Request, error: Exception) -> JSONResponse:
        return response_of(as_api_error(error))

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return response_of(invalid(error.errors()))

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return response_of(_of_framework(request, error))

    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)


def response_of(error: ApiError) -> JSONResponse:
    """The response that tells of an error."""
    from fastapi.responses import JSONResponse

    return JSONResponse(error.reply(), status_code=error.status, headers=error.headers)


def invalid(faults: Sequence[Any]) -> ApiError:
    """What pydantic found wrong in a request: the first few fields, each with what is wrong."""
    lines = []
    for fault in faults[:_SHOWN]:
        path = ".".join(str(part) for part in fault["loc"] if part not in ("body", "query", "path"))
        message = str(fault["msg"]).removeprefix("Value error, ")
        lines.append(f"{path}: {message}" if path else message)
    if len(faults) > _SHOWN:
        lines.append(f"and {len(faults) - _SHOWN} more")
    first = [str(part) for part in faults[0]["loc"] if part not in ("body", "query", "path")]
    is_json = any(fault["type"] == "json_invalid" for fault in faults)
    text = "; ".join(_plain(line) for line in lines)
    if is_json:
        return ApiError(400, f"the body is no JSON: {text}", code="invalid_json")
    return ApiError(400, text, code="invalid_value", param=".".join(first) or None)


def _of_framework(request: Request, error: Any) -> ApiError:
    path = request.url.path[:100]
    told = {
        404: f"there is nothing at {path!r}; GET /openapi.json describes the API",
        405: f"{request.method} is not allowed at {path!r}",
    }
    message = told.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    kind = SERVER if error.status_code >= 500 else INVALID
    code = "body_too_large" if error.status_code == 413 else None
    return ApiError(error.status_code, message, kind, code, headers=headers)


def _plain(text: str) -> str:
    """Without lone surrogates, which JSON of a client may hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
