"""Several trainings of one method as one: their figures are averaged by request."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from negotiation.errors import ConfigurationError
from rewriter.evaluation.measures import Measured


def average(runs: Sequence[Sequence[Measured]]) -> list[Measured]:
    """Mean figures by request over runs; a figure that some runs lack is the mean of the others'.

    The reply and its values are those of the first run; where any run wrote nothing, the values count as missing.

    Args:
        runs: of one method, at least one, all over the same requests.

    Raises:
        ConfigurationError: if there is none, or their lengths differ.
    """
    if not runs or len({len(run) for run in runs}) > 1:
        raise ConfigurationError(
            f"runs of {[len(run) for run in runs]} requests; give at least one, all over the same requests"
        )
    averaged = []
    for of_request in zip(*runs, strict=True):
        first = of_request[0]
        names = dict.fromkeys(name for one in of_request for name in one.figures)
        figures = {
            name: float(np.mean([one.figures[name] for one in of_request if name in one.figures]))
            for name in names
        }
        blank = any(one.after is None for one in of_request)
        after = None if blank else first.after
        averaged.append(Measured(first.topic_id, first.size, first.reply, after, figures))
    return averaged
