"""Preference pairs for DPO and SimPO: samples from the rollout actors, ranked by the reward actors, kept in the work folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.rewriting.production import Batch, Order, Production, Weighed
from cluster.rewriting.training_config import SamplesConfig
from negotiation.errors import ConfigurationError, RecordError
from rewriter.learning.vocabulary import PreferenceRow, Reward
from rewriter.pairs.preferences import preference_rows
from rewriter.vocabulary import RewriteRequest

FILE = "preferences.parquet"
"""The pairs, in the work folder."""

PART = 64
"""Requests that are sampled before progress is told."""


def sampled_pairs(
    requests: Sequence[RewriteRequest],
    production: Production,
    config: SamplesConfig,
    seed: int,
    told: Callable[[dict[str, Any]], None],
) -> list[PreferenceRow]:
    """Sample, rank and pair.

    Args:
        requests: to sample.
        production: makes samples and rewards, with the weights that its writers were made with.
        config: how many.
        seed: of the samples.
        told: hears how far it is, as events ``sampled``.

    Raises:
        ConfigurationError: if no pair is left.
    """
    rows: list[PreferenceRow] = []
    for number, start in enumerate(range(0, len(requests), PART)):
        part = tuple(requests[start : start + PART])
        drawn = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])
        batch = production.make(Order(number, part, config.size, drawn), Weighed(0, None))
        rows += _ranked(part, batch, config)
        told(
            {
                "event": "sampled",
                "requests": start + len(part),
                "of": len(requests),
                "pairs": len(rows),
                "samples_per_s": len(batch.completions) / max(batch.seconds, 1e-9),
            }
        )
    if not rows:
        raise ConfigurationError(
            f"none of {len(requests)} requests has two samples whose rewards differ by samples.margin"
            f" {config.margin}; lower it, or sample more"
        )
    return rows


def _ranked(requests: Sequence[RewriteRequest], batch: Batch, config: SamplesConfig) -> list[PreferenceRow]:
    texts: list[list[str]] = [[] for _ in requests]
    earned: list[list[float]] = [[] for _ in requests]
    for completion, reward in zip(batch.completions, batch.rewards, strict=True):
        texts[completion.group].append(completion.text)
        earned[completion.group].append(_sum(reward, config))
    return preference_rows(requests, texts, earned, margin=config.margin, pairs_per_request=config.pairs)


def _sum(reward: Reward, config: SamplesConfig) -> float:
    """The weighted sum of a reward's parts; a part without a weight counts once."""
    weights = config.reward.weights
    return sum(weights.get(name, 1.0) * part for name, part in reward.parts.items())


def keep_preferences(path: Path, rows: Sequence[PreferenceRow]) -> None:
    """Write pairs; the file appears whole or not at all."""
    torn = path.with_suffix(".part")
    columns = {
        "source": [row.request.source for row in rows],
        "before": [list(row.request.before) for row in rows],
        "target": [list(row.request.target) for row in rows],
        "chosen": [row.chosen for row in rows],
        "rejected": [row.rejected for row in rows],
    }
    pq.write_table(pa.table(columns), torn)
    torn.replace(path)


def read_preferences(path: Path) -> list[PreferenceRow]:
    """The pairs that were kept.

    Raises:
        RecordError: if the file cannot be read.
    """
    try:
        table = pq.read_table(path).to_pylist()
        return [
            PreferenceRow(
                RewriteRequest(row["source"], tuple(row["before"]), tuple(row["target"])),
                row["chosen"],
                row["rejected"],
            )
            for row in table
        ]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise RecordError(f"{path} cannot be read ({error}); delete it, and it is made anew") from error
