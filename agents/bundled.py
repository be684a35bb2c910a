"""Where the bundled model lies: a small causal language model with one LoRA adapter per culture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from negotiation.errors import ModelError

if TYPE_CHECKING:
    from agents.models.config import BundledConfig, TransformersConfig

BUNDLED_ROOT = Path(__file__).parent / "data" / "bundled"


def bundled_model_path() -> Path:
    """Folder of the bundled model in transformers' format.

    Raises:
        ModelError: if it is not there.
    """
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (BUNDLED_ROOT / name).is_file():
            raise ModelError(
                f"the bundled model is missing: no file {BUNDLED_ROOT / name}; install the package again,"
                " train it with `concordat train bundle`, or give another model"
            )
    return BUNDLED_ROOT


def bundled_adapter_path(culture_id: str) -> Path:
    """Folder of a culture's adapter for the bundled model.

    Raises:
        ModelError: if there is none for this culture, naming those there are.
    """
    folder = BUNDLED_ROOT / "adapters" / culture_id
    if not (folder / "adapter_config.json").is_file():
        known = ", ".join(bundled_adapters()) or "none"
        raise ModelError(f"the bundled model has no adapter for culture {culture_id!r}; there are: {known}")
    return folder


def bundled_adapters() -> tuple[str, ...]:
    """Ids of the cultures that have a bundled adapter, sorted."""
    return tuple(sorted(path.parent.name for path in BUNDLED_ROOT.glob("adapters/*/adapter_config.json")))


def bundled_transformers_config(config: BundledConfig) -> TransformersConfig:
    """The bundled model as an ordinary transformers model: it takes the same code path as a large one."""
    from agents.models.config import TransformersConfig

    path = bundled_model_path()
    names = bundled_adapters() if config.adapters is None else config.adapters
    return TransformersConfig(
        path=str(path),
        adapters={name: str(bundled_adapter_path(name)) for name in names},
        **config.model_dump(exclude={"kind", "adapters"}),
    )
