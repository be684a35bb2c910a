"""A run on a cluster of four nodes of this machine, one of which goes away: the program that test_nodes.py starts.

Prints one JSON object: the nodes of the agents at the start, how many records there were when a node went, which agents were
on it, where the agents were at the end, and the digests of the records by file.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster
from ray.exceptions import ActorUnavailableError

from benchmarks.chaos import settings
from benchmarks.instant import InstantEmbedder, SlowActor
from cluster.config import RunConfig
from cluster.engine import Engine
from cluster.plan import plan_of
from cluster.progress import SilentView
from cluster.ray_backend import NAMESPACE, RayBackend
from cluster.runfolder import RunFolder
from negotiation.storage import read_records

NODES, REPLICAS = 4, 4
PATIENCE_S = 120.0


class NodeActor(SlowActor):
    """Says where it is."""

    SECONDS = 0.2

    def node(self) -> str:
        """Id of its node."""
        return str(ray.get_runtime_context().get_node_id())


def places() -> dict[str, str]:
    """The node of each agent that answers; one that is on its way to another node is asked again."""
    names = ["nodes/agents", *(f"nodes/agents-{k}" for k in range(2, REPLICAS + 1))]
    found: dict[str, str] = {}
    deadline = time.monotonic() + PATIENCE_S
    while missing := [name for name in names if name not in found]:
        calls = {ray.get_actor(name, namespace=NAMESPACE).node.remote(): name for name in missing}
        done, _ = ray.wait(list(calls), num_returns=len(calls), timeout=60)
        for call in done:
            try:
                found[calls[call]] = ray.get(call)
            except ActorUnavailableError:
                continue
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    return found


def remove_one(cluster: Any, folder: Path, found: dict[str, Any]) -> None:
    """Once some records are there, take a node away that has agents, though not the head."""
    while len(list(folder.glob("*.parquet"))) < 6:
        time.sleep(0.05)
    head = cluster.head_node.node_id
    victim = next(node for node in found["before"].values() if node != head)
    found |= {"victim": victim, "finished_then": len(list(folder.glob("*.parquet")))}
    cluster.remove_node(
        next(node for node in cluster.worker_nodes if node.node_id == victim), allow_graceful=False
    )


def main(run: Path) -> None:
    """Run and tell."""
    small = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=small)
    for _ in range(NODES - 1):
        cluster.add_node(**{key: small[key] for key in ("num_cpus", "object_store_memory")})
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
    tree = settings(48).tree()
    tree["resources"] |= {"replicas": REPLICAS, "lanes": 8, "actor_cpus": None, "cluster_cpus": None}
    config = RunConfig.model_validate(tree)
    backend = RayBackend(config, "nodes", kinds=(NodeActor, InstantEmbedder))
    found: dict[str, Any] = {"nodes": len(ray.nodes()), "before": places()}
    with RunFolder(run, config.tree()) as folder:
        engine = Engine(config, plan_of(config), folder, SilentView(), grounding=config.grounds())
        remover = threading.Thread(
            target=remove_one, args=(cluster, run / "negotiations", found), daemon=True
        )
        remover.start()
        asyncio.run(engine.run(backend, backend.embedder_name, backend.provenance))
        found["finished"] = engine.summary().finished
    remover.join(60)
    found["after"] = places()
    files = sorted((run / "negotiations").glob("*.parquet"))
    found["digests"] = {file.name: read_records(file)[0].digest() for file in files}
    backend.close()
    print(json.dumps(found), flush=True)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
