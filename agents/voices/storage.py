"""Training text on disk: Parquet part files that are whole or absent, as a dataset that ``datasets`` loads.

DIR/
├── README.md         dataset card; it tells ``datasets.load_dataset("DIR")`` where the rows are
├── settings.json     culture, settings and a digest of the items, to go on with the same only
├── data/             kept pairs, one Parquet file a chunk of items
└── dropped/          replies that were not kept, with the reason, one Parquet file a chunk

A chunk is finished when its file in ``data/`` is there; it is never made twice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from agents.voices.config import VoicesConfig
from agents.voices.production import Chunk
from agents.voices.prompts import VoicePrompts
from agents.voices.rows import REASONS, Answered
from negotiation.errors import ConfigurationError, RecordError, RunError

LAYOUT = 1
"""Raised whenever a folder of the version before could not be gone on with."""

KEPT_SCHEMA = pa.schema(
    [
        ("culture", pa.string()),
        ("item", pa.string()),
        ("category", pa.string()),
        ("option", pa.int32()),
        ("option_label", pa.string()),
        ("number", pa.int32()),
        ("share", pa.float64()),
        ("source", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("model", pa.string()),
        ("attempt", pa.int32()),
        ("judge", pa.string()),
        ("probability", pa.float64()),
        ("seed", pa.int64()),
        ("prompts", pa.string()),
    ]
)
"""Columns of ``VoiceRow``."""

DROPPED_SCHEMA = pa.schema(
    [
        ("culture", pa.string()),
        ("item", pa.string()),
        ("option", pa.int32()),
        ("number", pa.int32()),
        ("attempt", pa.int32()),
        ("model", pa.string()),
        ("reason", pa.string()),
        ("problem", pa.string()),
        ("text", pa.string()),
        ("last", pa.bool_()),
    ]
)
"""Columns of ``DroppedPair``."""

_CARD = """\
---
configs:
  - config_name: default
    data_files: data/*.parquet
  - config_name: dropped
    data_files: dropped/*.parquet
---

# Training text of a culture: {culture}

Question-answer pairs made by Concordat from survey answers: {pairs} an item, split by the shares of those who gave each
answer. Written by {model}, judged by {judge}. Each row names its item, option, share, survey, model and attempt; `dropped`
holds what was not kept, and why.

```python
datasets.load_dataset("parquet", data_files="data/*.parquet")
```
"""


@dataclass(frozen=True, slots=True)
class VoicesSummary:
    """What a folder holds.

    Attributes:
        items: finished items.
        wanted: pairs that these items ask for.
        kept: pairs that are there.
        missing: pairs that were dropped through all retries; ``wanted`` less ``kept``.
        dropped: number of dropped replies by reason.
    """

    items: int
    wanted: int
    kept: int
    missing: int
    dropped: Mapping[str, int]


class VoicesFolder:
    """A folder of training text that is made chunk by chunk.

    Args:
        path: the folder; it is made if it is not there.
        culture: id of the culture.
        answered: the items in order; with ``config.chunk_items`` they make up the chunks.
        config: how the text is made.
        prompts: with which prompts.

    Raises:
        ConfigurationError: if there are no items, or one is given twice.
        RunError: if the folder was begun with other settings or items, or cannot be written.
    """

    def __init__(
        self,
        path: Path,
        culture: str,
        answered: Sequence[Answered],
        config: VoicesConfig,
        prompts: VoicePrompts,
    ) -> None:
        _check_items(answered)
        self.path = path
        self._config = config
        size = config.chunk_items
        self.chunks = [tuple(answered[start : start + size]) for start in range(0, len(answered), size)]
        settings: dict[str, Any] = {
            "layout": LAYOUT,
            "culture": culture,
            "items": _digest(answered),
            "prompts": f"{prompts.name} {prompts.version}",
            "config": config.model_dump(mode="json"),
        }
        self._begin(settings, culture)

    def _begin(self, settings: Mapping[str, Any], culture: str) -> None:
        file = self.path / "settings.json"
        if file.is_file():
            _check_same(self.path, file, settings)
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise RunError(f"{self.path} is there and holds no training text; choose another --out")
        try:
            for name in ("data", "dropped"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            judge = self._config.judging
            card = _CARD.format(
                culture=culture,
                pairs=self._config.pairs,
                model=self._config.model.kind,
                judge="nobody" if judge is None else judge.kind,
            )
            (self.path / "README.md").write_text(card, encoding="utf-8")
            _write(
                file, lambda part: part.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
            )
        except OSError as error:
            raise RunError(f"cannot write {self.path}: {error.strerror}; choose another --out") from error

    @property
    def pending(self) -> list[int]:
        """Numbers of the chunks that are not finished."""
        return [number for number in range(len(self.chunks)) if not self._file("data", number).is_file()]

    def write(self, number: int, chunk: Chunk) -> None:
        """Keep what came of a chunk; from then on it is finished.

        Raises:
            RunError: if the folder cannot be written.
        """
        parts = (
            ("dropped", DROPPED_SCHEMA, chunk.dropped),
            ("data", KEPT_SCHEMA, chunk.rows),  # last: this file says that the chunk is finished
        )
        try:
            for name, schema, rows in parts:
                table = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)
                _write(self._file(name, number), lambda part, table=table: pq.write_table(table, part))
        except OSError as error:
            raise RunError(
                f"cannot write {self.path}: {error.strerror or error}; free space and give the command again"
            ) from error

    def summary(self) -> VoicesSummary:
        """Counts over all finished chunks."""
        finished = sorted(set(range(len(self.chunks))) - set(self.pending))
        kept = sum(pq.read_metadata(self._file("data", number)).num_rows for number in finished)
        reasons: Counter[str] = Counter(
            reason
            for number in finished
            for reason in pq.read_table(self._file("dropped", number), columns=["reason"])[
                "reason"
            ].to_pylist()
        )
        items = sum(len(self.chunks[number]) for number in finished)
        wanted = items * self._config.pairs
        dropped: dict[str, int] = {reason: reasons[reason] for reason in REASONS}
        return VoicesSummary(items, wanted, kept, wanted - kept, dropped)

    def _file(self, name: str, number: int) -> Path:
        return self.path / name / f"part-{number:05d}.parquet"


def _check_items(answered: Sequence[Answered]) -> None:
    if not answered:
        raise ConfigurationError(
            "no items with answers; give a profile that holds answers to items of the codebook"
        )
    twice = [name for name, count in Counter(entry.item.id for entry in answered).items() if count > 1]
    if twice:
        raise ConfigurationError(f"item {twice[0]!r} is given twice; keep one")


def _digest(answered: Sequence[Answered]) -> str:
    """SHA-256 of everything about the items that the text depends on."""
    trees = [
        [
            entry.item.id,
            entry.item.question,
            list(entry.item.options),
            entry.item.category,
            entry.shares.shares,
        ]
        for entry in answered
    ]
    return hashlib.sha256(json.dumps(trees).encode()).hexdigest()


def _check_same(path: Path, file: Path, settings: Mapping[str, Any]) -> None:
    try:
        begun = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{file} cannot be read ({error}); choose another --out") from error
    old, new = _flat(begun), _flat(settings)
    differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if differing:
        shown = "; ".join(
            f"{name}: it has {old.get(name)!r}, you ask for {new.get(name)!r}" for name in differing[:6]
        )
        raise RunError(
            f"{path} was begun with other settings ({shown}); go on with those, or choose another --out"
        )


def _flat(tree: Any, path: str = "") -> dict[str, Any]:
    """A tree's leaves by their path."""
    if not isinstance(tree, Mapping):
        return {path: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= _flat(value, f"{path}.{key}" if path else str(key))
    return leaves


def _write(path: Path, fill: Any) -> None:
    """Write a file that is whole or absent: into a neighbour first, then renamed."""
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        fill(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
