"""What scheduling costs: 10,000 negotiations with a model that answers at once.

    python -m benchmarks.scheduling --out benchmarks/results/scheduling.json --picture docs/images/scheduling.png

The run is one of ``cluster.runs.execute`` on a local Ray of two CPUs, with nothing left out but the model and the embedder
(``benchmarks/instant.py``): plan, lanes, batches through actors, games solved, records and policies written and flushed to
disk, events, metrics, report. While it goes on, a thread of the driver notes its resident memory and how much is finished.

Wanted: under 3 minutes, and memory that does not grow with what is finished: what it has at the end of the negotiations at
most 1.1 times what it had when a tenth was done.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.instant import InstantActor, InstantEmbedder
from benchmarks.provenance import keep, provenance

MOST_SECONDS, MOST_GROWTH = 180.0, 1.1

INTERVAL_S = 0.5


class MemoryNotes(threading.Thread):
    """Notes this process's memory until told to stop.

    Attributes:
        notes: seconds since the start, resident memory in bytes, negotiations finished.
    """

    def __init__(self, state: Any) -> None:
        super().__init__(daemon=True)
        self.notes: list[tuple[float, int, int]] = []
        self._state = state
        self._began = time.monotonic()
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Note."""
        while not self._stop_asked.wait(INTERVAL_S):
            self.notes.append((time.monotonic() - self._began, resident(), self._state().finished))

    def stop(self) -> None:
        """Stop noting."""
        self._stop_asked.set()
        self.join()


def resident() -> int:
    """Resident memory of this process, bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(topics: int, concurrency: int, lanes: int) -> dict[str, Any]:
    """Run and take notes."""
    from cluster.commands import Way
    from cluster.config import load_config
    from cluster.progress import SilentView
    from cluster.ray_environment import prepare_ray
    from cluster.runs import execute

    prepare_ray()
    from cluster.ray_backend import RayBackend

    questions = [
        {"id": f"question-{k}", "text": f"Should question {k} be answered with yes?", "category": f"c{k % 6}"}
        for k in range(topics)
    ]
    resources = {"actors": "shared", "embedders": 1, "cluster_cpus": 2, "lanes": lanes}
    config = load_config(
        {"pairs": "all", "topics": questions, "concurrency": concurrency, "resources": resources},
        environment={},
    )
    watched: list[MemoryNotes] = []

    def start(config: Any, engine: Any, way: Any) -> Any:
        backend = RayBackend(config, "scheduling", kinds=(InstantActor, InstantEmbedder))
        watched.append(MemoryNotes(lambda: engine.state))
        watched[0].start()
        return backend

    with tempfile.TemporaryDirectory() as scratch:
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        summary = execute(config, Path(scratch) / "run", Way(), SilentView(), start)
        wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
        watched[0].stop()
        disk = sum(path.stat().st_size for path in Path(scratch).rglob("*") if path.is_file())
        rounds = float(np.mean([row.rounds for row in summary.rows]))
    notes = watched[0].notes
    return {
        "negotiations": summary.finished,
        "failed": len(summary.failures),
        "rounds": rounds,
        "replies": summary.replies,
        "concurrency": concurrency,
        "lanes": lanes,
        "seconds": summary.seconds,
        "wall_s": wall,
        "driver_cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "disk_mb": disk / 1e6,
        **growth(notes, summary.finished),
        "notes": notes[:: max(1, len(notes) // 400)],
    }


def growth(notes: list[tuple[float, int, int]], total: int) -> dict[str, float]:
    """Memory when a tenth was done and when all was, and the slope between, bytes a negotiation."""
    during = [(memory, done) for _, memory, done in notes if total / 10 <= done < total]
    memory, done = (np.array(column, dtype=np.float64) for column in zip(*during, strict=True))
    tenth, end = float(np.median(memory[:5])), float(np.median(memory[-5:]))
    return {
        "rss_tenth_mb": tenth / 1e6,
        "rss_end_mb": end / 1e6,
        "rss_peak_mb": max(memory for _, memory, _ in notes) / 1e6,
        "growth": end / tenth,
        "bytes_a_negotiation": float(np.polyfit(done, memory, 1)[0]),
    }


def draw(figures: dict[str, Any], path: Path) -> None:
    """Memory and progress over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    seconds, memory, done = (np.array(column) for column in zip(*figures["notes"], strict=True))
    canvas, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.plot(seconds, memory / 1e6, color="#1b4965", label="driver's resident memory")
    axes.set(xlabel="seconds", ylabel="MB", ylim=(0, 1.25 * memory.max() / 1e6))
    other = axes.twinx()
    other.plot(seconds, done, color="#c75d2c", linestyle="--", label="negotiations finished")
    other.set(ylabel="negotiations", ylim=(0, 1.25 * done.max()))
    lines = [*axes.get_lines(), *other.get_lines()]
    axes.legend(lines, [str(line.get_label()) for line in lines], loc="upper left", frameon=False)
    axes.set_title(f"{figures['negotiations']:,} negotiations with a model that answers at once")
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, dpi=120)


def misses(figures: dict[str, Any]) -> list[str]:
    """What falls short of its mark."""
    marks = (
        (figures["failed"] == 0, f"{figures['failed']} negotiations failed"),
        (figures["wall_s"] < MOST_SECONDS, f"{figures['wall_s']:.0f} s >= {MOST_SECONDS:.0f} s"),
        (figures["growth"] <= MOST_GROWTH, f"memory grew {figures['growth']:.2f} times > {MOST_GROWTH}"),
    )
    return [text for met, text in marks if not met]


def main() -> int:
    """Run the benchmark; exit status 1 if --check is given and a mark is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--topics", type=int, default=358, help="each negotiated by 28 pairs")
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--out", type=Path, help="JSON file to write; standard output if not given")
    parser.add_argument("--picture", type=Path, help="PNG file to draw")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a mark is missed")
    options = parser.parse_args()
    figures = measure(options.topics, options.concurrency, options.lanes)
    about = provenance(0, ("ray", "numpy", "pyarrow", "open_spiel"), ("negotiation", "agents", "cluster"))
    record = {"benchmark": "scheduling", **about, **figures}
    if options.out is None:
        print(json.dumps(record))
    else:
        keep(record, options.out)
    if options.picture is not None:
        draw(figures, options.picture)
    for miss in misses(figures):
        print(miss, file=sys.stderr)
    return 1 if options.check and misses(figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
