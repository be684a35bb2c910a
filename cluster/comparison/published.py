"""Published negotiations as outcomes: statements only, of every method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.cultures import get_culture
from agents.replay.reading import FILE, RELEASED, read_published
from negotiation.errors import ConcordatError, ConfigurationError, RecordError
from negotiation.outcome import Outcome
from negotiation.topic import Topic

COLUMNS = (
    "method",
    "topic_id",
    "topic",
    "category",
    "culture_a",
    "culture_b",
    "initial_a",
    "initial_b",
    "consensus_a",
    "consensus_b",
    "rounds_run",
    "consensus_reached",
)


def published_table(path: Path) -> Path | None:
    """The Parquet file of published negotiations at a path, if one is there."""
    tried = (path, path / FILE, path / "negotiations" / FILE)
    return next((place for place in tried if place.is_file() and place.suffix == ".parquet"), None)


def is_published(path: Path) -> bool:
    """Whether published negotiations are at a path: such a file, its folder, or the released repository."""
    return published_table(path) is not None or (
        path.is_dir() and next(path.rglob(RELEASED), None) is not None
    )


def read_outcomes_of(path: Path) -> tuple[list[Outcome], list[str]]:
    """Outcomes, and a line for each row that cannot be used.

    Raises:
        ConfigurationError: if the file is of another form.
    """
    table = published_table(path)
    if table is not None:
        rows = [(f"row {number}", row) for number, row in enumerate(_rows(table))]
    else:
        reading = read_published(path)
        rows = [(run.where, {**run.model_dump(), "method": "psro"}) for run in reading.runs]
    outcomes: list[Outcome] = []
    faults: list[str] = []
    seen: dict[tuple[Any, ...], str] = {}
    for where, row in rows:
        try:
            found = _outcome(row)
        except (ConcordatError, TypeError, AttributeError) as error:
            faults.append(f"{path}, {where}: {error}")
            continue
        key = (found.method, found.id)
        if key in seen:
            faults.append(f"{path}, {where}: the same negotiation as {seen[key]}; the first counts")
            continue
        seen[key] = where
        outcomes.append(found)
    return outcomes, faults


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            missing = sorted(set(COLUMNS) - set(file.schema_arrow.names))
            if missing:
                raise ConfigurationError(f"{path} lacks the columns {', '.join(missing)}")
            rows: list[dict[str, Any]] = file.read(columns=list(COLUMNS)).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(f"{path} cannot be read as Parquet ({error})") from error
    return rows


def _outcome(row: Mapping[str, Any]) -> Outcome:
    for name in ("initial_a", "initial_b", "consensus_a", "consensus_b"):
        if not isinstance(row[name], str):
            raise RecordError(f"{name} was not published")
    players = (get_culture(row["culture_a"]).id, get_culture(row["culture_b"]).id)
    topic = Topic(str(row["topic_id"]), row["topic"], row["category"] or "uncategorised")
    return Outcome(
        id=f"{topic.id}--{'--'.join(players)}",
        method=row["method"],
        topic=topic,
        players=players,
        seed=None,
        openings=(row["initial_a"], row["initial_b"]),
        consensus=(row["consensus_a"], row["consensus_b"]),
        rounds=row["rounds_run"],
        converged=row["consensus_reached"],
    )
