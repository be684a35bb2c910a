"""The endpoints in OpenAI's form."""

from __future__ import annotations

import asyncio
import base64
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel

from agents.models.protocol import Message
from cluster.serving.answers import Answer
from cluster.serving.core import EMBEDDER, Core
from cluster.serving.errors import ApiError, unknown_model
from cluster.serving.openai_schema import (
    AnswerMessage,
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatDelta,
    ChatReply,
    ChatRequest,
    CompletionChoice,
    CompletionReply,
    CompletionRequest,
    EmbeddingReply,
    EmbeddingRequest,
    EmbeddingRow,
    EmbeddingUsage,
    ModelCard,
    ModelList,
    StreamOptions,
    Usage,
)

T = TypeVar("T")

EVENTS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Headers of a stream: no proxy is to hold it back."""


def core_of(request: Request) -> Core:
    """The server behind an application."""
    found: Core = request.app.state.get_core()
    return found


Asked = Annotated[Core, Depends(core_of)]
"""The server, as a route asks for it."""


async def in_time(core: Core, work: Awaitable[T]) -> T:
    """Wait for something within the server's time limit; ``TimeoutError`` after it."""
    return await asyncio.wait_for(work, core.config.limits.timeout_s)


def openai_routes() -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["OpenAI"])

    @router.get("/v1/models")
    async def list_models(core: Asked) -> ModelList:
        """Every model that can be asked: tables, policies, cultures, the base model, the embedder."""
        return ModelList(data=core.models())

    @router.get("/v1/models/{model:path}")
    async def get_model(
        core: Asked, model: Annotated[str, Path(min_length=1, max_length=250, examples=["base"])]
    ) -> ModelCard:
        """One model."""
        return core.card(model)

    @router.post(
        "/v1/chat/completions",
        response_model=ChatReply,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def chat(body: ChatRequest, core: Asked) -> Response:
        """Ask a model. With ``stream`` the answer comes as server-sent events, each a ``chat.completion.chunk``."""
        sampling = core.sampling(body.most_tokens, body.temperature, body.top_p, body.seed, body.stops)
        messages = [
            Message("system" if one.role == "developer" else one.role, one.text) for one in body.messages
        ]
        answer = await in_time(core, core.answer(body.model, messages, sampling))
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": body.model}
        if body.stream:
            return _stream(_chat_chunks(head, answer, body.stream_options))
        choice = ChatChoice(message=AnswerMessage(content=answer.text), finish_reason=answer.finish)
        return _json(ChatReply(**head, choices=[choice], usage=_usage(answer), concordat=answer.note))

    @router.post(
        "/v1/completions",
        response_model=CompletionReply,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def complete(body: CompletionRequest, core: Asked) -> Response:
        """Ask a model with one text, as if a user had said it."""
        sampling = core.sampling(body.max_tokens, body.temperature, body.top_p, body.seed, body.stops)
        answer = await in_time(core, core.answer(body.model, [Message("user", body.text)], sampling))
        head = {"id": f"cmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": body.model}
        if body.stream:
            return _stream(_completion_chunks(head, answer, body.stream_options))
        choice = CompletionChoice(text=answer.text, finish_reason=answer.finish)
        return _json(CompletionReply(**head, choices=[choice], usage=_usage(answer), concordat=answer.note))

    @router.post("/v1/embeddings", response_model=EmbeddingReply)
    async def embed(body: EmbeddingRequest, core: Asked) -> Response:
        """Turn texts into vectors of length 1, with the embedder in which negotiations measure likeness."""
        if body.model not in (EMBEDDER, core.config.embedder):
            if any(card.id == body.model for card in core.models()):
                raise ApiError(
                    400,
                    f"model {body.model!r} does not embed; use {EMBEDDER!r}",
                    code="wrong_model",
                    param="model",
                )
            raise unknown_model(body.model)
        embedded = await in_time(core, core.services.embed(body.texts))
        rows = [
            EmbeddingRow(
                index=k, embedding=_packed(row) if body.encoding_format == "base64" else row.tolist()
            )
            for k, row in enumerate(embedded.vectors)
        ]
        usage = EmbeddingUsage(prompt_tokens=embedded.tokens, total_tokens=embedded.tokens)
        return _json(EmbeddingReply(data=rows, model=body.model, usage=usage))

    return router


def _chat_chunks(head: dict[str, Any], answer: Answer, options: StreamOptions | None) -> list[str]:
    """The events of an answer; what a policy says of itself is on the last."""
    wants_usage = options is not None and options.include_usage

    def chunk(delta: ChatDelta, **more: Any) -> ChatChunk:
        choice = ChatChunkChoice(delta=delta, finish_reason=more.pop("finish_reason", None))
        return ChatChunk(**head, choices=[choice], **more)

    chunks = [chunk(ChatDelta(role="assistant", content=""))]
    chunks += [chunk(ChatDelta(content=piece)) for piece in pieces(answer.text)]
    if wants_usage:
        chunks.append(chunk(ChatDelta(), finish_reason=answer.finish))
        chunks.append(ChatChunk(**head, choices=[], usage=_usage(answer), concordat=answer.note))
    else:
        chunks.append(chunk(ChatDelta(), finish_reason=answer.finish, concordat=answer.note))
    return [one.model_dump_json(exclude_none=True) for one in chunks]


def _completion_chunks(head: dict[str, Any], answer: Answer, options: StreamOptions | None) -> list[str]:
    wants_usage = options is not None and options.include_usage
    chunks = [
        CompletionReply(**head, choices=[CompletionChoice(text=piece, finish_reason=None)])
        for piece in pieces(answer.text)
    ]
    note = answer.note
    last = CompletionChoice(text="", finish_reason=answer.finish)
    chunks.append(CompletionReply(**head, choices=[last], concordat=None if wants_usage else note))
    if wants_usage:
        chunks.append(CompletionReply(**head, choices=[], usage=_usage(answer), concordat=note))
    return [one.model_dump_json(exclude_none=True) for one in chunks]


def pieces(text: str) -> list[str]:
    """A text in words, each with the space before it; joined they are the text.

    >>> pieces("All may vote.")
    ['All', ' may', ' vote.']
    """
    return re.findall(r"\s*\S+|\s+$", text)


def _stream(chunks: list[str]) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for chunk in chunks:
            yield f"data: {chunk}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream", headers=EVENTS)


def _json(reply: BaseModel) -> JSONResponse:
    return JSONResponse(reply.model_dump(mode="json"))


def _usage(answer: Answer) -> Usage:
    read, written = answer.reply.prompt_tokens, answer.reply.generated_tokens
    return Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


def _packed(row: Any) -> str:
    return base64.b64encode(np.asarray(row, dtype="<f4").tobytes()).decode()
