"""The manifests of Kubernetes hold what Kubernetes, KubeRay, Ray Serve and Concordat take."""

from __future__ import annotations

import copy
import re
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


def sources_of(volume: dict[str, Any]) -> list[str]:
    """Names of the objects that a volume is made from."""
    keys = (("persistentVolumeClaim", "claimName"), ("configMap", "name"), ("secret", "secretName"))
    return [volume[kind][key] for kind, key in keys if kind in volume]


def test_there_are_manifests() -> None:
    assert MANIFESTS == ("rayjob.yaml", "rayservice.yaml")


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
    text = (DEPLOY / name).read_text(encoding="utf-8")
    by_hand = set(re.findall(r"kubectl create secret generic ([a-z-]+)", text))
    known = {d["metadata"]["name"] for manifest in MANIFESTS for d in documents(manifest)} | by_hand
    for pod in pods_of(of_ray(name)):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for container in spec["containers"]:
            assert container["resources"]["limits"] == container["resources"]["requests"]
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        assert {name for volume in volumes.values() for name in sources_of(volume)} <= known


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
    (workers,) = cluster_of(of_ray("rayjob.yaml"))["workerGroupSpecs"]
    assert config.resources.replicas * (config.resources.actor_gpus or 0) <= workers["maxReplicas"]
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


def test_the_service_is_what_ray_serve_and_the_server_take() -> None:
    from ray.serve.schema import ServeDeploySchema

    from cluster.serving.config import ServeConfig

    manifest = of_ray("rayservice.yaml")
    deploy = ServeDeploySchema.model_validate(yaml.safe_load(manifest["spec"]["serveConfigV2"]))
    (application,) = deploy.applications
    assert application.import_path == "cluster.serving.app:build"
    settings = ServeConfig.model_validate(application.args)
    head, worker = pods_of(manifest)
    ports = {port["name"]: port["containerPort"] for port in head["spec"]["containers"][0]["ports"]}
    assert ports["serve"] == deploy.http_options.port
    has = worker["spec"]["containers"][0]["resources"]["limits"]
    assert settings.models.gpus <= int(has["nvidia.com/gpu"])
    # One replica of each part fits on the least pod that is always there.
    assert settings.models.cpus + settings.readers.cpus + settings.api.cpus <= int(has["cpu"])
    mounted = {mount["mountPath"] for mount in worker["spec"]["containers"][0]["volumeMounts"]}
    for path in (settings.run, settings.api_keys):
        assert path is not None
        assert any(path.is_relative_to(mount) for mount in mounted)
