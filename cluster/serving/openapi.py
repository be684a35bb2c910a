"""The OpenAPI document: every error in its own form, and nothing that is not so."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cluster.serving.examples import EXAMPLES, STREAMS
from cluster.serving.schema import ErrorReply

_ERRORS = {
    "400": "The request is wrong; the message names the field.",
    "401": "No API key that this server knows.",
    "404": "There is nothing of this name.",
    "409": "Other moves were made meanwhile than the request knows of.",
    "413": "The body is too large.",
    "421": "This server does not answer to that name.",
    "422": "The model wrote nothing usable for this.",
    "429": "Too many requests with this key; wait as Retry-After says.",
    "500": "The server failed; its log has more under the request's X-Request-ID.",
    "503": "No room, a part is being restarted, or the server is about to stop; wait as Retry-After says.",
    "504": "The answer took too long.",
}

_DESCRIPTION = """
Consensus policies behind the API that OpenAI's clients speak, and endpoints of its own. Errors have OpenAI's form. Every reply
has the header `X-Request-ID`; a request may bring its own.
"""


def describe(app: FastAPI, *, keys: bool) -> None:
    """Let the application give its document.

    Args:
        app: with all its routes.
        keys: whether API keys are asked for.
    """

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, keys)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # as the framework says to do it


def _document(app: FastAPI, keys: bool) -> dict[str, Any]:
    tree = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION.strip(), routes=app.routes
    )
    schemas = tree.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    error = ErrorReply.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= error.pop("$defs", {})
    schemas["ErrorReply"] = error
    for path, methods in tree["paths"].items():
        for method, operation in methods.items():
            operation["responses"].pop("422", None)
            _add_examples(operation, f"{method.upper()} {path}")
            if path.startswith("/v1/"):
                _add_errors(operation, keys)
    if keys:
        tree["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, methods in tree["paths"].items():
            for operation in methods.values():
                operation["security"] = [{"key": []}] if path.startswith("/v1/") else []
    return tree


def _add_examples(operation: dict[str, Any], name: str) -> None:
    content = operation["responses"]["200"]["content"]
    if name in EXAMPLES:
        content["application/json"]["example"] = EXAMPLES[name]
    if name in STREAMS:
        content["text/event-stream"]["example"] = STREAMS[name]


def _add_errors(operation: dict[str, Any], keys: bool) -> None:
    for status, text in _ERRORS.items():
        if status in ("401", "429") and not keys:
            continue
        reply: dict[str, Any] = {
            "description": text,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorReply"}}},
        }
        if status in ("429", "503"):
            reply["headers"] = {
                "Retry-After": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 0}}
            }
        operation["responses"][status] = reply
