"""A stand-in for the server of the policies: the page under its real headers, and replies made of the contract's models.

Nothing is computed: texts and numbers are fixed. It shows whether the page and the terminal keep to ``cluster.serving.schema``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from agents.values import SCHWARTZ_VALUES
from cluster.serving import bargaining_schema, negotiation_schema, schema
from cluster.serving.page import HEADERS, page_files
from cluster.serving.plays import Plays
from tests.unit.cluster.serving.standins import bargaining_policy

NAMES = {
    "english-speaking": ("English-Speaking", 1.87, 0.72),
    "protestant-europe": ("Protestant Europe", 2.4, 0.97),
    "catholic-europe": ("Catholic Europe", 0.86, 0.27),
    "orthodox-europe": ("Orthodox Europe", -0.61, -0.2),
    "confucian": ("Confucian", -0.21, 1.1),
    "west-south-asia": ("West and South Asia", -0.26, -0.22),
    "african-islamic": ("African-Islamic", -0.9, -1.01),
    "latin-america": ("Latin America", -0.02, -0.95),
}
HEADINGS = (
    "Voting stays free, with a day off to vote",
    "A duty to turn out, with a blank ballot",
    "Registration by default, no fines",
    "Civic lessons before any duty",
)
QUESTION = "Should voting be a duty?"
BASE = "Voting should be left to each person. Some vote out of habit and some out of duty. Fines seldom raise trust in a state."
MOVED = (
    "Voting should be made easy for each person and expected of all. Some vote out of habit and some out of duty."
    " Fines seldom raise trust in a community."
)
EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
WEIGHTS = (((1.0,), (1.0,)), ((0.45, 0.55), (0.7, 0.3)), ((0.24, 0.13, 0.63), (0.4, 0.6)))
SEED = 0
GAINS = ((0.051, 0.034), (0.021, -0.004), (0.0, None))


@dataclass
class PolicyServer:
    """What the server does, and what it was asked.

    Attributes:
        url: where it listens, without a slash at the end.
        pace_s: before each event and word.
        unnamed: negotiations wait until this is false before they are named.
        key: asked for, if any.
        hostile: every text carries markup that would run as a script.
        trouble: status with which questions are refused, if any; 503 and 429 name seven seconds.
        fault: why answers are not rewritten, if they are not.
        held_after: negotiations wait after this round until it is 0 again.
        breaks_off: answers end in the middle, without [DONE].
        cancelled: ids of negotiations that were cancelled by request.
        left: how many negotiations' clients left.
        asked: bodies of the questions so far.
        plays: against the bargaining policy; all are dealt alike.
    """

    url: str = ""
    pace_s: float = 0.02
    unnamed: bool = False
    key: str = ""
    hostile: bool = False
    trouble: int = 0
    fault: str | None = None
    held_after: int = 0
    breaks_off: bool = False
    cancelled: list[str] = field(default_factory=list)
    left: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    plays: Plays = field(default_factory=lambda: Plays(10, lambda: np.random.default_rng(SEED)))

    def say(self, text: str) -> str:
        return EVIL + text if self.hostile else text


def values(seed: int) -> dict[str, float]:
    """Some values of all ten names."""
    return {name: round(((k * 7 + seed * 3) % 13 - 6) / 9, 2) for k, name in enumerate(SCHWARTZ_VALUES)}


def cultures() -> list[schema.CultureReply]:
    """All eight."""
    return [
        schema.CultureReply(id=id_, name=name, values=values(k), map=schema.MapPlace(x=x, y=y))
        for k, (id_, (name, x, y)) in enumerate(NAMES.items())
    ]


def policy(
    server: PolicyServer, id_: str, at_table: tuple[str, ...] = ("english-speaking", "confucian")
) -> schema.PolicyReply:
    """A policy between some cultures."""
    sides = [
        schema.PolicySide(
            culture=culture,
            statement=server.say(
                "We hold that taking part should be made easy, and expected, but not punished."
            ),
            opening=server.say("Our first position rests on what we have learned to value at home."),
            payoff=0.8,
            pool=[
                schema.PoolEntry(
                    id=f"g{k}{place}",
                    weight=weight,
                    content=server.say(HEADINGS[(place + k) % 4]),
                    reason=server.say("It keeps the choice of each person and the care for common affairs."),
                    description=server.say("The rule is written in law and reviewed after two elections."),
                    kind="initial" if place == 0 else "complementary",
                    round=place,
                )
                for place, weight in enumerate(WEIGHTS[-1][k % 2])
            ],
        )
        for k, culture in enumerate(at_table)
    ]
    return schema.PolicyReply(
        id=id_,
        topic=schema.TopicReply(id="duty", text=server.say(QUESTION), category="Law"),
        cultures=list(at_table),
        converged=True,
        nash_conv=0.0,
        rounds=3,
        values=values(1),
        sides=sides,
        bargaining=id_ == "duty-1",
    )


def answer(server: PolicyServer) -> schema.PolicyAnswer:
    """What a policy says of its answer."""
    before, target = values(2), values(1)
    after = {name: round((before[name] + 2 * target[name]) / 3, 3) for name in before}
    kept = server.fault is None
    return schema.PolicyAnswer(
        policy="duty-1",
        guideline=schema.DrawnGuideline(
            culture="english-speaking", id="g02", content=server.say(HEADINGS[2]), weight=0.63
        ),
        base=server.say(BASE),
        values_before=before,
        values_target=target,
        values_after=after if kept else None,
        consistency=schema.ConsistencyReading(forward=0.81, backward=0.9) if kept else None,
        fault=server.fault,
    )


def error(status: int, message: str, code: str, **headers: str) -> JSONResponse:
    """In OpenAI's form."""
    body = schema.ErrorBody(message=message, type="invalid_request_error", code=code)
    return JSONResponse(schema.ErrorReply(error=body).model_dump(), status, headers)


