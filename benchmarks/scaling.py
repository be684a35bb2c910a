"""How a run scales with its agents, up to 256 of them: simulated.

    python -m benchmarks.scaling --out benchmarks/results/scaling.json --picture docs/images/scaling.png

**Simulated are the agents and the clock, nothing else.** The run is the real one: plan, lanes, lockstep batches, pools with
their replicas, games solved, records written. But an agent does not compute. It answers by rule (``benchmarks/instant.py``)
after the time that the measured bundled model takes for such a batch on one core:

    seconds = sum over the steps of a batch of (base + each * rows that still write)

with ``base`` and ``each`` from two measured speeds of ``results/negotiation_throughput.json`` (one row after the other two at a
time, and even batches of 32), and the lengths of replies drawn from those measured there, by the request.

The clock counts the processor time of the driver's event loop, and what it waits for agents when it has nothing to do; not what
the rules of the agents cost. So the curve does not depend on what else the machine does, and holds what the driver costs, as if
it had a core for itself. Beside it threads write the records, on another core; ``cores`` is what all of the program takes of
cores while the clock runs. Sending through Ray is not in it: ``scheduling`` measures that.

Each agent has as much to do whatever their number: so many negotiations in flight, and so many one after the other.
``efficiency`` is negotiations a second an agent over that of one agent, start and end of a short run in it. ``steady`` is the
same of the middle 60% of the time, by how busy agents are: what a long run comes to. Wanted: at least 0.9 with up to 256.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import selectors
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.instant import reply, vectors
from benchmarks.provenance import print_or_keep, provenance
from cluster.simulation.pool import Limits, Pool

MEASURED = Path(__file__).parent / "results" / "negotiation_throughput.json"

LEAST_EFFICIENCY = 0.9

IN_FLIGHT, LANES = 8, 4
"""Negotiations and lanes an agent."""

ROWS = 32
"""Most sequences in one forward pass of the measured model."""

EMBED_S = 0.01
"""Of one text, on one core; embedders are as many as agents."""


class Clock:
    """Processor time of the thread that asks, what was skipped while it waited in it, and what agents cost left out."""

    def __init__(self) -> None:
        self._moved = 0.0

    def now(self) -> float:
        """Seconds."""
        return time.thread_time() + self._moved

    def skip(self, seconds: float) -> None:
        """Nothing happened for so long."""
        self._moved += seconds

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What is done in the block takes no time."""
        began = time.thread_time()
        try:
            yield
        finally:
            self._moved -= time.thread_time() - began


