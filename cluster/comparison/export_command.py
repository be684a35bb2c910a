"""What ``concordat export`` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cluster.comparison.export import AGAINST, Against, Family, Format, rows_of, write_rows
from cluster.console import OK, Output
from cluster.settings import validate
from negotiation.outcome import Method


class ExportConfig(BaseModel):
    """What is written of which run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path = Field(description="a run folder")
    form: Format = Field(description="of the rows (--format)")
    out: Path = Field(description="a file that ends in .jsonl, or a folder")
    family: Family = Field(default="trl", description="whose column conventions")
    against: tuple[Against, ...] = Field(
        default=AGAINST, min_length=1, description="what consensus is preferred to"
    )
    methods: tuple[Method, ...] = Field(default=(), description="these only; all if left out")
    unconverged: bool = Field(default=False, description="with negotiations that did not converge")


def export_run(given: Mapping[str, Any], output: Output) -> int:
    """Write, and say what was written; returns the exit status.

    Raises:
        ConfigurationError: if a flag is wrong or --out cannot be used.
        RunError: if the run has nothing to export.
    """
    wanted = {name: value for name, value in given.items() if value not in (None, [], ())}
    config = validate(ExportConfig, wanted, "settings (flags)")
    rows = rows_of(
        config.run,
        config.form,
        config.family,
        against=config.against,
        methods=config.methods,
        unconverged=config.unconverged,
    )
    files = write_rows(rows, config.form, config.family, config.out)
    against = Counter(row["against"] for row in rows if row["against"] is not None)
    if output.as_json:
        output.result({"rows": len(rows), "against": dict(against), "files": [str(file) for file in files]})
        return OK
    parts = ", ".join(
        f"{count} against {'an' if name[0] in 'aeiou' else 'a'} {name}" for name, count in against.items()
    )
    console = output.table_console
    console.print(f"{len(rows)} rows{f' ({parts})' if parts else ''}", highlight=False)
    for file in files:
        console.print(f"Kept: {file}", soft_wrap=True, highlight=False, markup=False)
    return OK
