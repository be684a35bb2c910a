"""What ``concordat replay`` does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from agents.replay.vocabulary import FirstText
from cluster.console import OK, Output
from cluster.replay.algorithms import load_algorithms
from cluster.settings import validate
from negotiation.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console

    from agents.replay.run import Told

FILE = "replay.json"
"""What is kept in the folder that ``--out`` names."""

FAULTS_TOLD = 20
"""Faults that are named on standard error; all are counted, and all are in the JSON object."""

PLAIN_INTERVAL_S = 15.0
"""How often plain output says how far things are."""


class ReplayConfig(BaseModel):
    """What is replayed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Field(
        description="Parquet file of published negotiations, its folder, or the released repository"
    )
    limit: int | None = Field(
        default=None, ge=1, description="runs to replay, spread evenly; all if left out"
    )
    first_guideline: FirstText = Field(default="both", description="what stands for first guidelines")
    algorithms: Path | None = Field(
        default=None, description="Python file with other algorithms; that of the source checkout if left out"
    )
    out: Path | None = Field(default=None, description="folder for the figures; nothing is kept if left out")


def replay_published(given: Mapping[str, Any], output: Output) -> int:
    """Replay, keep, and print; returns the exit status.

    Raises:
        ConfigurationError: if a flag is wrong, PATH has no usable run, or --out cannot be written.
    """
    config = validate(
        ReplayConfig, {name: value for name, value in given.items() if value is not None}, "settings (flags)"
    )
    began = time.perf_counter()
    from agents.replay.reading import read_published
    from agents.replay.run import replay

    algorithms = load_algorithms(config.algorithms)
    _make_folder(config.out)
    console = output.side_console
    reading = read_published(config.path)
    for fault in reading.faults[:FAULTS_TOLD]:
        console.print(f"not used: {fault.where}: {fault.what}", highlight=False, markup=False, soft_wrap=True)
    if len(reading.faults) > FAULTS_TOLD:
        console.print(f"not used: {len(reading.faults) - FAULTS_TOLD} more", highlight=False)
    with progress(console) as told:
        found = replay(
            reading, limit=config.limit, first=config.first_guideline, algorithms=algorithms, told=told
        )
    found = replace(found, seconds=time.perf_counter() - began)
    tree = {**found.tree(), "source": str(reading.source)}
    if config.out is not None:
        _write(config.out / FILE, json.dumps(tree, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if output.as_json:
        output.result(tree)
        return OK
    from cluster.replay.terminal import print_replay

    print_replay(found, output.table_console)
    if config.out is not None:
        output.table_console.print(
            f"Kept: {config.out / FILE}", soft_wrap=True, highlight=False, markup=False
        )
    return OK


@contextmanager
def progress(console: Console) -> Iterator[Told]:
    """A bar on a terminal; elsewhere a line now and then."""
    if not console.is_terminal:
        yield _plain(console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield told


def _plain(console: Console) -> Told:
    last = time.monotonic()

    def told(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_INTERVAL_S:
            last = time.monotonic()
            console.print(f"{what}: {done:,} of {total:,}", highlight=False)

    return told


def _make_folder(out: Path | None) -> None:
    """Before the work rather than after it."""
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"--out {out}: {error.strerror}; name a folder that can be written"
        ) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"--out {path}: {error.strerror}; name a folder that can be written"
        ) from error