class SkippingSelector(selectors.DefaultSelector):
    """Waits by moving the clock."""

    clock: Clock

    def select(self, timeout: float | None = None) -> Any:
        """What is ready; if nothing is, so much time has passed."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.clock.skip(timeout)
        return ready


class Speed:
    """How long the measured model takes for a batch.

    Args:
        measured: what ``negotiation_throughput`` found.

    Attributes:
        base: seconds of a step, whatever is in it.
        each: seconds of a step for each row that still writes.
        lengths: of replies, tokens.
    """

    def __init__(self, measured: dict[str, Any]) -> None:
        raw, slow = measured["raw"], measured["unbatched"]
        one = slow["mean_batch"] / slow["tokens_per_s"]
        many = raw["batch"] / raw["even_by_threads"]["1"]
        self.each = (many - one) / (raw["batch"] - slow["mean_batch"])
        self.base = one - self.each * slow["mean_batch"]
        self.lengths: list[int] = raw["reply_tokens"]

    def seconds(self, requests: Sequence[Any]) -> float:
        """Of a batch, in passes of ``ROWS`` sequences."""
        lengths = [self._length(request) for request in requests]
        passes = [lengths[k : k + ROWS] for k in range(0, len(lengths), ROWS)]
        return math.fsum(self.base * max(part) + self.each * sum(part) for part in passes)

    def _length(self, request: Any) -> int:
        key = f"{request.messages[-1].content}|{request.seed}".encode()
        return self.lengths[
            int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big") % len(self.lengths)
        ]


class Busy:
    """How long agents computed, second by second of the clock."""

    def __init__(self, clock: Clock) -> None:
        self._began = clock.now()
        self._clock = clock
        self.seconds: defaultdict[int, float] = defaultdict(float)

    def add(self, seconds: float) -> None:
        """One of them computes for so long from now on."""
        start = self._clock.now() - self._began
        end = start + seconds
        for second in range(int(start), int(end) + 1):
            self.seconds[second] += min(end, second + 1) - max(start, second)

    def share(self, agents: int, low: float = 0.0, high: float = 1.0) -> float:
        """Part of their time that agents computed, between two parts of the whole."""
        total = self._clock.now() - self._began
        chosen = range(int(low * total), int(high * total))
        return math.fsum(self.seconds[second] for second in chosen) / len(chosen) / agents


class SimulatedAgent:
    """A replica that waits as long as a model would compute."""

    def __init__(self, label: str, clock: Clock, speed: Speed, busy: Busy | None = None) -> None:
        self.label = label
        self._clock, self._speed, self._busy = clock, speed, busy

    async def call(self, method: str, batch: Sequence[Any]) -> list[Any]:
        """Answers by rule, later."""
        with self._clock.stopped():
            if method == "embed":
                seconds, answers = EMBED_S * len(batch), list(vectors(batch))
            else:
                seconds, answers = self._speed.seconds(batch), [reply(request) for request in batch]
        if self._busy is not None:
            self._busy.add(seconds)
        await asyncio.sleep(seconds)
        return answers

    async def revive(self) -> None:
        """It is never lost."""

    def stop(self) -> None:
        """It never hangs."""


class SimulatedBackend:
    """Pools of simulated agents and embedders, asked as ``cluster.ray_backend`` asks its own."""

    def __init__(self, agents: int, clock: Clock, speed: Speed) -> None:
        limits = Limits(losses=0, call_timeout_s=1e9, start_timeout_s=1.0)
        self.busy = Busy(clock)
        computing = [SimulatedAgent(f"agent-{k}", clock, speed, self.busy) for k in range(agents)]
        embedders = [SimulatedAgent(f"embedder-{k}", clock, speed) for k in range(agents)]
        self._agents = Pool("agents", computing, limits)
        self._embedders = Pool("embedders", embedders, limits)

    async def generate(self, model: str, requests: list[Any]) -> list[Any]:
        """One reply a request."""
        return await self._agents.call("generate", requests)

    async def embed(self, texts: list[str]) -> Any:
        """(n, D) for n texts."""
        return np.stack(await self._embedders.call("embed", texts))

    async def score(self, model: str, requests: list[Any]) -> list[Any]:
        """Nobody asks."""
        raise NotImplementedError


def run(agents: int, waves: int, speed: Speed) -> dict[str, float]:
    """One run with so many agents."""
    from cluster.config import load_config
    from cluster.engine import Engine
    from cluster.plan import plan_of
    from cluster.progress import SilentView
    from cluster.runfolder import RunFolder

    count = agents * IN_FLIGHT * waves
    tree = {
        "cultures": ["english-speaking", "confucian"],
        "topics": [
            {"id": f"q{k}", "text": f"Should question {k} be answered with yes?"} for k in range(count)
        ],
        "concurrency": agents * IN_FLIGHT,
        "resources": {"actors": "shared", "replicas": agents, "lanes": agents * LANES},
    }
    config = load_config(tree, environment={})
    clock = Clock()

    def new_loop() -> asyncio.AbstractEventLoop:
        selector = SkippingSelector()
        selector.clock = clock
        loop = asyncio.SelectorEventLoop(selector)
        loop.time = clock.now  # type: ignore[method-assign]
        return loop

    backend = SimulatedBackend(agents, clock, speed)
    with tempfile.TemporaryDirectory() as scratch, RunFolder(Path(scratch) / "run", config.tree()) as folder:
        engine = Engine(config, plan_of(config), folder, SilentView(), grounding=config.grounds())
        began, driver = clock.now(), time.process_time()
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(engine.run(backend, "instant", {"model": "simulated"}))
        seconds, driver = clock.now() - began, time.process_time() - driver
        busy, steady = backend.busy.share(agents), backend.busy.share(agents, 0.2, 0.8)
        if engine.ledger.finished != count:
            raise SystemExit(f"{engine.ledger.finished} of {count} negotiations finished")
    return {
        "agents": agents,
        "negotiations": count,
        "seconds": seconds,
        "negotiations_per_s": count / seconds,
        "agents_busy": busy,
        "agents_busy_steady": steady,
        "cores": driver / seconds,
    }


def draw(points: list[dict[str, float]], path: Path) -> None:
    """Speed and efficiency over the number of agents."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    agents = [point["agents"] for point in points]
    canvas, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    left.loglog(
        agents,
        [point["negotiations_per_s"] for point in points],
        "o-",
        color="#1b4965",
        label="simulated run",
    )
    first = points[0]["negotiations_per_s"] / agents[0]
    left.loglog(
        agents, [first * count for count in agents], "--", color="#8a8a8a", label="as many times one agent"
    )
    left.set(xlabel="agents (simulated)", ylabel="negotiations a second")
    left.legend(frameon=False)
    right.semilogx(
        agents, [point["efficiency"] for point in points], "o-", color="#c75d2c", label="whole run"
    )
    right.semilogx(
        agents, [point["steady"] for point in points], "s-", color="#1b4965", label="its middle 60%"
    )
    right.legend(frameon=False, loc="lower left")
    right.axhline(LEAST_EFFICIENCY, color="#8a8a8a", linestyle="--")
    right.set(xlabel="agents (simulated)", ylabel="efficiency", ylim=(0, 1.1))
    for axes in (left, right):
        axes.set_xticks(agents, [str(int(count)) for count in agents])
        axes.minorticks_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, dpi=120)


