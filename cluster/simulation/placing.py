"""How many actors a run has, what each of them gets, and on which nodes they go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from agents.models.config import AnyModelConfig, OpenAIConfig, VLLMConfig, gpus_of
from cluster.config import ResourcesConfig


def share(total: float, actors: int) -> float:
    """An equal part of some CPUs or GPUs for each of several actors, at most one, so that all fit.

    A GPU is shared by whole actors: with 2 GPUs and 3 actors one GPU has two of them, so each gets a half.

    >>> share(2, 3), share(1, 4), share(8, 3), share(0, 3)
    (0.5, 0.25, 1.0, 0.0)
    """
    if total <= 0:
        return 0.0
    whole = max(math.floor(total), 1)
    fraction = min(1.0, min(total, 1.0) / math.ceil(actors / whole))
    return math.floor(fraction * 10_000) / 10_000


def gpus_for(model: AnyModelConfig, total: float, actors: int) -> float:
    """GPUs of one actor with this model, of the cluster's ``total``.

    A model that several GPUs hold gets them whole. One that vLLM runs gets the part of a GPU whose memory it takes. Others
    share what there is, and run on CPUs where there is none.

    >>> gpus_for(VLLMConfig(path="a/b", tensor_parallel_size=4), 8, 2), gpus_for(VLLMConfig(path="a/b"), 8, 2)
    (4.0, 0.9)
    >>> gpus_for(OpenAIConfig(model="a", base_url="http://localhost/v1"), 8, 2)
    0.0
    """
    if isinstance(model, OpenAIConfig):
        return 0.0
    whole = gpus_of(model)
    if whole > 1:
        return float(whole)
    return model.gpu_memory_utilization if isinstance(model, VLLMConfig) else share(total, actors)


def spare_cpus(nodes: Sequence[Mapping[str, Any]]) -> float:
    """CPUs of a cluster without its largest node, if it has several: what is left when a node goes.

    >>> node = {"Alive": True, "Resources": {"CPU": 4.0}}
    >>> spare_cpus([node]), spare_cpus([node, node, node])
    (4.0, 8.0)
    """
    sizes = sorted(node["Resources"].get("CPU", 0.0) for node in nodes if node["Alive"])
    return float(sum(sizes[:-1] if len(sizes) > 1 else sizes))


@dataclass(frozen=True, slots=True)
class Part:
    """What one actor gets."""

    cpus: float
    gpus: float = 0.0

    def bundle(self) -> dict[str, float]:
        """As a placement group asks for it."""
        return {name: amount for name, amount in (("CPU", self.cpus), ("GPU", self.gpus)) if amount}


class Placement:
    """Where the actors of a run go.

    With ``spread`` each goes by itself, to the node with the fewest of them that has room. With ``group-spread`` and
    ``group-pack`` all places are had at once or none, so that two runs that fit one after the other do not stop each other
    half placed.

    Args:
        resources: of the run.
        parts: of the actors, in the order in which ``strategy`` is asked for them.
    """

    def __init__(self, resources: ResourcesConfig, parts: Sequence[Part]) -> None:
        self._group: Any = None
        if resources.placement != "spread":
            kind = "SPREAD" if resources.placement == "group-spread" else "PACK"
            self._group = placement_group([part.bundle() or {"CPU": 0.001} for part in parts], strategy=kind)

    def strategy(self, place: int) -> Any:
        """Ray's scheduling strategy of one actor."""
        if self._group is None:
            return "SPREAD"
        return PlacementGroupSchedulingStrategy(
            placement_group=self._group, placement_group_bundle_index=place
        )

    def close(self) -> None:
        """Give the places back."""
        if self._group is not None and ray.is_initialized():
            remove_placement_group(self._group)
