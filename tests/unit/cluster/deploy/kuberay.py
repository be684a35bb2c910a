"""What KubeRay's custom resources may hold, as JSON Schema: the fields of its API reference (ray.io/v1, KubeRay 1.5.1 to 1.7).

Pod templates are ``True`` here; they are checked against Kubernetes' own schema of a pod.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
YES_NO: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number", "minimum": 0}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
ANY: Schema = {"type": "object"}
ANY_LIST: Schema = {"type": "array"}


def _object(fields: dict[str, Schema], *required: str) -> Schema:
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


AUTOSCALER = _object(
    {
        "resources": ANY,
        "image": TEXT,
        "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        "securityContext": ANY,
        "idleTimeoutSeconds": COUNT,
        "upscalingMode": {"enum": ["Default", "Aggressive", "Conservative"]},
        "version": {"enum": ["v1", "v2"]},
        "env": ANY_LIST,
        "envFrom": ANY_LIST,
        "volumeMounts": ANY_LIST,
    }
)

HEAD = _object(
    {
        "template": ANY,
        "headService": ANY,
        "enableIngress": YES_NO,
        "resources": ANY,
        "labels": TEXTS,
        "rayStartParams": TEXTS,
        "serviceType": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    },
    "template",
)

WORKERS = _object(
    {
        "suspend": YES_NO,
        "groupName": TEXT,
        "replicas": COUNT,
        "minReplicas": COUNT,
        "maxReplicas": COUNT,
        "idleTimeoutSeconds": COUNT,
        "resources": ANY,
        "labels": TEXTS,
        "rayStartParams": TEXTS,
        "template": ANY,
        "scaleStrategy": _object({"workersToDelete": {"type": "array", "items": TEXT}}),
        "numOfHosts": {"type": "integer", "minimum": 1},
    },
    "groupName",
    "minReplicas",
    "maxReplicas",
    "template",
)

CLUSTER = _object(
    {
        "suspend": YES_NO,
        "managedBy": TEXT,
        "autoscalerOptions": AUTOSCALER,
        "authOptions": _object({"mode": {"enum": ["disabled", "token"]}, "secretName": TEXT}),
        "headServiceAnnotations": TEXTS,
        "enableInTreeAutoscaling": YES_NO,
        "gcsFaultToleranceOptions": ANY,
        "headGroupSpec": HEAD,
        "rayVersion": TEXT,
        "workerGroupSpecs": {"type": "array", "items": WORKERS},
    },
    "headGroupSpec",
)

JOB = _object(
    {
        "activeDeadlineSeconds": {"type": "integer", "minimum": 1},
        "backoffLimit": COUNT,
        "rayClusterSpec": CLUSTER,
        "submitterPodTemplate": ANY,
        "metadata": TEXTS,
        "clusterSelector": TEXTS,
        "submitterConfig": _object({"backoffLimit": COUNT}),
        "managedBy": TEXT,
        "deletionStrategy": ANY,
        "entrypoint": TEXT,
        "runtimeEnvYAML": TEXT,
        "jobId": TEXT,
        "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
        "entrypointResources": TEXT,
        "entrypointNumCpus": NUMBER,
        "entrypointNumGpus": NUMBER,
        "ttlSecondsAfterFinished": COUNT,
        "shutdownAfterJobFinishes": YES_NO,
        "suspend": YES_NO,
    },
    "entrypoint",
    "rayClusterSpec",
)

SERVICE = _object(
    {
        "serveService": ANY,
        "upgradeStrategy": _object({"type": {"enum": ["NewCluster", "None"]}}),
        "serveConfigV2": TEXT,
        "rayClusterConfig": CLUSTER,
        "excludeHeadPodFromServeSvc": YES_NO,
        "rayClusterDeletionDelaySeconds": COUNT,
    },
    "serveConfigV2",
    "rayClusterConfig",
)


def resource(kind: str, spec: Schema) -> Schema:
    """Schema of a whole manifest."""
    named = {
        "type": "object",
        "properties": {"name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,45}[a-z0-9])?$"}},
        "required": ["name"],
    }
    fields = {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": kind},
        "metadata": named,
        "spec": spec,
    }
    return _object(fields, "apiVersion", "kind", "metadata", "spec")


RESOURCES = {"RayJob": resource("RayJob", JOB), "RayService": resource("RayService", SERVICE)}
