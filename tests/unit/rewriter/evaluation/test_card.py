"""The card beside the bundled rewriter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from negotiation.errors import ConfigurationError
from rewriter.evaluation.card import write_card


def evaluation() -> dict[str, Any]:
    figure = {"estimate": 0.5, "low": 0.4, "high": 0.61, "units": 38, "level": 0.95}
    rows = [
        {"method": "grpo", "sizes": None, "requests": 20, "blank": 0, "figures": {"success": figure}},
        {"method": "grpo", "sizes": [0.8, 1.2], "requests": 9, "blank": 0, "figures": {"success": figure}},
        {"method": "copy", "sizes": None, "requests": 20, "blank": 0, "figures": {}},
    ]
    return {"rows": rows, "requests": 20, "topics": 9, "detectors": ["words", "ridge"], "judge": "matching"}


def test_the_card_holds_the_figures_over_all_requests(tmp_path: Path) -> None:
    card = write_card(tmp_path, evaluation(), "grpo", "Three hundred steps.").read_text()
    assert "| grpo | - | - | - | 0.500 [0.40, 0.61] | - | - | - | - |\n| copy | - |" in card
    assert "20 requests on 9 held-out topics" in card
    assert "This adapter is `grpo`" in card
    assert "lengths from 0.8 to 1.2" in card
    assert "(`ridge`)" in card
    assert json.loads((tmp_path / "figures.json").read_text()) == evaluation()


def test_a_method_that_was_not_measured_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no method 'dpo'; it has grpo, copy"):
        write_card(tmp_path, evaluation(), "dpo", "")
