from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from agents.models.protocol import Generation, GenerationRequest
from agents.values import SCHWARTZ_VALUES
from cluster.serving.config import LimitsConfig, ServeConfig
from cluster.serving.errors import ApiError
from cluster.serving.negotiating import Negotiations
from cluster.serving.negotiation_schema import NEGOTIATION_EVENTS, NegotiateRequest
from cluster.serving.schema import Values
from cluster.serving.services import Embedded, Event
from negotiation.errors import ModelServerError
from rewriter.targets import PolicyText

ASKED = NegotiateRequest(
    cultures=["english-speaking", "confucian"], topic="Should voting be a duty?", rounds=2
)


class FakeParts:
    """Agents say the same again and again; vectors are of hashes."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.adapters: set[str | None] = set()
        self.asked = 0
        self.stall = False

    async def replies(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.asked += len(requests)
        self.adapters |= {request.adapter for request in requests}
        if self.error is not None:
            raise self.error
        if self.stall:
            await asyncio.sleep(60)
        return [
            Generation(
                f"Heading: Rule {r.seed % 97}\nReason: It helps.\nDescription: Do it.", 9, 9, "stop", 0.0
            )
            for r in requests
        ]

    async def embed(self, texts: Sequence[str]) -> Embedded:
        vectors = np.array([np.random.default_rng(sum(text.encode())).normal(size=8) for text in texts])
        return Embedded(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), len(texts))

    async def policy_values(self, policy: PolicyText) -> Values:
        return dict.fromkeys(SCHWARTZ_VALUES, 0.25)


def held(parts: FakeParts, **limits: Any) -> Negotiations:
    return Negotiations(ServeConfig(run=".", limits=LimitsConfig(**limits)), parts)


async def collect(negotiations: Negotiations, name: str = "live-1") -> list[Event]:
    return [event async for event in negotiations.events(ASKED, name)]


def test_the_events_are_those_of_the_contract_and_end_with_the_policy() -> None:
    parts = FakeParts()
    negotiations = held(parts)
    found = asyncio.run(collect(negotiations))
    names = [name for name, _ in found]
    assert names[:2] == ["started", "opened"]
    assert set(names[2:-1]) == {"round"}
    assert 1 <= len(names[2:-1]) <= 2
    assert names[-1] == "finished"
    for name, data in found:
        NEGOTIATION_EVENTS[name].model_validate(data)
    policy = found[-1][1]["policy"]
    assert policy["cultures"] == ["english-speaking", "confucian"]
    assert policy["values"] == dict.fromkeys(SCHWARTZ_VALUES, 0.25)
    first = found[1][1]["sides"][0]["guideline"]
    assert policy["sides"][0]["pool"][0]["id"] == first["id"] == "p0-r0-initial"
    assert parts.adapters == {"english-speaking", "confucian"}
    assert negotiations.running == 0


def test_the_same_seed_gives_the_same_negotiation() -> None:
    first, second = (asyncio.run(collect(held(FakeParts()))) for _ in range(2))
    assert first[1:] == second[1:]


def test_a_cancelled_negotiation_ends_with_that_event_and_asks_no_more() -> None:
    async def play() -> list[Event]:
        parts = FakeParts()
        parts.stall = True
        negotiations = held(parts)
        found = []
        async for event in negotiations.events(ASKED, "live-1"):
            found.append(event)
            assert not negotiations.cancel("live-2")
            await asyncio.sleep(0.02)
            assert negotiations.cancel("live-1")
        assert negotiations.running == 0
        assert not negotiations.cancel("live-1")
        return found

    found = asyncio.run(play())
    assert [name for name, _ in found] == ["started", "failed"]
    assert found[-1][1]["error"]["code"] == "cancelled"


def test_a_client_that_leaves_cancels() -> None:
    async def play() -> int:
        parts = FakeParts()
        parts.stall = True
        negotiations = held(parts)
        events = negotiations.events(ASKED, "live-1")
        assert (await anext(events))[0] == "started"
        await asyncio.sleep(0.02)
        await events.aclose()  # type: ignore[attr-defined]
        return negotiations.running

    assert asyncio.run(play()) == 0


def test_above_the_bound_there_is_no_room() -> None:
    async def play() -> None:
        parts = FakeParts()
        parts.stall = True
        negotiations = held(parts, negotiations=1)
        first = negotiations.events(ASKED, "live-1")
        await anext(first)
        with pytest.raises(ApiError) as caught:
            await anext(negotiations.events(ASKED, "live-2"))
        assert (caught.value.status, caught.value.body.code) == (503, "overloaded")
        await first.aclose()  # type: ignore[attr-defined]

    asyncio.run(play())


def test_what_goes_wrong_is_told_in_the_last_event() -> None:
    name, data = asyncio.run(collect(held(FakeParts(ModelServerError("no /secret")))))[-1]
    assert (name, data["error"]["code"]) == ("failed", "model_unreachable")
    parts = FakeParts()
    parts.stall = True
    name, data = asyncio.run(collect(held(parts, negotiation_timeout_s=0.05)))[-1]
    assert (name, data["error"]["code"]) == ("failed", "timeout")
