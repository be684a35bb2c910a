"""Actors on one local Ray: same records as in one process, names, restarts, errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import ray
import yaml

from agents.models.protocol import GenerationRequest, Message
from cluster.backends import SerialBackend
from cluster.config import RunConfig, load_config
from cluster.metrics import RayMeters
from cluster.ray_backend import NAMESPACE, RayBackend, share
from negotiation.errors import ModelError, ModelServerError, RunError
from negotiation.storage import read_records
from tests.integration.conftest import CULTURES, TOPICS, Outcome
from tests.integration.model_server import ModelServer
from tests.unit.agents.conftest import save_adapter, save_model, save_tokenizer

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture(scope="module")
def tiny_config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """A tiny random model with an adapter for one of two cultures."""
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("tiny")
    save_model(root / "model", len(save_tokenizer(root / "model")))
    save_adapter(root / "confucian", AutoModelForCausalLM.from_pretrained(root / "model"), seed=1)
    save_model(root / "other", len(save_tokenizer(root / "other")), hidden=64)
    save_adapter(root / "foreign", AutoModelForCausalLM.from_pretrained(root / "other"), seed=1)
    return load_config(
        {
            "cultures": list(CULTURES),
            "topics": list(TOPICS),
            "model": {"kind": "transformers", "path": str(root / "model"), "device": "cpu"},
            "adapters": {"confucian": str(root / "confucian")},
            "resources": {"restarts": 1, "start_timeout_s": 240, "actor_cpus": 0.2},
        },
        environment={},
    )


@pytest.fixture(scope="module")
def backend(tiny_config: RunConfig, local_ray: None) -> Iterator[RayBackend]:
    started = RayBackend(tiny_config, run="test")
    yield started
    started.close()


def _requests(adapter: str | None = None) -> list[GenerationRequest]:
    return [
        GenerationRequest((Message("user", f"Question {k}"),), 12, 0.8, 0.95, seed=k, adapter=adapter)
        for k in range(5)
    ]


def test_actors_answer_as_the_models_do_in_one_process(tiny_config: RunConfig, backend: RayBackend) -> None:
    async def answers(of: Any) -> tuple[list[Any], Any]:
        *replies, vectors = await asyncio.gather(
            of.generate("english-speaking", _requests()),
            of.generate("confucian", _requests("confucian")),
            of.generate("confucian", _requests()),
            of.embed(["one text", "another text", "a third"]),
        )
        return [[(reply.text, reply.generated_tokens) for reply in batch] for batch in replies], vectors

    serial = SerialBackend(tiny_config)
    there, far_vectors = asyncio.run(answers(backend))
    here, near_vectors = asyncio.run(answers(serial))
    serial.close()
    assert there == here
    assert there[1] != there[2]  # the adapter speaks
    assert np.array_equal(far_vectors, near_vectors)
    assert backend.provenance == serial.provenance
    assert set(backend.provenance) == {"concordat", "model", "adapter:confucian"}
    assert backend.embedder_name == serial.embedder_name


def test_actors_that_all_cultures_share_mix_their_adapters(tiny_config: RunConfig) -> None:
    resources = tiny_config.resources.model_copy(
        update={"actors": "shared", "replicas": 2, "lanes": 1, "embedders": 1, "actor_cpus": 0.1}
    )
    config = tiny_config.model_copy(update={"resources": resources})
    mixed = [*_requests("confucian"), *_requests()]
    backends = RayBackend(config, run="shared"), SerialBackend(config)
    names = [f"shared/{name}" for name in ("agents", "agents-2", "embedder-1")]
    for name in names:
        assert ray.get_actor(name, namespace=NAMESPACE)
    there, here = ([reply.text for reply in asyncio.run(of.generate("agents", mixed))] for of in backends)
    for backend in backends:
        backend.close()
    assert there == here
    assert there[:5] != there[5:]
    assert backends[0].provenance == backends[1].provenance


def test_errors_of_models_arrive_as_they_are(backend: RayBackend) -> None:
    with pytest.raises(ModelError, match="stranger"):
        asyncio.run(backend.generate("confucian", _requests("stranger")))


def test_a_killed_actor_is_started_again_and_its_batch_repeated(tiny_config: RunConfig) -> None:
    lost: list[tuple[str, str]] = []
    started = RayBackend(tiny_config, run="killed", told=lambda *what: lost.append(what))

    def ask() -> list[str]:
        return [reply.text for reply in asyncio.run(started.generate("confucian", _requests("confucian")))]

    before = ask()
    ray.kill(ray.get_actor("killed/confucian", namespace=NAMESPACE), no_restart=False)
    assert ask() == before
    ray.kill(ray.get_actor("killed/confucian", namespace=NAMESPACE))  # for good: another takes its name
    assert ask() == before
    assert [name for name, _ in lost] == ["killed/confucian"] * 2
    for name in (CULTURES[0], "embedder-1", "embedder-2"):
        assert ray.get_actor(f"killed/{name}", namespace=NAMESPACE)
    started.close()
    with pytest.raises(ValueError, match="Failed to look up actor"):
        ray.get_actor(f"killed/{CULTURES[0]}", namespace=NAMESPACE)


def test_an_adapter_for_another_base_is_refused(
    tiny_config: RunConfig, concordat: Callable[..., Outcome], tmp_path: Path
) -> None:
    foreign = Path(tiny_config.adapters["confucian"]).with_name("foreign")
    tree = tiny_config.tree() | {"adapters": {"confucian": str(foreign)}}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(tree))
    flags = ("--config", tmp_path / "settings.yaml", "--out", tmp_path / "run", "--json")
    outcome = concordat("negotiate", *flags)
    assert outcome.status == 2
    assert outcome.json["error"]["type"] == "ModelError"
    assert str(foreign) in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"adapters": {"confucian": "/no/such"}}, "no folder"), ({"embedder": "/no/such"}, "/no/such")],
)
def test_what_cannot_be_loaded_leaves_no_actor(
    wrong: dict[str, Any], message: str, tiny_config: RunConfig
) -> None:
    with pytest.raises(ModelError, match=message):
        RayBackend(tiny_config.model_copy(update=wrong), run="bad")
    with pytest.raises(ValueError, match="Failed to look up actor"):
        ray.get_actor("bad/confucian", namespace=NAMESPACE)


def test_actors_that_cannot_be_placed_are_not_waited_for_for_ever(tiny_config: RunConfig) -> None:
    resources = tiny_config.resources.model_copy(update={"actor_gpus": 1.0, "start_timeout_s": 2.0})
    with pytest.raises(RunError, match="did not load their models in"):
        RayBackend(tiny_config.model_copy(update={"resources": resources}), run="greedy")


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_ray_and_serial_leave_the_same_records(
    update: str, concordat: Callable[..., Outcome], settings: Path, tmp_path: Path
) -> None:
    tree = yaml.safe_load(settings.read_text())
    tree["game"]["update"] = update
    tree["resources"] = {"actor_cpus": 0.2}
    settings.write_text(yaml.safe_dump(tree))
    digests = []
    for name, way in (("here", ["--serial"]), ("there", [])):
        outcome = concordat("negotiate", "--config", settings, "--out", tmp_path / name, "--json", *way)
        assert outcome.status == 0, outcome.err
        files = sorted((tmp_path / name / "negotiations").glob("*.parquet"))
        digests.append({file.name: read_records(file)[0].digest() for file in files})
    assert digests[0] == digests[1]
    assert len(digests[0]) == len(TOPICS)


def test_a_server_that_is_down_is_told_through_actors(
    concordat: Callable[..., Outcome],
    settings: Path,
    server: ModelServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.status = 503
    monkeypatch.setenv("CONCORDAT_RESOURCES__ACTOR_CPUS", "0.2")
    outcome = concordat("negotiate", "--config", settings, "--out", tmp_path / "run", "--json")
    assert outcome.status == 1
    assert outcome.json["error"]["type"] == ModelServerError.__name__
    assert server.url in outcome.err


def test_shares_of_gpus_fit_whole_gpus() -> None:
    for gpus in range(1, 9):
        for actors in range(1, 30):
            part = share(gpus, actors)
            assert 0 < part <= 1
            assert int(1 / part) * gpus >= actors


def test_counters_reach_the_metrics_endpoint() -> None:
    meters = RayMeters("counted")
    meters.finished(converged=True)
    meters.failed("MalformedReplyError")
    meters.round(nash_conv=0.25)
    meters.running(3)
    meters.batch("confucian", requests=12, tokens=100, seconds=0.5)
    node = ray.nodes()[0]
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    deadline = time.monotonic() + 60
    wanted = ("negotiations_finished", "negotiations_failed", "rounds", "nash_conv", "tokens", "batch_size")
    while True:
        shown = httpx.get(url).text
        # Other runs of the same cluster count under the same names; those of this one come a moment later.
        own = "\n".join(line for line in shown.splitlines() if 'run="counted"' in line)
        if all(f"ray_concordat_{name}" in own for name in wanted):
            break
        assert time.monotonic() < deadline, shown
        time.sleep(1)
    assert 'run="counted"' in shown
