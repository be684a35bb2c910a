"""The model card: data, size, training, measured figures and limits, written beside the weights."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, StrictUndefined

from agents.bundle.config import BundleConfig
from agents.bundle.corpus import Corpus

_TEMPLATE = Path(__file__).parent / "card.md.j2"


def write_card(config: BundleConfig, corpus: Corpus, figures: dict[str, Any]) -> Path:
    """Write ``README.md`` and ``figures.json`` into ``config.out``."""
    seconds = figures["training_s"]
    weights = list(config.out.glob("**/*.safetensors"))
    # Markdown for people, made of our own numbers: nothing to escape.
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701
    text = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        config=config,
        shape=config.shape,
        corpus=corpus,
        figures=figures,
        parameters=(config.out / "model.safetensors").stat().st_size / 2,
        megabytes=sum(path.stat().st_size for path in weights) / 1e6,
        topics={
            "training": len({example.topic_id for example in corpus.training}),
            "validation": len({example.topic_id for example in corpus.validation}),
        },
        hours={
            "base": seconds.get("base", 0.0) / 3600,
            "adapters": sum(value for stage, value in seconds.items() if stage != "base") / 3600,
        },
        machine=_machine(config),
    )
    (config.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    card = config.out / "README.md"
    card.write_text(text, encoding="utf-8")
    return card


def _machine(config: BundleConfig) -> str:
    if config.device != "cpu" and torch.cuda.is_available():
        return f"one {torch.cuda.get_device_name()}"
    return f"{torch.get_num_threads()} CPU thread{'s' * (torch.get_num_threads() > 1)} ({platform.machine()})"
