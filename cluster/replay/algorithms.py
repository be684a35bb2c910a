"""Other ways to solve meta-games, from a Python file.

The published algorithm is no part of the packages: it is written anew in a benchmark, to be measured, not to be used.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from negotiation.errors import ConfigurationError
from negotiation.replay import Algorithm

CHECKOUT_FILE = Path(__file__).parents[2] / "benchmarks" / "published_replay.py"
"""Where the published algorithm is in a source checkout; an installed wheel has none."""
NAME = "ALGORITHMS"


def load_algorithms(path: Path | None) -> Mapping[str, Algorithm]:
    """The mapping ``ALGORITHMS`` (name to algorithm, the published one first) of a file.

    Args:
        path: the file, which is run; that of the source checkout if None, and nothing where there is none.

    Raises:
        ConfigurationError: if the named file is missing, fails, or has no such mapping.
    """
    if path is None:
        if not CHECKOUT_FILE.is_file():
            return {}
        path = CHECKOUT_FILE
    if not path.is_file():
        raise ConfigurationError(f"--algorithms {path}: no such file; name a Python file that has {NAME}")
    found = getattr(_run(path), NAME, None)
    if not isinstance(found, Mapping) or not found or not all(callable(value) for value in found.values()):
        raise ConfigurationError(
            f"--algorithms {path}: {NAME} is {type(found).__name__}; it must map names to functions from games to weights"
        )
    return {str(name): algorithm for name, algorithm in found.items()}


def _run(path: Path) -> ModuleType:
    name = f"_concordat_algorithms_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"--algorithms {path}: not a Python file; it must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the file is the user's and may raise anything
        raise ConfigurationError(f"--algorithms {path}: {type(error).__name__}: {error}") from error
    return module
