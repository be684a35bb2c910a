"""Value labels of statements, and how far several judges agree on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import GameError, TargetError

LABELS = (-1, 0, 1)
"""Against a value, neither, for it."""

SIGN_CUT = 0.25
"""A reading at least this far from 0 is for or against a value; half-way between the judges' steps of a half."""

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def labels_of(readings: Floats, judge: str = "the judge") -> Labels:
    """Labels of readings: 1 from ``SIGN_CUT`` upward, -1 from ``-SIGN_CUT`` downward, else 0.

    Args:
        readings: (n, K) in [-1, 1].
        judge: named in errors.

    Raises:
        TargetError: if a reading is not finite or outside [-1, 1].

    >>> labels_of(np.array([[0.25, -0.24, -1.0]])).tolist()
    [[1, 0, -1]]
    """
    readings = np.asarray(readings, dtype=np.float64)
    wrong = ~(np.abs(readings) <= 1.0)  # NaN too
    if wrong.any():
        place = tuple(int(part) for part in np.argwhere(wrong)[0])
        raise TargetError(
            f"{judge}: text {place[0]}, value {place[-1]} is {readings[place]}; a judge answers from -1 to 1, use another"
        )
    found: Labels = (readings >= SIGN_CUT).astype(np.int64) - (readings <= -SIGN_CUT)
    return found


def self_consistency(openings: Labels, consensus: Labels) -> Floats:
    """Value self-consistency (NCN section 4.2): share of values on which a side's two statements have the same label.

    Args:
        openings: (N, K) labels of the openings.
        consensus: (N, K) labels of the consensus statements.

    Returns:
        (N,) in [0, 1]; higher is steadier.

    Raises:
        GameError: if shapes differ or something is no label.

    >>> self_consistency(np.array([[1, 0, -1, 0]]), np.array([[1, 0, 1, 1]])).tolist()
    [0.5]
    """
    if openings.shape != consensus.shape or openings.ndim != 2:
        raise GameError(f"labels of shapes {openings.shape} and {consensus.shape}; give two of (N, K)")
    for name, labels in (("openings", openings), ("consensus", consensus)):
        _check_labels(labels, name)
    found: Floats = (openings == consensus).mean(axis=1)
    return found


def krippendorff_alpha(ratings: Floats) -> float | None:
    """Krippendorff's alpha for nominal labels: 1 is full agreement, 0 that of chance, below 0 worse than chance.

    From coincidences (Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C): every ordered pair of labels
    of a unit counts ``1 / (m_u - 1)``, with m_u judges who rated it; units with fewer than two are left out.

        alpha = 1 - (n - 1) * sum over c != k of o_ck / sum over c != k of n_c n_k

    Args:
        ratings: (judges, units); NaN where a judge did not rate.

    Returns:
        None if no unit has two ratings, or all ratings are the same, so that nothing can be said of agreement.

    Raises:
        GameError: if something is neither a label nor missing.

    >>> krippendorff_alpha(np.array([[1, 0, -1, 1.0], [1, 0, -1, 1.0]]))
    1.0
    """
    ratings = np.asarray(ratings, dtype=np.float64)
    present = ~np.isnan(ratings)
    if not np.isin(ratings[present], LABELS).all():
        raise GameError(f"ratings have labels other than {LABELS}; a judge outside them cannot be counted")
    # counts[c, u]: how many judges gave unit u the label c
    counts = np.stack([(ratings == label).sum(axis=0) for label in LABELS]).astype(np.float64)
    counts = counts[:, counts.sum(axis=0) >= 2]
    raters = counts.sum(axis=0)
    total = float(raters.sum())
    if total == 0.0:
        return None
    coincidences = (counts / (raters - 1)) @ counts.T - np.diag((counts / (raters - 1)).sum(axis=1))
    totals = coincidences.sum(axis=1)
    expected = float(totals.sum() ** 2 - (totals**2).sum())
    if expected == 0.0:
        return None
    observed = float(coincidences.sum() - np.trace(coincidences))
    return 1.0 - (total - 1.0) * observed / expected


def agreement(labels: Mapping[str, Labels]) -> dict[str, float | None]:
    """Agreement of judges who labelled the same texts.

    Args:
        labels: by judge, (n, K) each.

    Returns:
        ``alpha`` over all texts and values, ``shared`` share of labels on which all judges agree, and ``A/B`` alpha of each two.

    Raises:
        GameError: if there are fewer than two judges, or shapes differ.
    """
    shapes = {judge: found.shape for judge, found in labels.items()}
    if len(labels) < 2 or len(set(shapes.values())) > 1:
        raise GameError(f"agreement needs two or more judges of the same texts; shapes are {shapes}")
    rows = np.stack([found.ravel() for found in labels.values()]).astype(np.float64)
    names = list(labels)
    pairs = {
        f"{names[i]}/{names[j]}": krippendorff_alpha(rows[[i, j]])
        for i in range(len(names))
        for j in range(i + 1, len(names))
    }
    return {"alpha": krippendorff_alpha(rows), "shared": float((rows == rows[0]).all(axis=0).mean()), **pairs}


def _check_labels(labels: Labels, what: str) -> None:
    if not np.isin(labels, LABELS).all():
        strange = labels[~np.isin(labels, LABELS)][0]
        raise GameError(f"{what}: {strange} is no label; labels are {', '.join(map(str, LABELS))}")
