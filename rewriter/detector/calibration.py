"""From a model's scores to answers whose spread is that of the labels, and to a confidence that means what it says.

A least-squares or ordinal model answers with conditional means, which lie nearer together than the labels do: as a reward they
would hide most of a movement. Answers here are matched by quantile instead: a text whose score stands at the q-th quantile of
all scores answers with the q-th quantile of the labels. The price is told by the reliability diagram: where the answer is r,
the expected label lies between r and the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""What a judge may say of a value in a text."""
CUTS = (-0.75, -0.25, 0.25, 0.75)
"""Half-way between the levels; the outer of them also bound the outer levels' cells against -1 and 1."""
SIGN_CUT = 0.25
"""An answer at least this far from 0 is for or against a value; one nearer to 0 is neither."""
KNOTS_PER_LEVEL = 9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MonotoneMap:
    """A rising function by its knots; linear between them, constant outside.

    Attributes:
        at: (K,) rising.
        to: (K,) rising.
    """

    at: Floats
    to: Floats

    def __post_init__(self) -> None:
        if self.at.ndim != 1 or self.at.shape != self.to.shape or len(self.at) < 2:
            raise ValueError(
                f"knots have shapes {self.at.shape} and {self.to.shape}; give two rows of one length"
            )
        if not (np.isfinite(self.at).all() and np.isfinite(self.to).all()):
            raise ValueError("knots must be finite")
        if (np.diff(self.at) < 0).any() or (np.diff(self.to) < 0).any():
            raise ValueError("knots must rise")

    def __call__(self, scores: Floats) -> Floats:
        """Of any shape, to the same shape."""
        mapped: Floats = np.interp(scores, self.at, self.to)
        return mapped


def label_quantiles(labels: Floats, shares: Floats) -> Floats:
    """Quantiles of labels whose every level is spread evenly over its cell, which ends half-way to its neighbours.

    Five levels alone would give five answers; a reward needs to see small movements too.

    Args:
        labels: (n,) of ``LEVELS``.
        shares: (q,) in [0, 1].

    >>> label_quantiles(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.25, 0.75, 1.0])).tolist()
    [-0.25, 0.0, 0.875, 1.0]
    """
    bounds = np.array([-1.0, *CUTS, 1.0])
    below = np.array([(labels < bound).mean() for bound in CUTS])
    reached = np.concatenate([[0.0], below, [1.0]])
    held = np.flatnonzero(np.diff(reached) > 0)
    # Only cells that hold labels: the map jumps over an empty one.
    shares_at = np.concatenate([[reached[cell], reached[cell + 1]] for cell in held])
    answers = np.concatenate([[bounds[cell], bounds[cell + 1]] for cell in held])
    quantiles: Floats = np.interp(shares, shares_at, answers)
    return quantiles


def match_quantiles(scores: Floats, labels: Floats) -> MonotoneMap:
    """The map that gives scores the distribution of the labels.

    Args:
        scores: (n,) of texts that the model was not trained on.
        labels: (n,) of ``LEVELS``, of the same texts.
    """
    cuts = np.array([(labels < bound).mean() for bound in CUTS])
    within = np.linspace(0.0, 1.0, 4 * KNOTS_PER_LEVEL + 1)
    shares = np.unique(np.concatenate([within, cuts]))
    return MonotoneMap(np.quantile(scores, shares), label_quantiles(labels, shares))


def match_means(scores: Floats, outcomes: Floats, bins: int = 20) -> MonotoneMap:
    """The rising map whose answers are expected outcomes: isotonic regression over bins of equal size.

    Args:
        scores: (n,).
        outcomes: (n,) what came of each.
        bins: at most; fewer if there are few scores.
    """
    from scipy.optimize import isotonic_regression

    parts = np.array_split(np.argsort(scores, kind="stable"), max(2, min(bins, len(scores) // 20)))
    at = np.array([scores[part].mean() for part in parts])
    means = np.array([outcomes[part].mean() for part in parts])
    weights = np.array([float(len(part)) for part in parts])
    return MonotoneMap(at, np.asarray(isotonic_regression(means, weights=weights).x, dtype=np.float64))


def signs(values: Floats) -> NDArray[np.int64]:
    """-1 against, 0 neither, 1 for; any shape.

    >>> signs(np.array([-0.3, 0.2, 0.25])).tolist()
    [-1, 0, 1]
    """
    return np.where(values >= SIGN_CUT, 1, np.where(values <= -SIGN_CUT, -1, 0))
