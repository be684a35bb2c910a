"""The server under load, against the bare model.

    python benchmarks/serve.py --out FILE.json

Measured one after the other on the same machine, all with the bundled model and ``concordat serve`` as a user starts it:

    bare      one call of the model after the other, in a process of its own with one thread, as the server's replica has.
    one       the same questions, one client, through HTTP. ``overhead`` is the median of one over that of bare, less 1.
    many      50 clients that ask again as soon as they have their answer. ``speedup`` is answers a second over those of
              ``one``. Memory is the sum of PSS over the server's processes, Ray's own in it.
    killed    the same, and the model's replica is killed in the middle. What is not answered must be told to come back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.negotiation_throughput import _pss as pss_of
from benchmarks.negotiation_throughput import _tree as process_tree
from benchmarks.provenance import print_or_keep, provenance

QUESTION = "Should voting be a duty?"
MOST_OVERHEAD, LEAST_SPEEDUP, MOST_GROWTH = 0.15, 4.0, 1.1
BUSY = (429, 503)
WARM_S = 10.0
"""Seconds of load before memory counts as that of a warm server."""


@dataclass(slots=True)
class Load:
    """What clients saw.

    Attributes:
        clients: at once.
        seconds: of the load.
        statuses: answers by status; 0 for a connection that broke.
        codes: errors by their code.
        unhelpful: errors 429 and 503 without Retry-After.
        latencies: of answers, seconds.
        tokens: generated for answers.
        memory: (seconds, bytes) of the server's processes.
        last_ok_s: when the last answer came, from the start.
    """

    clients: int
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    unhelpful: int = 0
    latencies: list[float] = field(default_factory=list)
    tokens: int = 0
    memory: list[tuple[float, int]] = field(default_factory=list)
    last_ok_s: float = 0.0

    def figures(self) -> dict[str, Any]:
        """For the record."""
        tree: dict[str, Any] = {
            "clients": self.clients,
            "seconds": self.seconds,
            "codes": dict(sorted(self.codes.items())),
            "unhelpful": self.unhelpful,
            "last_ok_s": self.last_ok_s,
        }
        answers = self.statuses[200]
        late = sorted(self.latencies)
        tree |= {
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "answers_per_s": answers / self.seconds,
            "tokens_per_s": self.tokens / self.seconds,
            "p50_s": statistics.median(late) if late else None,
            "p95_s": late[int(0.95 * (len(late) - 1))] if late else None,
        }
        warm = [size for at, size in self.memory if at >= WARM_S]
        if len(warm) >= 4:
            quarter = len(warm) // 4
            first, last = statistics.median(warm[:quarter]), statistics.median(warm[-quarter:])
            tree |= {"memory_gb": last / 1e9, "memory_growth": last / first}
        return tree


def body(model: str, tokens: int, seed: int) -> dict[str, Any]:
    """A question."""
    asked = [{"role": "user", "content": QUESTION}]
    return {"model": model, "messages": asked, "max_tokens": tokens, "seed": seed}


def bare(tokens: int, count: int) -> list[float]:
    """Seconds of calls of the model alone, in a process of its own."""
    program = f"""
import json, time
from agents.models.config import BundledConfig, load_model
from agents.models.protocol import GenerationRequest, Message
model = load_model(BundledConfig(num_threads=1))
asked = (Message("user", {QUESTION!r}),)
seconds = []
for seed in range(-2, {count}):
    began = time.perf_counter()
    model.generate([GenerationRequest(asked, {tokens}, 0.8, 1.0, max(seed, 0))])
    seconds.append(time.perf_counter() - began)
print(json.dumps(seconds[2:]))
"""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


@contextmanager
def server(run: Path) -> Iterator[tuple[str, int]]:
    """A server as a user starts it: its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cluster.cli", "serve", str(run), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith("Serving"):
            raise SystemExit(f"the server did not come up: {line}{process.stdout.read()}")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)


async def load(
    url: str, pid: int, model: str, tokens: int, clients: int, seconds: float, count: int | None = None
) -> Load:
    """Ask for a time, or a number of times, from several clients."""
    found = Load(clients)
    began = time.perf_counter()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120.0) as client:

        async def ask(number: int) -> None:
            asked = 0
            while (time.perf_counter() - began < seconds) if count is None else asked < count:
                seed, asked = number * 100_000 + asked, asked + 1
                await _ask(client, found, body(model, tokens, seed), began)

        async def watch() -> None:
            while True:
                size = await asyncio.to_thread(lambda: sum(map(pss_of, process_tree(pid))))
                found.memory.append((time.perf_counter() - began, size))
                await asyncio.sleep(2.0)

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(ask(number) for number in range(clients)))
        watching.cancel()
    found.seconds = time.perf_counter() - began
    return found


