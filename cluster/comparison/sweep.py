"""``concordat sweep``: the same negotiations under other weights of the utility (NCN, figure 7).

Topics, cultures, models and seed stay, and with them the openings, which do not depend on the weights. Each setting is a run
folder of its own in the sweep's folder; given again, the command goes on where it was stopped.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.intervals import Interval, bootstrap
from agents.metrics import geometry as geo
from cluster.comparison.tables import csv_text, interval_range, latex, latex_text, number
from cluster.config import RunConfig, load_config
from cluster.console import FAILED, INTERRUPTED, OK, Output
from cluster.runfolder import write_atomically
from negotiation.errors import ConfigurationError
from negotiation.record import NegotiationRecord
from negotiation.storage import read_records

if TYPE_CHECKING:
    from rich.table import Table

    from cluster.commands import Way
    from cluster.summary import RunSummary

Weights = tuple[float, float, float]
"""alpha, beta, gamma as a ratio."""

DEFAULT_WEIGHTS = ("5:5:2", "8:2:2", "2:8:2", "5:5:0", "5:5:5")

TOTAL = 1.2
"""Ratios are scaled to this sum, that of the default weights .5, .5 and .2: epsilon is in units of utility."""

FIGURES = {
    "rounds": "rounds",
    "converged": "converged",
    "guidelines": "guidelines",
    "gap_closed": "gap closed",
    "moved": "moved",
}
"""What is told of each setting, with headings."""

Execute = Callable[[RunConfig, Path, "Way"], "RunSummary"]


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of the weights.

    Attributes:
        weights: as given, e.g. ``5:5:2``.
        run: its run folder.
        negotiations: finished.
        failed: failed.
        figures: mean over negotiations with a bootstrap interval, by name in ``FIGURES``; empty if none is finished.
    """

    weights: str
    run: Path
    negotiations: int
    failed: int
    figures: Mapping[str, Interval]


def parse_weights(text: str) -> Weights:
    """alpha, beta and gamma of a ratio, scaled to the sum ``TOTAL``.

    Raises:
        ConfigurationError: if it is no ratio of three numbers >= 0, not all 0.

    >>> [round(weight, 3) for weight in parse_weights("5:5:2")]
    [0.5, 0.5, 0.2]
    """
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(math.isfinite(n) and n >= 0 for n in numbers) or sum(numbers) == 0:
        raise ConfigurationError(
            f"--weights {text}: no ratio of alpha, beta and gamma; write e.g. --weights 5:5:2"
        )
    alpha, beta, gamma = (TOTAL * n / sum(numbers) for n in numbers)
    return alpha, beta, gamma


def with_weights(config: RunConfig, text: str) -> RunConfig:
    """A run's settings under other weights; by the game alone."""
    alpha, beta, gamma = parse_weights(text)
    game = config.game.model_copy(update={"alpha": alpha, "beta": beta, "gamma": gamma})
    return config.model_copy(update={"game": game, "methods": ("psro",)})


def folder_name(text: str) -> str:
    """Of a setting's run.

    >>> folder_name("5:0.5:2")
    '5-0.5-2'
    """
    return re.sub(r"[^0-9.]+", "-", text)


def figures_of(records: Sequence[NegotiationRecord], seed: int) -> dict[str, Interval]:
    """Means of ``FIGURES`` over negotiations, which are on different topics."""
    rows = []
    for record in records:
        movement = geo.movement_of(record.opening_embeddings, record.consensus_embeddings)
        rows.append(
            {
                "rounds": float(len(record.rounds)),
                "converged": float(record.converged),
                "guidelines": float(np.mean([len(pool) for pool in record.pools])),
                "gap_closed": geo.gap(movement.start) - geo.gap(movement.among),
                "moved": float(geo.moved(movement).mean()),
            }
        )
    if not rows:
        return {}
    return {
        name: bootstrap(np.array([row[name] for row in rows]), np.random.default_rng(seed))
        for name in FIGURES
    }


def sweep(config: RunConfig, weights: Sequence[str], out: Path, way: Way, execute: Execute) -> list[Point]:
    """Run every setting that is not finished, and measure all.

    Args:
        config: of the runs.
        weights: ratios.
        out: the sweep's folder.
        way: how to run; it resumes what is there.
        execute: runs one.

    Raises:
        ConfigurationError: if a ratio is wrong or there twice.
        RunError: if a run folder is of other settings or cannot be used.
        KeyboardInterrupt: if a run was stopped.
    """
    names = [folder_name(text) for text in weights]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"--weights {' '.join(weights)}: a ratio is named twice; name each once")
    settings = [with_weights(config, text) for text in weights]
    points = []
    for text, name, setting in zip(weights, names, settings, strict=True):
        path = out / name
        summary = execute(setting, path, replace(way, resume=(path / "run.json").exists()))
        if summary.interrupted:
            raise KeyboardInterrupt
        files = sorted((path / "negotiations").glob("*.parquet"))
        records = [record for file in files for record in read_records(file)]
        points.append(
            Point(text, path, len(records), len(summary.failures), figures_of(records, config.seed))
        )
    return points


