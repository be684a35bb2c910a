"""What a learned oracle learns from: the situations of a culture in a run's finished negotiations, some topics held out."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.cultures import Culture, get_culture
from agents.embedding import SentenceEmbedder, load_embedder
from agents.grounding import Grounding
from cluster.config import RunConfig
from cluster.outcomes import layout_of
from cluster.proposing.config import OracleTrainingConfig, run_of
from cluster.runfolder import records_folder
from negotiation.errors import ConfigurationError, RecordError
from negotiation.held_out import STANDARD_TERMS
from negotiation.record import NegotiationRecord
from rewriter.proposing.situations import Situation, of_topics, situations_of, split_topics


@dataclass(frozen=True, slots=True)
class OracleMaterial:
    """Situations.

    Attributes:
        learned: those that are learned from.
        held_out: those of the topics that are held out.
        topics: ids of the topics learned from, and of those held out, each sorted.
        epsilon: least gain that the run's game takes.
    """

    learned: tuple[Situation, ...]
    held_out: tuple[Situation, ...]
    topics: tuple[tuple[str, ...], tuple[str, ...]]
    epsilon: float

    def fingerprint(self) -> str:
        """Of everything in the situations that are learned from; tells other material."""
        from negotiation.record import content_digest

        digests = "".join(content_digest(situation) for situation in self.learned)
        return hashlib.sha256(digests.encode()).hexdigest()[:16]


class _Present:
    """An embedder of this process, as grounding wants it."""

    def __init__(self, embedder: SentenceEmbedder) -> None:
        self._embedder = embedder

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return self._embedder.embed(list(texts))


def read_situations(config: OracleTrainingConfig) -> OracleMaterial:
    """Read a run's records to the situations of the culture.

    Raises:
        ConfigurationError: if the culture took part in no finished negotiation, too few topics are left to learn from, or the
            survey answers that its agent was shown are not to be had any more.
        RecordError: if a record is damaged, or of a utility with other terms than the standard ones.
        RunError: if it is no run folder.
    """
    run = run_of(config.run)
    folder = config.run / records_folder("psro")
    records = [record for file in sorted(folder.glob("*.parquet")) for record in layout_of("psro").read(file)]
    theirs: list[NegotiationRecord] = [record for record in records if config.culture in record.players]
    if not theirs:
        raise ConfigurationError(
            f"--culture {config.culture}: {config.run} has {len(records)} finished negotiations by the game, none with it; finish"
            " some, or name another run"
        )
    odd = next((record for record in theirs if frozenset(record.terms) != STANDARD_TERMS), None)
    if odd is not None:
        raise RecordError(
            f"negotiation {odd.negotiation_id!r} has the terms {', '.join(sorted(odd.terms))}; an oracle learns for the standard"
            " utility only"
        )
    found = []
    shown = _shown(config, run, theirs)
    for record, culture in zip(theirs, shown, strict=True):
        found += situations_of(record, {culture.id: culture})
    topics, aside = split_topics(
        [record.topic.id for record in theirs], config.held_out, config.learning.seed
    )
    return OracleMaterial(
        tuple(of_topics(found, topics)),
        tuple(of_topics(found, aside)),
        (tuple(topics), tuple(aside)),
        run.game.epsilon,
    )


def spread(situations: Sequence[Situation], most: int, seed: int) -> list[Situation]:
    """At most so many situations, as evenly over the topics as they go; which of a topic's, is drawn.

    >>> spread([], 3, 0)
    []
    """
    rng = np.random.default_rng([seed, len(situations)])
    turns: dict[str, int] = {}
    ranked = []
    for place in rng.permutation(len(situations)).tolist():
        topic = situations[place].view.topic.id
        ranked.append((turns.get(topic, 0), place))
        turns[topic] = turns.get(topic, 0) + 1
    return [situations[place] for _, place in sorted(sorted(ranked)[:most], key=lambda pair: pair[1])]


def _shown(
    config: OracleTrainingConfig, run: RunConfig, records: Sequence[NegotiationRecord]
) -> list[Culture]:
    """For each record the culture with what its agent was shown of its people."""
    culture = get_culture(config.culture)
    grounding = run.grounds()
    if grounding is None:
        return [culture] * len(records)
    embedder = _Present(load_embedder(config.embedder, device="cpu")) if grounding.profiles else _Nobody()
    grounded = asyncio.run(_ground(grounding, culture, records, embedder))
    for record, one in zip(records, grounded, strict=True):
        name = f"evidence:{culture.id}"
        if record.provenance.get(name) != grounding.provenance([one]).get(name):
            raise ConfigurationError(
                f"{config.run}: the survey answers shown on topic {record.topic.id!r} are not those of"
                f" {run.grounding.profiles}; put the run's profiles back, or negotiate again"
            )
    return grounded


async def _ground(
    grounding: Grounding, culture: Culture, records: Sequence[NegotiationRecord], embedder: _Present
) -> list[Culture]:
    return [(await grounding.ground([culture], record.topic.text, embedder))[0] for record in records]


class _Nobody(_Present):
    """Where no answers are shown, nothing is embedded."""

    def __init__(self) -> None:
        pass


def placed(path: str | None) -> Path | None:
    """A local file's name in full, since an actor may have another working directory."""
    return None if path is None else Path(path).expanduser().resolve()
