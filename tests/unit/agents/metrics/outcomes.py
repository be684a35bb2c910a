"""Outcomes to measure."""

from __future__ import annotations

from negotiation.outcome import Method, Outcome
from negotiation.topic import Topic


def outcome(
    topic: str = "t1",
    method: Method = "psro",
    players: tuple[str, ...] = ("english-speaking", "confucian"),
    openings: tuple[str, ...] = ("First words.", "Other words."),
    consensus: tuple[str, ...] = ("Last words.", "Last words too."),
    category: str = "c1",
    seed: int | None = 0,
    rounds: int | None = None,
    converged: bool | None = None,
) -> Outcome:
    return Outcome(
        f"{topic}--{'--'.join(players)}",
        method,
        Topic(topic, f"Question {topic}?", category),
        players,
        seed,
        openings,
        consensus,
        rounds,
        converged,
    )
