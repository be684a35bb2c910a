"""A wider window for tiny models."""

from __future__ import annotations

import json
from pathlib import Path


def widen(folder: Path) -> None:
    """Give a tiny model a window that a culture's prompts fit into."""
    file = folder / "config.json"
    tree = json.loads(file.read_text()) | {"max_position_embeddings": 512}
    file.write_text(json.dumps(tree))
