"""Stand-ins for what a server serves: policy files, and models that answer at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.models.protocol import Generation, GenerationRequest
from agents.values import SCHWARTZ_VALUES
from cluster.bargaining.policies import BargainingPolicy
from cluster.serving.bargaining import HeldBargaining
from cluster.serving.bargaining_schema import PlayReply
from cluster.serving.negotiation_schema import NegotiateRequest
from cluster.serving.plays import Plays
from cluster.serving.schema import Values
from cluster.serving.services import Embedded, Event, RewriteJob
from negotiation.bargaining.game import load
from negotiation.bargaining.stakes import Stakes
from negotiation.bargaining.tree import GameTree
from rewriter.injection import Failure
from rewriter.targets import PolicyText
from rewriter.vocabulary import Consistency, RewriteRequest, Rewriting, Shift, ValueReading

HALF = (0.5,) + (0.0,) * 9
ZERO = (0.0,) * 10


def policy_tree(
    negotiation: str, topic: str, cultures: Sequence[str] = ("english-speaking", "confucian")
) -> dict[str, Any]:
    """A policy file: each side holds one guideline with all the weight and one with none."""
    return {
        "policy_version": 1,
        "negotiation_id": negotiation,
        "record_digest": "0",
        "topic": {"id": negotiation, "text": topic, "category": "civic"},
        "players": [
            {
                "culture": culture,
                "payoff": 0.5,
                "statement": f"{culture} states the consensus.",
                "opening": f"{culture} opens.",
                "pool": [
                    {
                        "id": f"p{k}-r0-initial",
                        "weight": 1.0,
                        "kind": "initial",
                        "round": 0,
                        "content": f"Rule of {culture}",
                        "reason": "It helps.",
                        "description": "Do it.",
                    },
                    {
                        "id": f"p{k}-r1-innovative",
                        "weight": 0.0,
                        "kind": "innovative",
                        "round": 1,
                        "content": "Never drawn",
                        "reason": "",
                        "description": "",
                    },
                ],
            }
            for k, culture in enumerate(cultures)
        ],
        "equilibrium": {"solver": "exact", "nash_conv": 0.0, "solver_converged": True},
        "converged": True,
        "stop_reason": "equilibrium",
        "rounds": 2,
        "seed": 0,
        "provenance": {},
    }


def write_policy(run: Path, tree: dict[str, Any]) -> Path:
    folder = run / "policies"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{tree['negotiation_id']}.json"
    path.write_text(json.dumps(tree))
    return path


def bargaining_policy(
    negotiation: str, players: Sequence[str] = ("english-speaking", "confucian")
) -> BargainingPolicy:
    """Over three offers and two turns; the first side has two types, the other one.

    English-Speaking of type 0 opens with offer 0, of type 1 with offer 1. Confucian accepts offer 1 and rejects others; then it
    proposes offer 2. English-Speaking accepts that if it is of type 1.
    """
    stakes = Stakes(
        utilities=(np.array([[1.0, 0.6, 0.0], [0.5, 1.0, 0.8]]), np.array([[0.0, 0.5, 1.0]])),
        priors=(np.array([0.5, 0.5]), np.array([1.0])),
        walk_aways=(np.array([0.3, 0.3]), np.array([0.2])),
        discount=0.9,
        turns=2,
    )
    policy = uniform_policy(negotiation, players, stakes, "Stay free", "Meet halfway", "Vote together")
    policy.offers[1]["player"] = 0  # type: ignore[index]  # a dictionary
    policy.offers[2]["player"] = 1  # type: ignore[index]
    for side in range(2):
        states = zip(policy.names[side], policy.actions[side], strict=True)
        chances = [float(one == _wanted(name, actions)) for name, actions in states for one in actions]
        policy.mixtures[side][:] = chances
    return policy


def uniform_policy(
    negotiation: str, players: Sequence[str], stakes: Stakes, *headings: str
) -> BargainingPolicy:
    """All legal actions are as likely; offers are the players' in turn."""
    tree = GameTree.of(load(stakes))
    even = tuple(np.concatenate([np.full(len(a), 1 / len(a)) for a in side.actions]) for side in tree.sides)
    return BargainingPolicy(
        id=negotiation,
        topic="Should voting be a duty?",
        players=tuple(players),
        offers=tuple(
            {
                "id": f"offer-{place}",
                "player": place % len(players),
                "content": headings[place] if headings else f"Rule {place}",
                "reason": "It helps.",
                "description": "Do it.",
            }
            for place in range(stakes.offers)
        ),
        stakes=stakes,
        names=tuple(side.names for side in tree.sides),
        actions=tuple(side.actions for side in tree.sides),
        pools=tuple(mixture[None].copy() for mixture in even),
        weights=tuple(np.ones(1) for _ in even),
        mixtures=even,
        nash_conv=0.25,
    )


