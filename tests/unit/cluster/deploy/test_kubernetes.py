"""The manifests of Kubernetes hold what Kubernetes, KubeRay, Ray Serve and Concordat take."""

from __future__ import annotations

import copy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from packaging.version import Version

from tests.unit.cluster.deploy.kuberay import RESOURCES

ROOT = Path(__file__).parents[4]
DEPLOY = ROOT / "cluster" / "deploy"
MANIFESTS = tuple(sorted(path.name for path in DEPLOY.glob("ray*.yaml")))
KUBERNETES = "1.33"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def of_ray(name: str) -> dict[str, Any]:
    (found,) = (document for document in documents(name) if document["apiVersion"].startswith("ray.io/"))
    return found


def cluster_of(manifest: dict[str, Any]) -> dict[str, Any]:
    spec = manifest["spec"]
    cluster: dict[str, Any] = spec.get("rayClusterSpec") or spec["rayClusterConfig"]
    return cluster


def pods_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = cluster_of(manifest)
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}} | group["template"]
        for group in groups
    ]


def test_there_are_manifests() -> None:
    assert "rayjob.yaml" in MANIFESTS


@pytest.mark.parametrize("name", MANIFESTS)
def test_custom_resources_hold_known_fields(name: str) -> None:
    manifest = of_ray(name)
    jsonschema.validate(manifest, RESOURCES[manifest["kind"]])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("apiVersion",), "ray.io/v1alpha2"),
        (("spec", "entryPoint"), "concordat"),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 0, "maxReplicas"), "8"),
        (("spec", "rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "rayClusterSpec", "authOptions", "mode"), "yes"),
    ],
)
def test_the_schema_refuses_what_kuberay_would(place: tuple[Any, ...], value: Any) -> None:
    manifest = copy.deepcopy(of_ray("rayjob.yaml"))
    *parents, last = place
    branch: Any = manifest
    for part in parents:
        branch = branch[part]
    branch[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, RESOURCES["RayJob"])


@pytest.mark.parametrize("name", MANIFESTS)
def test_pods_and_other_objects_are_those_of_kubernetes(name: str) -> None:
    plain = [document for document in documents(name) if not document["apiVersion"].startswith("ray.io/")]
    for document in [*plain, *pods_of(of_ray(name))]:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_a_wrong_pod_is_refused() -> None:
    pod = pods_of(of_ray("rayjob.yaml"))[0]
    pod = copy.deepcopy(pod)
    pod["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", MANIFESTS)
def test_pods_are_no_root_and_mount_what_is_there(name: str) -> None:
    known = {d["metadata"]["name"] for d in documents(name)}
    for pod in pods_of(of_ray(name)):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for container in spec["containers"]:
            assert container["resources"]["limits"] == container["resources"]["requests"]
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        for volume in volumes.values():
            source = volume.get("persistentVolumeClaim", {}).get("claimName") or volume.get(
                "configMap", {}
            ).get("name")
            assert source in known


@pytest.mark.parametrize("name", MANIFESTS)
def test_clusters_want_a_token_of_a_ray_that_knows_it(name: str) -> None:
    cluster = cluster_of(of_ray(name))
    assert Version("2.52") <= Version(cluster["rayVersion"]) <= Version(version("ray"))
    assert cluster["authOptions"] == {"mode": "token"}
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_job_runs_settings_that_concordat_takes(tmp_path: Path) -> None:
    from cluster.config import load_config

    (settings,) = (d for d in documents("rayjob.yaml") if d["kind"] == "ConfigMap")
    file = tmp_path / "run.yaml"
    file.write_text(settings["data"]["run.yaml"], encoding="utf-8")
    config = load_config({}, file, environment={})
    assert len(config.plan_tables()) == 28
    assert config.out is not None
    script = settings["data"]["run.sh"]
    assert f"{config.out}/config.yaml" in script
    manifest = of_ray("rayjob.yaml")
    (mount,) = (
        mount
        for mount in pods_of(manifest)[0]["spec"]["containers"][0]["volumeMounts"]
        if mount["name"] == "settings"
    )
    assert manifest["spec"]["entrypoint"] == f"bash {mount['mountPath']}/run.sh"
    assert f"--config {mount['mountPath']}/run.yaml" in script
