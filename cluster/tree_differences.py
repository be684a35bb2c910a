"""Where two configuration trees differ, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two configuration trees differ, one line a field, ``old`` first.

    >>> differences({"seed": 0, "game": {"alpha": 0.5}}, {"seed": 0, "game": {"alpha": 0.7}})
    ['game.alpha: the run has 0.5, you ask for 0.7']
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(key for key in new if key not in old)]
        return [
            line
            for key in keys
            for line in differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line
            for k, pair in enumerate(zip(old, new, strict=True))
            for line in differences(*pair, f"{path}[{k}]")
        ]
    return [] if old == new else [f"{path}: the run has {_shown(old)}, you ask for {_shown(new)}"]


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
