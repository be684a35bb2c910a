"""Bargaining: the game of a policy, what a policy does in it, and plays against it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query

from cluster.serving.bargaining import act, described, player_of
from cluster.serving.bargaining_schema import (
    ActReply,
    ActRequest,
    BargainingReply,
    MoveRequest,
    PlayReply,
    PlayRequest,
)
from cluster.serving.openai_routes import Asked, in_time

PolicyName = Annotated[str, Path(min_length=1, max_length=200, examples=["should-voting-be-a-duty-3fb585fe"])]
PlayName = Annotated[str, Path(min_length=1, max_length=100, examples=["play-4fJxW2"])]
SideName = Annotated[
    str | None,
    Query(
        min_length=1, max_length=64, description="whose worth of the offers is told", examples=["confucian"]
    ),
]


def bargaining_routes() -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["Bargaining"])

    @router.get("/v1/policies/{policy}/bargaining")
    async def get_bargaining(policy: PolicyName, core: Asked, side: SideName = None) -> BargainingReply:
        """The game that a policy bargains in: offers, turns, discount; with ``side`` what all is worth to that side."""
        held = core.bargained(policy)
        topic = core.held(policy, None).row.topic
        return await in_time(core, asyncio.to_thread(lambda: described(held.policy(), topic, side)))

    @router.post("/v1/policies/{policy}/act")
    async def act_once(policy: PolicyName, body: ActRequest, core: Asked) -> ActReply:
        """What a side's policy does next: every legal action with its probability, and one that was drawn.

        Nothing is kept: who asks gives the side's private type, and all that was said.
        """
        held = core.bargained(policy)
        return await in_time(core, asyncio.to_thread(lambda: act(held.policy(), body)))

    @router.post("/v1/policies/{policy}/bargain")
    async def start_play(policy: PolicyName, body: PlayRequest, core: Asked) -> PlayReply:
        """Bargain with a policy: the server deals the private types, and tells the client its own."""
        held = core.bargained(policy)
        player = player_of(await asyncio.to_thread(held.policy), body.side)
        return await in_time(core, core.services.start_play(held, player))

    @router.get("/v1/bargain/{play}")
    async def show_play(play: PlayName, core: Asked) -> PlayReply:
        """A play as it stands."""
        return await in_time(core, core.services.show_play(play))

    @router.post("/v1/bargain/{play}")
    async def move(play: PlayName, body: MoveRequest, core: Asked) -> PlayReply:
        """Make the next move; the others answer at once. A move cannot be taken back."""
        return await in_time(core, core.services.move(play, body.action, body.after))

    return router
