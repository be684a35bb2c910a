"""All measures of one negotiation, from its statements' embeddings, value readings and log-perplexities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agents.metrics import geometry as geo
from agents.metrics.labels import labels_of, self_consistency
from agents.metrics.perplexity import Surprise, acceptance_distance, mean_surprise
from negotiation.outcome import Method, Outcome

ENGLISH_SPEAKING = "english-speaking"
"""Whose opening the WEIRD measures are taken from."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Texts:
    """What was read in the statements of one negotiation.

    Attributes:
        openings: (N, D) embeddings of unit length.
        consensus: (N, D) embeddings of unit length.
        plane_openings: (N, 2) places on the plane that all methods on this topic share.
        plane_consensus: (N, 2) the same.
        value_openings: (N, 10) in [-1, 1]; None if no values were read.
        value_consensus: (N, 10) in [-1, 1]; None if no values were read.
        surprise: log-perplexities; the reason if there are none; None if they were not asked for.
    """

    openings: Floats
    consensus: Floats
    plane_openings: Floats
    plane_consensus: Floats
    value_openings: Floats | None = None
    value_consensus: Floats | None = None
    surprise: Surprise | str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one negotiation.

    Attributes:
        method: that it was held by.
        topic_id: of the question.
        category: of the question.
        players: (N,) in player order.
        seed: of the run; None if unknown.
        figures: by measure; None for one that cannot be known. Measures that make no sense here, such as the WEIRD index without
            an English-Speaking side, are not in it.
        reasons: why those that are None cannot be known.
        plane: (N,) distance of the consensus from each side's opening on the plane.
        conceded: (N, N) who came how far toward whom; NaN on the diagonal.
        values: (2, N, 10) readings of openings and consensus; None if there are none.
    """

    method: Method
    topic_id: str
    category: str
    players: tuple[str, ...]
    seed: int | None
    figures: Mapping[str, float | None]
    reasons: Mapping[str, str] = field(default_factory=dict)
    plane: tuple[float, ...] = ()
    conceded: Floats | None = None
    values: Floats | None = None

    @property
    def key(self) -> tuple[str, tuple[str, ...], int | None]:
        """What is the same for all methods on one negotiation: topic, players, seed."""
        return self.topic_id, self.players, self.seed


def measure(outcome: Outcome, texts: Texts) -> Measured:
    """Measure one negotiation.

    Raises:
        GameError: if embeddings are not of unit length, or numbers of sides differ.
        TargetError: if value readings are outside [-1, 1].
    """
    movement = geo.movement_of(texts.openings, texts.consensus)
    plane = geo.plane_reach(texts.plane_openings, texts.plane_consensus)
    reasons: dict[str, str] = {}
    figures: dict[str, float | None] = {
        **_movement(movement),
        **_fairness(movement, plane),
        **_course(outcome, reasons),
    }
    if figures["gini"] is None:
        reasons["gini"] = "no side gains"
    english = outcome.players.index(ENGLISH_SPEAKING) if ENGLISH_SPEAKING in outcome.players else None
    if english is not None:
        figures["weird_drift"] = geo.drift_toward(movement, english)
        figures["weird_index"] = geo.drift_balance(movement, english)
    values = None
    if texts.value_openings is not None and texts.value_consensus is not None:
        figures |= _values(texts.value_openings, texts.value_consensus, english)
        values = np.stack([texts.value_openings, texts.value_consensus])
    if texts.surprise is not None:
        figures |= _perplexity(texts.surprise, reasons)
    return Measured(
        outcome.method,
        outcome.topic.id,
        outcome.topic.category,
        outcome.players,
        outcome.seed,
        figures,
        reasons,
        tuple(plane.tolist()),
        geo.approaches(movement),
        values,
    )


def _movement(movement: geo.Movement) -> dict[str, float | None]:
    conceded = geo.conceded(movement)
    opened, closed = geo.gap(movement.start), geo.gap(movement.among)
    return {
        "gap_opening": opened,
        "gap_consensus": closed,
        "gap_closed": opened - closed,
        "moved": float(geo.moved(movement).mean()),
        "toward": float(conceded.mean()),
        "concession_spread": geo.spread(conceded),
        "concession_first": geo.first_against_others(conceded),
    }


def _fairness(movement: geo.Movement, plane: Floats) -> dict[str, float | None]:
    reach, gains = geo.reach(movement), geo.gains(movement)
    return {
        "imbalance": geo.spread(reach),
        "imbalance_first": geo.first_against_others(reach),
        "plane_imbalance": geo.spread(plane),
        "plane_imbalance_first": geo.first_against_others(plane),
        "min_utility": float(1.0 - reach.max()),
        "nash_product": geo.nash_product(gains),
        "gini": geo.gini(gains),
        "all_gain": float((gains > 0).all()),
    }


def _values(openings: Floats, consensus: Floats, english: int | None) -> dict[str, float | None]:
    movement = geo.value_movement(openings, consensus)
    reach = geo.reach(movement)
    opened, closed = geo.gap(movement.start), geo.gap(movement.among)
    found: dict[str, float | None] = {
        "value_consistency": float(self_consistency(labels_of(openings), labels_of(consensus)).mean()),
        "value_gap_opening": opened,
        "value_gap_consensus": closed,
        "value_gap_closed": opened - closed,
        "value_imbalance": geo.spread(reach),
        "value_imbalance_first": geo.first_against_others(reach),
    }
    if english is not None:
        found["value_weird_index"] = geo.drift_balance(movement, english)
    return found


def _perplexity(surprise: Surprise | str, reasons: dict[str, str]) -> dict[str, float | None]:
    names = ("ppl_distance", "log_ppl_distance")
    if isinstance(surprise, str):
        lost = ["log_ppl_opening", "log_ppl_consensus", "log_ppl_drop"]
        lost += [f"{name}_{end}" for name in names for end in ("opening", "consensus", "change")]
        reasons.update(dict.fromkeys(lost, surprise))
        return dict.fromkeys(lost)
    opened, closed = mean_surprise(surprise.opening), mean_surprise(surprise.consensus)
    found: dict[str, float | None] = {
        "log_ppl_opening": opened,
        "log_ppl_consensus": closed,
        "log_ppl_drop": opened - closed,
    }
    for name, log in zip(names, (False, True), strict=True):
        first = acceptance_distance(surprise.opening, log=log)
        last = acceptance_distance(surprise.consensus, log=log)
        found |= {f"{name}_opening": first, f"{name}_consensus": last, f"{name}_change": first - last}
    return found


def _course(outcome: Outcome, reasons: dict[str, str]) -> dict[str, float | None]:
    for name in ("rounds", "converged"):
        if getattr(outcome, name) is None:
            reasons[name] = "the method has none, or they were not kept"
    return {
        "rounds": None if outcome.rounds is None else float(outcome.rounds),
        "converged": None if outcome.converged is None else float(outcome.converged),
        "opening_words": float(np.mean([len(text.split()) for text in outcome.openings])),
        "consensus_words": float(np.mean([len(text.split()) for text in outcome.consensus])),
    }