def event(name: str, data: schema.Reply) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n"


async def negotiation(
    server: PolicyServer, id_: str, asked: negotiation_schema.NegotiateRequest, cancelled: asyncio.Event
) -> AsyncIterator[str]:
    """Its events."""
    result = policy(server, f"{id_}-policy", tuple(asked.cultures))
    firsts = [
        side.pool[0].model_dump(include={"id", "content", "reason", "description"}) for side in result.sides
    ]
    finished = False
    try:
        while server.unnamed:
            await asyncio.sleep(0.01)
        yield event(
            "started",
            negotiation_schema.Started(negotiation_id=id_, cultures=asked.cultures, topic=asked.topic),
        )
        await asyncio.sleep(server.pace_s)
        opened = [
            negotiation_schema.OpenedSide(culture=side.culture, statement=side.opening, guideline=first)
            for side, first in zip(result.sides, firsts, strict=True)
        ]
        yield event("opened", negotiation_schema.OpenedEvent(sides=opened))
        for k in range(3):
            await asyncio.sleep(server.pace_s)
            if cancelled.is_set():
                finished = True
                reason = schema.ErrorBody(message="cancelled", type="cancelled", code="cancelled")
                yield f"event: failed\ndata: {negotiation_schema.FailedEvent(error=reason).model_dump_json()}\n\n"
                return
            yield event("round", round_event(result, k))
            while server.held_after == k + 1 and not cancelled.is_set():
                await asyncio.sleep(0.01)
        finished = True
        yield event("finished", negotiation_schema.FinishedEvent(policy=result))
    finally:
        server.left += not finished


def round_event(result: schema.PolicyReply, k: int) -> negotiation_schema.RoundEvent:
    """Of round k + 1: who has a guideline left to add adds it."""
    added = [
        negotiation_schema.AddedGuideline(**side.pool[k + 1].model_dump(exclude={"weight", "round"}))
        if k + 1 < len(side.pool)
        else None
        for side in result.sides
    ]
    sides = range(len(result.sides))
    return negotiation_schema.RoundEvent(
        round=k + 1,
        weights=[list(WEIGHTS[k][side % 2]) for side in sides],
        nash_conv=(0.02, 0.004, 0.0)[k],
        gains=[GAINS[k][side % 2] for side in sides],
        added=added,
    )


async def chunks(server: PolicyServer, model: str) -> AsyncIterator[str]:
    """An answer, word by word."""
    of_policy = model.startswith("consensus/")
    text = server.say(MOVED if of_policy and server.fault is None else BASE)
    words = text.split(" ")
    for k, word in enumerate(words):
        if server.breaks_off and k == len(words) // 2:
            return
        delta = {"index": 0, "delta": {"content": word if k == 0 else f" {word}"}, "finish_reason": None}
        yield f"data: {json.dumps({'object': 'chat.completion.chunk', 'choices': [delta]})}\n\n"
        await asyncio.sleep(server.pace_s / 10)
    last: dict[str, Any] = {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    }
    if of_policy:
        last["concordat"] = answer(server).model_dump(exclude_none=True)
    yield f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n"


