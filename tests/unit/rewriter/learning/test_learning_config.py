"""Settings of learning."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from rewriter.learning.config import DPOConfig, GRPOConfig, LearningConfig, SFTConfig, SimPOConfig

ADAPTER: TypeAdapter[Any] = TypeAdapter(LearningConfig)


@pytest.mark.parametrize("kind", [GRPOConfig, SFTConfig, DPOConfig, SimPOConfig])
def test_the_method_tells_the_settings(kind: type[Any]) -> None:
    assert ADAPTER.validate_python(kind().model_dump(mode="json")) == kind()
    assert all(field.description or name == "method" for name, field in kind.model_fields.items())


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "ppo"},
        {"method": "sft", "group": 4},
        {"method": "grpo", "epsilon_low": 1.0},
        {"method": "grpo", "importance_bound": 0.5},
        {"method": "grpo", "reward": {"value": "angle"}},
        {"method": "simpo", "beta": 0},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(wrong)


def test_settings_and_vocabulary_load_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, rewriter.learning.config, rewriter.learning.vocabulary;"
        "print({'torch', 'transformers', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
