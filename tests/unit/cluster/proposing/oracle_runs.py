"""Run folders of scripted negotiations in the plane."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from cluster.config import load_config
from cluster.runfolder import RunFolder
from negotiation.oracle import negotiation_id
from negotiation.topic import Topic
from tests.unit.rewriter.proposing.examples import PLAYERS, record


def a_run(path: Path, topics: int = 5, **settings: Any) -> Path:
    """A finished run of two cultures on so many topics; each has two rounds."""
    names = [f"t{number}" for number in range(topics)]
    flags = {
        "cultures": list(PLAYERS[:2]),
        "topics": [{"id": name, "text": f"Question {name}?"} for name in names],
    }
    config = load_config(flags | settings, environment={})
    made, _ = record((0, 100), ({1: [30], 2: [50]}, {1: [80]}))
    with RunFolder(path, config.tree()) as folder:
        for name in names:
            topic = Topic(name, f"Question {name}?")
            key = negotiation_id(name, made.players, made.seed)
            folder.write_record(dataclasses.replace(made, topic=topic, negotiation_id=key))
    return path
