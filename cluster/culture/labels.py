"""Where the names of points go, so that no name hides another or a point."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels."""

REACH_PIXELS = (1.0, 6.0, 13.0, 23.0, 37.0, 55.0, 77.0)
"""Distances from a point's mark at which its name is tried, nearest first."""

_ANGLES = 16


def place_labels(
    points: NDArray[np.float64],
    sizes: NDArray[np.float64],
    taken: Sequence[Box],
    frame: Box,
    radius: float,
) -> NDArray[np.float64]:
    """Centres for the names of some points, chosen one after another, the most crowded point first.

    Each name goes where it covers the least of the points, of ``taken`` and of the names before it; among such places, the
    nearest to its point.

    Args:
        points: (N, 2) pixels.
        sizes: (N, 2) width and height of each name in pixels.
        taken: boxes that are to stay free.
        frame: where names may lie.
        radius: of a point's mark in pixels.

    Returns:
        Centres of the names (N, 2) in pixels.
    """
    marks = np.concatenate([points - radius, points + radius], axis=1)
    placed = np.array([*taken], dtype=np.float64).reshape(-1, 4)
    centres = np.zeros_like(points)
    for k in _most_crowded_first(points):
        tried = _candidates(points[k], sizes[k], radius)
        boxes = np.concatenate([tried - sizes[k] / 2, tried + sizes[k] / 2], axis=1)
        hidden = _overlap(boxes, np.concatenate([placed, marks])) + 4.0 * _outside(boxes, frame)
        # The candidates come nearest first, and argmin takes the first of equals.
        best = int(np.argmin(hidden))
        centres[k] = tried[best]
        placed = np.concatenate([placed, boxes[best : best + 1]])
    return centres


def _candidates(point: NDArray[np.float64], size: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Centres (M, 2) round a point, nearest first: straight to the right and left before above and below."""
    turns = sorted((2 * math.pi * k / _ANGLES for k in range(_ANGLES)), key=lambda turn: abs(math.sin(turn)))
    return np.array(
        [
            # Away from the mark by the reach, and by half the name in that direction.
            (
                point[0] + math.cos(turn) * (radius + reach + size[0] / 2),
                point[1] + math.sin(turn) * (radius + reach + size[1] / 2),
            )
            for reach in REACH_PIXELS
            for turn in turns
        ]
    )


def _most_crowded_first(points: NDArray[np.float64]) -> list[int]:
    gaps = np.linalg.norm(points[:, None, :] - points[None, :, :], axis=2)
    crowd = np.exp(-gaps / 40.0).sum(axis=1)
    return [int(k) for k in np.argsort(-crowd, kind="stable")]


def _overlap(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of each box (M,) that the others cover, counted once for each of them."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: NDArray[np.float64] = np.clip(high - low, 0.0, None).prod(axis=2).sum(axis=1)
    return shared


def _outside(boxes: NDArray[np.float64], frame: Box) -> NDArray[np.float64]:
    """Area of each box (M,) that lies outside the frame."""
    whole = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    inside: NDArray[np.float64] = whole - _overlap(boxes, np.array([frame]))
    return inside