def _wanted(name: str, actions: Sequence[int]) -> int:
    """What the stand-in does in an information state, by its name: "p0 | type 0 | 0r 2"."""
    accept, reject = 3, 4
    if min(actions) < accept:
        return 2 if name.startswith("p1") else (1 if "type 1" in name else 0)
    if name.startswith("p1"):
        return accept if name.endswith(" 1") else reject
    return accept if "type 1" in name else reject


def write_bargaining(run: Path, policy: BargainingPolicy) -> Path:
    folder = run / "bargaining" / "policies"
    folder.mkdir(parents=True, exist_ok=True)
    policy.save(folder, policy.id)
    return folder / f"{policy.id}.json"


class FakeServices:
    """Answers at once; what it was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[GenerationRequest] = []
        self.jobs: list[RewriteJob] = []
        self.policies_read = 0
        self.reply = "All may vote."
        self.error: Exception | None = None
        self.delay_s = 0.0
        self.cancelled: list[str] = []
        self.left = asyncio.Event()
        self.plays = Plays(100, lambda: np.random.default_rng(self.chance))
        self.chance = 0

    async def generate(self, request: GenerationRequest) -> Generation:
        self.asked.append(request)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        return Generation(self.reply, 7, 4, "stop", 0.01)

    async def read(self, texts: Sequence[str]) -> list[ValueReading]:
        return [ValueReading(HALF, 0.75) for _ in texts]

    async def policy_values(self, policy: PolicyText) -> Values:
        self.policies_read += 1
        return dict(zip(SCHWARTZ_VALUES, HALF, strict=True))

    async def embed(self, texts: Sequence[str]) -> Embedded:
        vectors = np.array([[float("tax" in text), float("vot" in text), 0.1] for text in texts])
        return Embedded(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 3 * len(texts))

    async def translate(self, instruction: str) -> Shift:
        return Shift((0.5,) * 10, ("read",))

    async def rewrite(self, job: RewriteJob) -> Rewriting | Failure:
        self.jobs.append(job)
        request = RewriteRequest(job.text, ZERO, job.wanted.target(ZERO))
        return Rewriting(request, f"{job.text} Indeed.", HALF, Consistency(0.9, 0.8))

    async def negotiate(self, request: NegotiateRequest, negotiation: str) -> AsyncIterator[Event]:
        try:
            yield (
                "started",
                {"negotiation_id": negotiation, "cultures": request.cultures, "topic": request.topic},
            )
            yield "round", {"round": 1}
            if self.error is not None:
                raise self.error
            yield "finished", {"policy": {}}
        finally:
            self.left.set()

    async def cancel(self, negotiation: str) -> bool:
        self.cancelled.append(negotiation)
        return negotiation == "live-known"

    async def start_play(self, held: HeldBargaining, player: int) -> PlayReply:
        return self.plays.start(held.policy(), player)

    async def show_play(self, play: str) -> PlayReply:
        return self.plays.show(play)

    async def move(self, play: str, action: int, after: int | None) -> PlayReply:
        return self.plays.move(play, action, after)

    async def check(self) -> None:
        if self.error is not None:
            raise self.error
