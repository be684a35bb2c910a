"""Records of any kind in Parquet: one row each, an explicit schema, its version in the file's metadata.

Files are written beside their place and renamed, so that a reader sees a whole file or none. Page checksums
and the record's own digest tell a damaged file from a good one. Float64 values come back bit by bit.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow.fs import FileSystem

from negotiation.errors import ConcordatError, RecordError
from negotiation.record import plain

TEXT, INT, FLOAT, BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()


def struct_of(**types: pa.DataType) -> pa.DataType:
    """A struct of fields that are never null."""
    return pa.struct([pa.field(name, kind, nullable=False) for name, kind in types.items()])


def list_of(kind: pa.DataType) -> pa.DataType:
    """A list of elements that are never null."""
    return pa.list_(pa.field("element", kind, nullable=False))


VECTOR = list_of(FLOAT)
TOPIC = struct_of(id=TEXT, text=TEXT, category=TEXT)
DRAFT = struct_of(kind=TEXT, content=TEXT, reason=TEXT, description=TEXT)
OPENING = struct_of(statement=TEXT, guideline=DRAFT, malformed=INT)
TIMING = struct_of(round=INT, phase=TEXT, seconds=FLOAT)


class Stored(Protocol):
    """A record that can be kept: a frozen dataclass with a digest of its content."""

    @property
    def negotiation_id(self) -> str:
        """Which negotiation it is of."""
        ...

    def digest(self) -> str:
        """SHA-256 of its content."""
        ...


R = TypeVar("R", bound=Stored)


@dataclass(frozen=True, slots=True)
class Layout(Generic[R]):
    """How one kind of record lies in a file.

    Attributes:
        kind: the dataclass.
        noun: what messages call one.
        folder: where a run keeps them, for messages.
        version: of the layout; rows bear it in ``schema_version``.
        version_key: the metadata key that holds the version, and tells the kind.
        columns: Arrow type of each field, and of the column ``digest``.
    """

    kind: type[R]
    noun: str
    folder: str
    version: int
    version_key: bytes
    columns: Mapping[str, pa.DataType]

    @property
    def schema(self) -> pa.Schema:
        """The file's schema with the version in its metadata."""
        fields = [pa.field(name, kind, nullable=False) for name, kind in self.columns.items()]
        return pa.schema(fields, metadata={self.version_key: str(self.version).encode()})

    def to_row(self, record: R) -> dict[str, Any]:
        """A record as one plain row."""
        row: dict[str, Any] = plain(record, lambda array: array.tolist())
        return {**row, "digest": record.digest()}

    def from_row(self, row: Mapping[str, Any]) -> R:
        """The record that ``to_row`` wrote.

        Raises:
            RecordError: if the row is of another schema version, misses a field, or does not have the digest it
                bears.
        """
        name, version = f"{self.noun} {row.get('negotiation_id')!r}", row.get("schema_version")
        if version != self.version:
            raise RecordError(self._other_version(name, version))
        try:
            record = cast(R, restored(self.kind, row))
            intact = record.digest() == row["digest"]
        except (ConcordatError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise RecordError(f"{name} is damaged: {error!r}; negotiate it again") from error
        if not intact:
            raise RecordError(
                f"{name} does not have the digest written with it; it was changed or damaged, negotiate it again"
            )
        return record

    def write(self, path: str | Path, records: Sequence[R], digests: Sequence[str] | None = None) -> None:
        """Write records to one Parquet file, whole or not at all; a file already there is replaced.

        Args:
            path: local, or a URI of any pyarrow filesystem such as ``s3://bucket/run/negotiations/a.parquet``.
            records: the rows, in order.
            digests: of the records, in the same order, where they are known already.
        """
        known = [record.digest() for record in records] if digests is None else digests
        rows = [
            {**plain(record, _vectors), "digest": digest}
            for record, digest in zip(records, known, strict=True)
        ]
        table = pa.Table.from_pylist(rows, schema=self.schema)
        sink = pa.BufferOutputStream()
        pq.write_table(
            table,
            sink,
            compression="zstd",
            use_dictionary=False,
            write_statistics=False,  # of one row they help no reader, and are a tenth of the file
            write_page_checksum=True,
        )
        data = sink.getvalue()
        if "://" not in str(path):
            _write_local(Path(path), data)
            return
        filesystem, place = FileSystem.from_uri(str(path))
        beside = f"{place}.{os.getpid()}.tmp"
        with filesystem.open_output_stream(beside) as stream:
            stream.write(data)
        filesystem.move(beside, place)

    def read(self, path: str | Path) -> list[R]:
        """Read what ``write`` wrote.

        Raises:
            RecordError: naming the path, if there is no such file, it is no Parquet file of records, it is
                damaged, or it was written under another schema version.
        """
        try:
            with _opened(path) as file:
                version = self._version_in(file)
                if version == str(self.version):
                    table = file.read()
        except FileNotFoundError as error:
            raise RecordError(f"{path}: no such file; check the run folder") from error
        except (OSError, pa.ArrowException) as error:
            raise RecordError(
                f"{path}: no readable Parquet file ({error}); delete it and resume the run to redo it"
            ) from error
        if version is None:
            raise RecordError(
                f"{path}: a Parquet file, but not of negotiation {self.noun}s; give a file of a run's {self.folder}/"
            )
        if version != str(self.version):
            raise RecordError(self._other_version(str(path), version))
        try:
            return [self.from_row(row) for row in table.to_pylist()]
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from error

    def version_of(self, path: str | Path) -> str | None:
        """The schema version that a file says it has; None if it cannot be told, which ``read`` explains."""
        try:
            with _opened(path) as file:
                return self._version_in(file)
        except (OSError, pa.ArrowException):
            return None

    def _version_in(self, file: pq.ParquetFile) -> str | None:
        version: bytes | None = (file.schema_arrow.metadata or {}).get(self.version_key)
        return None if version is None else version.decode(errors="replace")

    def _other_version(self, what: str, version: object) -> str:
        return (
            f"{what} has {self.noun} schema version {version}; this Concordat reads {self.version}."
            " Read it with the Concordat that wrote it, or start a new run"
        )


def _vectors(array: NDArray[Any]) -> Any:
    """An array as Arrow takes it fastest: as it is, or as a list of its rows."""
    return array if array.ndim == 1 else list(array)


def _opened(path: str | Path) -> pq.ParquetFile:
    filesystem, place = None, str(path)
    if "://" in place:
        filesystem, place = FileSystem.from_uri(place)
    return pq.ParquetFile(place, filesystem=filesystem, page_checksum_verification=True)


def _write_local(path: Path, data: pa.Buffer) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@cache
def _fields(record_type: type) -> dict[str, Any]:
    """Names and types of a dataclass's fields; resolving them costs more than reading a value."""
    return get_type_hints(record_type)


def restored(hint: Any, value: Any) -> Any:
    """The inverse of ``plain`` with arrays as lists, guided by a type hint."""
    if isinstance(hint, type) and is_dataclass(hint):
        return hint(**{name: restored(kind, value[name]) for name, kind in _fields(hint).items()})
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            raise ValueError(f"expected one of {', '.join(map(str, get_args(hint)))}, found {value!r}")
        return value
    if origin is np.ndarray:
        return np.array(value, dtype=np.float64)
    if origin is tuple:
        return tuple(restored(get_args(hint)[0], item) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return dict(value)
    if type(value) is not hint:
        raise TypeError(f"expected {hint.__name__}, found {value!r}")
    return value
