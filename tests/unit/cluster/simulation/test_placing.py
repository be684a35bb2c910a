"""What an actor gets."""

from __future__ import annotations

import pytest

from agents.models.config import BundledConfig, OpenAIConfig, TransformersConfig, VLLMConfig
from cluster.config import ResourcesConfig, load_config
from cluster.simulation.placing import Part, gpus_for, share, spare_cpus
from negotiation.errors import ConfigurationError


@pytest.mark.parametrize(
    ("model", "total", "actors", "each"),
    [
        (BundledConfig(), 0, 8, 0.0),  # no GPU: on CPUs
        (BundledConfig(), 1, 8, 0.125),  # eight cultures on one card
        (BundledConfig(), 2, 8, 0.25),
        (TransformersConfig(path="a/b"), 4, 2, 1.0),  # never more than one
        (
            TransformersConfig(path="a/b", device_map="auto", gpus=2),
            8,
            8,
            2.0,
        ),  # whole ones, whatever there is
        (VLLMConfig(path="a/b", gpu_memory_utilization=0.45), 1, 2, 0.45),  # two on one card
        (VLLMConfig(path="a/b", tensor_parallel_size=2, pipeline_parallel_size=2), 8, 1, 4.0),
        (OpenAIConfig(model="a", base_url="http://localhost/v1"), 8, 8, 0.0),
    ],
)
def test_gpus_of_an_actor(model: object, total: float, actors: int, each: float) -> None:
    assert gpus_for(model, total, actors) == each  # type: ignore[arg-type]


def test_actors_that_fit_still_fit_when_the_largest_node_is_gone() -> None:
    nodes = [{"Alive": True, "Resources": {"CPU": size}} for size in (2.0, 4.0, 8.0)]
    each = share(spare_cpus(nodes), 10)
    assert sum(int(size / each) for size in (2.0, 4.0)) >= 10
    dead = [*nodes, {"Alive": False, "Resources": {"CPU": 64.0}}]
    assert spare_cpus(dead) == spare_cpus(nodes) == 6.0
    assert spare_cpus(nodes[:1]) == 2.0


def test_a_placement_group_asks_for_nothing_that_is_not_needed() -> None:
    assert Part(0.5).bundle() == {"CPU": 0.5}
    assert Part(0.5, 0.25).bundle() == {"CPU": 0.5, "GPU": 0.25}


def test_settings_of_scale_are_free_on_resume_and_checked() -> None:
    tree = {"cultures": ["confucian", "latin-america"], "topics": ["Why?"]}
    plain = load_config(tree, environment={})
    large = load_config(tree | {"resources": {"replicas": 4, "actors": "shared", "lanes": 9}}, environment={})
    assert plain.short_hash() == large.short_hash()
    assert (plain.resources.lanes_of(32), large.resources.lanes_of(32), large.resources.lanes_of(3)) == (
        1,
        9,
        3,
    )
    assert ResourcesConfig(replicas=3).lanes_of(64) == 12
    with pytest.raises(ConfigurationError, match=r"resources\.actors"):
        load_config(tree | {"resources": {"actors": "one"}}, environment={})
