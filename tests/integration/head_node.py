"""A head node of a real Ray cluster on this machine, as ``ray start --head`` makes it, on ports and in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_S, STARTS = 120.0, 3
"""How long a start may take, and how many are tried: on a busy machine Ray gives its own processes too little time."""


@dataclass(frozen=True)
class HeadNode:
    """A running one.

    Attributes:
        dashboard: its address, with http://.
        metrics: URL of its metrics.
        folder: of its sessions.
    """

    dashboard: str
    metrics: str
    folder: Path


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _log_tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-3000:]


@contextmanager
def running_head(cpus: int = 2) -> Iterator[HeadNode]:
    """Start it, and end it afterwards with all of its processes."""
    for _ in range(STARTS):
        node, process = _start(cpus)
        if _takes_jobs(node, process):
            break
        said = (node.folder / "head.log").read_text(encoding="utf-8", errors="replace")[-3000:]
        _end(node, process)
    else:
        raise AssertionError(f"no head node in {STARTS} starts; the last said:\n{said}")
    try:
        yield node
    finally:
        _end(node, process)


def _start(cpus: int) -> tuple[HeadNode, subprocess.Popen[bytes]]:
    names = ("port", "dashboard-port", "ray-client-server-port", "dashboard-agent-listen-port")
    names += ("dashboard-agent-grpc-port", "runtime-env-agent-port", "metrics-export-port")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    folder = Path(tempfile.mkdtemp(prefix="head-"))  # short: sockets in it may have 107 characters
    ray = str(Path(sys.executable).with_name("ray"))
    command = [ray, "start", "--head", "--block", "--disable-usage-stats"]
    command += [f"--{name}={port}" for name, port in ports.items()]
    command += [f"--temp-dir={folder}/ray", f"--num-cpus={cpus}", "--object-store-memory=100000000"]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "OMP_NUM_THREADS"):
        environment.pop(name, None)
    with (folder / "head.log").open("wb") as out:
        process = subprocess.Popen(
            command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
    metrics = f"http://127.0.0.1:{ports['metrics-export-port']}/metrics"
    return HeadNode(f"http://127.0.0.1:{ports['dashboard-port']}", metrics, folder), process


def _end(node: HeadNode, process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what a start that failed has left
    process.wait()
    shutil.rmtree(node.folder, ignore_errors=True)


def _takes_jobs(node: HeadNode, process: subprocess.Popen[bytes]) -> bool:
    """Wait until it does; False if it came to an end or takes too long."""
    end = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            listed = httpx.get(f"{node.dashboard}/api/jobs/", timeout=5).status_code == 200
            if (
                listed and httpx.get(node.metrics, timeout=5).status_code == 200
            ):  # by the agent, which starts jobs
                return True
        time.sleep(0.5)
    return False
