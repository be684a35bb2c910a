"""Fixtures for all tests."""

from __future__ import annotations

import os

# Several processes share few cores here, and threads that spin while they wait slow all of them down.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Ray reads these when it is imported. Test clusters are thrown away, and need no token.
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
