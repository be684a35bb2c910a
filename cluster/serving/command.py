"""What ``concordat serve`` does: settle the settings, start the application, wait, drain."""

from __future__ import annotations

import ipaddress
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.console import OK, Output
from cluster.serving.config import ServeConfig
from cluster.serving.keys import load_keys, make_key
from cluster.serving.policies import PolicyStore
from cluster.settings import merge, read_yaml, validate
from negotiation.errors import ConfigurationError, RunError

NAME = "concordat"
"""Of the application in Ray Serve."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
"""Names of this machine in the header Host."""

_LOOK_S = 0.2
"""How often it is looked whether the application has drained."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens.

    Attributes:
        host: address.
        port: at it.
        address: of a running Ray cluster; None for a local one.
        open: whether it may be without keys at an address that others reach.
    """

    host: str
    port: int
    address: str | None = None
    open: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        """For people."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - a comparison
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def serve_config(flags: Mapping[str, Any], file: Path | None) -> ServeConfig:
    """The configuration that a file and flags ask for; flags that are None count as not given.

    Raises:
        ConfigurationError: naming the field, the value and the mend.
    """
    given = {name: value for name, value in flags.items() if value not in (None, [])}
    tree = merge({} if file is None else read_yaml(file), given)
    return validate(ServeConfig, tree, "settings (" + ("flags" if file is None else f"{file}, flags") + ")")


def new_key(name: str, output: Output) -> int:
    """Make a key and show it once."""
    key, line = make_key(name)
    if output.as_json:
        output.result({"name": name, "key": key, "line": line})
        return OK
    print(line)
    print(f"The key, which is kept nowhere: {key}", file=sys.stderr)
    return OK


def settled(config: ServeConfig, place: Place) -> ServeConfig:
    """The configuration for a place: checked, and closed to rebound names where nothing else protects it.

    Raises:
        RunError: if the run has no policies, or the port is taken.
        ConfigurationError: if others could reach it without a key.
    """
    PolicyStore(config.run, config.policies)
    keys = load_keys(config.api_keys)
    if not (keys or place.is_loopback or place.open):
        raise ConfigurationError(
            f"others can reach {place.host}, and there are no API keys; give --api-keys FILE (make one with 'concordat"
            " serve-key NAME'), or --open to let everybody in"
        )
    if place.address is None:
        _check_port(place)
    if place.is_loopback and not keys and config.hosts is None:
        return config.model_copy(update={"hosts": LOOPBACK})
    return config


def serve_run(config: ServeConfig, place: Place, dry_run: bool, output: Output) -> int:
    """Serve until stopped; returns the exit status."""
    config = settled(config, place)
    if dry_run:
        tree = config.model_dump(mode="json", exclude_none=True)
        if output.as_json:
            output.result(tree)
        else:
            import yaml

            print(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), end="")
        return OK
    from cluster.ray_environment import prepare_ray

    prepare_ray(place.address)
    from cluster.serving.running import running

    with running(config, place) as server:
        count = len(PolicyStore(config.run, config.policies).snapshot.held)
        tree = {"url": place.url, "policies": count, "models": f"{place.url}/v1/models"}
        if output.as_json:
            output.result(tree)
        else:
            said = f"{count} polic{'y' if count == 1 else 'ies'} of {config.run} at {place.url}"
            page = ", with the page" if config.page else ""
            output.table_console.print(
                f"Serving {said}{page}. Ctrl-C stops.", highlight=False, markup=False, soft_wrap=True
            )
            sys.stdout.flush()
        server.wait()
        output.side_console.print("Stopping: requests in flight are answered first.", highlight=False)
    return OK


def _check_port(place: Place) -> None:
    """Ray would only say later, and at length, that a port is taken."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.host, place.port))
        except OSError as error:
            raise RunError(
                f"cannot listen at {place.host}:{place.port}: {error.strerror}; give another --host or --port"
            ) from error


def wait_forever() -> None:
    """Return when Ctrl-C or a request to stop comes."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
