"""Several nodes: actors spread over them, and a node that goes away takes nothing with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.chaos import undisturbed
from negotiation.storage import read_records

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_work_spreads_and_a_node_removed_on_the_way_is_survived(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.several_nodes", str(tmp_path / "run")]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["nodes"] == 4
    assert set(Counter(found["before"].values()).values()) == {1}  # four agents on four nodes
    assert 6 <= found["finished_then"] < found["finished"] == 48
    assert found["victim"] not in found["after"].values()
    undisturbed(tmp_path / "calm", 48)
    calm = {
        file.name: read_records(file)[0].digest() for file in (tmp_path / "calm" / "negotiations").iterdir()
    }
    assert found["digests"] == calm
