"""A run as a page to look at, and as a picture.

views.py     what is said, as plain values
coalitions.py  many parties: who accepts whose part, who blocks what
source.py    from a run folder to views
figures.py   plotly figures of views
page.py      views and figures as one HTML page; templates/ holds its markup, style and script
picture.py   one negotiation as a PNG file, with matplotlib
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.simulation.storage import Storage

__all__ = ["write_picture", "write_report"]


def write_report(run: Path, storage: Storage | None = None) -> Path:
    """Write ``report.html`` of a run folder, whole or not at all, and return its path.

    It holds what has finished and what has failed so far, so it can be made of a run that was stopped. ``storage`` is where
    records are, if not in the folder.

    Raises:
        RunError: if ``run`` holds no run, or the file cannot be written.
        RecordError: if ``metrics.json`` or ``failures.jsonl`` is damaged.
    """
    from cluster.report.page import render
    from cluster.report.source import read_run
    from cluster.runfolder import write_atomically

    path = run / "report.html"
    # A lone surrogate in a failure's message is no UTF-8; a browser shows its character reference as unknown.
    write_atomically(path, render(read_run(run, storage)).encode("utf-8", "xmlcharrefreplace"))
    return path


def write_picture(run: Path, png: Path) -> Path:
    """Draw one negotiation of a run, the one with the most rounds, to a PNG file, and return its path.

    Raises:
        RunError: if ``run`` holds no finished negotiation.
        ConfigurationError: if matplotlib (the extra ``plot``) is not installed.
    """
    from cluster.report.picture import draw_run

    return draw_run(run, png)
