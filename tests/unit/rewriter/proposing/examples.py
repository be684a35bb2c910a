"""Negotiations of two or three cultures in the plane, situations out of them, and completions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.cultures import get_culture
from negotiation.config import GameConfig
from negotiation.guideline import Guideline, Pool
from negotiation.oracle import TableView
from negotiation.topic import Topic
from rewriter.learning.vocabulary import Completion
from rewriter.proposing.situations import Situation
from tests.unit.negotiation.scripted import PlaceEmbedder, ScriptedOracle, play

PLAYERS = ("confucian", "latin-america", "african-islamic")


class Places:
    """The embedder of the plane, as a judge has it."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return asyncio.run(PlaceEmbedder().embed(texts))


def record(starts: Sequence[float] = (0, 90), scripts: Sequence[Any] = (), **settings: Any) -> Any:
    """A negotiation whose players open and propose at angles in degrees."""
    oracles = [
        ScriptedOracle(start, script)
        for start, script in zip(starts, [*scripts, *[{}] * len(starts)], strict=False)
    ]
    made = play(oracles, GameConfig.model_validate(settings), players=PLAYERS[: len(starts)])
    return made, oracles


def pool(player: int, *angles: float) -> Pool:
    guidelines = tuple(
        Guideline(
            f"p{player}-{k}", player, k, "initial" if k == 0 else "innovative", f"At @{angle}", "why", "do"
        )
        for k, angle in enumerate(angles)
    )
    turned = np.radians(angles)
    return Pool(player, guidelines, np.stack([np.cos(turned), np.sin(turned)], axis=1))


def situation(
    pools: Sequence[Sequence[float]] = ((0,), (60,)),
    weights: Sequence[Sequence[float]] = ((1,), (1,)),
    player: int = 0,
    kind: Any = "adversarial",
    players: Sequence[str] | None = None,
) -> Situation:
    names = tuple(players or PLAYERS[: len(pools)])
    view = TableView(
        Topic("tax", "Should inheritance be taxed?"),
        player,
        names,
        2,
        tuple(pool(k, *angles) for k, angles in enumerate(pools)),
        tuple(np.array(mixture, dtype=np.float64) for mixture in weights),
        "our position",
        5,
    )
    return Situation("tax-1", get_culture(names[player]), view, kind)


def reply(place: object, heading: str = "New") -> str:
    return f"Heading: {heading} @{place}\nReason: because\nDescription: do it"


def completion(asked: Situation, text: str, group: int = 0, finish: str = "stop") -> Completion[Situation]:
    return Completion(
        request=asked,
        group=group,
        prompt=(1, 2),
        tokens=(3, 4),
        logprobs=(-1.0, -1.0),
        text=text,
        finish=finish,  # type: ignore[arg-type]  # a plain str
        version=0,
    )
