"""Cultures: the shipped eight, looking one up, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from agents.cultures import CULTURES_FILE, Culture, check_cultures, get_culture, load_cultures
from agents.survey.shipped import shipped_profiles
from agents.values import SCHWARTZ_VALUES, ValueProfile
from negotiation.errors import CultureError

REGIONS = (
    "english-speaking",
    "protestant-europe",
    "catholic-europe",
    "orthodox-europe",
    "confucian",
    "west-south-asia",
    "african-islamic",
    "latin-america",
)
SURVEY = Path(__file__).parents[4] / "shared" / "data" / "survey" / "cultural_regions.json"


def test_the_eight_regions_ship_in_order() -> None:
    assert tuple(culture.id for culture in load_cultures()) == REGIONS


def test_each_region_has_countries_and_a_short_description_without_line_breaks() -> None:
    for culture in load_cultures():
        assert len(culture.countries) == len(culture.survey_codes) >= 6
        assert culture.description.endswith(".")
        assert "\n" not in culture.description
        assert len(culture.description) < 160


def test_each_region_has_its_value_profile_and_pickles_with_it() -> None:
    for culture in load_cultures():
        assert culture.profile is not None
        assert "mean of" in culture.profile.source
        assert culture.profile == shipped_profiles()[culture.id].values
        assert pickle.loads(pickle.dumps(culture)) == culture


def test_cultures_of_a_users_file_have_no_profile_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(CULTURES_FILE.read_text(encoding="utf-8"), encoding="utf-8")
    assert {culture.profile for culture in load_cultures(path)} == {None}


def test_country_codes_are_alpha_3_and_no_number_occurs_twice() -> None:
    codes = [code for culture in load_cultures() for code in culture.countries]
    numbers = [number for culture in load_cultures() for number in culture.survey_codes]
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in codes)
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("country", "number", "region"),
    [
        ("USA", 840, "english-speaking"),
        ("SWE", 752, "protestant-europe"),
        ("IRL", 372, "catholic-europe"),
        ("CYP", 196, "orthodox-europe"),
        ("JPN", 392, "confucian"),
        ("IND", 356, "west-south-asia"),
        ("IDN", 360, "african-islamic"),
        ("PHL", 608, "latin-america"),
    ],
)
def test_countries_lie_in_the_regions_of_the_2023_map(country: str, number: int, region: str) -> None:
    culture = get_culture(region)
    assert dict(zip(culture.countries, culture.survey_codes, strict=True))[country] == number


@pytest.mark.shared
def test_the_country_lists_are_those_of_the_survey_data() -> None:
    if not SURVEY.exists():
        pytest.skip("the shared survey data is not here")
    regions = json.loads(SURVEY.read_text(encoding="utf-8"))["cultural_regions"]
    assert {get_culture(name).id: set(codes) for name, codes in regions.items()} == {
        culture.id: set(culture.survey_codes) for culture in load_cultures()
    }


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("confucian", "confucian"),
        ("CONFUCIAN", "confucian"),
        (" English-Speaking ", "english-speaking"),
        ("English_Speaking", "english-speaking"),
        ("english speaking", "english-speaking"),
        ("West and South Asia", "west-south-asia"),
        ("West & South Asia", "west-south-asia"),
        ("west_south_asia", "west-south-asia"),
        ("African-Islamic", "african-islamic"),
    ],
)
def test_a_culture_is_found_by_id_or_name_in_any_spelling(spelling: str, expected: str) -> None:
    assert get_culture(spelling).id == expected


def test_an_unknown_culture_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(CultureError, match=r"unknown culture 'confusian'; did you mean confucian\?"):
        get_culture("confusian")
    with pytest.raises(CultureError, match=r"did you mean .*-europe or .*-europe or .*-europe\?"):
        get_culture("europe")


@pytest.mark.parametrize("name", ["", "klingon", "!!!", "x" * 5000])
def test_a_name_near_to_nothing_is_refused_with_all_names(name: str) -> None:
    with pytest.raises(CultureError, match=r"the cultures are english-speaking, .*, latin-america"):
        get_culture(name)


def test_a_country_is_refused_with_its_region() -> None:
    with pytest.raises(CultureError, match="culture 'jpn'; JPN is a country of 'confucian': use that"):
        get_culture("jpn")


def test_cultures_of_a_negotiation_keep_their_order() -> None:
    found = check_cultures(["latin-america", "confucian", "african-islamic"])
    assert [culture.id for culture in found] == ["latin-america", "confucian", "african-islamic"]


@pytest.mark.parametrize("names", [[], ["confucian"]])
def test_fewer_than_two_cultures_are_refused(names: list[str]) -> None:
    with pytest.raises(CultureError, match=rf"cultures: {len(names)} given .* needs two or more"):
        check_cultures(names)


def test_one_culture_twice_is_refused_under_any_spelling() -> None:
    with pytest.raises(CultureError, match=r"'confucian' is given twice \('confucian', 'Confucian'\)"):
        check_cultures(["confucian", "latin-america", "Confucian"])


def test_an_unknown_name_at_a_table_is_refused() -> None:
    with pytest.raises(CultureError, match="unknown culture 'latin'"):
        check_cultures(["confucian", "latin"])


ENTRY = "- {id: a, name: A, description: Somewhere., countries: {AAA: 1}}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- {id: a, name: A}\n", r"0\.description: Field required"),
        ("- {id: a, name: A, description: x, colour: red}\n", r"0\.colour: Extra inputs"),
        ("- {id: A b, name: A, description: x}\n", r"0\.id: String should match"),
        (
            "- {id: a, name: A, description: x, countries: [AAA]}\n",
            r"0\.countries: Input should be a val",
        ),
        ("id: a\n", "file: Input should be a valid list"),
        ("- {id: a\n", "not UTF-8 YAML"),
        (ENTRY + ENTRY, "'a' and 'a' answer to the same name; rename one"),
        (ENTRY + "- {id: b, name: a, description: x}\n", "'b' and 'a' answer to the same name"),
        (
            ENTRY + "- {id: b, name: B, description: x, countries: {AAA: 1}}\n",
            "country AAA is in 'a' and in 'b'; keep it in one",
        ),
    ],
)
def test_a_wrong_cultures_file_is_told_so(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "cultures.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CultureError, match=message) as error:
        load_cultures(path)
    assert str(path) in str(error.value)


def test_a_missing_or_undecodable_cultures_file_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CultureError, match="No such file or directory; give a readable YAML file"):
        load_cultures(tmp_path / "none.yaml")
    path = tmp_path / "latin1.yaml"
    path.write_bytes(b"- {id: a, name: \xe9}\n")
    with pytest.raises(CultureError, match="not UTF-8 YAML"):
        load_cultures(path)


def test_own_cultures_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "cultures.yaml"
    path.write_text(ENTRY, encoding="utf-8")
    own = load_cultures(path)
    assert own == (Culture("a", "A", "Somewhere.", ("AAA",), (1,)),)
    assert get_culture("A", own) is own[0]
    with pytest.raises(CultureError, match="unknown culture 'confucian'"):
        get_culture("confucian", own)


def test_a_value_profile_is_a_vector_in_schwartz_order() -> None:
    scores = tuple(float(x) for x in np.linspace(-1, 1, 10))
    vector = ValueProfile(scores, source="made up for this test").vector
    assert vector.dtype == np.float64
    assert vector.tolist() == list(scores)
    assert (SCHWARTZ_VALUES[0], SCHWARTZ_VALUES[4], SCHWARTZ_VALUES[9]) == (
        "Self-Direction",
        "Power",
        "Universalism",
    )


@pytest.mark.parametrize(
    ("scores", "source", "message"),
    [
        ((0.0,) * 9, "x", "scores has 9 numbers; give 10"),
        ((0.0,) * 9 + (1.5,), "x", r"Universalism is 1.5; it must lie in \[-1, 1\]"),
        ((float("nan"),) + (0.0,) * 9, "x", "Self-Direction is nan"),
        ((0.0,) * 10, " ", "source is empty"),
    ],
)
def test_a_wrong_value_profile_is_refused(scores: tuple[float, ...], source: str, message: str) -> None:
    with pytest.raises(CultureError, match=message):
        ValueProfile(scores, source)


def test_and_may_be_written_as_a_sign() -> None:
    own = [Culture("sea-sky", "Sea & Sky", "x.")]
    assert get_culture("sea and sky", own).id == "sea-sky"
