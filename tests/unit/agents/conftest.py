"""A tiny random model with two adapters, made once per session."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.agents.tiny import TinyModel, save_adapter, save_model, save_tokenizer


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("tiny")
    tokenizer = save_tokenizer(root / "model")
    save_model(root / "model", len(tokenizer))
    adapters = {}
    for seed, name in enumerate(("east", "west"), start=1):
        # Loaded from its folder, so that the adapter names its base.
        save_adapter(root / name, AutoModelForCausalLM.from_pretrained(root / "model"), seed)
        adapters[name] = str(root / name)
    return TinyModel(root / "model", adapters)


@pytest.fixture(scope="session")
def tiny_model(tiny: TinyModel) -> Any:
    """The tiny model loaded, with both adapters."""
    from agents.models import TransformersConfig, load_model

    return load_model(
        TransformersConfig(path=str(tiny.path), adapters=tiny.adapters, device="cpu", max_batch=4)
    )
