"""A server that runs: connect to Ray, start the application, and at the end drain it. Importing this needs Ray Serve."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray import serve
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from cluster.config import ResourcesConfig
from cluster.ray_backend import connect
from cluster.serving.app import build
from cluster.serving.command import NAME, Place, wait_forever
from cluster.serving.config import ServeConfig
from cluster.signals import own_signals
from negotiation.errors import RunError


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs.

    Attributes:
        handle: of the HTTP API.
        drain_s: how long requests in flight are waited for.
    """

    handle: DeploymentHandle
    drain_s: float

    def wait(self) -> None:
        """Return when it is to stop."""
        wait_forever()

    def drain(self) -> None:
        """Take no more requests, and wait for those in flight, within the limit."""
        deadline = time.monotonic() + self.drain_s
        try:
            while time.monotonic() < deadline:
                busy = sum(self.handle.broadcast("drain").results(timeout_s=5.0))
                if busy == 0:
                    return
                time.sleep(0.2)
        except (RayServeException, ray.exceptions.RayError, TimeoutError):
            logging.getLogger(__name__).warning("the server could not be drained")


@contextmanager
def running(config: ServeConfig, place: Place, cpus: int | None = None) -> Iterator[Server]:
    """A server for the time of a block.

    Args:
        config: of the server.
        place: where it listens.
        cpus: of a local cluster; None for those of the machine, and at least two.

    Raises:
        RunError: if there is no cluster, or the application does not come up.
    """
    with own_signals() as back, ExitStack() as stack:
        if connect(ResourcesConfig(cluster_cpus=cpus or _cpus()), place.address):
            stack.callback(ray.shutdown)
        back()
        stack.callback(_end, place)
        serve.start(http_options={"host": place.host, "port": place.port}, logging_config=_quiet())
        try:
            handle = serve.run(build(config), name=NAME, route_prefix="/", blocking=False)
        except RuntimeError as error:
            raise RunError(
                f"the server did not come up: {error}; look at the logs in /tmp/ray/session_latest/logs/serve"
            ) from error
        back()
        server = Server(handle, config.limits.drain_s)
        try:
            yield server
        finally:
            server.drain()


def _cpus() -> int | None:
    """Parts of the server ask for about two CPUs; a smaller machine takes them too, only slower."""
    import os

    return None if (os.cpu_count() or 1) >= 2 else 2


def _end(place: Place) -> None:
    """On a cluster of one's own everything goes; on another only this application."""
    with contextlib.suppress(RayServeException, ray.exceptions.RayError):
        if place.address is None:
            serve.shutdown()
        else:
            serve.delete(NAME)


def _quiet() -> Any:
    from ray.serve.schema import LoggingConfig

    return LoggingConfig(enable_access_log=False)
