"""The bundled translator on instructions that its phrases were not made for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from agents.values import SCHWARTZ_VALUES
from negotiation.errors import TargetError
from rewriter.translator import load_translator
from rewriter.translator.bundled import BundledTranslator
from rewriter.vocabulary import Shift

INSTRUCTIONS = Path(__file__).parent / "instructions.yaml"


@pytest.fixture(scope="module")
def translator() -> BundledTranslator:
    found = load_translator(num_threads=1)
    assert isinstance(found, BundledTranslator)
    return found


def signs(shift: Shift) -> dict[str, int]:
    """The values that the explanation tells of, with the sign of their movement."""
    told = [line.split()[0] for line in shift.explanation if not line.startswith("not understood")]
    moved = dict(zip(SCHWARTZ_VALUES, shift.values, strict=True))
    return {name: (moved[name] > 0) - (moved[name] < 0) for name in told}


def test_unseen_instructions_are_read_right(translator):
    rows = yaml.safe_load(INSTRUCTIONS.read_text())
    assert len(rows) >= 60
    wanted = found = right = spurious = 0
    wrong = []
    for row in rows:
        try:
            read = signs(translator.translate([row["say"]])[0])
        except TargetError:
            read = {}
        asked = row["asks"]
        wanted += len(asked)
        found += sum(name in read for name in asked)
        right += sum(read.get(name) == sign for name, sign in asked.items())
        spurious += len(read.keys() - asked.keys())
        if read != asked:
            wrong.append(f"{row['say']}: {read}")
    print(
        f"of {wanted} values asked {found} found, {right} with their sign; {spurious} not asked for",
        *wrong,
        sep="\n",
    )
    # Measured when written: 93% found, 85% with their sign, 10 not asked for.
    assert found / wanted >= 0.88, wrong
    assert right / wanted >= 0.8, wrong
    assert spurious <= 14, wrong


def test_the_explanation_tells_what_was_read(translator):
    shift = translator.translate(["more tradition, kinder to strangers, shorter sentences, keep security"])[0]
    assert shift.values[SCHWARTZ_VALUES.index("Tradition")] == 0.5
    assert shift.explanation[0] == "Security kept: read in 'keep security' ('security' names it)"
    assert shift.explanation[1] == "Tradition +0.50: read in 'more tradition' ('tradition' names it)"
    assert shift.explanation[2].startswith("Universalism +0.50: read in 'kinder to strangers' (near")
    assert shift.explanation[3] == "not understood: 'shorter sentences'"


@pytest.mark.parametrize("text", ["", "use shorter sentences", "more, please", "translate into French"])
def test_nothing_found_names_the_ten(translator, text):
    with pytest.raises(TargetError, match=r"no value is found.*Self-Direction.*Universalism"):
        translator.translate([text])


def test_a_contradiction_is_refused(translator):
    with pytest.raises(TargetError, match="contradicts itself about Power"):
        translator.translate(["more power but less status"])


def test_the_farthest_of_two_counts(translator):
    assert translator.translate(["a little less power, no status"])[0].values[4] == -1.0


def test_an_instruction_reads_the_same_in_any_company(translator):
    texts = ["kinder to strangers", "more tradition", "help your neighbours more"]
    assert translator.translate(texts) == [translator.translate([text])[0] for text in texts]
