"""A tiny model with a window that holds the rewriter's prompt, and short prompts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.agents.tiny import save_model, save_tokenizer

PROMPTS = {
    "name": "short",
    "version": 1,
    "system": "Rewrite.",
    "user": "{source} {values}",
    "value": "{name}{number}{degree}{change}",
    "degrees": [[-1.0, "a"]],
    "changes": [[-2.0, "b"]],
}


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny model as a base for adapters."""
    from agents.models import TransformersConfig
    from agents.tuning.adapter import Base

    folder = tmp_path_factory.mktemp("learning") / "model"
    tokenizer = save_tokenizer(folder)
    save_model(folder, len(tokenizer))
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"max_position_embeddings": 512}))
    return Base.of(TransformersConfig(path=str(folder), device="cpu"))


@pytest.fixture
def make_policy(base: Any) -> Callable[..., Any]:
    """Makes policies; ``stirred`` gives an adapter that changes something."""

    def make(stirred: float = 0.0, **settings: Any) -> Any:
        import torch

        from rewriter.learning.policy import Policy
        from rewriter.prompts import RewritePrompts

        prompts = RewritePrompts.model_validate(PROMPTS)
        policy = Policy(
            base, torch.device("cpu"), **{"rank": 4, "precision": "float32", "prompts": prompts} | settings
        )
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in policy.parameters.values():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=stirred)
        return policy

    return make
