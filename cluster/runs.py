"""One session of a run, from the lock on its folder to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.backends import RunBackend, SerialBackend
from cluster.config import RunConfig
from cluster.engine import Engine
from cluster.metrics import Meters, NoMeters
from cluster.plan import plan_of
from cluster.progress import View
from cluster.runfolder import RunFolder
from cluster.simulation.storage import storage_of
from cluster.summary import RunSummary

if TYPE_CHECKING:
    from cluster.commands import Way


Starter = Callable[[RunConfig, Engine, "Way"], RunBackend]
"""Starts the models of a run."""


def execute(config: RunConfig, path: Path, way: Way, view: View, start: Starter | None = None) -> RunSummary:
    """Do what is left to do of a run and sum it up; ``start`` starts other models than the way says.

    Raises:
        RunError: if the folder is in use, of another version, of another run, or cannot be written.
        ModelError: if a model cannot be loaded as configured; a new run folder is then taken away again.
        CultureError: if the profiles that agents are to speak from lack a culture's answers.
    """
    plan = plan_of(config)
    grounding = config.grounds()
    away = storage_of(config.out)
    with RunFolder(path, config.tree(), resume=way.resume, storage=away) as folder:
        engine = Engine(config, plan, folder, view, grounding=grounding)
        if way.retry_quarantined:
            engine.lift_quarantine()
        if engine.ledger.left:
            _run(config, engine, way, start or _backend)
        summary = engine.summary()
        folder.write_metrics(summary.metrics())
        if summary.finished and not summary.interrupted:
            from cluster.report import write_report

            summary = replace(summary, report=write_report(path, away))
        folder.copy_away()
        return summary


def _run(config: RunConfig, engine: Engine, way: Way, start: Starter) -> None:
    backend: RunBackend | None = None
    began = False
    try:
        backend = start(config, engine, way)
        engine.meters = _meters(engine.folder, way)
        began = True
        asyncio.run(engine.run(backend, backend.embedder_name, backend.provenance))
    finally:
        if not began and engine.folder.is_new:
            engine.folder.discard()
        if backend is not None:
            backend.close()


def _backend(config: RunConfig, engine: Engine, way: Way) -> RunBackend:
    if way.serial:
        return SerialBackend(config)
    from cluster.ray_environment import prepare_ray

    prepare_ray(way.address)
    from cluster.ray_backend import RayBackend

    name = engine.folder.path.name
    return RayBackend(config, name, way.address, way.dashboard, told=engine.lost)


def _meters(folder: RunFolder, way: Way) -> Meters:
    if way.serial:
        return NoMeters()
    from cluster.metrics import RayMeters

    return RayMeters(folder.path.name)
