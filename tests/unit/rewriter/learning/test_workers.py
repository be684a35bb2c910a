"""Two workers learn what one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.rewriter.learning.workers import learn

ROOT = Path(__file__).parents[4]


def test_two_workers_learn_what_one_does(base: Any, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    script = str(Path(__file__).parent / "workers.py")
    started = [
        subprocess.Popen(
            [sys.executable, script, str(rank), str(tmp_path), base.path],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in started:
        _, told = process.communicate(timeout=200)
        assert process.returncode == 0, told
    alone, weights = learn(base, None, 0, 1)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert found[0] == found[1]
    assert [one.get("skipped") for one in found[0][:3]] == [False, True, False]
    for one, other in zip(found[0], alone, strict=True):
        assert one["tokens"] == other["tokens"]
        assert one.get("rewards") == pytest.approx(other.get("rewards"))
        if one["loss"] is not None:
            assert one["loss"] == pytest.approx(other["loss"], abs=1e-4)
            assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-3)
    with np.load(tmp_path / "0.npz") as first, np.load(tmp_path / "1.npz") as second:
        for name, weight in weights.items():
            assert np.array_equal(first[name], second[name])
            np.testing.assert_allclose(first[name], weight, atol=2e-3)