def main() -> int:
    """Run the benchmark; exit status 1 if --check is given and the mark is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--most", type=int, default=256, help="agents; doubled from one up to this")
    parser.add_argument("--waves", type=int, default=8, help="negotiations one after the other on each place")
    parser.add_argument("--out", type=Path, help="JSON file to write; standard output if not given")
    parser.add_argument("--picture", type=Path, help="PNG file to draw")
    parser.add_argument("--check", action="store_true", help="exit status 1 if the mark is missed")
    options = parser.parse_args()
    speed = Speed(json.loads(MEASURED.read_text(encoding="utf-8")))
    run(1, 1, speed)  # what is loaded at the first use is no part of the curve
    points = []
    agents = 1
    while agents <= options.most:
        points.append(run(agents, options.waves, speed))
        points[-1]["efficiency"] = points[-1]["negotiations_per_s"] / agents / points[0]["negotiations_per_s"]
        points[-1]["steady"] = points[-1]["agents_busy_steady"] / points[0]["agents_busy_steady"]
        print(points[-1], file=sys.stderr, flush=True)
        agents *= 2
    about = provenance(0, ("numpy", "pyarrow", "open_spiel"), ("negotiation", "agents", "cluster"))
    model = {"base_ms": 1e3 * speed.base, "each_ms": 1e3 * speed.each, "measured": MEASURED.name}
    record = {
        "benchmark": "scaling",
        **about,
        "simulated": True,
        "model": model,
        "in_flight": IN_FLIGHT,
        "lanes": LANES,
        "points": points,
    }
    print_or_keep(record, options.out)
    if options.picture is not None:
        draw(points, options.picture)
    missed = [point for point in points if point["steady"] < LEAST_EFFICIENCY]
    for point in missed:
        print(
            f"{point['agents']} agents: efficiency {point['steady']:.2f} < {LEAST_EFFICIENCY}",
            file=sys.stderr,
        )
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
