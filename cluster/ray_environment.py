"""Environment variables that Ray reads while it is imported; to be set before that."""

from __future__ import annotations

import os
import secrets
import sys

JOB_VARIABLE, JOB_ADDRESS = "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_ADDRESS"
"""What Ray sets for the command of a job: a sign that it is one, and the cluster that runs it."""


def job_address() -> str | None:
    """The cluster that this process is a job of; None if it is no job.

    A job computes on the cluster that it was given to, so that the same command line does on a laptop and in a job.
    """
    return os.environ.get(JOB_ADDRESS) if JOB_VARIABLE in os.environ else None


def prepare_ray(address: str | None = None) -> None:
    """Make Ray quiet, and a local cluster closed to others.

    A local cluster listens on all interfaces, so it gets a token of its own that only its processes know. For a
    cluster by address, or if ``RAY_AUTH_MODE`` is set, the environment says how to authenticate. Nothing happens
    if Ray is imported already, since it would not notice.
    """
    if "ray" in sys.modules:
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray runs workers at a low priority (nice 15); here they do the work that a person waits for.
    os.environ.setdefault("RAY_worker_niceness", "0")
    if (address or job_address()) is None and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
