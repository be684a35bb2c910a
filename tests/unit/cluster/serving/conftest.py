"""A server in this process: real routes over stand-ins for the models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cluster.serving.config import LimitsConfig, ServeConfig
from cluster.serving.core import Core
from cluster.serving.http import make_app
from cluster.serving.keys import Doorkeeper, load_keys
from tests.unit.cluster.serving.standins import (
    FakeServices,
    bargaining_policy,
    policy_tree,
    write_bargaining,
    write_policy,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with two policies of one table and one of another; one has been bargained over."""
    write_policy(tmp_path, policy_tree("voting-1", "Should voting be a duty?"))
    write_policy(tmp_path, policy_tree("tax-1", "Should inheritance be taxed?"))
    write_policy(tmp_path, policy_tree("cars-1", "Should cities ban cars?", ("confucian", "latin-america")))
    write_bargaining(tmp_path, bargaining_policy("voting-1"))
    return tmp_path


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def serving(run: Path, services: FakeServices) -> Callable[..., Any]:
    """Makes clients of servers with some settings."""

    @contextmanager
    def make(limits: dict[str, Any] | None = None, **settings: Any) -> Iterator[TestClient]:
        config = ServeConfig(run=run, limits=LimitsConfig(**(limits or {})), **settings)
        core = Core(config, services)
        doorkeeper = Doorkeeper(load_keys(config.api_keys, {}), config.limits.requests_per_minute)
        app = make_app(config, lambda: core, lambda: doorkeeper)
        with TestClient(app, raise_server_exceptions=False) as client:
            client.core = core  # type: ignore[attr-defined]
            yield client

    return make


@pytest.fixture
def client(serving: Callable[..., Any]) -> Iterator[TestClient]:
    with serving() as made:
        yield made
