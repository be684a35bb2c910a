"""A run that is killed again and again: nothing is lost, nothing is done twice, nothing that was done changes.

    python -m benchmarks.chaos --out benchmarks/results/chaos.json

200 negotiations by ``cluster.runs.execute`` on a local Ray, with a model that takes its time and answers by rule
(``benchmarks/instant.py``). Meanwhile, at random moments, another process kills (SIGKILL) one of the run's processes: an actor
of the agents, an embedder, any worker of Ray, or the driver itself, which is then started again as ``--resume`` does. Each time
the finished records are read and held against what they were before.

At the end every negotiation of the plan has exactly one record, one policy and one line that says so, no record that was once
there has changed by a byte, and the digests are those of a run that nobody disturbed, in one process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.instant import InstantEmbedder, SlowActor, reply, vectors
from benchmarks.provenance import print_or_keep, provenance

VICTIMS = {"actor": 0.5, "embedder": 0.15, "worker": 0.15, "driver": 0.2}
"""What is killed, and how often of all kills."""

TITLES = {
    "actor": ("ray::SlowActor", "(chaos/agents"),
    "embedder": ("ray::InstantEmbedder", "(chaos/embedder"),
    "worker": ("ray::",),
}
"""What titles of processes hold: of an idle actor, and of one at work."""

CULTURES = ("english-speaking", "confucian", "latin-america", "orthodox-europe")

STUCK_S = 600.0
"""Without a further record, the run counts as stuck."""


def settings(negotiations: int) -> Any:
    """Of the run: four cultures in pairs, two replicas of each, four lanes."""
    from cluster.config import load_config

    count = -(-negotiations // 6)
    tree: dict[str, Any] = {
        "cultures": list(CULTURES),
        "pairs": "all",
        "topics": [
            {"id": f"question-{k}", "text": f"Should question {k} be answered with yes?"}
            for k in range(count)
        ],
        "concurrency": 8,
        "resources": {
            "actors": "shared",
            "replicas": 2,
            "lanes": 4,
            "embedders": 1,
            "actor_cpus": 0.1,
            "cluster_cpus": 2,
            "call_timeout_s": 120,
            "start_timeout_s": 300,
        },
    }
    return load_config(tree, environment={})


def drive(run: Path, negotiations: int, pause: float) -> int:
    """One session of the run, as the command goes about it; begun or resumed."""
    from cluster.commands import Way
    from cluster.progress import SilentView
    from cluster.ray_environment import prepare_ray
    from cluster.runs import execute

    prepare_ray()
    from cluster.ray_backend import RayBackend

    kinds = (type("SlowActor", (SlowActor,), {"SECONDS": pause}), InstantEmbedder)

    def start(config: Any, engine: Any, way: Any) -> Any:
        return RayBackend(config, "chaos", told=engine.lost, kinds=kinds)

    way = Way(resume=(run / "run.json").exists())
    summary = execute(settings(negotiations), run, way, SilentView(), start)
    return 0 if summary.fault() is None else 1


class InProcess:
    """The same model and embedder without actors."""

    async def generate(self, model: str, requests: Sequence[Any]) -> list[Any]:
        """One reply a request."""
        return [reply(request) for request in requests]

    async def embed(self, texts: Sequence[str]) -> Any:
        """A vector a text."""
        return vectors(texts)

    async def score(self, model: str, requests: Sequence[Any]) -> list[Any]:
        """Nobody asks."""
        raise NotImplementedError


def undisturbed(run: Path, negotiations: int) -> None:
    """The run in one process."""
    from cluster.engine import Engine
    from cluster.plan import plan_of
    from cluster.progress import SilentView
    from cluster.runfolder import RunFolder
    from cluster.speakers import provenance as said_of
    from cluster.speakers import speakers

    config = settings(negotiations)
    with RunFolder(run, config.tree()) as folder:
        engine = Engine(config, plan_of(config), folder, SilentView(), grounding=config.grounds())
        asyncio.run(engine.run(InProcess(), "instant", said_of(speakers(config), "instant")))


@dataclass
class Chaos:
    """Kills, and what was seen of the records.

    Attributes:
        run: the run folder.
        rng: decides when and whom.
        every_s: mean time between kills.
        order: what is to be killed, one after the other; then the run is left alone.
        kills: so far, by kind.
        hashes: of each record when it was first seen.
        changed: records that were other than before, or gone.
    """

    run: Path
    rng: np.random.Generator
    every_s: float
    order: Sequence[str]
    kills: Counter[str] = field(default_factory=Counter)
    hashes: dict[str, str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)

    def watch(self, driver: subprocess.Popen[bytes]) -> None:
        """Disturb one session until it ends, by itself or not."""
        last, since = len(self.hashes), time.monotonic()
        while driver.poll() is None:
            wait = self.rng.exponential(self.every_s) if len(self.order) > sum(self.kills.values()) else 0.5
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.wait(wait)
                break
            self.look()
            if len(self.hashes) > last:
                last, since = len(self.hashes), time.monotonic()
            elif time.monotonic() - since > STUCK_S:
                driver.kill()
                raise SystemExit(f"no further record in {STUCK_S:.0f} s, {last} are there")
            if self.hashes and len(self.order) > sum(self.kills.values()):
                self.kill(driver)
        self.look()

    def kill(self, driver: subprocess.Popen[bytes]) -> None:
        """Kill a process of the run."""
        kind = self.order[sum(self.kills.values())]
        if kind == "driver":
            victims = [driver.pid]
        else:
            victims = [
                pid for pid, title in processes(driver.pid) if any(part in title for part in TITLES[kind])
            ]
        if victims:
            try:
                os.kill(int(self.rng.choice(victims)), signal.SIGKILL)
            except ProcessLookupError:
                return
            self.kills[kind] += 1

    def look(self) -> None:
        """Hold the records against what they were."""
        now = {
            path.stem: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (self.run / "negotiations").glob("*.parquet")
        }
        self.changed += [name for name, digest in self.hashes.items() if now.get(name) != digest]
        self.hashes |= now


def processes(root: int) -> list[tuple[int, str]]:
    """All that descend from a process: ids and titles."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                title = (entry / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
            except OSError:
                continue  # it has ended since
            parents[int(entry.name)] = (parent, title)

    def descends(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid][0]
            if pid == root:
                return True
        return False

    return [(pid, title) for pid, (_, title) in parents.items() if descends(pid)]


