"""What ``concordat dashboard`` does."""

from __future__ import annotations

from pathlib import Path

from cluster.console import OK, Output
from cluster.dashboard.grafana import SHIPPED, UID, provisioned
from negotiation.errors import RunError


def install(out: Path | None, temp_dir: Path | None, output: Output) -> int:
    """Write the dashboard where it was asked for, else where Ray's Grafana looks for it."""
    place = provisioned(temp_dir) if out is None else out
    path = place / SHIPPED.name if place.is_dir() else place
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SHIPPED.read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}; name another place with --out") from error
    if output.as_json:
        output.result({"dashboard": str(path), "uid": UID})
        return OK
    say = output.table_console.print
    say(f"Dashboard: {path}", markup=False, highlight=False, soft_wrap=True)
    if out is None:
        say(
            f"In Grafana: folder Ray, dashboard Concordat (/d/{UID})",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return OK
