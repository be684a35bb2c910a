"""Clauses: which way, how far, and of which named values."""

from __future__ import annotations

import pytest

from agents.values import SCHWARTZ_VALUES
from negotiation.errors import ConfigurationError
from rewriter.translator.clauses import read_clauses
from rewriter.translator.lexicon import load_lexicon

KEEP = "keep"


def read(text: str) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for clause in read_clauses(text, load_lexicon()):
        for one in clause.named:
            found[SCHWARTZ_VALUES[one.value]] = KEEP if one.asking.keeps else one.asking.movement
    return found


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("more tradition", {"Tradition": 0.5}),
        ("tradition", {"Tradition": 0.5}),
        ("a little less stimulation", {"Stimulation": -0.25}),
        ("much less about power and do not touch security", {"Power": -0.9, "Security": KEEP}),
        ("no power", {"Power": -1.0}),
        ("strongly against power", {"Power": -1.5}),  # 1.0 * 0.9 / 0.5, bounded
        ("less power, status and wealth", {"Power": -0.5}),
        ("more tradition, security and benevolence", dict.fromkeys(("Tradition", "Security", "Benevolence"), 0.5)),
        ("more tradition and less power", {"Tradition": 0.5, "Power": -0.5}),
        ("tradition over ambition", {"Tradition": 0.5, "Achievement": -0.5}),
        ("tradition instead of fun", {"Tradition": 0.5, "Hedonism": -1.0}),
        ("do not emphasise power", {"Power": -0.5}),
        ("not against tradition", {"Tradition": KEEP}),
        ("not less tradition", {"Tradition": KEEP}),
        ("no less tradition", {"Tradition": KEEP}),
        ("no longer tradition", {"Tradition": -1.0}),
        ("not so much fun", {"Hedonism": -0.4}),
        ("without boring parts", {"Stimulation": 1.0}),  # no contrary
        ("less rebellious", {"Conformity": 0.5}),
        ("tradition a little less", {"Tradition": -0.25}),
        ("security unchanged", {"Security": KEEP}),
        ("keep security as it is but far more equality", {"Security": KEEP, "Universalism": 0.9}),
        ("less praise for power", {"Power": -0.5}),
        ("don\u2019t touch security", {"Security": KEEP}),
        ("universalism up, achievement down a bit", {"Universalism": 0.5, "Achievement": -0.25}),
        ("neither more nor less tradition, clearly more freedom", {"Tradition": KEEP, "Self-Direction": 0.7}),
        ("MORE Law and Order", {"Security": 0.5}),
    ],
)  # fmt: skip
def test_named_values(text, asked):
    assert read(text) == {
        name: pytest.approx(movement) if movement != KEEP else KEEP for name, movement in asked.items()
    }


def test_a_longer_clause_does_not_inherit_a_direction():
    (first, second) = read_clauses("no fun, speak of help among poor neighbours", load_lexicon())
    assert first.named[0].asking.movement == -1.0
    assert second.rest == "speak of help among poor neighbours"  # the verb may carry meaning, so it stays
    assert second.asking.movement == 0.5


def test_nothing_but_direction_is_no_clause():
    assert read_clauses("more, much more; please ...", load_lexicon()) == []


def test_every_name_is_read_as_its_value():
    lexicon = load_lexicon()
    for index, value in enumerate(lexicon.values):
        for sign, names in ((1, value.names), (-1, value.opposites)):
            for name in names:
                mark = lexicon.find(name.replace("*", "").split(), 0)
                assert mark is not None, name
                assert (mark.kind, mark.value, mark.sign) == ("name", index, sign), name


def test_a_file_of_other_values_is_refused(tmp_path):
    (tmp_path / "phrases.yaml").write_text("Tradition: {}\n")
    with pytest.raises(ConfigurationError, match="give exactly Self-Direction"):
        load_lexicon(tmp_path / "phrases.yaml")
