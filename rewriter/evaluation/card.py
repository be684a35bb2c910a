"""The bundled rewriter's card: data, training, measured figures and limits, written beside the adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from negotiation.errors import ConfigurationError
from rewriter.evaluation.measures import SUCCESS_CONSISTENCY, SUCCESS_L2

_TEMPLATE = Path(__file__).parent / "card.md.j2"

FIGURES, CARD = "figures.json", "README.md"
"""What is written."""


def write_card(folder: Path, evaluation: Mapping[str, Any], chosen: str, training: str) -> Path:
    """Write ``figures.json`` and ``README.md``.

    Args:
        folder: that receives them.
        evaluation: what ``concordat evaluate rewriter`` kept as evaluation.json.
        chosen: the method in it whose adapter ships.
        training: how it was trained, in Markdown.

    Raises:
        ConfigurationError: if the evaluation has no such method.
    """
    from jinja2 import Environment, StrictUndefined

    rows = [row for row in evaluation["rows"] if row["sizes"] is None]
    if chosen not in {row["method"] for row in rows}:
        known = ", ".join(row["method"] for row in rows)
        raise ConfigurationError(f"the evaluation has no method {chosen!r}; it has {known}")
    bounds = [bound for row in evaluation["rows"] for bound in row["sizes"] or ()]
    # Markdown for people, made of our own numbers: nothing to escape.
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    text = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        rows=rows,
        cell=_cell,
        chosen=chosen,
        training=training.strip(),
        requests=evaluation["requests"],
        topics=evaluation["topics"],
        detectors=evaluation["detectors"],
        judge=evaluation["judge"],
        sizes=sorted(set(bounds)) or ["-"],
        l2=SUCCESS_L2,
        bound=SUCCESS_CONSISTENCY,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FIGURES).write_text(json.dumps(evaluation, indent=1) + "\n", encoding="utf-8")
    (folder / CARD).write_text(text, encoding="utf-8")
    return folder / CARD


def _cell(row: Mapping[str, Any], name: str) -> str:
    figure = row["figures"].get(name)
    if figure is None:
        return "-"
    return f"{figure['estimate']:.3f} [{figure['low']:.2f}, {figure['high']:.2f}]"
