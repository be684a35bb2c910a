"""GlobalOpinionQA: parsed without running anything, and every fault told with its place."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from agents.survey.build import SurveySettings, build_profiles
from agents.survey.readers_opinions import is_opinions, read_opinions
from negotiation.errors import CultureError

SELECTIONS = "defaultdict(<class 'list'>, {'Belgium': [0.2, 0.8], 'S. Korea': [0.5, 0.49]})"
ROW = {"question": "Made up?", "selections": SELECTIONS, "options": "['Yes', 'No']", "source": "GAS"}


def write(path: Path, *rows: dict[str, Any], bom: bool = False) -> Path:
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["question", "selections", "options", "source"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_shares_are_read_and_brought_to_sum_to_1(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", ROW, bom=True)
    assert is_opinions(path)
    (found,) = read_opinions(path)
    assert (found.question, found.options) == ("Made up?", ("Yes", "No"))
    assert found.source == "GlobalOpinionQA (Pew Global Attitudes Survey)"
    assert found.shares["BEL"] == (0.2, 0.8)
    assert found.shares["KOR"] == pytest.approx((0.5 / 0.99, 0.49 / 0.99))


def test_profiles_of_countries_and_of_regions_with_equal_weight(tmp_path: Path) -> None:
    selections = (
        "defaultdict(<class 'list'>, {'Belgium': [0.2, 0.8], 'France': [0.4, 0.6], 'Japan': [1.0, 0.0]})"
    )
    profiles = build_profiles(write(tmp_path / "f.csv", ROW | {"selections": selections}))
    assert list(profiles) == ["catholic-europe", "confucian", "BEL", "FRA", "JPN"]
    (answers,) = profiles["catholic-europe"].answers.values()
    assert answers.shares == pytest.approx((0.3, 0.7))
    assert (answers.standard_errors, answers.effective) == (None, None)
    assert profiles["catholic-europe"].countries == ("BEL", "FRA")
    (own,) = profiles["BEL"].answers.values()
    assert own.source == "GlobalOpinionQA (Pew Global Attitudes Survey), respondents not stated"
    assert own.respondents is None


def test_a_country_that_is_asked_for_and_absent_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", ROW)
    assert list(build_profiles(path, SurveySettings(countries=("Belgium",)))) == ["catholic-europe", "BEL"]
    with pytest.raises(CultureError, match="no respondents of USA; the file has BEL, KOR"):
        build_profiles(path, SurveySettings(countries=("USA",)))


def test_rows_that_say_nothing_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [ROW | {"question": ""}, ROW | {"options": "['Yes', 'No', 'Perhaps']"}, ROW | {"options": ""}, ROW]
    assert len(read_opinions(write(tmp_path / "f.csv", *rows))) == 1
    assert "left out 3 rows" in caplog.text


def test_samples_that_are_no_country_and_shares_of_nobody_are_left_out(tmp_path: Path) -> None:
    selections = "{'India (Non-national sample)': [0.1, 0.9], 'India (Current national sample)': [0.3, 0.7],"
    selections += " 'Peru': [0.0, 0.0]}"
    (found,) = read_opinions(write(tmp_path / "f.csv", ROW | {"selections": selections}))
    assert found.shares == {"IND": (0.3, 0.7)}


def test_a_question_asked_twice_keeps_the_first_answers_of_each_country(tmp_path: Path) -> None:
    again = ROW | {"selections": "{'Belgium': [0.9, 0.1], 'Japan': [0.6, 0.4]}"}
    (found,) = read_opinions(write(tmp_path / "f.csv", ROW, again))
    assert found.shares["BEL"] == (0.2, 0.8)
    assert found.shares["JPN"] == (0.6, 0.4)


@pytest.mark.parametrize(
    ("field", "cell", "message"),
    [
        ("selections", "__import__('os').abort()", "column 'selections': .* is no literal from"),
        ("selections", "{'Belgium': __import__('os').abort()}", "column 'selections': malformed literal"),
        ("selections", "list({'Belgium': [0.2, 0.8]})", "column 'selections': .* is no literal"),
        ("selections", "{'Belgium': [0.2, 0.8]", "column 'selections': .* is no literal"),
        ("selections", "{'Belgium': [0.2, 0.8}", "column 'selections': malformed literal"),
        (
            "selections",
            "{'Atlantis': [0.2, 0.8]}",
            "'Atlantis' is no country known here; use its English name",
        ),
        ("selections", "{'Belgium': [0.2, 'x']}", "shares of 'Belgium' must be numbers from 0 to 1"),
        ("selections", "{'Belgium': [-0.2, 1.2]}", "shares of 'Belgium' must be numbers from 0 to 1"),
        ("selections", "{'Belgium': 0.2}", "shares of 'Belgium' must be numbers from 0 to 1"),
        ("selections", "{'Belgium': [0.2, 0.2]}", r"shares of 'Belgium' sum to 0\.4; they must sum to 1"),
        ("selections", "{'Belgium', 'Peru'}", "selections a mapping of countries to shares"),
        ("options", "Yes, No", "column 'options': 'Yes, No' is no literal"),
    ],
)
def test_a_malformed_cell_is_told_with_its_line_and_never_run(
    tmp_path: Path, field: str, cell: str, message: str
) -> None:
    with pytest.raises(CultureError, match=f"line 3.*{message}"):
        read_opinions(write(tmp_path / "f.csv", ROW, ROW | {field: cell}))


def test_a_truncated_or_wrongly_encoded_file_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", ROW, ROW | {"question": "Another?"})
    raw = path.read_bytes()
    path.write_bytes(raw[:-20])
    with pytest.raises(CultureError, match=r"line 3: malformed CSV .*the file ends early"):
        read_opinions(path)
    path.write_bytes(raw + b"Third?,{}")
    with pytest.raises(
        CultureError, match=r"line 4: 2 cells under 4 columns; if it is the last, the file ends early"
    ):
        read_opinions(path)
    path.write_bytes(raw + b"\xe9,,,\n")
    with pytest.raises(CultureError, match="byte 0xe9 is no UTF-8; save the file as UTF-8"):
        read_opinions(path)


def test_a_file_without_usable_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        CultureError, match="no usable question; give GlobalOpinionQA with question, selections"
    ):
        read_opinions(write(tmp_path / "f.csv"))
    with pytest.raises(CultureError, match="no such file or folder"):
        read_opinions(tmp_path / "none")


def test_a_folder_that_datasets_saved(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list([ROW]).save_to_disk(str(tmp_path / "saved"))
    datasets.DatasetDict({"train": datasets.Dataset.from_list([ROW])}).save_to_disk(str(tmp_path / "parts"))
    assert is_opinions(tmp_path / "saved")
    assert read_opinions(tmp_path / "saved") == read_opinions(tmp_path / "parts")
    assert read_opinions(tmp_path / "saved")[0].shares["BEL"] == (0.2, 0.8)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(CultureError, match="not a data set saved to disk"):
        read_opinions(tmp_path)