async def _ask(client: httpx.AsyncClient, found: Load, asked: dict[str, Any], began: float) -> None:
    start = time.perf_counter()
    try:
        reply = await client.post("/v1/chat/completions", json=asked)
    except httpx.HTTPError:
        found.statuses[0] += 1
        return
    found.statuses[reply.status_code] += 1
    if reply.status_code == 200:
        found.latencies.append(time.perf_counter() - start)
        found.tokens += reply.json()["usage"]["completion_tokens"]
        found.last_ok_s = time.perf_counter() - began
        return
    wait = reply.headers.get("retry-after")
    found.unhelpful += wait is None
    kind = reply.headers.get("content-type", "")
    error = reply.json().get("error", {}) if kind.startswith("application/json") else {}
    found.codes[str(error.get("code", "not in the form of errors"))] += 1
    await asyncio.sleep(float(wait or 0.1))


async def kill_in_the_middle(url: str, pid: int, model: str, tokens: int, seconds: float) -> Load:
    """Load during which the model's replica is killed."""

    async def kill() -> None:
        await asyncio.sleep(seconds / 3)
        for one in process_tree(pid):
            if b"ServeReplica:concordat:Model" in Path(f"/proc/{one}/cmdline").read_bytes():
                os.kill(one, signal.SIGKILL)

    killing = asyncio.create_task(kill())
    found = await load(url, pid, model, tokens, 50, seconds)
    await killing
    return found


def measure(run: Path, tokens: int, count: int, seconds: float, model: str) -> dict[str, Any]:
    """All measurements."""
    alone = bare(tokens, count)
    with server(run) as (url, pid):
        asyncio.run(load(url, pid, "base", tokens, 1, 0.0, count=2))
        one = asyncio.run(load(url, pid, "base", tokens, 1, 0.0, count=count))
        many = asyncio.run(load(url, pid, "base", tokens, 50, seconds))
        policy_one = asyncio.run(load(url, pid, model, tokens, 1, 0.0, count=max(4, count // 4)))
        policy_many = asyncio.run(load(url, pid, model, tokens, 50, seconds))
        killed = asyncio.run(kill_in_the_middle(url, pid, "base", tokens, seconds))
    figures: dict[str, Any] = {
        "bare": {"calls": len(alone), "p50_s": statistics.median(alone)},
        "one": one.figures(),
        "many": many.figures(),
        "policy_one": policy_one.figures(),
        "policy_many": policy_many.figures(),
        "killed": killed.figures(),
        "tokens": tokens,
        "policy": model,
    }
    p50 = figures["one"]["p50_s"]
    return figures | {
        "overhead": p50 / statistics.median(alone) - 1.0,
        "speedup": figures["many"]["answers_per_s"] / figures["one"]["answers_per_s"],
        "policy_speedup": figures["policy_many"]["answers_per_s"] / figures["policy_one"]["answers_per_s"],
    }


def misses(figures: dict[str, Any]) -> list[str]:
    """What falls short of its mark."""
    allowed = {"200", *(str(status) for status in BUSY)}
    found = []
    for name in ("one", "many", "policy_one", "policy_many", "killed"):
        strange = set(figures[name]["statuses"]) - allowed
        if strange or figures[name]["unhelpful"]:
            found.append(
                f"{name}: statuses {sorted(strange)}, {figures[name]['unhelpful']} without Retry-After"
            )
    for name in ("many", "policy_many"):
        if figures[name].get("memory_growth", 1.0) > MOST_GROWTH:
            found.append(f"{name}: memory grew {figures[name]['memory_growth']:.2f} times > {MOST_GROWTH}")
    if figures["overhead"] >= MOST_OVERHEAD:
        found.append(f"overhead {figures['overhead']:.2f} >= {MOST_OVERHEAD}")
    if figures["speedup"] < LEAST_SPEEDUP:
        found.append(f"speedup {figures['speedup']:.1f} < {LEAST_SPEEDUP}")
    killed = figures["killed"]
    if killed["last_ok_s"] < 0.9 * killed["seconds"]:
        found.append("killed: no answers any more after the kill")
    return found


def negotiated(folder: Path) -> Path:
    """A run with one policy."""
    run = folder / "run"
    command = [
        sys.executable,
        "-m",
        "cluster.cli",
        "negotiate",
        "--cultures",
        "english-speaking",
        "confucian",
    ]
    command += ["--topic", QUESTION, "--serial", "--out", str(run)]
    subprocess.run(command, check=True, capture_output=True)
    return run


def main() -> int:
    """Run the benchmark; exit status 1 if --check is given and a mark is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, help="run folder; one is negotiated if not given")
    parser.add_argument("--policy", default="consensus/english-speaking+confucian", help="model of a policy")
    parser.add_argument("--tokens", type=int, default=64, help="most new tokens of an answer")
    parser.add_argument("--count", type=int, default=40, help="questions of one client")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load of many clients")
    parser.add_argument("--out", type=Path, help="JSON file to write; standard output if not given")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a mark is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = options.run or negotiated(Path(scratch))
        figures = measure(run, options.tokens, options.count, options.seconds, options.policy)
    about = provenance(
        0,
        ("ray", "torch", "transformers", "peft", "fastapi", "uvicorn", "httpx"),
        ("agents", "rewriter", "cluster"),
    )
    print_or_keep({"benchmark": "serve", **about, **figures}, options.out)
    for miss in misses(figures):
        print(miss, file=sys.stderr)
    return 1 if options.check and misses(figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
