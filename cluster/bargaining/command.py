"""What ``concordat bargain`` does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.bargaining.config import BargainConfig
from cluster.bargaining.summary import summary_of
from cluster.console import FAILED, OK, Output
from cluster.replay.command import progress
from cluster.runfolder import check_version, differences, hold, safe_name, write_atomically
from cluster.settings import validate
from negotiation.errors import ConcordatError, ConfigurationError, RecordError, RunError
from negotiation.record import NegotiationRecord
from negotiation.storage import read_records

if TYPE_CHECKING:
    from rewriter.vocabulary import Detector

SETTINGS, FILE, PAGE, PICTURE = "settings.json", "bargaining.json", "bargaining.html", "bargaining.png"
GAMES, POLICIES = "games", "policies"
"""What is kept: settings, all figures, page and picture; a file a negotiation; policies that can be loaded again."""

FREE = frozenset({"out", "negotiations"})
"""Settings that may change when a folder is gone on with."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a command is carried out, beside its settings."""

    resume: bool = False
    dry_run: bool = False
    address: str | None = None


def bargain_runs(settings: Mapping[str, Any], way: Way, output: Output) -> int:
    """Bargain, keep, and print; returns the exit status.

    Raises:
        ConfigurationError: if a flag is wrong or the detector cannot be used.
        RunError: if a run has no finished negotiations, or the folder holds another bargaining.
    """
    config = validate(BargainConfig, dict(settings), "settings (flags)")
    records = read_runs(config.runs, config.negotiations)
    if way.dry_run:
        return _show_plan(config, records, output)
    folder = config.folder
    with hold(folder, "--out"):
        _enter(config, way.resume)
        failures = _bargain_all(config, records, way, output)
        found = [tree for one in records if (tree := read_game(folder, one.negotiation_id)) is not None]
        result = summary_of(found, config, failures)
        _keep(folder, result, found)
    if output.as_json:
        output.result({**result, "folder": str(folder)})
    else:
        from cluster.bargaining.terminal import print_summary

        print_summary(result, output.table_console)
        output.table_console.print(f"Kept: {folder / PAGE}", soft_wrap=True, highlight=False, markup=False)
    return FAILED if failures else OK


def read_runs(paths: Sequence[Path], count: int | None) -> list[NegotiationRecord]:
    """Finished negotiations of runs, in order of topic; so many of them, spread evenly.

    Raises:
        RunError: if a path holds no run, no negotiation is finished, or two runs hold the same one.
        RecordError: if a record is damaged.
    """
    records: dict[str, NegotiationRecord] = {}
    for path in paths:
        check_version(path)
        for file in sorted((path / "negotiations").glob("*.parquet")):
            for record in read_records(file):
                if record.negotiation_id in records:
                    raise RunError(f"{record.negotiation_id!r} is in two of the runs; name each once")
                records[record.negotiation_id] = record
    if not records:
        raise RunError(
            f"no finished negotiation in {', '.join(map(str, paths))}; run 'concordat negotiate' first"
        )
    ordered = sorted(records.values(), key=lambda one: (one.topic.id, one.players, one.negotiation_id))
    if count is None or count >= len(ordered):
        return ordered
    return [ordered[place * len(ordered) // count] for place in range(count)]


def read_game(folder: Path, identifier: str) -> dict[str, Any] | None:
    """What was found of one negotiation, or None if it is not finished.

    Raises:
        RecordError: if the file is damaged.
    """
    path = folder / GAMES / f"{safe_name(identifier)}.json"
    if not path.exists():
        return None
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        if tree["id"] != identifier:
            raise RecordError(f"{path} is of {tree['id']!r}; delete it and go on with --resume")
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is damaged ({error}); delete it and go on with --resume") from error
    return dict(tree)


def _enter(config: BargainConfig, resume: bool) -> None:
    path = config.folder / SETTINGS
    tree = config.model_dump(mode="json")
    if path.exists():
        if not resume:
            raise RunError(
                f"{config.folder} holds a bargaining already; add --resume to go on, or choose another --out"
            )
        old = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: value for name, value in old.items() if name not in FREE}
        changed = differences(kept, {name: value for name, value in tree.items() if name not in FREE})
        if changed:
            raise RunError(
                f"{config.folder} was begun with other settings ({'; '.join(changed)}); use those or another --out"
            )
    for name in (GAMES, POLICIES):
        (config.folder / name).mkdir(exist_ok=True)
    write_atomically(path, (json.dumps(tree, indent=1) + "\n").encode())


def _bargain_all(
    config: BargainConfig, records: Sequence[NegotiationRecord], way: Way, output: Output
) -> list[dict[str, str]]:
    left = [one for one in records if read_game(config.folder, one.negotiation_id) is None]
    if not left:
        return []
    from cluster.bargaining.bargain import bargain

    failures: list[dict[str, str]] = []
    detector = _detector(config)
    with _ray(config, way.address), progress(output.side_console) as told:
        for place, record in enumerate(left, start=1):
            try:
                done = bargain(record, config, detector)
            except ConfigurationError:
                raise
            except ConcordatError as error:
                failures.append(
                    {"id": record.negotiation_id, "error": type(error).__name__, "message": str(error)}
                )
                output.side_console.print(
                    f"{record.negotiation_id}: {error}", highlight=False, markup=False, soft_wrap=True
                )
                continue
            name = safe_name(record.negotiation_id)
            done.policy.save(config.folder / POLICIES, name)
            text = json.dumps(done.tree, ensure_ascii=False, allow_nan=False) + "\n"
            write_atomically(config.folder / GAMES / f"{name}.json", text.encode())
            told("bargained", place, len(left))
    return failures


def _detector(config: BargainConfig) -> Detector | None:
    if config.detector is None:
        return None
    from rewriter.detector.loading import load_detector

    return load_detector(config.detector, num_threads=1)


@contextmanager
def _ray(config: BargainConfig, address: str | None) -> Iterator[None]:
    """A cluster, if policies are learned."""
    if config.oracle != "rllib":
        yield
        return
    from cluster.ray_environment import prepare_ray

    prepare_ray(address)
    import ray

    from cluster.config import ResourcesConfig
    from cluster.ray_backend import connect

    connected = connect(ResourcesConfig(), address)
    try:
        yield
    finally:
        if connected:
            ray.shutdown()


def _show_plan(config: BargainConfig, records: Sequence[NegotiationRecord], output: Output) -> int:
    tree = {
        "settings": config.model_dump(mode="json"),
        "folder": str(config.folder),
        "negotiations": [one.negotiation_id for one in records],
        "finished": sum(read_game(config.folder, one.negotiation_id) is not None for one in records),
    }
    if output.as_json:
        output.result(tree)
        return OK
    import yaml

    console = output.table_console
    console.print(yaml.safe_dump(tree["settings"], sort_keys=False), highlight=False, markup=False)
    console.print(
        f"{len(records)} negotiations, {tree['finished']} of them bargained already; everything goes to {config.folder}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return OK


def _keep(folder: Path, result: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> None:
    from cluster.bargaining.page import bargaining_page
    from cluster.bargaining.picture import bargaining_picture

    text = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(folder / FILE, text.encode())
    write_atomically(folder / PAGE, bargaining_page(result, found).encode("utf-8", "xmlcharrefreplace"))
    try:
        picture = bargaining_picture(result, found)
    except ConfigurationError:  # without matplotlib the page does
        return
    if picture is not None:
        write_atomically(folder / PICTURE, picture)
