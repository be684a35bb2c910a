"""Detectors by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from negotiation.errors import ModelError

if TYPE_CHECKING:
    from rewriter.vocabulary import Detector

BUNDLED = "bundled"
MODEL_PREFIX = "model:"


def load_detector(name: str = BUNDLED, *, num_threads: int | None = None) -> Detector:
    """The detector of this name.

    Args:
        name: ``bundled``; a folder that ``concordat train detector`` wrote; or ``model:`` with a language model as in
            ``agents.models.parse_model_argument``, e.g. ``model:openai:qwen@http://127.0.0.1:8000/v1``.
        num_threads: CPU threads of a local language model.

    Raises:
        ModelError: if there is none of this name, or it cannot be loaded.
    """
    if name.startswith(MODEL_PREFIX):
        from agents.models import load_model, parse_model_argument
        from rewriter.detector.judge import LanguageModelDetector

        argument = name.removeprefix(MODEL_PREFIX)
        settings: dict[str, int] = {}
        if num_threads is not None and not argument.startswith("openai:"):
            settings["num_threads"] = num_threads
        return LanguageModelDetector(load_model(parse_model_argument(argument, **settings)))
    from rewriter.detector.bundled import BundledDetector
    from rewriter.detector.weights import BUNDLED_DETECTOR, DetectorWeights

    if name == BUNDLED:
        return BundledDetector(DetectorWeights.load(BUNDLED_DETECTOR), name=BUNDLED)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ModelError(
            f"detector {name!r}: neither {BUNDLED!r}, nor a folder that 'concordat train detector' wrote, nor"
            f" {MODEL_PREFIX}MODEL"
        )
    return BundledDetector(DetectorWeights.load(folder), name=folder.name)
