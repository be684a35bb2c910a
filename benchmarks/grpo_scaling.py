"""GRPO of the rewriter on Ray Train: one worker against two, and completions written while the workers learn or before.

    python benchmarks/grpo_scaling.py --data DIR --out FILE.json

``concordat train rewriter`` as a user starts it, one training after the other on the same machine, all with one rollout actor and
one reward actor, one thread a process:

    serial    one worker, which waits for each step's completions (``--stale 0``)
    one       one worker; the next step's completions are written while it learns
    two       the same with two workers, which share each step's groups

Speeds are of the steps after the first ``--skip``: completion tokens that were trained in a second of the whole training, and by
which phase the first worker's time went; ``rollout`` and ``reward`` are how much of it the actors were busy. On two cores
nothing is gained by a second worker where the first and the rollout actor keep both busy; ``two_over_one`` says what it comes to.
Where there is a GPU, all processes share it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.tuning.curves import read_events
from benchmarks.provenance import print_or_keep, provenance

WAYS = (("serial", 1, 0), ("one", 1, 1), ("two", 2, 1))
"""Name, workers, staleness."""


def train(name: str, workers: int, stale: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run one training and read its curve."""
    command = [
        sys.executable,
        "-m",
        "cluster.cli",
        "train",
        "rewriter",
        "--json",
        "--data",
        str(options.data),
    ]
    command += ["--work", str(folder / name), "--material", str(folder / "material")]
    command += ["--workers", str(workers), "--stale", str(stale), "--seed", str(options.seed)]
    command += ["--steps", str(options.steps), "--prompts-per-step", str(options.prompts)]
    command += [
        "--group",
        str(options.group),
        "--max-tokens",
        str(options.max_tokens),
        "--model",
        options.model,
    ]
    if options.start is not None:
        command += ["--start", str(options.start)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    result = json.loads(done.stdout or "{}")
    if done.returncode not in (0, 1) or "figures" not in result:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}")
    points = [event for event in read_events(folder / name) if event["event"] == "progress"]
    return {"workers": workers, "stale": stale, "device": result["figures"]["device"]} | measured(
        points[options.skip :]
    )


def measured(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Speeds and shares of time of some steps, weighted by their seconds."""
    seconds = sum(point["seconds"] for point in points)
    shares = [name for name in points[0] if name.startswith("share/")]
    return {
        "steps": len(points),
        "seconds_per_step": seconds / len(points),
        "trained_tokens_per_s": sum(point["tokens"] for point in points) / seconds,
        "completions_per_s": sum(point["completions"] for point in points) / seconds,
        "mean_length": sum(point["length"] for point in points) / len(points),
        "staleness": sum(point["staleness"] for point in points) / len(points),
        "shares": {
            name.removeprefix("share/"): sum(point[name] * point["seconds"] for point in points) / seconds
            for name in shares
        },
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All trainings."""
    with tempfile.TemporaryDirectory() as scratch:
        ways = {name: train(name, workers, stale, options, Path(scratch)) for name, workers, stale in WAYS}
    speed = {name: way["trained_tokens_per_s"] for name, way in ways.items()}
    return {
        "prompts": options.prompts,
        "group": options.group,
        "max_tokens": options.max_tokens,
        "ways": ways,
        "two_over_one": speed["two"] / speed["one"],
        "one_over_serial": speed["one"] / speed["serial"],
    }


def main() -> int:
    """Run the benchmark."""
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with value_labels.parquet")
    parser.add_argument("--model", default="bundled", help="bundled, a folder or a hub name")
    parser.add_argument("--start", type=Path, help="adapter to begin with; a fresh one if not given")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--skip", type=int, default=2, help="steps at the beginning that are not counted")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write; standard output if not given")
    options = parser.parse_args()
    figures = measure(options)
    record = {
        "benchmark": "grpo_scaling",
        **provenance(
            options.seed, ("ray", "torch", "transformers", "peft", "numpy"), ("rewriter", "cluster")
        ),
        "model": options.model,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        **figures,
    }
    print_or_keep(record, options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