def verdict(run: Path, calm: Path) -> dict[str, Any]:
    """What is wrong with a finished run, held against the same run undisturbed."""
    from negotiation.storage import read_records

    def digests(folder: Path) -> dict[str, str]:
        records = [read_records(path) for path in sorted((folder / "negotiations").glob("*.parquet"))]
        return {record.negotiation_id: record.digest() for held in records for record in held}

    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    told = Counter(line["negotiation_id"] for line in lines if line["event"] == "negotiation_finished")
    ours, theirs = digests(run), digests(calm)
    policies = {json.loads(path.read_text())["negotiation_id"] for path in (run / "policies").glob("*.json")}
    return {
        "planned": len(theirs),
        "finished": len(ours),
        "lost": sorted(theirs.keys() - ours.keys()),
        "different": sorted(name for name in ours if ours[name] != theirs.get(name)),
        "told_not_once": sorted(name for name in theirs if told[name] != 1),
        "without_policy": sorted(ours.keys() - policies),
        "failed": sum(line["event"] == "negotiation_failed" for line in lines),
        "left_over": [path.name for path in run.rglob("*.tmp")],
        "actors_lost": sum(line["event"] == "actor_lost" for line in lines),
    }


def measure(
    negotiations: int, order: Sequence[str], every_s: float, pause: float, seed: int
) -> dict[str, Any]:
    """Disturb a run until all its negotiations are done."""
    began, sessions = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as scratch:
        run, calm = Path(scratch) / "run", Path(scratch) / "calm"
        undisturbed(calm, negotiations)
        chaos = Chaos(run, np.random.default_rng(seed), every_s, order)
        command = [sys.executable, "-m", "benchmarks.chaos", "--drive", str(run)]
        command += ["--negotiations", str(negotiations), "--pause", str(pause)]
        status = -signal.SIGKILL
        while status != 0 and sessions < len(order) + 3:
            sessions += 1
            with subprocess.Popen(command, cwd=Path(__file__).parents[1]) as driver:
                chaos.watch(driver)
            status = driver.returncode
        found = verdict(run, calm)
    return {
        "negotiations": found["planned"],
        "kills": dict(chaos.kills),
        "sessions": sessions,
        "last_status": status,
        "changed": chaos.changed,
        **found,
        "seconds": time.monotonic() - began,
    }


def faults(figures: dict[str, Any]) -> list[str]:
    """What should not be."""
    wrong = ("lost", "different", "told_not_once", "without_policy", "left_over", "changed")
    told = [f"{name}: {figures[name][:5]}" for name in wrong if figures[name]]
    if figures["last_status"] != 0:
        told.append(f"the last session ended with {figures['last_status']}")
    return told


def main() -> int:
    """Run the benchmark; exit status 1 if something was lost, done twice or changed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--negotiations", type=int, default=200, help="at least; a multiple of six")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--every", type=float, default=4.0, help="mean seconds between kills")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds that the model takes for a batch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write; standard output if not given")
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive is not None:
        return drive(options.drive, options.negotiations, options.pause)
    drawn = np.random.default_rng(options.seed).choice(list(VICTIMS), options.kills, p=list(VICTIMS.values()))
    order = [str(kind) for kind in drawn]
    figures = measure(options.negotiations, order, options.every, options.pause, options.seed)
    about = provenance(
        options.seed, ("ray", "numpy", "pyarrow", "open_spiel"), ("negotiation", "agents", "cluster")
    )
    print_or_keep({"benchmark": "chaos", **about, **figures}, options.out)
    for fault in faults(figures):
        print(fault, file=sys.stderr)
    return 1 if faults(figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
