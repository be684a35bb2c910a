"""What is compared: the outcomes of runs, and what is lost of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.comparison.published import is_published, read_outcomes_of
from cluster.outcomes import read_outcomes
from negotiation.errors import ConfigurationError, RecordError, RunError
from negotiation.outcome import METHODS, Method, Outcome


@dataclass(frozen=True, slots=True)
class Source:
    """A run, or published negotiations.

    Attributes:
        path: that was given.
        published: whether it is no run of ours.
        outcomes: of finished negotiations.
        failed: negotiations that gave no outcome.
        faults: what was left out and why.
    """

    path: Path
    published: bool
    outcomes: tuple[Outcome, ...]
    failed: int
    faults: tuple[str, ...] = ()


def read_sources(paths: Sequence[Path], methods: Sequence[Method] = ()) -> list[Source]:
    """Read runs and published negotiations.

    Args:
        paths: run folders, Parquet files of published negotiations or their folders.
        methods: keep these only; all if empty.

    Raises:
        ConfigurationError: if a method is unknown, or none of these methods is there.
        RunError: if a path holds no run, a run has no statements, or two runs hold the same negotiation by the same method.
        RecordError: if a record is damaged or of another schema version.
    """
    for method in methods:
        if method not in METHODS:
            raise ConfigurationError(f"--method {method}: unknown; known are {', '.join(METHODS)}")
    sources = [_published(path) if is_published(path) else _run(path) for path in paths]
    if methods:
        sources = [
            Source(
                one.path,
                one.published,
                tuple(outcome for outcome in one.outcomes if outcome.method in methods),
                one.failed,
                one.faults,
            )
            for one in sources
        ]
        if not any(source.outcomes for source in sources):
            raise ConfigurationError(f"no outcome of {', '.join(methods)} in {', '.join(map(str, paths))}")
    _check_distinct(sources)
    return sources


def _published(path: Path) -> Source:
    outcomes, faults = read_outcomes_of(path)
    if not outcomes:
        raise ConfigurationError(
            f"{path}: not one usable negotiation; the first: {faults[0] if faults else '-'}"
        )
    return Source(path, True, tuple(outcomes), 0, tuple(faults))


def _run(path: Path) -> Source:
    outcomes = tuple(read_outcomes(path))
    finished = {(outcome.id, outcome.method) for outcome in outcomes}
    return Source(path, False, outcomes, len(failed_negotiations(path) - finished))


def failed_negotiations(path: Path) -> set[tuple[str, str]]:
    """Ids and methods of the attempts that failed, finished since or not.

    Raises:
        RecordError: if a line of ``failures.jsonl`` is damaged.
    """
    file = path / "failures.jsonl"
    if not file.exists():
        return set()
    failed: set[tuple[str, str]] = set()
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            failed.add((entry["negotiation_id"], entry.get("method", "psro")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"{file}, line {number} is damaged ({error!r}); delete that line") from error
    return failed


def _check_distinct(sources: Sequence[Source]) -> None:
    held: dict[tuple[object, ...], Path] = {}
    for source in sources:
        for outcome in source.outcomes:
            key = (outcome.method, outcome.topic.id, outcome.players, outcome.seed)
            if key in held:
                raise RunError(
                    f"{held[key]} and {source.path} both hold {outcome.id!r} by {outcome.method}, seed {outcome.seed};"
                    " compare runs of other seeds or other cultures, and name each once"
                )
            held[key] = source.path
