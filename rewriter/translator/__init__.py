"""Translators: from an instruction in plain words to a shift over the ten values."""

from __future__ import annotations

from agents.models.config import ModelConfig, load_model, parse_model_argument
from rewriter.vocabulary import Translator

BUNDLED = "bundled"
"""Name of the translator that ships: word lists and a sentence embedder."""


def load_translator(name: str | ModelConfig = BUNDLED, *, num_threads: int | None = None) -> Translator:
    """The translator of this name.

    Args:
        name: ``"bundled"``, or a language model as ``--model`` names it, or its configuration.
        num_threads: CPU threads of the bundled one's embedder, for the whole process; None leaves them.

    Raises:
        ModelError: if the model cannot be loaded as configured. The bundled translator loads its embedder when an instruction
            first needs it.
    """
    if name == BUNDLED:
        from rewriter.translator.bundled import BundledTranslator

        return BundledTranslator(num_threads=num_threads)
    from rewriter.translator.language_model import LanguageModelTranslator

    config = parse_model_argument(name) if isinstance(name, str) else name
    return LanguageModelTranslator(load_model(config))


__all__ = ["BUNDLED", "load_translator"]
