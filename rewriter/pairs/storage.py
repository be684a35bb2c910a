"""Supervised pairs in a Parquet file, so that they need not be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rewriter.learning.vocabulary import SupervisedRow
from rewriter.pairs.config import SupervisedConfig
from rewriter.pairs.supervised import SupervisedPair
from rewriter.pairs.units import Unit
from rewriter.vocabulary import RewriteRequest


def pairs_path(work: Path, units: Sequence[Unit], judge: str, config: SupervisedConfig) -> Path:
    """The file of the pairs that these units, judge and settings give."""
    digest = hashlib.sha256(json.dumps([judge, config.model_dump()], sort_keys=True).encode())
    for unit in units:
        digest.update(json.dumps([unit.text, unit.values]).encode())
    return work / f"pairs-{digest.hexdigest()[:16]}.parquet"


def keep_pairs(path: Path, pairs: Sequence[SupervisedPair]) -> None:
    """Write pairs; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.with_suffix(".part")
    requests = [pair.row.request for pair in pairs]
    columns = {
        "topic_id": [pair.topic_id for pair in pairs],
        "origin": [pair.origin for pair in pairs],
        "source": [request.source for request in requests],
        "before": [list(request.before) for request in requests],
        "target": [list(request.target) for request in requests],
        "answer": [pair.row.answer for pair in pairs],
    }
    pq.write_table(pa.table(columns), torn)
    torn.replace(path)


def read_pairs(path: Path) -> list[SupervisedPair]:
    """The pairs in a file that ``keep_pairs`` wrote."""
    return [
        SupervisedPair(
            SupervisedRow(
                RewriteRequest(row["source"], tuple(row["before"]), tuple(row["target"])), row["answer"]
            ),
            row["topic_id"],
            row["origin"],
        )
        for row in pq.read_table(path).to_pylist()
    ]
