"""Records of negotiations by the game in Parquet (``negotiation/parquet.py`` says how files are kept)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from negotiation.parquet import (
    BOOL,
    DRAFT,
    FLOAT,
    INT,
    OPENING,
    TEXT,
    TIMING,
    TOPIC,
    VECTOR,
    Layout,
    list_of,
    struct_of,
)
from negotiation.record import SCHEMA_VERSION, NegotiationRecord

VERSION_KEY = b"concordat.record_schema_version"

_GUIDELINE = struct_of(id=TEXT, player=INT, round=INT, kind=TEXT, content=TEXT, reason=TEXT, description=TEXT)
_POOL = struct_of(player=INT, guidelines=list_of(_GUIDELINE), embeddings=list_of(VECTOR))
_EQUILIBRIUM = struct_of(
    solver=TEXT,
    weights=list_of(VECTOR),
    payoffs=VECTOR,
    regrets=VECTOR,
    nash_conv=FLOAT,
    iterations=INT,
    converged=BOOL,
    notes=TEXT,
)
_CANDIDATE = struct_of(
    draft=DRAFT,
    embedding=VECTOR,
    utility=FLOAT,
    parts=pa.map_(TEXT, FLOAT),
    gain=FLOAT,
    accepted=BOOL,
    guideline_id=TEXT,
)
_MOVE = struct_of(player=INT, candidates=list_of(_CANDIDATE), malformed=INT, missing=list_of(TEXT))
_ROUND = struct_of(
    round=INT, equilibria=list_of(_EQUILIBRIUM), statements=list_of(TEXT), moves=list_of(_MOVE)
)

LAYOUT = Layout(
    kind=NegotiationRecord,
    noun="record",
    folder="negotiations",
    version=SCHEMA_VERSION,
    version_key=VERSION_KEY,
    columns={
        "schema_version": INT,
        "negotiation_id": TEXT,
        "topic": TOPIC,
        "players": list_of(TEXT),
        "seed": INT,
        "config": TEXT,
        "terms": pa.map_(TEXT, FLOAT),
        "embedder": TEXT,
        "provenance": pa.map_(TEXT, TEXT),
        "openings": list_of(OPENING),
        "rounds": list_of(_ROUND),
        "pools": list_of(_POOL),
        "final": _EQUILIBRIUM,
        "consensus": list_of(TEXT),
        "opening_embeddings": list_of(VECTOR),
        "consensus_embeddings": list_of(VECTOR),
        "converged": BOOL,
        "stop_reason": TEXT,
        "timings": list_of(TIMING),
        "digest": TEXT,
    },
)

SCHEMA = LAYOUT.schema
"""One row a negotiation: the fields of ``NegotiationRecord``, and its digest as a check against damage."""


def to_row(record: NegotiationRecord) -> dict[str, Any]:
    """A record as one plain row of ``SCHEMA``."""
    return LAYOUT.to_row(record)


def from_row(row: Mapping[str, Any]) -> NegotiationRecord:
    """The record that ``to_row`` wrote.

    Raises:
        RecordError: if the row is of another schema version, misses a field, or does not have the digest it
            bears.
    """
    return LAYOUT.from_row(row)


def write_records(
    path: str | Path, records: Sequence[NegotiationRecord], digests: Sequence[str] | None = None
) -> None:
    """Write records to one Parquet file, whole or not at all; a file already there is replaced.

    Args:
        path: local, or a URI of any pyarrow filesystem such as ``s3://bucket/run/negotiations/a.parquet``.
        records: the rows, in order.
        digests: of the records, in the same order, where they are known already.
    """
    LAYOUT.write(path, records, digests)


def read_records(path: str | Path) -> list[NegotiationRecord]:
    """Read what ``write_records`` wrote.

    Raises:
        RecordError: naming the path, if there is no such file, it is no Parquet file of records, it is
            damaged, or it was written under another schema version.
    """
    return LAYOUT.read(path)
