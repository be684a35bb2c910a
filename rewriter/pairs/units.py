"""Units: texts of a few sentences, with their topic and the values that a detector reads in them.

The labelled statements (``value_labels.parquet``) are cut at the borders of sentences. Units are read once and kept in a Parquet
file, whose name holds a fingerprint of the data, the settings and the detector.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from agents.bundle.corpus import held_out_topics
from negotiation.errors import ConfigurationError
from rewriter.pairs.config import UnitConfig
from rewriter.sentences import split_sentences
from rewriter.vocabulary import Detector, ValueVector, check_text, value_vector

logger = logging.getLogger(__name__)

LABELS = "value_labels.parquet"
"""The labelled statements; columns ``text``, ``topic_id`` and ``values`` are used."""
READ_BATCH = 512
"""Texts handed to a detector at once."""

_PROBES = (
    "Yes. Everyone should be free to choose, and new ways should be tried.",
    "No, our traditions and the safety of families come first, and elders should be obeyed.",
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A text of a few sentences.

    Attributes:
        text: not blank.
        topic_id: id of the topic in the data.
        values: (10,) in [-1, 1], what the detector reads in it.
    """

    text: str
    topic_id: int
    values: ValueVector

    def __post_init__(self) -> None:
        check_text(self.text, "the unit")
        object.__setattr__(self, "values", value_vector(self.values, "values of the unit"))


@dataclass(frozen=True, slots=True)
class Units:
    """Units of disjoint topics.

    Attributes:
        training: of topics to learn from.
        held_out: of topics that nothing is trained on, to measure with.
    """

    training: tuple[Unit, ...]
    held_out: tuple[Unit, ...]


def read_units(
    data: Path, detector: Detector, work: Path | None = None, config: UnitConfig | None = None
) -> Units:
    """Cut, choose and read units.

    Args:
        data: folder that holds ``value_labels.parquet``.
        detector: reads their values.
        work: folder that keeps the readings; nothing is kept if None.
        config: the cut and the choice; the default one if None.

    Raises:
        ConfigurationError: if the file is missing or lacks a column, or no unit is left.
    """
    config = config or UnitConfig()
    path = labels_path(data)
    kept = None if work is None else work / f"units-{_fingerprint(path, detector, config)}.parquet"
    if kept is not None and kept.is_file():
        units = [
            Unit(row["text"], row["topic_id"], tuple(row["values"]))
            for row in pq.read_table(kept).to_pylist()
        ]
    else:
        chosen = _choose(path, config)
        units = read_texts(detector, chosen)
        if kept is not None:
            _keep(kept, units)
    out = held_out_topics((unit.topic_id for unit in units), config.held_out_share, config.split_seed)
    return Units(
        training=tuple(unit for unit in units if unit.topic_id not in out),
        held_out=tuple(unit for unit in units if unit.topic_id in out),
    )


def labels_path(data: Path) -> Path:
    """The file of labelled statements in a folder, or in its folder ``negotiations``.

    Raises:
        ConfigurationError: if there is none.
    """
    for path in (data / LABELS, data / "negotiations" / LABELS):
        if path.is_file():
            return path
    raise ConfigurationError(f"data {data}: no file {LABELS} in it; give the folder that holds it")


def read_texts(detector: Detector, texts: Sequence[tuple[int, str]]) -> list[Unit]:
    """Read (topic id, text) in batches.

    Readings are rounded to four decimals, so that a kept unit equals a fresh one.
    """
    units: list[Unit] = []
    for start in range(0, len(texts), READ_BATCH):
        part = texts[start : start + READ_BATCH]
        readings = detector.read([text for _, text in part])
        units += [
            Unit(text, topic_id, tuple(round(value, 4) for value in reading.values))
            for (topic_id, text), reading in zip(part, readings, strict=True)
        ]
        logger.info("read %d of %d texts", len(units), len(texts))
    return units


def cut(text: str, config: UnitConfig) -> list[str]:
    """The units of a text: runs of whole sentences, as long as the bounds allow; those too short or too long are left out.

    >>> cut("One is here. Two is here. Three is here.", UnitConfig(sentences=2, least_characters=5))
    ['One is here. Two is here.', 'Three is here.']
    """
    units: list[str] = []
    run: list[str] = []
    for sentence in split_sentences(text.replace("**", "")):
        sentence = " ".join(sentence.split())
        if run and (len(run) == config.sentences or len(" ".join([*run, sentence])) > config.characters):
            units.append(" ".join(run))
            run = []
        run.append(sentence)
    units.append(" ".join(run))
    return [unit for unit in units if config.least_characters <= len(unit) <= config.characters]


def _choose(path: Path, config: UnitConfig) -> list[tuple[int, str]]:
    """(topic id, text) of the units that are taken, at most ``per_topic`` a topic, in order of topics."""
    try:
        rows = pq.read_table(path, columns=["text", "topic_id"]).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(
            f"data {path}: {error}; give Parquet with the columns text and topic_id"
        ) from error
    by_topic: dict[int, dict[str, None]] = {}
    for row in rows:
        if len(row["text"]) <= config.text_characters:
            found = by_topic.setdefault(int(row["topic_id"]), {})
            found.update(dict.fromkeys(cut(row["text"], config)))
    chosen = []
    for topic_id, texts in sorted(by_topic.items()):
        rng = np.random.default_rng([config.seed, topic_id])
        order = rng.permutation(len(texts))[: config.per_topic]
        pool = list(texts)
        chosen += [(topic_id, pool[place]) for place in sorted(order)]
    if not chosen:
        raise ConfigurationError(
            f"data {path}: no text is between {config.least_characters} and {config.text_characters} characters"
            " long; give other bounds"
        )
    return chosen


def _fingerprint(path: Path, detector: Detector, config: UnitConfig) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    # A name may outlive a training: what a detector reads tells which one it is.
    probed = [[round(value, 4) for value in reading.values] for reading in detector.read(_PROBES)]
    digest.update(json.dumps([detector.name, probed, config.model_dump()], sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _keep(path: Path, units: Sequence[Unit]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "text": [unit.text for unit in units],
            "topic_id": [unit.topic_id for unit in units],
            "values": [list(unit.values) for unit in units],
        }
    )
    torn = path.with_suffix(".part")
    pq.write_table(table, torn)
    torn.replace(path)
