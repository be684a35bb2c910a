"""The labelled texts: each text once, with every judge's labels, and folds of topics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import ConfigurationError
from rewriter.detector.calibration import CUTS, Floats
from rewriter.vocabulary import value_vector

LABELS_FILE = "value_labels.parquet"
JUDGE = "gpt-4o"
"""Who labelled every text; agreement is measured against this one."""
OTHER_JUDGE = "gpt-4.1"
"""Whose agreement with the first is the attainable bound."""

_COLUMNS = ("text", "values", "judge", "topic_id")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts with labels.

    Attributes:
        texts: n, each once, in the order of the alphabet.
        topics: (n,) ids; everything is split by these.
        labels: judge to (n, 10) labels, NaN where it did not label a text.
    """

    texts: tuple[str, ...]
    topics: NDArray[np.int64]
    labels: dict[str, Floats]

    @property
    def judged(self) -> Floats:
        """(n, 10) labels of the judge who labelled every text."""
        return self.labels[JUDGE]

    def part(self, places: NDArray[np.int64]) -> Labelled:
        """The texts at these places."""
        return Labelled(
            tuple(self.texts[place] for place in places.tolist()),
            self.topics[places],
            {judge: labels[places] for judge, labels in self.labels.items()},
        )

    def shares_above(self) -> NDArray[np.float32]:
        """(n, 10, 4) share of a text's judges whose label is above each of ``CUTS``: the soft targets."""
        total = np.zeros((*self.judged.shape, len(CUTS)))
        count = np.zeros(len(self.texts))
        for labels in self.labels.values():
            total += labels[:, :, None] >= np.array(CUTS)  # NaN is above nothing
            count += ~np.isnan(labels).any(axis=1)
        shares: NDArray[np.float32] = (total / count[:, None, None]).astype(np.float32)
        return shares


def load_labels(folder: Path) -> Labelled:
    """Read the labelled texts.

    Raises:
        ConfigurationError: if the file is missing, lacks a column, or a text has no label of ``JUDGE``.
        TargetError: if a row's labels are no value vector.
    """
    rows = _rows(folder / LABELS_FILE)
    topic_of: dict[str, int] = {}
    given: dict[str, dict[str, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))
    for number, row in enumerate(rows):
        topic_of[row["text"]] = row["topic_id"]
        vector = value_vector(row["values"], f"{LABELS_FILE}, row {number}: values")
        given[row["judge"]][row["text"]].append(vector)
    texts = tuple(sorted(topic_of))
    missing = sum(text not in given[JUDGE] for text in texts)
    if missing or not texts:
        raise ConfigurationError(
            f"{folder / LABELS_FILE}: {missing} of {len(texts)} texts have no label of {JUDGE!r}; all need one"
        )
    labels = {
        judge: np.array(
            [np.mean(by_text[text], axis=0) if text in by_text else np.full(10, np.nan) for text in texts]
        )
        for judge, by_text in sorted(given.items())
    }
    return Labelled(texts, np.array([topic_of[text] for text in texts]), labels)


def topic_folds(topics: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) fold of each text in 0..count-1: all texts of a topic in one fold, topics drawn at random.

    Raises:
        ConfigurationError: if there are fewer topics than folds.
    """
    known = np.unique(topics)
    if len(known) < count:
        raise ConfigurationError(f"{len(known)} topics cannot make {count} folds; give more data")
    fold = np.empty(len(known), dtype=np.int64)
    fold[rng.permutation(len(known))] = np.arange(len(known)) % count
    placed: NDArray[np.int64] = fold[np.searchsorted(known, topics)]
    return placed


def _rows(path: Path) -> Sequence[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise ConfigurationError(f"no file {path}; --data names the folder that holds {LABELS_FILE}")
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise ConfigurationError(f"{path} is no Parquet file: {error}") from error
    lacking = [name for name in _COLUMNS if name not in table.column_names]
    if lacking:
        raise ConfigurationError(f"{path} lacks the columns {', '.join(lacking)}")
    rows: Sequence[dict[str, Any]] = table.select(_COLUMNS).to_pylist()
    return rows
