"""What the commands do: resolve settings, call the engine, print."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.config import RunConfig, load_config
from cluster.console import FAILED, INTERRUPTED, OK, Output
from cluster.plan import Estimate, estimate_calls, plan_of
from cluster.runfolder import check_version, read_settings
from negotiation.errors import RunError

RUNS = Path("runs")
"""Where run folders go that are not named."""


@dataclass(frozen=True, slots=True)
class Way:
    """How ``concordat negotiate`` is to go about it.

    Attributes:
        config: settings file.
        resume: go on with a stopped run.
        dry_run: only say what would be done.
        serial: in this process, without Ray.
        address: of a running Ray cluster; None for a local one.
        dashboard: with Ray's dashboard, for a local one.
        retry_quarantined: try again what failed too often.
    """

    config: Path | None = None
    resume: bool = False
    dry_run: bool = False
    serial: bool = False
    address: str | None = None
    dashboard: bool = False
    retry_quarantined: bool = False


def negotiate(flags: Mapping[str, Any], way: Way, output: Output) -> int:
    """Run a plan, print what came of it, and return the exit status."""
    base = read_settings(_existing(flags["out"])) if way.resume and "out" in flags else None
    config = load_config(flags, way.config, base=base)
    plan_of(config)
    path = run_path(config, way.resume)
    if way.dry_run:
        return _tell_plan(config, path, output)
    from cluster.progress import make_view
    from cluster.runs import execute

    summary = execute(config, path, way, make_view(output.side_console))
    fault = summary.fault()
    if output.as_json:
        tree = summary.headline()
        if fault is not None:
            tree["error"] = {
                "type": fault[0],
                "message": fault[1],
                "status": _status(summary.interrupted, True),
            }
        output.result(tree)
    else:
        _print_summary(summary, output)
    if fault is not None:
        print(f"concordat: {fault[1]}", file=sys.stderr)
    return _status(summary.interrupted, fault is not None)


def report(run: Path, output: Output) -> int:
    """Write a run's report anew."""
    check_version(run)
    from cluster.report import write_report
    from cluster.simulation.storage import storage_of

    path = write_report(run, storage_of(read_settings(run).get("out")))
    if output.as_json:
        output.result({"run": str(run), "report": str(path)})
    else:
        output.table_console.print(f"Report: {path}", soft_wrap=True, highlight=False)
    return OK


def list_cultures(output: Output) -> int:
    """Name the cultures."""
    from rich.table import Table

    from agents.cultures import load_cultures

    cultures = load_cultures()
    if output.as_json:
        keep = ("id", "name", "description", "countries")
        output.result({"cultures": [{key: asdict(culture)[key] for key in keep} for culture in cultures]})
        return OK
    table = Table("culture", "description", "countries", box=None, pad_edge=False)
    for culture in cultures:
        table.add_row(culture.id, culture.description, str(len(culture.countries)))
    output.table_console.print(table)
    return OK


def run_path(config: RunConfig, resume: bool) -> Path:
    """The run folder: as configured, else a new one under ``runs/``, or the latest like it to resume.

    Raises:
        RunError: if there is no run to resume.
    """
    if config.out is not None:
        return _local(config.out)
    if not resume:
        return RUNS / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}-{config.short_hash()}"
    like = sorted(RUNS.glob(f"*-{config.short_hash()}"))
    if not like:
        raise RunError(
            f"no run with these settings in {RUNS}/; name the run with --out, or leave out --resume"
        )
    return like[-1]


def _local(out: str) -> Path:
    """The folder on this machine: the one that is named, or the one that belongs to a URI."""
    from cluster.simulation.storage import folder_of, is_uri

    return RUNS / folder_of(out) if is_uri(out) else Path(out)


def _existing(out: str) -> Path:
    from cluster.simulation.storage import storage_of

    path, away = _local(out), storage_of(out)
    if away is not None:
        away.restore(path)
    check_version(path)
    return path


def _status(interrupted: bool, fault: bool) -> int:
    return INTERRUPTED if interrupted else FAILED if fault else OK


def _tell_plan(config: RunConfig, path: Path, output: Output) -> int:
    plan = plan_of(config)
    each = len(plan) // len(plan.tables)
    bounds = [
        estimate_calls(each, len(players), config.game, config.methods, config.baselines)
        for players in plan.tables
    ]
    calls = Estimate(sum(one.least for one in bounds), sum(one.most for one in bounds))
    several = len(plan.tables) > 1
    tree: dict[str, Any] = {
        "run": str(path),
        "negotiations": [
            {"id": planned.id, "topic": planned.topic.id}
            | ({"players": list(planned.players), "seed": planned.seed} if several else {})
            for planned in plan
        ],
        "methods": list(config.methods),
        "model_calls": asdict(calls),
        "config": config.tree(),
    }
    if output.as_json:
        output.result(tree)
        return OK
    import yaml

    say = output.table_console.print
    say(f"Run folder: {path}", soft_wrap=True, highlight=False, markup=False)
    methods = "" if len(config.methods) == 1 else f" x {len(config.methods)} methods"
    say(
        f"{_count(len(plan))}{methods} between {', '.join(config.cultures)}, by {', '.join(config.methods)}:",
        soft_wrap=True,
        highlight=False,
    )
    for planned in plan:
        who = f" ({', '.join(planned.players)})" if several else ""
        say(f"  {planned.id}: {planned.topic.text}{who}", soft_wrap=True, highlight=False, markup=False)
    say(
        f"{calls.least:,} to {calls.most:,} model calls (after one round each, or at the round limit),"
        f" in batches of up to {config.concurrency} negotiations\n",
        soft_wrap=True,
        highlight=False,
    )
    say(
        yaml.safe_dump(tree["config"], sort_keys=False, allow_unicode=True),
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    return OK


def _count(negotiations: int) -> str:
    return f"{negotiations} negotiation{'s' * (negotiations != 1)}"


def _print_summary(summary: Any, output: Output) -> None:
    from cluster.summary_table import summary_table

    console = output.table_console
    if summary.rows:
        console.print(summary_table(summary), highlight=False)
    for line in [*summary.lines_of_methods(), summary.sentence()]:
        console.print(line, soft_wrap=True, highlight=False)
    where = f"Report: {summary.report}" if summary.report else f"Run: {summary.run}"
    console.print(where, soft_wrap=True, highlight=False, markup=False)
