"""Aims: ten numbers, instructions, cultures and consensus policies become targets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.cultures import load_cultures
from negotiation.errors import ConfigurationError, CultureError, TargetError
from rewriter.targets import (
    Absolute,
    CultureAim,
    InstructionAim,
    PolicyAim,
    VectorAim,
    contrast_scale,
    culture_scale,
    read_vector,
    resolve,
)
from rewriter.vocabulary import Shift, ValueReading

ZERO = (0.0,) * 10


class WordDetector:
    """Each text is read as the number in it, on every value."""

    name = "words"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        self.texts += texts
        return [ValueReading((float(text.split()[-1]),) * 10, 1.0) for text in texts]


class OneShift:
    """Reads the same in every instruction."""

    name = "one"

    def translate(self, instructions: Sequence[str]) -> list[Shift]:
        return [Shift((1.0, -2.0, *ZERO[2:]), ("read",)) for _ in instructions]


def side(culture: str, statement: str, *pool: tuple[float, str]) -> dict[str, Any]:
    guidelines = [{"id": str(k), "weight": weight, "content": text} for k, (weight, text) in enumerate(pool)]
    return {"culture": culture, "statement": statement, "pool": guidelines, "payoff": 1.0}


def policy(path: Path, topic: str = "duty", **changes: Any) -> Path:
    tree = {
        "policy_version": 1,
        "negotiation_id": f"{topic}--english-speaking--confucian",
        "topic": {"id": topic, "text": "Should voting be a duty?"},
        "players": [
            side("english-speaking", "said 0.8", (0.75, "held 0.4"), (0.25, "held -0.4"), (0.0, "unheld 1")),
            side("confucian", "said -0.2", (1.0, "held 0.2")),
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree | changes))
    return path


def test_numbers_are_a_place():
    wanted = resolve(read_vector("0, 0,0,0,-0.5,0,0,1,0,0"))
    assert wanted.target((0.9,) * 10) == (0.0, 0.0, 0.0, 0.0, -0.5, 0.0, 0.0, 1.0, 0.0, 0.0)


def test_strength_is_the_share_of_the_way():
    assert resolve(VectorAim((1.0,) * 10), 0.25).target((0.2,) * 10) == pytest.approx((0.4,) * 10)
    shifted = resolve(InstructionAim("x"), 0.5, translator=OneShift())
    assert shifted.target(ZERO)[:3] == (0.5, -1.0, 0.0)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("0,0", "2 numbers"),
        ("0,0,0,0,0,0,0,0,0,1.5", "Universalism is 1.5"),
        ("0,0,0,0,0,0,0,0,0,much", "'much' is no number"),
        ("0,0,0,0,0,0,0,0,0,nan", "nan"),
        ("", "is no number"),
    ],
)
def test_wrong_numbers_are_told(text, part):
    with pytest.raises(TargetError, match=part):
        read_vector(text)


@pytest.mark.parametrize("strength", [0.0, -1.0, 1.01, float("nan")])
def test_a_strength_out_of_range_is_told(strength):
    with pytest.raises(TargetError, match="strength is"):
        resolve(VectorAim(ZERO), strength)


def test_a_culture_is_its_profile_on_the_scale_of_texts():
    for culture in load_cultures():
        assert culture.profile is not None
        wanted = resolve(CultureAim(culture.name))
        assert isinstance(wanted, Absolute)
        np.testing.assert_allclose(wanted.values, culture.profile.vector / culture_scale())
    strongest = max(abs(value) for one in load_cultures() for value in resolve(CultureAim(one.id)).values)
    assert strongest == 1.0


def test_contrasts_tell_cultures_apart():
    shifts = [resolve(CultureAim(culture.id, contrast=True)) for culture in load_cultures()]
    assert all(isinstance(shift, Shift) for shift in shifts)
    table = np.array([shift.values for shift in shifts])
    np.testing.assert_allclose(table.mean(axis=0), 0.0, atol=1e-12)
    assert np.abs(table).max() == pytest.approx(1.0)
    assert contrast_scale() < culture_scale()


def test_a_country_has_values_too():
    assert resolve(CultureAim("jpn")).explanation[0] == "values of jpn"
    with pytest.raises(CultureError, match="unknown culture 'atlantis'"):
        resolve(CultureAim("atlantis"))


def test_a_policy_is_its_statements_and_weighted_guidelines(tmp_path):
    detector = WordDetector()
    wanted = resolve(PolicyAim(policy(tmp_path / "p.json")), detector=detector)
    # (0.5 * 0.8 + 0.5 * (0.75 * 0.4 - 0.25 * 0.4) + 0.5 * -0.2 + 0.5 * 0.2) / 2
    assert wanted.values == pytest.approx((0.25,) * 10)
    assert "unheld 1" not in detector.texts
    assert "english-speaking and confucian" in wanted.explanation[1]


def test_one_side_of_a_policy(tmp_path):
    wanted = resolve(PolicyAim(policy(tmp_path / "p.json"), culture="Confucian"), detector=WordDetector())
    assert wanted.values == pytest.approx(ZERO)
    with pytest.raises(CultureError, match="no side 'latin-america'"):
        resolve(PolicyAim(tmp_path / "p.json", culture="latin-america"), detector=WordDetector())


def test_a_run_with_several_negotiations_wants_a_choice(tmp_path):
    policy(tmp_path / "policies" / "a.json")
    assert resolve(PolicyAim(tmp_path), detector=WordDetector()).values[0] == pytest.approx(0.25)
    policy(tmp_path / "policies" / "b.json", "dress")
    with pytest.raises(ConfigurationError, match="choose one negotiation of: duty--"):
        resolve(PolicyAim(tmp_path), detector=WordDetector())
    assert resolve(PolicyAim(tmp_path, "dress"), detector=WordDetector()).values[0] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"policy_version": 2}, "policy_version"),
        ({"players": []}, "players"),
        ({"players": [side("confucian", "said 0", (0.0, "held 0"))]}, "no weighted guideline"),
        ({"players": [side("confucian", "said 0", (-1.0, "held 0"))]}, "weight"),
    ],
)
def test_a_damaged_policy_is_told(tmp_path, changes, part):
    with pytest.raises(ConfigurationError, match=part):
        resolve(PolicyAim(policy(tmp_path / "p.json", **changes)), detector=WordDetector())


def test_no_policy_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.json: No such file"):
        resolve(PolicyAim(tmp_path / "none.json"), detector=WordDetector())
    with pytest.raises(ConfigurationError, match="no policies in this folder"):
        resolve(PolicyAim(tmp_path), detector=WordDetector())
    (tmp_path / "odd.json").write_text("{")
    with pytest.raises(ConfigurationError, match="no JSON"):
        resolve(PolicyAim(tmp_path / "odd.json"), detector=WordDetector())
