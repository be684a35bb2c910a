"""What ``concordat evaluate run`` does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.metrics.catalogue import PARTS
from cluster.arguments import adapter_of_flag
from cluster.comparison.comparison import Comparison, compare_sources
from cluster.comparison.config import CompareConfig
from cluster.comparison.sources import read_sources
from cluster.console import OK, Output
from cluster.replay.command import progress
from cluster.runfolder import write_atomically
from cluster.settings import validate
from negotiation.errors import ConfigurationError

FILE, PAGE, PICTURE = "comparison.json", "comparison.html", "fairness.png"
"""What is kept in the folder that ``--out`` names, beside the tables."""

FAULTS_TOLD = 10
"""Faults that are named on standard error; all are counted, and all are in the JSON object."""


def settings_of_comparison(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that flags of ``concordat evaluate run`` ask for; those not given are not in them.

    Raises:
        ConfigurationError: if an --adapter is no CULTURE=PATH.

    >>> settings_of_comparison({"runs": ["a"], "judge": ["bundled"], "ppl": None, "echo": True})
    {'runs': ['a'], 'judges': ['bundled'], 'variant': 'echo'}
    """
    names = {"method": "methods", "judge": "judges", "ppl": "perplexity"}
    plain = (
        "runs",
        "method",
        "judge",
        "ppl",
        "topics",
        "model",
        "fresh",
        "embedder",
        "threads",
        "seed",
        "out",
    )
    tree = {names.get(name, name): flags[name] for name in plain if flags.get(name) not in (None, [], ())}
    if flags.get("adapter"):
        tree["adapters"] = dict(adapter_of_flag(text) for text in flags["adapter"])
    if flags.get("echo"):
        tree["variant"] = "echo"
    return tree


def compare_runs(settings: Mapping[str, Any], output: Output) -> int:
    """Measure, compare, keep, and print; returns the exit status.

    Raises:
        ConfigurationError: if a flag is wrong, or a model, judge or embedder cannot be used.
        RunError: if a run cannot be used.
    """
    config = validate(CompareConfig, dict(settings), "settings (flags)")
    make_folder(config.out)
    console = output.side_console
    sources = read_sources(config.runs, config.methods)
    faults = [fault for source in sources for fault in source.faults]
    for fault in faults[:FAULTS_TOLD]:
        console.print(f"not used: {fault}", highlight=False, markup=False, soft_wrap=True)
    if len(faults) > FAULTS_TOLD:
        console.print(f"not used: {len(faults) - FAULTS_TOLD} more", highlight=False)
    with progress(console) as told:
        found = compare_sources(config, sources, told)
    if config.out is not None:
        keep(found, config.out)
    if output.as_json:
        output.result(found.tree())
        return OK
    from cluster.comparison.tables import rich_tables

    for table in rich_tables(found):
        output.table_console.print(table, highlight=False, markup=False)
        output.table_console.print()
    if config.out is not None:
        output.table_console.print(
            f"Kept: {config.out / PAGE}", soft_wrap=True, highlight=False, markup=False
        )
    return OK


def keep(found: Comparison, folder: Path) -> None:
    """Write the page, the picture, and every table as CSV and LaTeX; each file is whole or absent.

    Raises:
        ConfigurationError: if matplotlib is not installed.
        RunError: if the folder cannot be written.
    """
    from cluster.comparison import tables
    from cluster.comparison.page import comparison_page
    from cluster.comparison.picture import fairness_picture

    files: dict[str, str] = {
        "negotiations.csv": tables.negotiations_csv(found),
        "differences.csv": tables.differences_csv(found.differences),
        "differences.tex": tables.differences_latex(found.differences),
    }
    for part in PARTS:
        if tables.shown_measures(found.rows, part):
            files[f"{part}.csv"] = tables.measures_csv(found.rows, part)
            files[f"{part}.tex"] = tables.measures_latex(found.rows, part)
    if found.movements:
        files["movements.csv"] = tables.movements_csv(found.movements)
        files["movements.tex"] = tables.movements_latex(found.movements)
    files[PAGE] = comparison_page(found)
    files[FILE] = json.dumps(found.tree(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    picture = fairness_picture(found)
    for name, text in files.items():
        write_atomically(folder / name, text.encode())
    if picture is not None:
        write_atomically(folder / PICTURE, picture)


def make_folder(out: Path | None) -> None:
    """Make the folder of ``--out`` before the work rather than after it.

    Raises:
        ConfigurationError: if it cannot be made.
    """
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"--out {out}: {error.strerror}; name a folder that can be written"
        ) from error
