"""From a file to profiles of countries and regions, on small files in the official formats."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.cultures import load_cultures
from agents.survey.build import SurveySettings, build_profiles, region_profile
from agents.survey.codebook import get_item
from agents.survey.layouts import VSM_ITEMS
from agents.survey.profile import (
    MAP_AXES,
    AnswerShares,
    CultureProfile,
    Figure,
    HofstedeConstants,
    load_profiles,
    save_profiles,
)
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import CultureError
from tests.unit.agents.survey.survey_files import Cell, wave7, write_table

SHARED = Path(__file__).parents[5] / "shared" / "data" / "survey"

VALUES6 = ("V70", "V76", "V73", "V75", "V71", "V72", "V77", "V79", "V74B", "V78")
"""Wave 6 variables in the order of ``SCHWARTZ_VALUES``."""


def test_a_wave_7_file_by_hand(tmp_path: Path) -> None:
    columns = wave7(
        ["SWE", "SWE", "SWE", "DNK", "DNK", "JPN"],
        W_WEIGHT=[1, 1, 2, 1, 3, 1],
        A_YEAR=[2017, 2018, 2018, 2017, 2017, 2019],
        Q57=[1, 1, 2, 1, 2, -1],
        Q182=[10, -2, 1, 10, 10, 3],
    )
    profiles = build_profiles(write_table(tmp_path / "f.csv", columns))
    assert list(profiles) == ["protestant-europe", "confucian", "DNK", "JPN", "SWE"]
    trust = profiles["SWE"].answers["trust-people"]
    assert trust.shares == (0.5, 0.5)
    assert trust.standard_errors == pytest.approx((0.375, 0.375))
    assert trust.effective == pytest.approx(16 / 6)
    assert trust.source == "World Values Survey wave 7 (2017-2018)"
    assert profiles["DNK"].answers["trust-people"].shares == (0.25, 0.75)
    assert "trust-people" not in profiles["JPN"].answers
    assert profiles["JPN"].answers["homosexuality"].shares == (0, 0, 1, 0, 0, 0, 0, 0, 0, 0)
    assert profiles["JPN"].answers["homosexuality"].standard_errors is None
    # Denmark's error: influence w/4 (y - .25) = .1875, -.1875; var = 2 * 2 * .1875^2.
    region = profiles["protestant-europe"]
    assert region.answers["trust-people"].shares == pytest.approx((0.375, 0.625))
    assert region.answers["trust-people"].standard_errors == pytest.approx((np.hypot(0.375, 0.375) / 2,) * 2)
    assert region.answers["trust-people"].source == (
        "mean of 2 countries, each with the same weight: World Values Survey wave 7 (2017);"
        " World Values Survey wave 7 (2017-2018)"
    )
    assert region.countries == ("DNK", "SWE")
    assert (region.schwartz, region.culture_map, region.hofstede) == ({}, {}, {})


def test_sampling_units_make_the_errors_larger(tmp_path: Path) -> None:
    columns = wave7(["SWE"] * 3, W_WEIGHT=[1, 1, 2], I_PSU=[1, 1, 2], Q57=[1, 1, 2])
    profiles = build_profiles(write_table(tmp_path / "f.csv", columns))
    assert profiles["SWE"].answers["trust-people"].standard_errors == pytest.approx((0.5, 0.5))


def test_who_is_of_another_nationality_does_not_count_for_pride(tmp_path: Path) -> None:
    path = write_table(tmp_path / "f.csv", wave7(["SWE"] * 3, Q254=[1, 5, 2]))
    found = build_profiles(path)["SWE"].answers["national-pride"]
    assert (found.shares, found.respondents) == ((0.5, 0.5, 0, 0), 2)


def wave6(countries: list[str], answers: list[list[Cell]], **more: list[Cell]) -> dict[str, list[Cell]]:
    columns: dict[str, list[Cell]] = {"B_COUNTRY_ALPHA": list(countries), "V258": [1] * len(countries)}
    columns |= {name: [row[place] for row in answers] for place, name in enumerate(VALUES6)}
    return columns | more


def test_the_ten_values_of_a_wave_6_file_by_hand(tmp_path: Path) -> None:
    answers: list[list[Cell]] = [[1, 2, 3, 4, 5, 1, 2, 3, 4, 5], [3, 3, 3, 3, 3, 3, 3, 3, 1, 5], [-1] * 10]
    path = write_table(tmp_path / "f.csv", wave6(["SWE"] * 3, answers, V262=[2011] * 3), delimiter=";")
    found = build_profiles(path)["SWE"]
    values = {name: figure.value for name, figure in found.schwartz.items()}
    # Both means are 3; scores 2 1 0 -1 -2 2 1 0 -1 -2 and 0 0 0 0 0 0 0 0 2 -2.
    assert values == pytest.approx(
        dict(zip(SCHWARTZ_VALUES, (1, 0.5, 0, -0.5, -1, 1, 0.5, 0, 0.5, -2), strict=True))
    )
    assert found.schwartz["Power"].source == "World Values Survey wave 6 (2011)"
    assert found.values is not None
    assert found.values.scores[0] == pytest.approx(0.4)


def test_the_good_of_society_stands_in_for_benevolence_where_the_other_was_not_asked(tmp_path: Path) -> None:
    row: list[Cell] = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]
    columns = wave6(["SWE", "DNK"], [row, [*row[:8], -4, row[9]]], V74=[1, 4])
    profiles = build_profiles(write_table(tmp_path / "f.csv", columns))
    assert profiles["SWE"].schwartz["Benevolence"].source == "World Values Survey wave 6"
    assert profiles["DNK"].schwartz["Benevolence"].source == "World Values Survey wave 6, V74 standing in"
    for name in SCHWARTZ_VALUES:
        assert profiles["DNK"].schwartz[name].value == profiles["SWE"].schwartz[name].value


def test_a_time_series_gives_each_figure_of_the_latest_wave_that_has_it(tmp_path: Path) -> None:
    columns: dict[str, list[Cell]] = {
        "S002VS": [6, 7, 7],
        "S003": [752, 752, 752],
        "S017": [1, 1, 1],
        "S020": [2011, 2017, 2018],
        "A165": [1, 2, 2],
        "A029": [1, "", ""],
    }
    columns |= {f"A{number}": [number % 3 + 1, -4, -4] for number in range(189, 199)}
    found = build_profiles(write_table(tmp_path / "f.csv", columns))["SWE"]
    assert found.answers["trust-people"].shares == (0, 1)
    assert found.answers["trust-people"].source == "World Values Survey wave 7 (2017-2018)"
    assert found.answers["child-independence"].shares == (1, 0)
    assert found.answers["child-independence"].source == "World Values Survey wave 6 (2011)"
    assert found.schwartz["Power"].source == "World Values Survey wave 6 (2011)"


def test_zero_means_not_mentioned_in_joint_files(tmp_path: Path) -> None:
    columns = {"cntry": [752] * 4, "gwght": [1] * 4, "A042": [0, 0, 0, 1]}
    found = build_profiles(write_table(tmp_path / "f.csv", columns))["SWE"].answers["child-obedience"]
    assert found.shares == (0.25, 0.75)
    assert found.source == "EVS/WVS joint file"


def test_a_vsm_file_gives_hofstedes_dimensions(tmp_path: Path) -> None:
    columns: dict[str, list[Cell]] = {"country": ["Sweden", "SE"], **{name: [3, 3] for name in VSM_ITEMS}}
    columns["m07"] = [4, 9]
    path = write_table(tmp_path / "f.csv", columns)
    found = build_profiles(path, SurveySettings(hofstede=HofstedeConstants(PDI=10)))["SWE"]
    assert found.hofstede["PDI"] == Figure(
        value=45, standard_error=0, source="Values Survey Module 2013, unweighted, constant +10"
    )
    assert found.hofstede["IDV"].source == "Values Survey Module 2013, unweighted"


MAP7 = ("Q46", "Q57", "Q45", "Q209", "Q164", "Q182", "Q184", "Q254")


def map_columns(countries: int, people: int = 40, seed: int = 0) -> dict[str, list[Cell]]:
    """Countries that differ in two attitudes; every odd one is secular, every one of the first half expressive."""
    rng = np.random.default_rng(seed)
    codes = [culture.countries[place] for place in range(4) for culture in load_cultures()][:countries]
    columns: defaultdict[str, list[Cell]] = defaultdict(list)
    for number, code in enumerate(codes):
        for _ in range(people):
            secular = rng.random() < (0.85 if number % 2 else 0.15)
            expressive = rng.random() < (0.85 if number < countries / 2 else 0.15)
            noisy = rng.random(12) < 0.15
            s = [bool(secular) ^ bool(noise) for noise in noisy]
            e = [bool(expressive) ^ bool(noise) for noise in noisy]
            row: dict[str, Cell] = {"B_COUNTRY_ALPHA": code, "W_WEIGHT": 1, "A_YEAR": 2018}
            row |= {"Q46": 1 if e[0] else 3, "Q57": 1 if e[1] else 2, "Q45": 3 if s[2] else 1}
            row |= {"Q209": 1 if e[3] else 3, "Q164": 1 if s[4] else 10, "Q182": 10 if e[5] else 1}
            row |= {"Q184": 10 if s[6] else 1, "Q254": 4 if s[7] else 1}
            row |= {"Q154": 2 if e[8] else 1, "Q155": 4 if e[8] else 3}
            row |= {
                "Q8": 1 if s[9] else 2,
                "Q14": 1 if s[10] else 2,
                "Q15": 2 if s[9] else 1,
                "Q17": 2 if s[10] else 1,
            }
            for name, cell in row.items():
                columns[name].append(cell)
    return dict(columns)


def test_countries_lie_on_the_map_where_their_answers_put_them(tmp_path: Path) -> None:
    profiles = build_profiles(write_table(tmp_path / "f.csv", map_columns(12)))
    places = [
        profiles[code].culture_map
        for code in [c.countries[p] for p in range(4) for c in load_cultures()][:12]
    ]
    secular = [place["secular_rational"].value for place in places]
    expressive = [place["self_expression"].value for place in places]
    assert min(secular[1::2]) > max(secular[::2])
    assert min(expressive[:6]) > max(expressive[6:])
    assert all(place[axis].standard_error for place in places for axis in MAP_AXES)
    region = profiles["english-speaking"]
    own = [profiles[code].culture_map["self_expression"].value for code in region.countries]
    assert region.culture_map["self_expression"].value == pytest.approx(np.mean(own))


def test_the_survey_s_own_indices_are_read_where_their_parts_are_absent(tmp_path: Path) -> None:
    columns = map_columns(12)
    whole = build_profiles(write_table(tmp_path / "f.csv", columns))
    first, named = columns.pop("Q154"), [columns.pop(name) for name in ("Q8", "Q14", "Q15", "Q17")]
    columns.pop("Q155")
    columns["Y002"] = [3 if choice == 2 else 1 for choice in first]
    columns["Y003"] = [int(c) + int(d) - int(a) - int(b) for a, b, c, d in zip(*named, strict=True)]
    indices = build_profiles(write_table(tmp_path / "g.csv", columns))
    assert -2 in columns["Y003"]
    for name, profile in whole.items():
        for axis in MAP_AXES:
            assert indices[name].culture_map[axis].value == pytest.approx(profile.culture_map[axis].value)


def test_a_codebook_of_ones_own_changes_nothing_on_the_map(tmp_path: Path) -> None:
    path = write_table(tmp_path / "f.csv", map_columns(12))
    some = build_profiles(path, items=[get_item("trust-people")])
    assert list(some["AUS"].answers) == ["trust-people"]
    assert some["AUS"].culture_map == build_profiles(path)["AUS"].culture_map


def test_too_few_countries_make_no_map(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_table(tmp_path / "f.csv", map_columns(4))
    assert not any(profile.culture_map for profile in build_profiles(path).values())
    assert "fewer than 10 countries with all items of the culture map" in caplog.text
    assert all(
        profile.culture_map
        for profile in build_profiles(path, SurveySettings(least_map_countries=4)).values()
    )


def test_countries_asked_for_are_placed_among_all(tmp_path: Path) -> None:
    path = write_table(tmp_path / "f.csv", map_columns(12))
    some = build_profiles(path, SurveySettings(countries=("Australia", "CHN")))
    assert list(some) == ["english-speaking", "confucian", "AUS", "CHN"]
    assert some["AUS"] == build_profiles(path)["AUS"]


def test_profiles_are_saved_and_loaded(tmp_path: Path) -> None:
    profiles = build_profiles(write_table(tmp_path / "f.csv", map_columns(12)))
    save_profiles(profiles, tmp_path / "profiles.json")
    assert load_profiles(tmp_path / "profiles.json") == profiles


@pytest.mark.parametrize(
    ("columns", "wanted", "message"),
    [
        (wave7(["SWE"], Q1=[1]), ("DNK",), "no respondents of DNK; the file has SWE"),
        (wave7(["SWE"], Q1=[1]), ("Mars",), "countries: 'Mars' is no country known here"),
        (
            wave7(["SWE", "DNK"], Q1=[1, 1], W_WEIGHT=[0, 1]),
            (),
            "country SWE: sample: 1 respondents with weights that sum to 0",
        ),
        (wave7(["SWE", "DNK"], Q1=[1, -1]), (), "1 respondents of DNK, but none of them answered anything"),
        (
            wave7(["SWE", "SWE"], Q57=[1, 3]),
            (),
            "line 3, column 'Q57': 3 is none of the codes 1, 2, like 1 of 2 answers; give the official file",
        ),
        (
            wave7(["SWE", "SWE"], Q57=[1.5, 1]),
            (),
            "line 2, column 'Q57': no whole number is none of the codes",
        ),
    ],
)
def test_a_fault_is_told(
    tmp_path: Path, columns: dict[str, list[Cell]], wanted: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CultureError, match=message):
        build_profiles(write_table(tmp_path / "f.csv", columns), SurveySettings(countries=wanted))


def test_a_few_unknown_codes_count_as_no_answer_and_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_table(tmp_path / "f.csv", wave7(["SWE"] * 100, Q57=[7] + [1] * 99))
    assert build_profiles(path)["SWE"].answers["trust-people"].respondents == 99
    assert "line 2, column 'Q57': 7 is no known code, like 0 others; they count as no answer" in caplog.text


def test_unweighted_figures_say_so(tmp_path: Path) -> None:
    path = write_table(tmp_path / "f.csv", wave7(["SWE"] * 2, W_WEIGHT=[1, 3], Q57=[1, 2]))
    found = build_profiles(path, SurveySettings(weighted=False))["SWE"].answers["trust-people"]
    assert found.shares == (0.5, 0.5)
    assert found.source == "World Values Survey wave 7 (2018), unweighted"


def test_progress_tells_of_reading_and_computing(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    path = write_table(tmp_path / "f.csv", wave7(["SWE", "DNK"], Q57=[1, 2]))
    build_profiles(path, progress=lambda stage, done: told.append((stage, done)))
    assert [stage for stage, _ in told] == sorted((stage for stage, _ in told), reverse=True)
    assert told[-1] == ("computing", 1.0)


@given(st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_neither_the_unit_of_weights_nor_the_order_of_rows_matters(
    tmp_path: Path, factor: float, seed: int
) -> None:
    columns = map_columns(10, people=8)
    size = len(columns["W_WEIGHT"])
    columns["W_WEIGHT"] = np.random.default_rng(1).uniform(0.5, 2, size).tolist()
    first = build_profiles(write_table(tmp_path / "f.csv", columns))
    order = list(range(size))
    random.Random(seed).shuffle(order)
    columns["W_WEIGHT"] = [float(weight) * factor for weight in columns["W_WEIGHT"]]
    other = {name: [cells[row] for row in order] for name, cells in columns.items()}
    second = build_profiles(write_table(tmp_path / "g.csv", other), SurveySettings(batch_bytes=2048))
    assert list(first) == list(second)
    for name, profile in first.items():
        assert profile.countries == second[name].countries
        for item, answers in profile.answers.items():
            again = second[name].answers[item]
            assert answers.shares == pytest.approx(again.shares)
            assert answers.standard_errors == pytest.approx(again.standard_errors, abs=1e-9)
            assert sum(answers.shares) == pytest.approx(1)
        for axis, figure in profile.culture_map.items():
            assert figure.value == pytest.approx(second[name].culture_map[axis].value)


def test_region_figures_are_over_the_countries_that_have_them() -> None:
    figures = {axis: Figure(value=2, standard_error=3, source="a") for axis in MAP_AXES}
    shares = AnswerShares(item="i", shares=(0.5, 0.5), respondents=1, source="a")
    found = region_profile(
        "r",
        [
            CultureProfile(culture="AAA", culture_map=figures, countries=("AAA",)),
            CultureProfile(culture="BBB", answers={"i": shares}, countries=("BBB",)),
        ],
    )
    assert found.culture_map["self_expression"].value == 2
    assert found.culture_map["self_expression"].source == "mean of 1 country: a"
    assert found.answers["i"].shares == (0.5, 0.5)
    assert found.countries == ("AAA", "BBB")


def test_importing_it_loads_no_model_library_and_no_optional_one() -> None:
    program = "import agents.survey.build, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "ray", "datasets", "pyreadstat", "pandas"} & set(done.stdout.split())


@pytest.mark.shared
def test_regions_of_published_country_scores_are_ordered_as_on_the_published_map() -> None:
    path = SHARED / "inglehart_welzel_by_country.csv"
    if not path.exists():
        pytest.skip("the shared survey data is not here")
    regions = regions_of(path, dict(zip(MAP_AXES, MAP_AXES, strict=True)), "culture_map")
    secular = {name: region.culture_map["secular_rational"].value for name, region in regions.items()}
    expressive = {name: region.culture_map["self_expression"].value for name, region in regions.items()}
    assert set(sorted(secular, key=secular.__getitem__)[-2:]) == {"Protestant Europe", "Confucian"}
    assert set(sorted(secular, key=secular.__getitem__)[:2]) == {"African-Islamic", "Latin America"}
    assert max(expressive, key=expressive.__getitem__) in ("Protestant Europe", "English-Speaking")
    assert expressive["African-Islamic"] < 0 < expressive["English-Speaking"]
    assert secular["Protestant Europe"] > secular["English-Speaking"] > secular["African-Islamic"]


@pytest.mark.shared
def test_regions_of_published_value_scores_are_ordered_as_known() -> None:
    path = SHARED / "schwartz_by_country.csv"
    if not path.exists():
        pytest.skip("the shared survey data is not here")
    regions = regions_of(path, {name: name for name in SCHWARTZ_VALUES}, "schwartz")
    value = {name: {key: figure.value for key, figure in r.schwartz.items()} for name, r in regions.items()}
    assert value["Protestant Europe"]["Self-Direction"] > value["African-Islamic"]["Self-Direction"]
    assert value["African-Islamic"]["Tradition"] > value["Protestant Europe"]["Tradition"]
    # Ten values centred within person sum to zero, in the published scores as in ours.
    assert all(sum(scores.values()) == pytest.approx(0, abs=1e-3) for scores in value.values())


def regions_of(path: Path, columns: dict[str, str], field: str) -> dict[str, CultureProfile]:
    """Regions as means of a table's countries that have every figure."""
    parts: defaultdict[str, list[CultureProfile]] = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            if row["region"] and all(row[column] for column in columns.values()):
                figures = {
                    name: Figure(value=float(row[column]), source="s") for name, column in columns.items()
                }
                name = f"row {number}"
                profile = {"culture": name, field: figures, "countries": (name,)}
                parts[row["region"]].append(CultureProfile.model_validate(profile))
    return {region: region_profile(region, profiles) for region, profiles in parts.items()}
