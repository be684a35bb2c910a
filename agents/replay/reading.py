"""Published negotiations from a Parquet file, or from the released repository's folders of JSON files.

Parquet
    ``negotiations.parquet``, one row a run; ``method`` tells the runs that have a meta-game (``psro``) from the others.

Released repository
    ``data/debate_data/<culture A> and <culture B>/OurMethod/<category>/psro_<topic id>_<date>_<model>.json``, one file a run.
    Any folder above or below works. ``history`` has a round an entry: the new guidelines as one text of the form
    ``heading: reason: ... detail: ...``, logged utilities, and ``guidelines_weight`` by heading. The first culture named in
    ``initial_response`` is side a.

Files of other names there, such as those of other methods, are not looked at.

A run that cannot be used becomes a ``Fault`` that names its row or file; none is dropped without one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from agents.faults import faults_of
from agents.replay.vocabulary import SIDES, Fault, PublishedRun, PublishedTurn, Reading
from negotiation.errors import ConfigurationError

FILE = "negotiations.parquet"
RELEASED = "psro_*.json"

_OPTIONAL = ("category", "consensus_a", "consensus_b")
_COLUMNS = tuple(name for name in PublishedRun.model_fields if name not in ("where", *_OPTIONAL))
_TURN_FIELDS = tuple(PublishedTurn.model_fields)
_GUIDELINE = re.compile(r"(?P<content>.+?): reason: (?P<reason>.*?)\. detail: (?P<description>.*)", re.DOTALL)
_FILE_NAME = re.compile(r"psro_(?P<topic_id>\d+)_")


def read_published(path: Path) -> Reading:
    """Read what is at a path: a Parquet file, a folder that holds one, or a folder of the released repository.

    Raises:
        ConfigurationError: if nothing of the kind is there, the file lacks a column, or not a single run is usable.
    """
    tried = (path, path / FILE, path / "negotiations" / FILE)
    table = next((place for place in tried if place.is_file()), None)
    if table is not None:
        reading = _read_parquet(table)
    elif files := sorted(path.rglob(RELEASED)) if path.is_dir() else []:
        reading = _read_released(path, files)
    else:
        raise ConfigurationError(
            f"PATH {path}: no {FILE} and no {RELEASED} there; give the Parquet file of published negotiations, its folder, or"
            " the released repository"
        )
    if not reading.runs:
        first = f"; the first: {reading.faults[0].where}: {reading.faults[0].what}" if reading.faults else ""
        raise ConfigurationError(
            f"PATH {reading.source}: not one usable psro run ({len(reading.faults)} faulty ones, {reading.others} of other"
            f" methods){first}"
        )
    return reading


def sample(reading: Reading, limit: int | None) -> tuple[PublishedRun, ...]:
    """At most ``limit`` runs, spread evenly over the source; all if None."""
    count = len(reading.runs)
    if limit is None or limit >= count:
        return reading.runs
    return tuple(reading.runs[place * count // limit] for place in range(limit))


def _read_parquet(path: Path) -> Reading:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            held = file.schema_arrow.names
            missing = sorted({"method", *_COLUMNS} - set(held))
            if missing:
                raise ConfigurationError(f"PATH {path}: lacks the columns {', '.join(missing)}")
            columns = ["method", *_COLUMNS, *(name for name in _OPTIONAL if name in held)]
            rows: list[dict[str, Any]] = file.read(columns=columns).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(f"PATH {path}: cannot be read as Parquet ({error})") from error
    founds: list[PublishedRun | Fault] = []
    others = 0
    for number, row in enumerate(rows):
        where, method = f"row {number}", row.pop("method")
        if isinstance(method, str) and method != "psro":
            others += 1
            continue
        found = _checked(where, {**row, "turns": _turns(row["turns"])}) if method else _no_method(where)
        founds.append(found)
    return _reading(path, "parquet", founds, others)


def _reading(
    source: Path, layout: Literal["parquet", "released"], founds: Sequence[PublishedRun | Fault], others: int
) -> Reading:
    runs = tuple(found for found in founds if isinstance(found, PublishedRun))
    return Reading(source, layout, runs, tuple(found for found in founds if isinstance(found, Fault)), others)


def _no_method(where: str) -> Fault:
    return Fault(where, "method: is missing; expected psro, or the name of a method without a meta-game")


def _turns(turns: Any) -> Any:
    """Turns with the fields that are used; what is no list of records is left for the check to tell."""
    if turns is None:
        return ()
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
        return turns
    return [{name: turn[name] for name in _TURN_FIELDS if name in turn} for turn in turns]


def _checked(where: str, tree: Mapping[str, Any]) -> PublishedRun | Fault:
    try:
        return PublishedRun.model_validate({"where": where, **tree})
    except ValidationError as error:
        return Fault(where, faults_of(error, "run").replace("run: Value error, ", ""))


def _read_released(folder: Path, files: list[Path]) -> Reading:
    founds: list[PublishedRun | Fault] = []
    for path in files:
        where = str(path.relative_to(folder))
        try:
            found = _checked(where, _released_tree(path))
        except (OSError, ValueError) as error:  # a broken JSON text is a ValueError too
            found = Fault(where, str(error))
        except KeyError as error:
            found = Fault(where, f"lacks the field {error}")
        except (TypeError, AttributeError) as error:
            found = Fault(where, f"has a field of another type ({error})")
        founds.append(found)
    return _reading(folder, "released", founds, 0)


def _released_tree(path: Path) -> dict[str, Any]:
    """A run in the fields of ``PublishedRun``.

    Raises:
        ValueError: no JSON, or a text that is not of the form.
        KeyError: a field is missing.
    """
    named = _FILE_NAME.match(path.name)
    if named is None:
        raise ValueError(f"the name is not psro_<topic id>_...: {path.name}")
    run = json.loads(path.read_text(encoding="utf-8"))
    cultures = list(run["initial_response"])
    if len(cultures) != len(SIDES):
        raise ValueError(f"initial_response has the cultures {cultures}; expected two")
    sides = dict(zip(SIDES, cultures, strict=True))
    return {
        "topic_id": int(named["topic_id"]),
        "topic": run["topic"],
        "category": path.parent.name,
        "rounds_run": run["meta_data"]["true_rounds"],
        "consensus_reached": run["meta_data"]["consensus_reached"],
        "turns": [
            _released_turn(entry, side, culture)
            for entry in run["history"]
            for side, culture in sides.items()
        ],
        **{f"culture_{side}": culture for side, culture in sides.items()},
        **{f"initial_{side}": run["initial_response"][culture] for side, culture in sides.items()},
        **{f"consensus_{side}": run["consensus_response"].get(culture) for side, culture in sides.items()},
    }


def _released_turn(entry: Mapping[str, Any], side: str, culture: str) -> dict[str, Any]:
    exchange = entry["second_exchange"]
    text = exchange[f"{culture}_best_response"]
    parts = _GUIDELINE.fullmatch(text)
    if parts is None:
        raise ValueError(
            f"round {entry['round']}, side {side}: the guideline {text[:60]!r} is not of the form"
            " 'heading: reason: ... detail: ...'"
        )
    weights = entry["guidelines_weight"][f"{culture}_distribution"]
    return {
        "round": entry["round"],
        "side": side,
        **parts.groupdict(),
        "utility": exchange[f"{culture}_utility"]["total"],
        "weights": [{"content": content, "weight": weight} for content, weight in weights.items()],
    }
