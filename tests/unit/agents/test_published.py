"""Profiles from published aggregates: what ships, how it is made, what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from agents.cultures import load_cultures
from agents.survey.profile import MAP_AXES, CultureProfile, load_profiles
from agents.survey.published import MAP_FILE, SCHWARTZ_FILE, build_profiles, write_published
from agents.survey.shipped import PROFILES_FILE, shipped_profiles
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import CultureError

SURVEY = Path(__file__).parents[4] / "shared" / "data" / "survey"

SCHWARTZ_HEAD = "country,region,wave_end_year," + ",".join(SCHWARTZ_VALUES)
MAP_HEAD = "name,region,year,secular_rational,self_expression"
TEN = "1,2,3,4,5,-1,-2,-3,-4,-5"
LOW = "0,0,0,0,0,0,0,0,0,0"
NO_BENEVOLENCE = "3,4,5,6,7,1,0,-1,,-3"


def survey_folder(folder: Path, schwartz: list[str], places: list[str]) -> Path:
    (folder / SCHWARTZ_FILE).write_text("\n".join([SCHWARTZ_HEAD, *schwartz]) + "\n", encoding="utf-8")
    (folder / MAP_FILE).write_text("\n".join([MAP_HEAD, *places]) + "\n", encoding="utf-8")
    return folder


def axis(culture: str, name: str) -> float:
    return shipped_profiles()[culture].culture_map[name].value


def score(culture: str, name: str) -> float:
    return shipped_profiles()[culture].schwartz[name].value


def test_the_eight_regions_come_first_with_both_parts_and_countries_of_theirs() -> None:
    regions = load_cultures()
    assert list(shipped_profiles())[:8] == [region.id for region in regions]
    for region in regions:
        profile = shipped_profiles()[region.id]
        assert (len(profile.schwartz), len(profile.culture_map)) == (10, 2)
        assert set(profile.countries) <= set(region.countries)
        assert len(profile.countries) >= 6
        for figure in (*profile.schwartz.values(), *profile.culture_map.values()):
            assert figure.source.startswith("World Values Survey and European Values Study, Integrated")
            assert ("mean of 1 country" in figure.source) == (figure.standard_error is None)


def test_every_country_is_in_a_region_and_has_a_part_that_names_its_year() -> None:
    listed = {code for region in load_cultures() for code in region.countries}
    countries = list(shipped_profiles().values())[8:]
    assert len(countries) > 100
    for profile in countries:
        assert profile.culture in listed
        assert profile.countries == (profile.culture,)
        assert profile.schwartz or profile.culture_map
        for figure in (*profile.schwartz.values(), *profile.culture_map.values()):
            assert figure.standard_error is None
            assert any(f" {year}" in figure.source for year in range(2001, 2024))


def test_centred_scores_of_a_country_sum_to_nothing() -> None:
    for profile in list(shipped_profiles().values())[8:]:
        assert math.fsum(figure.value for figure in profile.schwartz.values()) == pytest.approx(0, abs=0.002)


def test_regions_lie_on_the_map_as_inglehart_and_welzel_say() -> None:
    regions = [region.id for region in load_cultures()]
    expressive = sorted(regions, key=lambda region: -axis(region, "self_expression"))
    secular = sorted(regions, key=lambda region: -axis(region, "secular_rational"))
    assert expressive[:3] == ["protestant-europe", "english-speaking", "catholic-europe"]
    assert expressive[-1] == "african-islamic"
    assert set(secular[:2]) == {"confucian", "protestant-europe"}
    assert set(secular[-2:]) == {"african-islamic", "latin-america"}
    # Orthodox Europe: more secular than self-expressive; Latin America the other way round.
    assert axis("orthodox-europe", "secular_rational") > axis("orthodox-europe", "self_expression")
    assert axis("latin-america", "secular_rational") < axis("latin-america", "self_expression")


def test_countries_lie_on_the_map_as_known() -> None:
    assert axis("SWE", "self_expression") == max(
        profile.culture_map["self_expression"].value
        for profile in shipped_profiles().values()
        if profile.culture_map
    )
    assert axis("JPN", "secular_rational") > axis("USA", "secular_rational") > axis("ZWE", "secular_rational")
    assert axis("JPN", "secular_rational") == pytest.approx(1.6447)
    assert axis("RUS", "self_expression") == pytest.approx(-0.7071)  # of 2017, not of 2008


def test_regions_value_what_schwartz_found() -> None:
    for (
        region
    ) in load_cultures():  # Schwartz and Bardi 2001: benevolence high, power last, in nearly all nations
        scores = [score(region.id, name) for name in SCHWARTZ_VALUES]
        assert score(region.id, "Benevolence") > 0.2
        assert score(region.id, "Power") < -0.5
        assert min(scores) < -0.7
    for west in ("english-speaking", "protestant-europe"):
        for other in ("african-islamic", "orthodox-europe", "west-south-asia"):
            assert score(west, "Self-Direction") > score(other, "Self-Direction") + 0.2
            assert score(west, "Tradition") < score(other, "Tradition") - 0.2


def test_a_score_is_that_of_the_csv_and_its_wave() -> None:
    figure = shipped_profiles()["CAN"].schwartz["Self-Direction"]
    assert (figure.value, figure.source[-16:]) == (0.617, "wave ending 2010")
    # Australia was not asked all ten in the wave ending 2014.
    assert score("AUS", "Benevolence") == 0.8206
    assert "DEU" in shipped_profiles()
    assert not shipped_profiles()["DEU"].schwartz


def test_means_and_errors_by_hand(tmp_path: Path) -> None:
    folder = survey_folder(
        tmp_path,
        [
            f"Japan,Confucian,2010,{LOW}",
            f"Japan,Confucian,2014,{TEN}",
            f"South Korea,,2014,{NO_BENEVOLENCE}",
        ],
        [
            "Japan,Confucian,2005,9,9",
            "Japan,Confucian,2019,1.5,-0.5",
            "Japan,Confucian,2023,7,",  # not both axes
            "South Korea,Confucian,2018,0.5,0.5",
            "China,Confucian,2018,1.0,0.3",
        ],
    )
    profiles = build_profiles(folder)
    assert list(profiles) == ["confucian", "CHN", "JPN", "KOR"]
    region = profiles["confucian"]
    assert region.countries == ("CHN", "JPN", "KOR")
    first = region.schwartz["Self-Direction"]  # 1 and 3: mean 2, s = sqrt 2, s / sqrt 2 = 1
    assert (first.value, first.standard_error) == (2.0, 1.0)
    assert first.source.endswith("Surveys, wave ending 2014, mean of 2 countries")
    lone = region.schwartz["Benevolence"]
    assert (lone.value, lone.standard_error) == (-4.0, None)
    assert lone.source.endswith("wave ending 2014, mean of 1 country, 1 more without a figure")
    secular = region.culture_map["secular_rational"]  # 1.5, 0.5, 1.0: s = 0.5
    assert (secular.value, secular.standard_error) == (1.0, round(0.5 / math.sqrt(3), 4))
    assert secular.source.endswith("surveys of 2018 to 2019, mean of 3 countries")
    assert profiles["JPN"].schwartz["Stimulation"].value == 2.0
    assert profiles["JPN"].culture_map["self_expression"].value == -0.5
    assert not profiles["KOR"].schwartz  # nine of ten are no value vector
    assert profiles["KOR"].culture_map["self_expression"].source.endswith("survey of 2018")


def test_all_ten_of_an_earlier_wave_go_before_nine_of_a_later(tmp_path: Path) -> None:
    folder = survey_folder(
        tmp_path, [f"Japan,Confucian,2010,{TEN}", f"Japan,Confucian,2014,{NO_BENEVOLENCE}"], []
    )
    figure = build_profiles(folder)["JPN"].schwartz["Stimulation"]
    assert (figure.value, figure.source[-4:]) == (2.0, "2010")


def test_a_region_without_any_figure_for_one_value_has_no_schwartz_part(tmp_path: Path) -> None:
    folder = survey_folder(tmp_path, [f"Japan,Confucian,2014,{NO_BENEVOLENCE}"], ["Japan,Confucian,2019,1,1"])
    assert not build_profiles(folder)["confucian"].schwartz


def test_countries_in_no_region_are_left_out(tmp_path: Path) -> None:
    folder = survey_folder(tmp_path, [], ["Dominican Republic,,1996,1,1", "Germany West,,1981,1,1"])
    assert build_profiles(folder) == {}


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("Japan,Confucian,2019,1,high", r"csv line 3: self_expression is 'high'; give a number"),
        ("Japan,Confucian,2019,nan,1", r"csv line 3: secular_rational is 'nan'"),
        ("Japan,Confucian,lately,1,1", r"csv line 3: year is 'lately'"),
        ("Japan,Confucian,2019.5,1,1", r"csv line 3: year is '2019.5'"),
        ("Japan,Atlantic,2019,1,1", r"csv line 3: region 'Atlantic': unknown culture"),
        ("Japan,Latin America,2019,1,1", r"csv line 3: Japan is in 'latin-america', but JPN is not"),
        ("Atlantis,,2019,1,1", r"csv line 3: unknown country 'Atlantis'; add the name"),
        ("China,Confucian,2018,1,1", r"csv line 3: CHN is given twice for 2018; keep one line"),
        ("China", r"csv line 3: more or fewer cells"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, place: str, message: str) -> None:
    folder = survey_folder(tmp_path, [], ["China,Confucian,2018,1,1", place])
    with pytest.raises(CultureError, match=message):
        build_profiles(folder)


def test_a_missing_column_or_file_is_named(tmp_path: Path) -> None:
    folder = survey_folder(tmp_path, [], [])
    (folder / MAP_FILE).write_text("name,region,year,secular_rational\n", encoding="utf-8")
    with pytest.raises(CultureError, match=rf"{MAP_FILE}: no column self_expression"):
        build_profiles(folder)
    (folder / MAP_FILE).write_bytes(MAP_HEAD.encode() + b"\nC\xf4te,,2018,1,1\n")
    with pytest.raises(CultureError, match=rf"{MAP_FILE}: not UTF-8 text"):
        build_profiles(folder)
    (folder / MAP_FILE).unlink()
    with pytest.raises(CultureError, match=rf"{MAP_FILE}: No such file .*; give the folder"):
        build_profiles(folder)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    folder = survey_folder(tmp_path, [f"Japan,Confucian,2014,{TEN}"], ["Japan,Confucian,2019,1,1"])
    write_published(folder, tmp_path / "profiles.json")
    found = load_profiles(tmp_path / "profiles.json")
    assert found == build_profiles(folder)
    assert isinstance(found["JPN"], CultureProfile)
    assert set(found["JPN"].culture_map) == set(MAP_AXES)


@pytest.mark.shared
def test_the_file_that_ships_is_the_one_made_of_the_aggregates(tmp_path: Path) -> None:
    if not SURVEY.exists():
        pytest.skip("the shared survey data is not here")
    write_published(SURVEY, tmp_path / "profiles.json")
    assert (tmp_path / "profiles.json").read_bytes() == PROFILES_FILE.read_bytes()
