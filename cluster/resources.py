"""What a run may use of a cluster: actors, their places, how calls are sent, and what is done about those that fail."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ResourcesConfig(BaseModel):
    """What actors get; says nothing about results."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    actor_cpus: float | None = Field(
        None,
        gt=0,
        le=1024,
        description="CPUs of an actor; none: an equal part of what the cluster has, at most 1",
    )
    actor_gpus: float | None = Field(
        None,
        ge=0,
        le=64,
        description="GPUs of a culture's actor; none: an equal part of what there is, 0 without GPU",
    )
    threads: int = Field(
        1, ge=1, le=256, description="threads that a model's arithmetic uses, in an actor and with --serial"
    )
    embedders: int = Field(
        2,
        ge=1,
        le=64,
        description="embedder actors; they share a batch's texts, each text is embedded by itself",
    )
    cluster_cpus: int | None = Field(
        None, ge=1, description="CPUs of a local Ray cluster; none: those of the machine"
    )
    object_store_bytes: int = Field(
        150_000_000,
        ge=80_000_000,
        description="object store of a local Ray cluster, bytes; batches of text are small",
    )
    start_timeout_s: float = Field(
        600.0, gt=0, description="how long actors may take to load their models, seconds"
    )
    restarts: int = Field(
        3,
        ge=0,
        description="how often in a row a dead actor is started again, or a batch that lost its actor is repeated",
    )
    sharing: Literal["culture", "base"] = Field(
        "culture",
        description="what an actor holds: 'culture', the model with one culture's adapter; 'base', the model once with the"
        " adapters of all cultures, mixed in a batch",
    )
    replicas: int = Field(
        1,
        ge=1,
        le=4096,
        description="actors of each culture, or of the shared model; calls go to the least busy",
    )
    placement: Literal["none", "pack", "spread", "strict-pack", "strict-spread"] = Field(
        "none",
        description="the placement group of a culture's (or the shared model's) actors: 'pack' on few nodes, 'spread' over many,"
        " 'strict-' or not at all; 'none': Ray places each by itself",
    )
    schedule: Literal["lockstep", "flow"] = Field(
        "lockstep",
        description="how calls are sent: 'lockstep', all negotiations together, so that batches and with them records are the"
        " same each time; 'flow', each as soon as an actor is free, for runs over many actors",
    )
    hosts: int = Field(
        0,
        ge=0,
        le=4096,
        description="with 'flow': actors that hold the negotiations and write their records; 0: this process does",
    )
    host_cpus: float = Field(1.0, ge=0, le=1024, description="CPUs of a host")
    batch_requests: int = Field(
        32, ge=1, le=65_536, description="with 'flow': most requests that are sent to an actor together"
    )
    ahead: int = Field(
        2,
        ge=1,
        le=64,
        description="with 'flow': batches at an actor at once, the one that it computes and those that wait there",
    )
    call_timeout_s: float = Field(
        3600.0,
        gt=0,
        description="a batch that takes longer is given up, its actor killed and the batch repeated; also a negotiation at a host"
        " that shows no progress for so long",
    )
    tries: int = Field(
        3,
        ge=1,
        le=100,
        description="a negotiation that failed so often in a session is left out of it, the run goes on",
    )
