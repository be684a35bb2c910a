"""What the HTTP API asks of the parts behind it, wherever they run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from agents.models.protocol import Generation, GenerationRequest
from cluster.serving.bargaining import HeldBargaining
from cluster.serving.bargaining_schema import PlayReply
from cluster.serving.negotiation_schema import NegotiateRequest
from cluster.serving.schema import Values
from rewriter.injection import Failure
from rewriter.targets import PolicyText, Wanted
from rewriter.vocabulary import Rewriting, Shift, ValueReading


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors of texts.

    Attributes:
        vectors: (n, D) unit rows.
        tokens: of all texts together, as the embedder counts and cuts them.
    """

    vectors: NDArray[np.float64]
    tokens: int


@dataclass(frozen=True, slots=True)
class RewriteJob:
    """A text to be moved.

    Attributes:
        text: not blank.
        wanted: where to.
        seed: same seed, same rewriting.
    """

    text: str
    wanted: Wanted
    seed: int = 0


Event = tuple[str, dict[str, Any]]
"""Name of a negotiation's event, and its data as plain JSON values."""


class Services(Protocol):
    """The models behind the API. Errors are those of ``negotiation.errors``, or ``ApiError``."""

    async def generate(self, request: GenerationRequest) -> Generation:
        """A reply of the base model, with an adapter if one is named."""
        ...

    async def read(self, texts: Sequence[str]) -> list[ValueReading]:
        """The values of texts."""
        ...

    async def policy_values(self, policy: PolicyText) -> Values:
        """The values of a policy."""
        ...

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """The vectors of texts."""
        ...

    async def translate(self, instruction: str) -> Shift:
        """What plain words ask for."""
        ...

    async def rewrite(self, job: RewriteJob) -> Rewriting | Failure:
        """A text with other values."""
        ...

    def negotiate(self, request: NegotiateRequest, negotiation: str) -> AsyncIterator[Event]:
        """The events of a negotiation under this id; closing the iterator cancels it."""
        ...

    async def cancel(self, negotiation: str) -> bool:
        """Cancel a negotiation; whether there was one."""
        ...

    async def start_play(self, held: HeldBargaining, player: int) -> PlayReply:
        """Sit a client down in a player's place, against the policies of the others."""
        ...

    async def show_play(self, play: str) -> PlayReply:
        """A play as it stands."""
        ...

    async def move(self, play: str, action: int, after: int | None) -> PlayReply:
        """A client's move, and the others' answers; ``after``: how many moves it knows of."""
        ...

    async def check(self) -> None:
        """Raise what keeps the parts from answering."""
        ...


def data_of(model: BaseModel) -> dict[str, Any]:
    """An event's data as plain JSON values."""
    return model.model_dump(mode="json")
