"""Oracles that read from a script, and an embedder that reads vectors out of texts.

``@30`` in a text is the unit vector at 30 degrees of the plane; ``@1,2,3`` that vector at unit length.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from negotiation.config import GameConfig
from negotiation.oracle import CANDIDATE_KINDS, Draft, Embedder, Opening, Oracle, Proposals, TableView
from negotiation.psro import negotiate
from negotiation.record import NegotiationRecord
from negotiation.topic import Topic

TOPIC = Topic("voting", "Should voting be a duty?", "Politics and Governance")


def at(place: object, kind: str = "innovative", heading: str = "At") -> Draft:
    """A draft whose vector is at ``place``."""
    return Draft(kind, f"{heading} @{place}", "because", "do it")


class PlaceEmbedder:
    name = "places"

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        rows = []
        for text in texts:
            place = re.search(r"@([-+.,e\d]+)", text).group(1).strip(".")
            if "," in place:
                rows.append(np.array([float(x) for x in place.split(",")]))
            else:
                angle = np.radians(float(place))
                rows.append(np.array([np.cos(angle), np.sin(angle)]))
        return np.array([row / np.linalg.norm(row) for row in rows])


class ScriptedOracle:
    """Opens at ``start``; proposes what ``script`` holds for the round, and passes where it holds nothing."""

    def __init__(
        self, start: object, script: Mapping[int, Proposals | Sequence[Draft | float]] | None = None
    ) -> None:
        self.start = start
        self.script = script or {}
        self.views: list[tuple[str, TableView]] = []

    async def open(self, topic: Topic, player: int, players: tuple[str, ...], seed: int) -> Opening:
        return Opening(f"{players[player]} stands @{self.start}", at(self.start, "initial"))

    async def propose(self, view: TableView, per_kind: int) -> Proposals:
        self.views.append(("propose", view))
        planned = self.script.get(view.round, ())
        if isinstance(planned, Proposals):
            return planned
        return Proposals(tuple(item if isinstance(item, Draft) else at(item) for item in planned))

    async def express(self, view: TableView) -> str:
        self.views.append(("express", view))
        return f"{view.players[view.player]} weighs {view.weights[view.player].round(3).tolist()}"

    async def conclude(self, view: TableView) -> str:
        self.views.append(("conclude", view))
        best = int(np.argmax(view.weights[view.player]))
        return view.pools[view.player].guidelines[best].text


class DrawingOracle:
    """Draws places near its own and the others' guidelines, from the seeds it is given alone."""

    def __init__(self, dimensions: int = 3, pause: Callable[[], float] | None = None) -> None:
        self.dimensions = dimensions
        self.pause = pause

    async def _wait(self) -> None:
        if self.pause:
            await asyncio.sleep(self.pause())

    def _draw(self, rng: np.random.Generator, near: Any = 0.0) -> str:
        # Six decimals: rounding in the last bits of what it sees does not show.
        return ",".join(f"{x:.6f}" for x in near + 0.5 * rng.normal(size=self.dimensions))

    async def open(self, topic: Topic, player: int, players: tuple[str, ...], seed: int) -> Opening:
        await self._wait()
        place = self._draw(np.random.default_rng(seed))
        return Opening(f"{players[player]} stands @{place}", at(place, "initial"))

    async def propose(self, view: TableView, per_kind: int) -> Proposals:
        await self._wait()
        rng = np.random.default_rng(view.seed)
        means = [weights @ pool.embeddings for pool, weights in zip(view.pools, view.weights, strict=True)]
        own, others = means[view.player], sum(m for j, m in enumerate(means) if j != view.player)
        near = {"adversarial": own, "complementary": own + others, "innovative": 0.0}
        kinds = [kind for kind in CANDIDATE_KINDS for _ in range(per_kind)]
        return Proposals(tuple(at(self._draw(rng, near[kind]), kind, "Same heading") for kind in kinds))

    async def express(self, view: TableView) -> str:
        await self._wait()
        return f"expressed {view.seed}"

    async def conclude(self, view: TableView) -> str:
        await self._wait()
        return f"concluded @{self._draw(np.random.default_rng(view.seed))}"


def play(
    oracles: Sequence[Oracle],
    config: GameConfig | None = None,
    *,
    players: Sequence[str] | None = None,
    embedder: Embedder | None = None,
    seed: int = 0,
    **more: Any,
) -> NegotiationRecord:
    """One negotiation, run to its end."""
    names = list(players or [f"culture-{i}" for i in range(len(oracles))])
    table = negotiate(
        TOPIC, names, oracles, embedder or PlaceEmbedder(), config or GameConfig(), seed=seed, **more
    )
    return asyncio.run(table)
