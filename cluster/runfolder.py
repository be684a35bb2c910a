"""A run on disk: its layout, its lock, what is finished in it, and writes that are whole or absent.

RUN/
├── config.yaml       the resolved configuration
├── run.json          layout version, Concordat version, when it was made
├── negotiations/     one Parquet file a finished negotiation by the game (psro)
├── debate/           one Parquet file a finished debate; so consultancy/ and mediator/; each if it was asked for
├── policies/         one JSON file a finished negotiation: its consensus policy
├── failures.jsonl    one line a failed attempt, with its reason
├── events.jsonl      what happened when
├── metrics.json      the summary
├── report.html       to look at
└── .lock             held (by the kernel) while a process writes here
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import yaml

from cluster import __version__
from cluster.locking import LOCK, take_lock
from cluster.simulation.journal import Journal
from cluster.simulation.storage import BEGUN, ENDED, FolderStorage, Storage, UriStorage
from cluster.tree_differences import differences as differences
from cluster.writing import cannot_write, json_pieces
from cluster.writing import write_atomically as write_atomically
from negotiation.errors import RecordError, RunError

if TYPE_CHECKING:
    from negotiation.dialogue import DialogueRecord
    from negotiation.record import NegotiationRecord

LAYOUT_VERSION = 1
"""Raised whenever a run folder of the version before could not be read or resumed."""

FREE_ON_RESUME = frozenset({"out", "concurrency", "resources"})
"""Settings that change how fast a run goes, not what it says; these alone may differ on ``--resume``."""

BASELINE_SETTINGS = frozenset({"methods", "baselines"})
"""Settings that say nothing of the game; runs made before there were any lack them, and are of the game alone."""

_SAFE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,119}")


def safe_name(identifier: str) -> str:
    """A file name for an identifier, one to one, also on file systems that ignore case.

    Plain lower-case identifiers keep their name; others are slugged and get ten hex digits of their SHA-256.

    >>> safe_name("headscarf--confucian--latin-america")
    'headscarf--confucian--latin-america'
    >>> safe_name("Should we? / Really")
    'should-we-really-e9e025715c'
    """
    if _SAFE_NAME.fullmatch(identifier):
        return identifier
    slug = re.sub(r"[^a-z0-9]+", "-", identifier.lower()).strip("-")[:80]
    digest = hashlib.sha256(identifier.encode()).hexdigest()[:10]
    return f"{slug}-{digest}" if slug else digest


def records_folder(method: str) -> str:
    """Where in a run folder the records of a method are."""
    return "negotiations" if method == "psro" else method


class RunFolder:
    """A run folder that this process holds; use as a context manager or call ``close``.

    Args:
        path: the folder; it is made if it is not there.
        settings: the resolved configuration as a JSON tree.
        resume: go on with the run that is there.
        storage: where records and policies are, if not in the folder; what makes up a run is copied there too.

    Raises:
        RunInUseError: if another process holds it.
        RecordError: if it was made with another layout version.
        RunError: if it holds a run and ``resume`` is false, holds none and ``resume`` is true, or holds one
            with other settings.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        *,
        resume: bool = False,
        storage: UriStorage | None = None,
    ) -> None:
        self.path = path
        self._away = storage
        self._storage: Storage = storage or FolderStorage(path)
        self._events, self._failures = (Journal(path / name) for name in ("events.jsonl", "failures.jsonl"))
        exists = (path / "run.json").exists()
        self.is_new = not exists
        if resume and not exists:
            raise RunError(f"{path} holds no run to resume; leave out --resume, or name the run with --out")
        if not exists and path.exists() and not _just_begun(path):
            raise RunError(f"{path} is there and is not a run; choose another --out")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make {path}: {error.strerror}; choose another --out") from error
        self._lock = take_lock(path / LOCK)
        try:
            self._enter(settings, resume)
        except BaseException:
            self.close()
            raise

    def _enter(self, settings: Mapping[str, Any], resume: bool) -> None:
        if (self.path / "run.json").exists():
            check_version(self.path)
            if not resume:
                raise RunError(
                    f"{self.path} already holds a run; add --resume to go on with it, or choose another --out"
                )
            settings = self._settled(settings)
        folders = [records_folder(method) for method in settings.get("methods", ("psro",))]
        FolderStorage(self.path).prepare(["."])
        self._storage.prepare(list(dict.fromkeys(("negotiations", "policies", *folders))))
        if not (self.path / "run.json").exists():
            # config.yaml first: a folder with run.json is a whole run, whatever happened in between.
            write_atomically(self.path / "config.yaml", _yaml(settings))
            self._write_json(
                "run.json", {"layout_version": LAYOUT_VERSION, "concordat": __version__, "created": now()}
            )
        if self._away is not None:
            self._away.put(self.path, BEGUN)

    def copy_away(self) -> None:
        """Copy what this session added to where the records are, if that is not here; ``RunError`` if it cannot be."""
        if self._away is not None:
            self._away.put(self.path, ENDED)

    def _settled(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """The run's settings, if those asked for go with them; methods may be added to a run."""
        saved = read_settings(self.path)
        known, asked = saved.get("methods", ["psro"]), settings.get("methods", ["psro"])
        grows = set(known) <= set(asked)
        free = FREE_ON_RESUME | (BASELINE_SETTINGS if grows and known == ["psro"] else set())
        free |= {"methods"} if grows else set()
        old, new = ({key: tree[key] for key in tree if key not in free} for tree in (saved, settings))
        lines = differences(old, new)
        if lines:
            shown = "\n  ".join(lines[:12] + ([f"and {len(lines) - 12} more"] if len(lines) > 12 else []))
            raise RunError(
                f"{self.path} was begun with other settings; resume it with those, or choose another --out:"
                f"\n  {shown}"
            )
        if known == asked:
            return saved
        added = {key: settings[key] for key in BASELINE_SETTINGS if key in settings}
        write_atomically(self.path / "config.yaml", _yaml({**saved, **added}))
        return {**saved, **added}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def discard(self) -> None:
        """Take away a run that was just begun and has nothing in it yet."""
        for name in ("config.yaml", "run.json", "events.jsonl"):
            (self.path / name).unlink(missing_ok=True)
        for folder in list(self.path.iterdir()):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        (self.path / LOCK).unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()
        self.close()

    def close(self) -> None:
        """Let the folder go."""
        for journal in (self._events, self._failures):
            journal.close()
        if self._lock >= 0:
            os.close(self._lock)  # which releases it
            self._lock = -1

    def record_place(self, negotiation_id: str, method: str = "psro") -> str:
        """Path or URI of the record of a negotiation by a method, or of what will be its record once it is finished."""
        return self._storage.place(records_folder(method), f"{safe_name(negotiation_id)}.parquet")

    def is_finished(self, negotiation_id: str, method: str = "psro") -> bool:
        """Whether the record of a negotiation by a method is there; records appear whole or not at all."""
        return self._storage.has(records_folder(method), f"{safe_name(negotiation_id)}.parquet")

    def write_record(self, record: NegotiationRecord, digest: str | None = None) -> None:
        """Write ``negotiations/<id>.parquet``; ``digest`` is the record's, where it is known already."""
        from negotiation.storage import write_records

        place = self.record_place(record.negotiation_id)
        try:
            write_records(place, [record], None if digest is None else [digest])
        except OSError as error:
            raise cannot_write(place, error) from error

    def read_record(self, negotiation_id: str) -> NegotiationRecord:
        """Read ``negotiations/<id>.parquet``; ``RecordError`` if it is damaged or of another version."""
        from negotiation.storage import read_records

        return read_records(self.record_place(negotiation_id))[0]

    def write_dialogue(self, record: DialogueRecord, digest: str | None = None) -> None:
        """Write ``<method>/<id>.parquet``; ``digest`` is the record's, where it is known already."""
        from negotiation.dialogue_storage import write_dialogues

        place = self.record_place(record.negotiation_id, record.method)
        try:
            write_dialogues(place, [record], None if digest is None else [digest])
        except OSError as error:
            raise cannot_write(place, error) from error

    def read_dialogue(self, negotiation_id: str, method: str) -> DialogueRecord:
        """Read ``<method>/<id>.parquet``; ``RecordError`` if it is damaged or of another version."""
        from negotiation.dialogue_storage import read_dialogues

        return read_dialogues(self.record_place(negotiation_id, method))[0]

    def write_policy(self, negotiation_id: str, policy: Mapping[str, Any]) -> None:
        """Write ``policies/<id>.json``."""
        name = f"{safe_name(negotiation_id)}.json"
        try:
            self._storage.write("policies", name, _json(policy))
        except OSError as error:
            raise cannot_write(self._storage.place("policies", name), error) from error

    def finished_names(self, method: str) -> set[str]:
        """Names of the records of a method that are there, as ``safe_name`` makes them."""
        return self._storage.names(records_folder(method), ".parquet")

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write ``metrics.json``; values that are no list yet, but give their items one by one, are written so."""
        write_atomically(self.path / "metrics.json", json_pieces(metrics))

    def append_failure(self, failure: Mapping[str, Any]) -> None:
        """Add a line to ``failures.jsonl``."""
        self._append(self._failures, failure)

    def append_event(self, event: Mapping[str, Any]) -> int:
        """Add a line to ``events.jsonl``, the time in front; its place in the file."""
        return self._append(self._events, {"time": now(), **event})

    def event_lines(self, without: bytes = b"") -> Iterator[tuple[int, dict[str, Any]]]:
        """Places and contents of the lines of ``events.jsonl``; raises ``RecordError`` naming a damaged line.

        Args:
            without: lines that hold this are passed over; empty for none.
        """
        return self._events.lines(without)

    def event_at(self, place: int) -> dict[str, Any]:
        """The line of ``events.jsonl`` at a place that was given before."""
        return self._events.at(place)

    def _append(self, journal: Journal, line: Mapping[str, Any]) -> int:
        try:
            return journal.append(line)
        except OSError as error:
            raise cannot_write(journal.path, error) from error

    def _write_json(self, name: str, tree: Mapping[str, Any]) -> None:
        write_atomically(self.path / name, _json(tree))


@contextlib.contextmanager
def hold(path: Path, flag: str) -> Iterator[None]:
    """Keep a work folder to this process for the time of a block, by the lock that runs have; it is made if it is not there.

    Args:
        path: the folder.
        flag: that names another folder, for messages.

    Raises:
        RunInUseError: if another process holds it.
        RunError: if it cannot be made, or is on a file system without locks.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = take_lock(path / LOCK, flag)
    except OSError as error:
        raise RunError(f"work folder {path} cannot be used ({error}); choose another {flag}") from error
    try:
        yield
    finally:
        os.close(lock)  # which releases it


def now() -> str:
    """The time in UTC to the millisecond, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def check_version(path: Path) -> None:
    """Refuse a run folder with another layout version.

    Raises:
        RunError: if the folder holds no run.
        RecordError: if it was made with another layout version, or ``run.json`` is damaged.
    """
    file = path / "run.json"
    if not file.exists():
        raise RunError(
            f"{path} holds no run (there is no run.json in it); name a folder made by 'concordat negotiate'"
        )
    try:
        made = json.loads(file.read_text(encoding="utf-8"))
        version, program = made["layout_version"], made.get("concordat", "unknown")
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{file} is damaged ({error}); restore it or begin a new run") from error
    if version != LAYOUT_VERSION:
        raise RecordError(
            f"{path} was made by Concordat {program} with run layout {version};"
            f" this is Concordat {__version__} with layout {LAYOUT_VERSION};"
            " use that version, or begin a new run with another --out"
        )


def read_settings(path: Path) -> dict[str, Any]:
    """The configuration tree that a run folder was begun with.

    Raises:
        RecordError: if ``config.yaml`` is missing or damaged.
    """
    file = path / "config.yaml"
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RecordError(f"{file} cannot be read ({error}); restore it or begin a new run") from error
    if not isinstance(tree, dict):
        raise RecordError(f"{file} is damaged: it holds no mapping; restore it or begin a new run")
    return tree


def _just_begun(path: Path) -> bool:
    """Whether a folder is empty, or holds no more than a process that was killed at once leaves of a run."""
    if not path.is_dir():
        return False
    own = {LOCK, "config.yaml"}
    return all(
        entry.name in own
        or (entry.name.startswith(".") and entry.suffix == ".tmp")
        or (entry.is_dir() and not any(entry.iterdir()))
        for entry in path.iterdir()
    )


def _json(tree: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False)}\n".encode()


def _yaml(tree: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True, width=110).encode()