def run_sweep(flags: Mapping[str, Any], weights: Sequence[str], way: Way, output: Output) -> int:
    """Sweep, keep, and print; returns the exit status."""
    settings = {name: value for name, value in flags.items() if name != "out"}
    config = load_config(settings, way.config)
    out = Path(flags.get("out") or "runs/sweep")
    from cluster.progress import make_view
    from cluster.runs import execute

    def run_one(setting: RunConfig, path: Path, how: Way) -> RunSummary:
        output.side_console.print(f"{path.name}", highlight=False, markup=False)
        return execute(setting, path, how, make_view(output.side_console))

    try:
        points = sweep(config, weights or DEFAULT_WEIGHTS, out, way, run_one)
    except KeyboardInterrupt:
        return output.error(
            "Interrupted", f"stopped; give the command again to go on with {out}", INTERRUPTED
        )
    keep_sweep(points, out)
    failed = sum(point.failed for point in points)
    if output.as_json:
        output.result(
            {"out": str(out), "points": [{**asdict(point), "run": str(point.run)} for point in points]}
        )
    else:
        output.table_console.print(sweep_table(points))
        output.table_console.print(f"Kept: {out}", soft_wrap=True, highlight=False, markup=False)
    return FAILED if failed else OK


def sweep_table(points: Sequence[Point]) -> Table:
    """One row a setting; weights are alpha:beta:gamma, guidelines are those a side holds at the end."""
    from rich.table import Table

    table = Table("weights", "of", *FIGURES.values(), box=None, pad_edge=False)
    for point in points:
        cells = [point.figures.get(name) for name in FIGURES]
        shown = (
            "-" if cell is None else f"{number(cell.estimate)}\n{interval_range(cell)}" for cell in cells
        )
        table.add_row(point.weights, str(point.negotiations), *shown)
    return table


def keep_sweep(points: Sequence[Point], out: Path) -> None:
    """Write ``sweep.json``, ``sweep.csv``, ``sweep.tex`` and ``sweep.png``."""
    lines = [
        [point.weights, point.negotiations, point.failed, name]
        + [f"{value:.6g}" for value in (interval.estimate, interval.low, interval.high)]
        for point in points
        for name, interval in point.figures.items()
    ]
    head = ["weights", "negotiations", "failed", "measure", "estimate", "low", "high"]
    tree = [{**asdict(point), "run": str(point.run)} for point in points]
    body = [
        [
            latex(point.weights),
            *(
                f"{number(point.figures[name].estimate)} {{\\scriptsize {interval_range(point.figures[name])}}}"
                if name in point.figures
                else "--"
                for name in FIGURES
            ),
        ]
        for point in points
    ]
    files = {
        "sweep.json": json.dumps(tree, indent=1, allow_nan=False) + "\n",
        "sweep.csv": csv_text(head, lines),
        "sweep.tex": latex_text([r"$\alpha:\beta:\gamma$", *map(latex, FIGURES.values())], body),
    }
    for name, text in files.items():
        write_atomically(out / name, text.encode())
    write_atomically(out / "sweep.png", sweep_picture(points))


def sweep_picture(points: Sequence[Point]) -> bytes:
    """Rounds and gap closed by weights, with their intervals, as PNG.

    Raises:
        ConfigurationError: if matplotlib is not installed.
    """
    from cluster.culture.palette import LIGHT
    from cluster.culture.picture import new_figure, png_bytes
    from cluster.report.picture import light_theme

    theme = light_theme()
    figure = new_figure((9.2, 1.6 + 0.42 * len(points)), theme)
    places = list(range(len(points)))
    for axes, (name, hue) in zip(
        figure.subplots(1, 2, sharey=True), (("rounds", LIGHT[0]), ("gap_closed", LIGHT[1])), strict=True
    ):
        for place, point in zip(places, points, strict=True):
            interval = point.figures.get(name)
            if interval is not None:
                axes.plot([interval.low, interval.high], [place, place], color=hue, linewidth=1.8)
                axes.plot([interval.estimate], [place], "o", color=hue, markersize=6)
        axes.set_yticks(places, [point.weights for point in points])
        axes.set_ylim(len(points) - 0.5, -0.5)
        axes.set_xlabel(f"{FIGURES[name]}, mean and 95% over topics")
        axes.set_facecolor(theme["paper"])
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("alpha:beta:gamma")
    figure.tight_layout()
    return png_bytes(figure, theme)
