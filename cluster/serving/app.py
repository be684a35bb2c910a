"""The Ray Serve application: ``cluster.serving.app:build``.

    serve run cluster.serving.app:build run=runs/first

See ``cluster.serving.config`` for its arguments and docs/serving.md for a configuration file.
"""

# No postponed annotations here: Ray reads the builder's, and takes a text for no type.

import logging
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from cluster.ray_backend import QUIET_THREADS
from cluster.serving.config import ScaleConfig, ServeConfig
from cluster.serving.core import Core
from cluster.serving.hosts import loadable
from cluster.serving.keys import Doorkeeper, load_keys
from cluster.serving.meters import Meters
from cluster.serving.policies import PolicyStore
from cluster.serving.replicas import (
    ModelReplica,
    NegotiationReplica,
    RayServices,
    ReadingReplica,
    use_serve_log,
)

logger = logging.getLogger(__name__)

HEALTH_S = 5.0
"""How often Ray asks replicas whether they live."""

MOST_ONGOING = 1_000
"""Requests that Ray lets into a replica; the server's own bound is reached first, and is told in its own form."""


class Api:
    """A replica of the HTTP API.

    Args:
        config: of the server.
        model: deployment of the base model.
        readers: what reads and rewrites.
        negotiations: what negotiates.
    """

    def __init__(
        self,
        config: ServeConfig,
        model: DeploymentHandle,
        readers: DeploymentHandle,
        negotiations: DeploymentHandle,
    ) -> None:
        use_serve_log()
        self.core = Core(config, RayServices(config, model, readers, negotiations))
        self.meters = Meters("api")

    async def drain(self) -> int:
        """Take no more requests; how many are still at work."""
        self.core.draining = True
        return self.core.busy + self.core.following


def _me() -> Api:
    found: Api = serve.get_replica_context().servable_object
    return found


def build(args: ServeConfig) -> Application:
    """The application for a configuration.

    Raises:
        RunError: if the run has no policies.
        ConfigurationError: if keys or prompts cannot be read, or a model is missing.
    """
    config = args.model_copy(update={"run": args.run.expanduser().resolve()})
    PolicyStore(config.run, config.policies)  # what is wrong is told before anything starts
    keys = load_keys(config.api_keys)

    def http() -> Any:
        from cluster.serving.http import make_app

        doorkeeper = Doorkeeper(load_keys(config.api_keys) or keys, config.limits.requests_per_minute)
        return make_app(config, lambda: _me().core, lambda: doorkeeper, lambda: _me().meters, gives_ids=False)

    base, other = loadable(config)
    model = _deployment(ModelReplica, "Model", config.models, config).bind(base, config)
    if other is None:
        rewriting, adapter = model, base.rewriter
    else:
        rewriting = _deployment(ModelReplica, "RewriterModel", config.models, config).bind(other, config)
        adapter = other.rewriter
    readers = _deployment(ReadingReplica, "Readers", config.readers, config).bind(config, rewriting, adapter)
    single = ScaleConfig(cpus=0.1)
    negotiations = _deployment(NegotiationReplica, "Negotiations", single, config).bind(
        config, model, readers
    )
    api = _deployment(serve.ingress(http)(Api), "Api", config.api, config)
    return api.bind(config, model, readers, negotiations)


def _deployment(kind: Any, name: str, scale: ScaleConfig, config: ServeConfig) -> Any:
    settings: dict[str, Any] = {"num_replicas": scale.min_replicas}
    if scale.max_replicas > scale.min_replicas:
        settings = {
            "autoscaling_config": {
                "min_replicas": scale.min_replicas,
                "max_replicas": scale.max_replicas,
                "target_ongoing_requests": scale.target_ongoing,
            }
        }
    return serve.deployment(
        kind,
        name=name,
        ray_actor_options={
            "num_cpus": scale.cpus,
            "num_gpus": scale.gpus,
            "runtime_env": {"env_vars": {**QUIET_THREADS, "RAY_SERVE_LOG_TO_STDERR": "0"}},
        },
        max_ongoing_requests=MOST_ONGOING,
        health_check_period_s=HEALTH_S,
        graceful_shutdown_timeout_s=config.limits.drain_s,
        graceful_shutdown_wait_loop_s=0.5,
        **settings,
    )
