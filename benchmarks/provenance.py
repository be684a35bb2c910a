"""What a benchmark's figures depend on besides its own code, as every file of ``results/`` says it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CPUINFO = Path("/proc/cpuinfo")


def provenance(seed: int, packages: Sequence[str], measured: Sequence[str]) -> dict[str, Any]:
    """Commit, versions, hardware and seed.

    Args:
        seed: of the run.
        packages: distributions whose versions matter.
        measured: paths of the repository whose uncommitted changes are told as ``modified``; those of ``benchmarks`` always are.
    """
    return {
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "modified": bool(
            _git("status", "--porcelain", "--untracked-files=no", "--", *measured, "benchmarks")
        ),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "hardware": {
            "cpu": _processor(),
            "cores": os.cpu_count(),
            "load": [round(load, 2) for load in os.getloadavg()],
            "realtime": os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR),
        },
        "seed": seed,
    }


def keep(figures: Mapping[str, Any], path: Path) -> None:
    """Write figures as JSON; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def print_or_keep(figures: Mapping[str, Any], path: Path | None) -> None:
    """Write figures as JSON to a file, or to standard output if none is named."""
    if path is None:
        print(json.dumps(figures, indent=2))
    else:
        keep(figures, path)


def _processor() -> str:
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
