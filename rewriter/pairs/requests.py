"""Requests: a unit and the values that it is asked to move to.

Targets are such as texts of the data have, so that they can be reached in principle:

- *profile*: all ten values of another unit on the same topic;
- *sparse*: one to three values of a unit on any topic; the others are asked to stay.

The size |target - before| is drawn first, from bins that are all alike, so that small and large movements count the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import ConfigurationError
from rewriter.pairs.config import RequestConfig
from rewriter.pairs.units import Unit
from rewriter.vocabulary import RewriteRequest

Kind = Literal["profile", "sparse"]

STAYS = 0.1
"""A value that is asked to move by less than this is asked to stay."""
_TRIES = 60
"""Draws for one request before another source is taken."""


@dataclass(frozen=True, slots=True)
class AskedUnit:
    """A request with what it was made from.

    Attributes:
        request: source, values before, target.
        topic_id: of the source.
        kind: how the target was made.
    """

    request: RewriteRequest
    topic_id: int
    kind: Kind

    @property
    def asked(self) -> NDArray[np.float64]:
        """(10,) the movement that is asked for, in [-2, 2]."""
        movement: NDArray[np.float64] = np.array(self.request.target) - np.array(self.request.before)
        return movement

    @property
    def size(self) -> float:
        """Euclidean length of the movement that is asked for."""
        return float(np.linalg.norm(self.asked))


def make_requests(
    units: Sequence[Unit], count: int, seed: int, config: RequestConfig | None = None
) -> list[AskedUnit]:
    """Draw requests; topics take turns, so that each has about the same number.

    Args:
        units: of the topics to ask on; targets come from them too.
        count: number of requests, at least 1.
        seed: of all draws; the first requests are the same for any ``count``.
        config: sizes and shares; the default one if None.

    Raises:
        ConfigurationError: if the units offer no movement of the sizes asked for.
    """
    config = config or RequestConfig()
    rng = np.random.default_rng(seed)
    by_topic: dict[int, list[int]] = {}
    for place, unit in enumerate(units):
        by_topic.setdefault(unit.topic_id, []).append(place)
    values = np.array([unit.values for unit in units]).reshape(len(units), -1)
    bins = list(pairwise(config.sizes))
    made: list[AskedUnit] = []
    misses = 0
    while len(made) < count:
        before_round = len(made)
        for topic in rng.permutation(sorted(by_topic)):
            if len(made) == count:
                break
            low, high = bins[rng.integers(len(bins))]
            kind: Kind = "sparse" if rng.random() < config.sparse_share else "profile"
            asked = _draw(units, values, by_topic[int(topic)], kind, (low, high), config, rng)
            if asked is not None:
                made.append(asked)
        misses = misses + 1 if len(made) == before_round else 0
        if misses == 3:
            raise ConfigurationError(
                f"{len(units)} units offer no movement of the sizes {config.sizes}; give more units or other sizes"
            )
    return made


def _draw(
    units: Sequence[Unit],
    values: NDArray[np.float64],
    own: Sequence[int],
    kind: Kind,
    size: tuple[float, float],
    config: RequestConfig,
    rng: np.random.Generator,
) -> AskedUnit | None:
    """One request on a topic, or None if no draw came to the wanted size."""
    for _ in range(_TRIES):
        place = own[int(rng.integers(len(own)))]
        before = values[place]
        if kind == "profile":
            target = values[own[int(rng.integers(len(own)))]]
        else:
            target = before.copy()
            moved = rng.choice(len(before), size=int(rng.integers(1, config.most_asked + 1)), replace=False)
            target[moved] = values[rng.integers(len(values)), moved]
        if size[0] <= float(np.linalg.norm(target - before)) < size[1]:
            unit = units[place]
            return AskedUnit(
                RewriteRequest(unit.text, unit.values, tuple(target.tolist())), unit.topic_id, kind
            )
    return None
