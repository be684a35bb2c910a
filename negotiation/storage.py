"""Records in Parquet: one row a negotiation, an explicit schema, its version in the file's metadata.

Files are written beside their place and renamed, so that a reader sees a whole file or none. Page checksums
and the record's own digest tell a damaged file from a good one. Float64 values come back bit by bit.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from negotiation.errors import ConcordatError, RecordError
from negotiation.record import SCHEMA_VERSION, NegotiationRecord, plain

VERSION_KEY = b"concordat.record_schema_version"


def _struct(**types: pa.DataType) -> pa.DataType:
    return pa.struct([pa.field(name, kind, nullable=False) for name, kind in types.items()])


def _list(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", kind, nullable=False))


_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_VECTOR = _list(_FLOAT)
_TOPIC = _struct(id=_TEXT, text=_TEXT, category=_TEXT)
_DRAFT = _struct(kind=_TEXT, content=_TEXT, reason=_TEXT, description=_TEXT)
_OPENING = _struct(statement=_TEXT, guideline=_DRAFT, malformed=_INT)
_GUIDELINE = _struct(
    id=_TEXT, player=_INT, round=_INT, kind=_TEXT, content=_TEXT, reason=_TEXT, description=_TEXT
)
_POOL = _struct(player=_INT, guidelines=_list(_GUIDELINE), embeddings=_list(_VECTOR))
_EQUILIBRIUM = _struct(
    solver=_TEXT,
    weights=_list(_VECTOR),
    payoffs=_VECTOR,
    regrets=_VECTOR,
    nash_conv=_FLOAT,
    iterations=_INT,
    converged=_BOOL,
    notes=_TEXT,
)
_CANDIDATE = _struct(
    draft=_DRAFT,
    embedding=_VECTOR,
    utility=_FLOAT,
    parts=pa.map_(_TEXT, _FLOAT),
    gain=_FLOAT,
    accepted=_BOOL,
    guideline_id=_TEXT,
)
_MOVE = _struct(player=_INT, candidates=_list(_CANDIDATE), malformed=_INT, missing=_list(_TEXT))
_ROUND = _struct(round=_INT, equilibria=_list(_EQUILIBRIUM), statements=_list(_TEXT), moves=_list(_MOVE))
_TIMING = _struct(round=_INT, phase=_TEXT, seconds=_FLOAT)

SCHEMA = pa.schema(
    [
        pa.field(name, kind, nullable=False)
        for name, kind in {
            "schema_version": _INT,
            "negotiation_id": _TEXT,
            "topic": _TOPIC,
            "players": _list(_TEXT),
            "seed": _INT,
            "config": _TEXT,
            "terms": pa.map_(_TEXT, _FLOAT),
            "embedder": _TEXT,
            "provenance": pa.map_(_TEXT, _TEXT),
            "openings": _list(_OPENING),
            "rounds": _list(_ROUND),
            "pools": _list(_POOL),
            "final": _EQUILIBRIUM,
            "consensus": _list(_TEXT),
            "opening_embeddings": _list(_VECTOR),
            "consensus_embeddings": _list(_VECTOR),
            "converged": _BOOL,
            "stop_reason": _TEXT,
            "timings": _list(_TIMING),
            "digest": _TEXT,
        }.items()
    ],
    metadata={VERSION_KEY: str(SCHEMA_VERSION).encode()},
)
"""One row a negotiation: the fields of ``NegotiationRecord``, and its digest as a check against damage."""


def to_row(record: NegotiationRecord) -> dict[str, Any]:
    """A record as one plain row of ``SCHEMA``."""
    row: dict[str, Any] = plain(record, lambda array: array.tolist())
    return {**row, "digest": record.digest()}


def from_row(row: Mapping[str, Any]) -> NegotiationRecord:
    """The record that ``to_row`` wrote.

    Raises:
        RecordError: if the row is of another schema version, misses a field, or does not have the digest it
            bears.
    """
    version = row.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RecordError(_other_version(f"record {row.get('negotiation_id')!r}", version))
    try:
        record: NegotiationRecord = _restored(NegotiationRecord, row)
        intact = record.digest() == row["digest"]
    except (ConcordatError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise RecordError(
            f"record {row.get('negotiation_id')!r} is damaged: {error!r}; negotiate it again"
        ) from error
    if not intact:
        raise RecordError(
            f"record {record.negotiation_id!r} does not have the digest written with it; it was changed or"
            " damaged, negotiate it again"
        )
    return record


@cache
def _fields(record_type: type) -> dict[str, Any]:
    """Names and types of a dataclass's fields; resolving them costs more than reading a value."""
    return get_type_hints(record_type)


def _restored(hint: Any, value: Any) -> Any:
    """The inverse of ``plain`` with arrays as lists, guided by a type hint."""
    if isinstance(hint, type) and is_dataclass(hint):
        return hint(**{name: _restored(kind, value[name]) for name, kind in _fields(hint).items()})
    origin = get_origin(hint)
    if origin is np.ndarray:
        return np.array(value, dtype=np.float64)
    if origin is tuple:
        return tuple(_restored(get_args(hint)[0], item) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return dict(value)
    if type(value) is not hint:
        raise TypeError(f"expected {hint.__name__}, found {value!r}")
    return value


def write_records(path: str | Path, records: Sequence[NegotiationRecord]) -> None:
    """Write records to one Parquet file, whole or not at all; a file already there is replaced.

    Args:
        path: local, or a URI of any pyarrow filesystem such as ``s3://bucket/run/negotiations/a.parquet``.
        records: the rows, in order.
    """
    table = pa.Table.from_pylist([to_row(record) for record in records], schema=SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, write_page_checksum=True)
    data = sink.getvalue()
    if "://" not in str(path):
        _write_local(Path(path), data)
        return
    filesystem, place = FileSystem.from_uri(str(path))
    beside = f"{place}.{os.getpid()}.tmp"
    with filesystem.open_output_stream(beside) as stream:
        stream.write(data)
    filesystem.move(beside, place)


def _write_local(path: Path, data: pa.Buffer) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_records(path: str | Path) -> list[NegotiationRecord]:
    """Read what ``write_records`` wrote.

    Raises:
        RecordError: naming the path, if there is no such file, it is no Parquet file of records, it is
            damaged, or it was written under another schema version.
    """
    try:
        if "://" in str(path):
            filesystem, place = FileSystem.from_uri(str(path))
        else:
            filesystem, place = None, str(path)
        file = pq.ParquetFile(place, filesystem=filesystem, page_checksum_verification=True)
        with file:
            version = (file.schema_arrow.metadata or {}).get(VERSION_KEY)
            if version == str(SCHEMA_VERSION).encode():
                table = file.read()
    except FileNotFoundError as error:
        raise RecordError(f"{path}: no such file; check the run folder") from error
    except (OSError, pa.ArrowException) as error:
        raise RecordError(
            f"{path}: no readable Parquet file ({error}); delete it and resume the run to redo it"
        ) from error
    if version is None:
        raise RecordError(
            f"{path}: a Parquet file, but not of negotiation records; give a file of a run's negotiations/"
        )
    if version != str(SCHEMA_VERSION).encode():
        raise RecordError(_other_version(str(path), version.decode(errors="replace")))
    try:
        return [from_row(row) for row in table.to_pylist()]
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error


def _other_version(what: str, version: object) -> str:
    return (
        f"{what} has record schema version {version}; this Concordat reads {SCHEMA_VERSION}."
        " Read it with the Concordat that wrote it, or start a new run"
    )
