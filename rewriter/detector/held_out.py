"""The figures of a detector on topics that it never saw."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewriter.detector.adversary import contrasts, genuine_movement, movements
from rewriter.detector.bundled import BundledDetector
from rewriter.detector.calibration import Floats
from rewriter.detector.features import sentences
from rewriter.detector.labels import OTHER_JUDGE, Labelled
from rewriter.detector.measure import agreement, confidence, majority, reliability, spread

ATTACKED = 60
"""Texts that are edited."""
SHORT_SENTENCES = 6
"""Texts with fewer count as short: these are what a rewriter is trained on."""
CONTRAST = 1.0
"""Labels of contrasting texts differ by at least two of the five levels."""
TIMED = 64


def held_out_figures(
    detector: BundledDetector, data: Labelled, held: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, Any]:
    """All figures of the held-out texts.

    Args:
        detector: as loaded from disk.
        data: all texts; those not held out give the training mean and majority.
        held: (n,) which texts are held out.
        rng: of the attacks.
    """
    part, training = data.part(np.flatnonzero(held)), data.judged[~held]
    readings = detector.read(part.texts)
    answers = np.array([reading.values for reading in readings])
    confidences = np.array([reading.confidence for reading in readings])
    centre, short = training.mean(axis=0), _short(part)
    found: dict[str, Any] = {
        "topics": len(np.unique(part.topics)),
        "detector": agreement(answers, part.judged, centre),
        "majority": agreement(majority(part.judged, training), part.judged, centre),
        "short_texts": agreement(answers[short], part.judged[short], centre),
        "long_texts": agreement(answers[~short], part.judged[~short], centre) if (~short).any() else None,
        "spread": spread(answers, part.judged),
        "reliability": reliability(answers, part.judged),
        "confidence": confidence(confidences, answers, part.judged),
        "adversary": _attack(detector, part, answers, short, rng),
        "cpu_seconds_for_64_texts": _timed(detector, part, short),
    }
    if OTHER_JUDGE in part.labels:
        both = ~np.isnan(part.labels[OTHER_JUDGE]).any(axis=1)
        if both.any():
            other = part.labels[OTHER_JUDGE][both]
            found["judge_against_judge"] = agreement(other, part.judged[both], centre)
            found["detector_on_the_same_texts"] = agreement(answers[both], part.judged[both], centre)
    return found


def _attack(
    detector: BundledDetector,
    part: Labelled,
    answers: Floats,
    short: NDArray[np.bool_],
    rng: np.random.Generator,
) -> dict[str, Any]:
    places = np.flatnonzero(short)
    texts = part.part(places)
    genuine = genuine_movement(answers[places], contrasts(texts.topics, texts.judged, CONTRAST, 60, rng))
    drawn = rng.choice(len(places), min(ATTACKED, len(places)), replace=False)
    moved = movements(detector, [texts.texts[place] for place in drawn.tolist()], genuine, rng)
    return {
        "texts": len(drawn),
        "genuine_movement": float(np.nanmean(genuine)) if np.isfinite(genuine).any() else None,
        "share_of_genuine_movement": moved,
    }


def _short(part: Labelled) -> NDArray[np.bool_]:
    return np.array([len(sentences(text)) < SHORT_SENTENCES for text in part.texts])


def _timed(detector: BundledDetector, part: Labelled, short: NDArray[np.bool_]) -> float:
    texts = [part.texts[place] for place in np.flatnonzero(short)[:TIMED].tolist()]
    began = time.process_time()
    detector.read(texts)
    return round((time.process_time() - began) * TIMED / max(1, len(texts)), 4)
