"""The outcomes of a run, whatever methods it was negotiated by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cluster.runfolder import check_version, records_folder
from negotiation import dialogue_storage, storage
from negotiation.dialogue import DialogueRecord
from negotiation.errors import RecordError, RunError
from negotiation.outcome import METHODS, Method, Outcome
from negotiation.parquet import Layout


def layout_of(method: Method) -> Layout[Any]:
    """How the records of a method lie in their files."""
    return storage.LAYOUT if method == "psro" else dialogue_storage.LAYOUT


def read_outcomes(run: Path) -> list[Outcome]:
    """The outcomes of all finished negotiations of a run, by method and then by file name.

    Args:
        run: a folder made by ``concordat negotiate``.

    Raises:
        RunError: if ``run`` is no run folder, or nothing in it is finished.
        RecordError: if its records are of several schema versions, of another one than this Concordat's, or damaged; or
            one lies in another method's folder.
    """
    if not any((run / records_folder(method)).is_dir() for method in METHODS):
        check_version(run)
    files = {method: sorted((run / records_folder(method)).glob("*.parquet")) for method in METHODS}
    if not any(files.values()):
        raise RunError(
            f"{run} holds no statements: no negotiation in it is finished; go on with it with --resume, or name another run"
        )
    for method in METHODS:
        _check_versions(run, method, files[method])
    return [
        _outcome(method, path, record)
        for method in METHODS
        for path in files[method]
        for record in _read(method, path)
    ]


def _read(method: Method, path: Path) -> list[Any]:
    return layout_of(method).read(path)


def _outcome(method: Method, path: Path, record: Any) -> Outcome:
    outcome = record.outcome() if isinstance(record, DialogueRecord) else Outcome.of(record)
    if outcome.method != method:
        raise RecordError(f"{path}: holds the record of a {outcome.method}; move it to that method's folder")
    return outcome


def _check_versions(run: Path, method: Method, files: list[Path]) -> None:
    """Tell of a folder of mixed schema versions as a whole, rather than of its first file."""
    found: dict[str, list[Path]] = {}
    for path in files:
        version = layout_of(method).version_of(path)
        if version is not None:
            found.setdefault(version, []).append(path)
    if len(found) > 1:
        counts = ", ".join(
            f"{version} ({len(paths)}, e.g. {paths[0].name})" for version, paths in sorted(found.items())
        )
        raise RecordError(
            f"{run / records_folder(method)} mixes records of the schema versions {counts}; this Concordat reads"
            f" {layout_of(method).version}: take the others out, and resume the run to negotiate them again"
        )
