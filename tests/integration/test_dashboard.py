"""Each panel of the Grafana dashboard draws something: what it asks for is on Ray's metrics endpoint after real work."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import ray
import yaml
from prometheus_client.parser import text_string_to_metric_families

from cluster.dashboard.grafana import promql
from cluster.dashboard.panels import AGENTS, GAME, MEMORY, NEGOTIATIONS, SERVER, TRAINING, Row
from cluster.metrics import ActorMeter, memory
from cluster.rewriting.production import Batch
from cluster.rewriting.training_clock import Clock, Gauges, grpo_point
from cluster.serving.meters import Meters
from rewriter.learning.vocabulary import StepFigures
from tests.integration.conftest import Outcome
from tests.integration.model_server import ModelServer
from tests.promql import asked

WAIT_S = 90.0

pytestmark = pytest.mark.usefixtures("local_ray")


def scraped() -> dict[str, set[str]]:
    """Series on the metrics endpoint of this cluster's node: names with all labels that any of theirs has."""
    node = ray.nodes()[0]
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(httpx.get(url, timeout=30).text):
        for sample in family.samples:
            labels[sample.name] |= set(sample.labels)
    return labels


def missing(*rows: Row) -> list[str]:
    """What panels ask for and the endpoint does not have."""
    there = scraped()
    faults = []
    for row in rows:
        for panel in row.panels:
            for query in panel.queries:
                found = asked(promql(query, row))
                absent = {name for name in found.names if name not in there}
                faults += [f"{panel.title}: no series {name}" for name in sorted(absent)]
                for name in sorted(found.names - absent):
                    faults += [
                        f"{panel.title}: {name} has no label {label}"
                        for label in sorted(found.labels - there[name])
                    ]
    return faults


def wait_until_shown(*rows: Row) -> None:
    deadline = time.monotonic() + WAIT_S
    while faults := missing(*rows):
        assert time.monotonic() < deadline, "\n".join(faults)
        time.sleep(1)


def test_panels_of_negotiations_show_a_run(
    settings: Path, server: ModelServer, concordat: Callable[..., Outcome], tmp_path: Path
) -> None:
    tree = yaml.safe_load(settings.read_text())
    tree["resources"] = {"actor_cpus": 0.2, "embedders": 1, "tries": 1}
    settings.write_text(yaml.safe_dump(tree))
    server.garbage_about = "dress code"
    outcome = concordat("negotiate", "--config", settings, "--out", tmp_path / "drawn", "--json")
    assert outcome.status == 1, outcome.err
    assert (outcome.json["negotiations"], outcome.json["failed"]) == (2, 1)
    wait_until_shown(NEGOTIATIONS, GAME, AGENTS, MEMORY)


def test_panels_of_training_show_a_step_of_grpo() -> None:
    figures = StepFigures(
        step=3,
        skipped=False,
        loss=0.1,
        kl=0.02,
        entropy=2.0,
        ratio=1.0,
        clipped=0.0,
        importance=1.0,
        gradient_norm=0.5,
        learning_rate=1e-4,
        tokens=640,
        trained=1920,
        rewards={"value": 0.4, "consistency": 0.8},
        length=20.0,
        finished=1.0,
        copied=0.0,
        collapsed=0.0,
        idle=0.0,
        skips=0,
    )
    batch = Batch(
        step=3,
        version=3,
        completions=(),
        rewards=(),
        rollout_s=0.1,
        load_s=0.0,
        reward_s=0.1,
        seconds=0.2,
        judgements=0,
        lost=0,
    )
    gauges = Gauges("trained")
    gauges.show(grpo_point(figures, 10, batch, Clock()))
    wait_until_shown(TRAINING)


def test_panels_of_the_server_show_a_request() -> None:
    meters = Meters("api")
    meters.request("/v1/chat/completions", 200, 0.4)
    meters.in_flight(1)
    meters.batch(4, 0.3)
    meters.tokens(60)
    wait_until_shown(SERVER)


def test_memory_is_told_by_actors_only() -> None:
    assert memory()["host"] > 10_000_000
    meter = ActorMeter()
    meter.show()  # this process is a driver, and says nothing
    assert meter._gauge is None
