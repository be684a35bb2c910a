"""The codebook of items and the countries: what ships, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.cultures import load_cultures
from agents.survey.codebook import get_item, load_items
from agents.survey.countries import find_country
from agents.survey.layouts import JOINT, MAP_ITEMS, WAVE6, WAVE7
from agents.topics import load_topics
from negotiation.errors import CultureError


def test_items_lie_in_the_categories_of_the_topics_and_every_category_has_ten() -> None:
    categories = {topic.category for topic in load_topics()}
    found = [item.category for item in load_items()]
    assert set(found) == categories
    assert all(found.count(category) >= 10 for category in categories)


def test_every_item_is_asked_in_wave_7() -> None:
    assert all("wave7" in item.variables for item in load_items())


@pytest.mark.parametrize(
    ("item", "wave7", "wave6", "joint"),
    [
        ("national-pride", "Q254", "V211", "G006"),
        ("trust-people", "Q57", "V24", "A165"),
        ("importance-god", "Q164", "V152", "F063"),
        ("homosexuality", "Q182", "V203", "F118"),
        ("abortion", "Q184", "V204", "F120"),
        ("respect-for-authority", "Q45", "V69", "E018"),
        ("sign-petition", "Q209", "V85", "E025"),
        ("happiness", "Q46", "V10", "A008"),
    ],
)
def test_the_items_of_the_culture_map_have_their_official_names(
    item: str, wave7: str, wave6: str, joint: str
) -> None:
    assert item in MAP_ITEMS
    variables = get_item(item).variables
    assert (variables["wave7"].name, variables["wave6"].name, variables["joint"].name) == (
        wave7,
        wave6,
        joint,
    )


def test_numbered_scales_have_words_at_their_ends_only() -> None:
    options = get_item("homosexuality").options
    assert options[0] == "1 (never right)"
    assert options[1:9] == tuple("23456789")
    assert options[9] == "10 (always right)"


def test_joint_files_code_what_was_not_mentioned_as_zero() -> None:
    variables = get_item("child-obedience").variables
    assert variables["wave7"].option_of_code == {1: 0, 2: 1}
    assert variables["joint"].option_of_code == {1: 0, 0: 1}


def test_two_codes_may_mean_one_option() -> None:
    codes = get_item("worship-attendance").variables["joint"].option_of_code
    assert codes[4] == codes[5] == 3


def test_scores_run_from_0_to_1_in_the_direction_of_what_is_measured() -> None:
    assert get_item("importance-religion").score([1, 0, 0, 0]) == 1
    assert get_item("importance-religion").score([0, 0, 1, 0]) == pytest.approx(1 / 3)
    assert get_item("homosexuality").score([0] * 9 + [1]) == 1
    with pytest.raises(CultureError, match="item 'trust-people': 3 shares; give one for each of 2 options"):
        get_item("trust-people").score([1, 0, 0])


def test_an_unknown_item_is_refused() -> None:
    with pytest.raises(CultureError, match="unknown item 'taxes'"):
        get_item("taxes")


def test_each_layout_knows_its_variables_and_no_other_layout_has_one_of_them() -> None:
    names = [set(layout.known_variables(load_items())) - {"Y002", "Y003"} for layout in (WAVE7, WAVE6, JOINT)]
    assert {"Q57", "Q154", "Q14"} <= names[0]
    assert {"V24", "V70", "V74B", "V62", "V18"} <= names[1]
    assert {"A165", "A189", "E003", "A039"} <= names[2]
    assert not (names[0] & names[1]) | (names[0] & names[2]) | (names[1] & names[2])


ITEM = "{id: a, question: q, category: c, measures: m, direction: 1, options: [x, y], variables: {wave7: Q1}}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id: a\n", "Input should be a valid list"),
        ("- {id: a\n", "not UTF-8 YAML"),
        (f"- {ITEM}\n- {ITEM}\n", "'a' is in 'a' and in 'a'; keep one"),
        (
            f"- {ITEM}\n- {ITEM.replace('id: a', 'id: b')}\n",
            "'wave7 Q1' is in 'a' and in 'b'; keep one",
        ),
        (f"- {ITEM.replace('direction: 1', 'direction: 2')}\n", "direction: Input should be"),
        (f"- {ITEM.replace('[x, y]', '[x, x]')}\n", "has an option twice; keep one"),
        (f"- {ITEM.replace('wave7: Q1', 'wave9: Q1')}\n", "wave9"),
        (
            f"- {ITEM.replace('wave7: Q1', 'wave7: {name: Q1, codes: [1, 2, 3]}')}\n",
            "3 codes in wave7 for 2 options",
        ),
        (
            f"- {ITEM.replace('wave7: Q1', 'wave7: {name: Q1, codes: [1, 1]}')}\n",
            "codes of Q1 must be distinct",
        ),
        (
            f"- {ITEM.replace('wave7: Q1', 'wave7: {name: Q1, codes: [1, -2]}')}\n",
            "codes of Q1 must be distinct",
        ),
        (
            f"- {ITEM.replace('wave7: Q1', 'wave7: {name: Q1, ignored: [2]}')}\n",
            "Q1 has a code that is both an option and ignored",
        ),
    ],
)
def test_a_wrong_codebook_is_refused_with_the_field(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "items.yaml"
    path.write_text(content)
    with pytest.raises(CultureError, match=message):
        load_items(path)


def test_a_missing_codebook_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CultureError, match="No such file or directory; give a readable YAML file"):
        load_items(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SWE", "SWE"),
        (" swe ", "SWE"),
        ("SE", "SWE"),
        ("NO", "NOR"),
        ("752", "SWE"),
        ("8.00", "ALB"),
        ("008", "ALB"),
        ("S. Korea", "KOR"),
        ("909", "NIR"),
        ("XK", "XKX"),
        ("752.5", None),
        ("Atlantis", None),
        ("", None),
        ("²", None),
    ],
)
def test_countries_are_found_in_every_spelling_that_files_use(text: str, code: str | None) -> None:
    assert find_country(text) == code


def test_every_country_of_the_cultures_is_found_by_code_and_number() -> None:
    for culture in load_cultures():
        for code, number in zip(culture.countries, culture.survey_codes, strict=True):
            assert find_country(code) == find_country(str(number)) == code
