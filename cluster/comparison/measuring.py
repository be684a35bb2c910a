"""From outcomes to figures: embed, read values, score, measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.embedding import MINILM, load_embedder
from agents.metrics.geometry import principal_plane
from agents.metrics.labels import Labels, agreement, labels_of, self_consistency
from agents.metrics.measured import Measured, Texts, measure
from agents.metrics.perplexity import Surprise, surprises
from cluster.comparison.config import CompareConfig
from cluster.comparison.sources import Source
from cluster.comparison.voices import Casting, cast, load_voices
from negotiation.held_out import HeldOut
from negotiation.outcome import Outcome
from rewriter.detector.loading import load_detector

Told = Callable[[str, int, int], None]
"""What is done, how many of it, of how many."""

MANY_TEXTS = 4000
"""From so many distinct texts on the bundled embedder takes them in batches, which is several times faster."""

PART = 256
"""Negotiations whose statements are scored before progress is told."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JudgeFigures:
    """One judge's view of value self-consistency, to be set beside that of others.

    Attributes:
        judge: its name.
        by_method: mean share of the ten values with the same label, by method.
        texts: distinct statements that it read.
    """

    judge: str
    by_method: dict[str, float]
    texts: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """All negotiations measured.

    Attributes:
        measured: one a negotiation.
        judges: that read values; the first one's readings are in ``measured``.
        agreement: of the judges on all distinct statements; empty for a single judge.
        embedder: name.
        model: that scored; None if none did.
    """

    measured: tuple[Measured, ...]
    judges: tuple[JudgeFigures, ...]
    agreement: dict[str, float | None]
    embedder: str
    model: str | None


def measure_sources(
    config: CompareConfig, sources: Sequence[Source], told: Told = lambda what, done, of: None
) -> Measurement:
    """Measure everything.

    Raises:
        ConfigurationError: or one of its kinds: a model, embedder or judge that cannot be used.
        TargetError: if a judge answers outside [-1, 1].
        MalformedReplyError: if a judge that is a language model answers in another form.
    """
    outcomes = chosen_topics([outcome for source in sources for outcome in source.outcomes], config.topics)
    # First what may be refused at once.
    casting = cast(config, sources) if config.perplexity else None
    texts = sorted({text for outcome in outcomes for text in (*outcome.openings, *outcome.consensus)})
    readings = {judge: _readings(judge, texts, config.threads, told) for judge in config.judges}
    vectors, embedder = _embeddings(texts, config, told)
    scored: Sequence[Surprise | str | None] = [None] * len(outcomes)
    if casting is not None:
        scored = _surprises(outcomes, casting, config, told)
    planes = _planes(outcomes, vectors)
    first = readings[config.judges[0]]
    measured = tuple(
        measure(
            outcome,
            Texts(
                openings=np.stack([vectors[text] for text in outcome.openings]),
                consensus=np.stack([vectors[text] for text in outcome.consensus]),
                plane_openings=np.stack([planes[_table(outcome)][text] for text in outcome.openings]),
                plane_consensus=np.stack([planes[_table(outcome)][text] for text in outcome.consensus]),
                value_openings=np.stack([first[text] for text in outcome.openings]),
                value_consensus=np.stack([first[text] for text in outcome.consensus]),
                surprise=surprise,
            ),
        )
        for outcome, surprise in zip(outcomes, scored, strict=True)
    )
    if config.fresh is not None:
        measured = _exploited(measured, outcomes, config.fresh, sources, told)
    judges = tuple(_judge(name, outcomes, found) for name, found in readings.items())
    labels = {name: _labels(name, texts, found) for name, found in readings.items()}
    agreed = agreement(labels) if len(labels) > 1 else {}
    return Measurement(measured, judges, agreed, embedder, None if casting is None else casting.name)


def _exploited(
    measured: Sequence[Measured],
    outcomes: Sequence[Outcome],
    fresh: int,
    sources: Sequence[Source],
    told: Told,
) -> tuple[Measured, ...]:
    """With the held-out exploitability of the game's negotiations of our own runs."""
    from cluster.comparison.exploiting import exploit_run

    wanted = {outcome.id for outcome in outcomes if outcome.method == "psro"}
    found: dict[tuple[str, int | None], HeldOut | str] = {}
    for source in sources:
        if not source.published:
            probed = exploit_run(
                source.path,
                fresh,
                lambda record: record.negotiation_id in wanted,
                lambda done, of: told("fresh candidates asked for", done, of),
            )
            seeds = {outcome.id: outcome.seed for outcome in source.outcomes}
            found |= {(key, seeds[key]): value for key, value in probed.items() if key in seeds}
    shown = []
    for one, outcome in zip(measured, outcomes, strict=True):
        answer = found.get((outcome.id, outcome.seed)) if outcome.method == "psro" else None
        if answer is None:
            shown.append(one)
            continue
        value = None if isinstance(answer, str) else answer.exploitability
        why = answer if isinstance(answer, str) else "a side gave no usable fresh candidate"
        reasons = dict(one.reasons) | ({"exploitability": why} if value is None else {})
        shown.append(replace(one, figures={**one.figures, "exploitability": value}, reasons=reasons))
    return tuple(shown)


