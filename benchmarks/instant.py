"""Models that answer at once, or after a time that is made up: for benchmarks of all that is not the model.

Replies are sentences chosen by the hash of what is asked, in the form that is asked for; vectors are made from the hash of
the text. So a run with them is a function of its plan and seed, and says nothing of cultures.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest

SUBJECTS = ("Schools", "Courts", "Families", "Employers", "Cities", "Elders", "Neighbours", "Parliaments")
VERBS = ("should protect", "should discuss", "may limit", "must pay for", "could vote on", "should record")
OBJECTS = ("the custom", "free speech", "shared land", "the young", "old rites", "public money", "newcomers")

WIDTH = 384
"""Numbers in a vector, as the embedder that ships has them."""

PROMPT_TOKENS, REPLY_TOKENS = 200, 60


def reply(request: GenerationRequest) -> Generation:
    """The answer to a request; the same for the same request."""
    prompt = request.messages[-1].content
    bits = _bits(f"{request.messages[0].content}|{prompt}|{request.seed}|{request.adapter}")
    words = []
    for choices in (SUBJECTS, VERBS, OBJECTS):
        bits, index = divmod(bits, len(choices))
        words.append(choices[index])
    said = f"{' '.join(words)}."
    if "Heading" in prompt:
        said = f"Heading: {words[0]} and {words[2]}\nReason: {said}\nDescription: Each region reports on it yearly."
    return Generation(said, PROMPT_TOKENS, REPLY_TOKENS, "stop", 0.0)


def vectors(texts: Sequence[str]) -> NDArray[np.float64]:
    """(n, WIDTH) rows of length 1; the same for the same text."""
    rows = np.stack([_noise(text) for text in texts])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


class InstantActor:
    """In place of ``cluster.ray_backend.CultureActor``: answers at once."""

    def __init__(self, culture: str, adapter: str | None, config: Any) -> None:
        self._label = f"{culture} (instant)"

    def __repr__(self) -> str:
        return self._label

    def name(self) -> str:
        """Of the model."""
        return "instant"

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One reply a request."""
        return [reply(request) for request in requests]

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """One score a request."""
        return [Score.of((-(_bits(request.text) % 97) / 10,)) for request in requests]


class InstantEmbedder:
    """In place of ``cluster.ray_backend.EmbedderActor``: answers at once."""

    def __init__(self, embedder: str, threads: int) -> None:
        self._label = "embedder (instant)"

    def __repr__(self) -> str:
        return self._label

    def name(self) -> str:
        """Of the embedder."""
        return "instant"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, WIDTH) for n texts."""
        return vectors(texts)


class SlowActor(InstantActor):
    """Takes ``SECONDS`` a batch, so that a run lasts long enough to be disturbed."""

    SECONDS = 0.05

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One reply a request."""
        time.sleep(self.SECONDS)
        return super().generate(requests)


def _bits(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _noise(text: str) -> NDArray[np.float64]:
    data = hashlib.shake_128(text.encode()).digest(2 * WIDTH)
    return np.frombuffer(data, dtype="<u2").astype(np.float64) - 32767.5
