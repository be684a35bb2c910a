"""A head node of a real Ray cluster on this machine, as ``ray start --head`` makes it, on ports and in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
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

START_S = 240.0
"""On a busy machine the dashboard alone takes a minute."""


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
    names = ("port", "dashboard-port", "ray-client-server-port", "dashboard-agent-listen-port")
    names += ("dashboard-agent-grpc-port", "runtime-env-agent-port", "metrics-export-port")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    folder = Path(tempfile.mkdtemp(prefix="head-"))  # short: sockets in it may have 107 characters
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        "--head",
        "--block",
        "--disable-usage-stats",
    ]
    command += [f"--{name}={port}" for name, port in ports.items()]
    command += [f"--temp-dir={folder}/ray", f"--num-cpus={cpus}"]
    command += ["--object-store-memory=100000000"]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    for name in ("RAY_DASHBOARD_STARTUP_TIMEOUT_S", "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT"):
        environment[name] = f"{START_S:.0f}"
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "OMP_NUM_THREADS"):
        environment.pop(name, None)
    log = folder / "head.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
    node = HeadNode(
        f"http://127.0.0.1:{ports['dashboard-port']}",
        f"http://127.0.0.1:{ports['metrics-export-port']}/metrics",
        folder,
    )
    try:
        _await_jobs(node, process, log)
        yield node
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _await_jobs(node: HeadNode, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the head takes jobs."""
    end = time.monotonic() + START_S
    while True:
        assert process.poll() is None, _log_tail(log)
        assert time.monotonic() < end, _log_tail(log)
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{node.dashboard}/api/jobs/", timeout=5).status_code == 200:
                return
        time.sleep(0.5)
