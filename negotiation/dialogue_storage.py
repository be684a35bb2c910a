"""Records of dialogues in Parquet (``negotiation/parquet.py`` says how files are kept)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from negotiation.dialogue import DIALOGUE_VERSION, DialogueRecord
from negotiation.parquet import (
    BOOL,
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

_TURN = struct_of(round=INT, player=INT, text=TEXT, agreed=BOOL)
_ELECTION = struct_of(
    round=INT,
    candidates=list_of(TEXT),
    scores=list_of(list_of(FLOAT)),
    ranks=list_of(list_of(INT)),
    defeats=list_of(list_of(INT)),
    tied=list_of(INT),
    winner=INT,
    critiques=list_of(TEXT),
)

LAYOUT = Layout(
    kind=DialogueRecord,
    noun="dialogue",
    folder="debate/, consultancy/ or mediator",
    version=DIALOGUE_VERSION,
    version_key=b"concordat.dialogue_schema_version",
    columns={
        "schema_version": INT,
        "negotiation_id": TEXT,
        "method": TEXT,
        "topic": TOPIC,
        "players": list_of(TEXT),
        "seed": INT,
        "config": TEXT,
        "embedder": TEXT,
        "provenance": pa.map_(TEXT, TEXT),
        "openings": list_of(OPENING),
        "turns": list_of(_TURN),
        "elections": list_of(_ELECTION),
        "consensus": list_of(TEXT),
        "opening_embeddings": list_of(VECTOR),
        "consensus_embeddings": list_of(VECTOR),
        "stop_reason": TEXT,
        "malformed": INT,
        "timings": list_of(TIMING),
        "digest": TEXT,
    },
)


def write_dialogues(
    path: str | Path, records: Sequence[DialogueRecord], digests: Sequence[str] | None = None
) -> None:
    """Write records to one Parquet file, whole or not at all; a file already there is replaced.

    ``digests`` are those of the records, where they are known already.
    """
    LAYOUT.write(path, records, digests)


def read_dialogues(path: str | Path) -> list[DialogueRecord]:
    """Read what ``write_dialogues`` wrote.

    Raises:
        RecordError: naming the path, if there is no such file, it is no Parquet file of dialogues, it is damaged,
            or it was written under another schema version.
    """
    return LAYOUT.read(path)
