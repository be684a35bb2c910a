"""The detector's card and figures, written beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from agents.values import SCHWARTZ_VALUES
from rewriter.detector.config import DetectorConfig

_TEMPLATE = Path(__file__).parent / "card.md.j2"


def write_card(config: DetectorConfig, figures: dict[str, Any]) -> Path:
    """Write ``figures.json`` and ``README.md`` into ``config.out``; returns the card."""
    figures_text = json.dumps(_rounded(figures), indent=1, allow_nan=False)
    (config.out / "figures.json").write_text(figures_text + "\n", encoding="utf-8")
    # Markdown for people, made of our own numbers: nothing to escape.
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters["two"] = lambda number: f"{number:.2f}"
    environment.filters["three"] = lambda number: f"{number:.3f}"
    weights = [config.out / name for name in ("model.safetensors", "vocabulary.json", "detector.json")]
    text = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        figures=figures,
        held=figures["held_out"],
        values=SCHWARTZ_VALUES,
        megabytes=sum(path.stat().st_size for path in weights) / 1e6,
    )
    card = config.out / "README.md"
    card.write_text(text, encoding="utf-8")
    return card


def _rounded(tree: Any) -> Any:
    """The figures to five decimals: more would be noise."""
    if isinstance(tree, float):
        return round(tree, 5)
    if isinstance(tree, dict):
        return {name: _rounded(branch) for name, branch in tree.items()}
    if isinstance(tree, list):
        return [_rounded(branch) for branch in tree]
    return tree
