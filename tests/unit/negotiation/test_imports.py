"""What importing the game costs: it must not load Ray, torch or transformers, in a fresh process."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import sys
import negotiation
for name in negotiation.__all__:
    getattr(negotiation, name)
import numpy as np
from negotiation.config import ExactConfig
game = negotiation.PolymatrixGame.from_bimatrix(np.eye(2), np.eye(2))
assert negotiation.solve(game, ExactConfig()).converged
print(sorted(set(sys.modules) & {"ray", "torch", "transformers"}))
"""


def test_the_game_loads_no_ray_torch_or_transformers():
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_public_names_exist():
    import negotiation

    for name in (
        "Guideline",
        "Pool",
        "Utility",
        "PolymatrixGame",
        "build_metagame",
        "GameConfig",
        "Solution",
        "solve",
    ):
        assert name in negotiation.__all__
        assert getattr(negotiation, name) is not None