def application(server: PolicyServer) -> FastAPI:
    """The server's paths, as many of them as the page and the terminal use."""
    app = FastAPI()

    @app.middleware("http")
    async def key(request: Request, go_on: Any) -> Any:
        wrong = request.headers.get("authorization") != f"Bearer {server.key}"
        if server.key and request.url.path.startswith("/v1/") and wrong:
            return error(401, "this server needs a key", "invalid_api_key")
        return await go_on(request)

    for url, file in page_files().items():

        def serve(content: bytes = file.content, media_type: str = file.media_type) -> Response:
            return Response(content, media_type=media_type, headers=dict(HEADERS))

        app.get(url)(serve)

    lists(app, server)
    work(app, server)
    return app


def lists(app: FastAPI, server: PolicyServer) -> None:
    """What there is to read."""

    def note(id_: str, kind: str, name: str) -> dict[str, Any]:
        return {"id": id_, "object": "model", "concordat": {"kind": kind, "name": name}}

    @app.get("/v1/models")
    def models() -> Any:
        found = [
            note("consensus/duty-1", "policy", QUESTION),
            note("consensus/english-speaking+confucian", "alias", "English-Speaking and Confucian"),
            *(note(f"culture/{id_}", "culture", name) for id_, (name, *_) in NAMES.items()),
            note("base", "base", "Base model"),
        ]
        return {"object": "list", "data": found}

    @app.get("/v1/cultures")
    def all_cultures() -> Any:
        return schema.CultureList(data=cultures())

    @app.get("/v1/policies")
    def policies() -> Any:
        rows = [
            policy(server, "duty-1"),
            policy(server, "duty-2", ("latin-america", "orthodox-europe")),
        ]
        return schema.PolicyList(
            data=[
                schema.PolicyRow(**row.model_dump(include=set(schema.PolicyRow.model_fields))) for row in rows
            ]
        )

    @app.get("/v1/policies/{id_}")
    def one(id_: str) -> Any:
        if not id_.startswith("duty-"):
            return error(
                404,
                f"policy {id_!r} is not served; GET /v1/policies lists those that are",
                "policy_not_found",
            )
        return policy(server, id_)


def work(app: FastAPI, server: PolicyServer) -> None:
    """What takes its time."""
    live: dict[str, asyncio.Event] = {}

    @app.post("/v1/negotiate")
    async def negotiate(asked: negotiation_schema.NegotiateRequest) -> Any:
        if server.trouble:
            return error(server.trouble, "no room", "overloaded", **{"Retry-After": "7"})
        id_ = f"n{len(live)}"
        live[id_] = asyncio.Event()
        return StreamingResponse(negotiation(server, id_, asked, live[id_]), media_type="text/event-stream")

    @app.delete("/v1/negotiate/{id_}")
    async def cancel(id_: str) -> Any:
        server.cancelled.append(id_)
        live[id_].set()
        return negotiation_schema.Cancelled(negotiation_id=id_)

    @app.post("/v1/policies/{id_}/bargain")
    async def bargain(id_: str, asked: bargaining_schema.PlayRequest) -> Any:
        if server.trouble:
            return error(server.trouble, "no room", "overloaded", **{"Retry-After": "7"})
        at_table = bargaining_policy(id_)
        for offer in at_table.offers:
            offer["content"] = server.say(offer["content"])  # type: ignore[index]  # a dictionary of the stand-in
        return server.plays.start(at_table, at_table.players.index(asked.side))

    @app.post("/v1/bargain/{play}")
    async def move(play: str, asked: bargaining_schema.MoveRequest) -> Any:
        if server.trouble:
            return error(server.trouble, "no room", "overloaded", **{"Retry-After": "7"})
        return server.plays.move(play, asked.action, asked.after)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Any:
        body = await request.json()
        server.asked.append(body)
        if server.trouble:
            return error(server.trouble, "no room", "overloaded", **{"Retry-After": "7"})
        if body.get("stream"):
            return StreamingResponse(chunks(server, body["model"]), media_type="text/event-stream")
        return error(400, "the stand-in only streams", "not_here")


@contextmanager
def listening(app: FastAPI, lifespan: Literal["on", "off"] = "off") -> Iterator[str]:
    """Runs an application in a thread, on a free port of this machine; gives its address."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, lifespan=lifespan)
        web = uvicorn.Server(config)
        thread = threading.Thread(target=web.run, kwargs={"sockets": [port]}, daemon=True)
        thread.start()
        while not web.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port.getsockname()[1]}"
        finally:
            web.should_exit = True
            thread.join(10)


@contextmanager
def serving(server: PolicyServer | None = None) -> Iterator[PolicyServer]:
    """Runs the stand-in."""
    running = server or PolicyServer()
    with listening(application(running)) as running.url:
        yield running