def chosen_topics(outcomes: Sequence[Outcome], count: int | None) -> list[Outcome]:
    """Outcomes on at most ``count`` topics, spread evenly over them in the order of their ids."""
    topics = sorted({outcome.topic.id for outcome in outcomes})
    if count is None or count >= len(topics):
        return list(outcomes)
    kept = {topics[place * len(topics) // count] for place in range(count)}
    return [outcome for outcome in outcomes if outcome.topic.id in kept]


def _readings(judge: str, texts: Sequence[str], threads: int, told: Told) -> Mapping[str, Floats]:
    detector = load_detector(judge, num_threads=threads)
    found: dict[str, Floats] = {}
    for start in range(0, len(texts), PART):
        part = texts[start : start + PART]
        vectors = [reading.vector for reading in detector.read(part)]
        labels_of(np.stack(vectors), f"judge {judge!r}")  # refuses what is no answer
        found |= dict(zip(part, vectors, strict=True))
        told(f"values read by {judge}", len(found), len(texts))
    return found


def _embeddings(texts: Sequence[str], config: CompareConfig, told: Told) -> tuple[Mapping[str, Floats], str]:
    if config.embedder == MINILM and len(texts) >= MANY_TEXTS:
        from agents.replay.embedding import BatchEncoder, embed_distinct

        encoder = BatchEncoder(num_threads=1)
        vectors = embed_distinct(texts, lambda done, of: told("embedded", done, of), encoder)
        return vectors, f"{encoder.name}, in batches"
    embedder = load_embedder(config.embedder, num_threads=config.threads)
    found: dict[str, Floats] = {}
    for start in range(0, len(texts), PART):
        part = texts[start : start + PART]
        found |= dict(zip(part, embedder.embed(part), strict=True))
        told("embedded", len(found), len(texts))
    return found, embedder.name


def _surprises(
    outcomes: Sequence[Outcome], casting: Casting, config: CompareConfig, told: Told
) -> list[Surprise | str]:
    voices = load_voices(casting)
    found: list[Surprise | str] = []
    for start in range(0, len(outcomes), PART):
        found += surprises(outcomes[start : start + PART], voices, variant=config.variant)
        told("scored", len(found), len(outcomes))
    return found


def _table(outcome: Outcome) -> tuple[str, tuple[str, ...], int | None]:
    return outcome.topic.id, tuple(sorted(outcome.players)), outcome.seed


def _planes(
    outcomes: Sequence[Outcome], vectors: Mapping[str, Floats]
) -> dict[tuple[str, tuple[str, ...], int | None], dict[str, Floats]]:
    """Places of statements on a plane for each topic, players and seed, which all methods share."""
    at_table: dict[tuple[str, tuple[str, ...], int | None], set[str]] = {}
    for outcome in outcomes:
        at_table.setdefault(_table(outcome), set()).update(outcome.openings, outcome.consensus)
    planes = {}
    for table, texts in at_table.items():
        ordered = sorted(texts)
        places = principal_plane(np.stack([vectors[text] for text in ordered]))
        planes[table] = dict(zip(ordered, places, strict=True))
    return planes


def _judge(name: str, outcomes: Sequence[Outcome], readings: Mapping[str, Floats]) -> JudgeFigures:
    shares: dict[str, list[float]] = {}
    for outcome in outcomes:
        before, after = (_labels(name, texts, readings) for texts in (outcome.openings, outcome.consensus))
        shares.setdefault(outcome.method, []).append(float(self_consistency(before, after).mean()))
    by_method = {method: float(np.mean(found)) for method, found in shares.items()}
    return JudgeFigures(name, by_method, len(readings))


def _labels(judge: str, texts: Sequence[str], readings: Mapping[str, Floats]) -> Labels:
    return labels_of(np.stack([readings[text] for text in texts]), f"judge {judge!r}")
