"""Reading survey files: delimiters, marks, missing codes, and every fault told with its place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.survey.codebook import load_items
from agents.survey.layouts import JOINT, VSM, VSM_ITEMS, WAVE6, WAVE7, find_layout
from agents.survey.readers import MISSING, STRANGE, Responses, read_responses
from negotiation.errors import CultureError
from tests.unit.agents.survey.survey_files import Cell, wave7, write_table

ITEMS = load_items()
HEADER = Path(__file__).parents[5] / "shared" / "data" / "survey" / "wvs7_csv_header.txt"


def read(path: Path, **options: Any) -> Responses:
    return read_responses(path, ITEMS, **options)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [False, True])
def test_any_delimiter_with_or_without_a_mark(tmp_path: Path, delimiter: str, bom: bool) -> None:
    columns = wave7(["SWE", "DNK", "SWE"], W_WEIGHT=[0.5, 1.25, 2], Q57=[1, 2, -1], Q182=[10, "", 3])
    found = read(write_table(tmp_path / "f.csv", columns, delimiter=delimiter, bom=bom))
    assert found.layout is WAVE7
    assert found.countries == ("DNK", "SWE")
    assert found.country.tolist() == [1, 0, 1]
    assert found.weight.tolist() == [0.5, 1.25, 2.0]
    assert found.year.tolist() == [2018] * 3
    assert found.answers["Q57"].tolist() == [1, 2, -1]
    assert found.answers["Q182"].tolist() == [10, MISSING, 3]
    assert set(found.answers) == {"Q57", "Q182"}


def test_the_first_column_is_found_behind_a_mark(tmp_path: Path) -> None:
    columns = {"B_COUNTRY_ALPHA": ["SWE"], "W_WEIGHT": [1], "Q1": [1]}
    assert read(write_table(tmp_path / "f.csv", columns, delimiter=";", bom=True)).countries == ("SWE",)


def test_decimal_commas_are_read_where_the_delimiter_is_none(tmp_path: Path) -> None:
    columns = wave7(["SWE", "SWE"], W_WEIGHT=["0,5", "1,25"], Q1=[1, 2])
    found = read(write_table(tmp_path / "f.csv", columns, delimiter=";"))
    assert found.weight.tolist() == [0.5, 1.25]


def test_windows_line_ends_and_a_last_line_without_one(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b'"B_COUNTRY_ALPHA";"W_WEIGHT";"Q1"\r\nSWE;1;2\r\nSWE;1;3')
    assert read(path).answers["Q1"].tolist() == [2, 3]


def test_columns_that_are_not_read_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b"B_COUNTRY_ALPHA,NAME,NAME,W_WEIGHT,Q1\nSWE,\xe9,x,1,2\n")
    assert read(path).answers["Q1"].tolist() == [2]


def test_wave_6_with_numbers_for_countries(tmp_path: Path) -> None:
    columns = {"V2": [752, 156], "V258": [1, 2], "V262": [2011, 2012], "V10": [1, 2], "V70": [1, 6]}
    found = read(write_table(tmp_path / "f.csv", columns, delimiter=";"))
    assert found.layout is WAVE6
    assert found.countries == ("CHN", "SWE")
    assert found.year.tolist() == [2011, 2012]
    assert found.weight.tolist() == [1, 2]


def test_a_wave_6_file_may_name_its_weight_in_the_newer_way(tmp_path: Path) -> None:
    columns = {"B_COUNTRY_ALPHA": ["SWE"], "W_WEIGHT": [3], "V10": [1]}
    found = read(write_table(tmp_path / "f.csv", columns))
    assert (found.layout, found.weight.tolist()) == (WAVE6, [3])


@pytest.mark.parametrize("other", [{"V1": [6, 5]}, {"V262": [2011, 2006]}])
def test_files_of_earlier_waves_that_use_the_same_names_are_refused(
    tmp_path: Path, other: dict[str, list[Cell]]
) -> None:
    columns: dict[str, list[Cell]] = {"V2": [752, 752], "V258": [1, 1], "V10": [1, 1]}
    assert read(write_table(tmp_path / "f.csv", columns | {"V1": [6, 6]})).wave.tolist() == [0, 0]
    with pytest.raises(
        CultureError, match=r"line 3: an interview of an earlier wave than 6 .*give the time-series"
    ):
        read(write_table(tmp_path / "f.csv", columns | other))


def test_names_in_another_case_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CultureError, match=r"no known variable .* with the official names in their case"):
        read(write_table(tmp_path / "f.csv", {"b_country_alpha": ["SWE"], "w_weight": [1], "q1": [1]}))


def test_time_series_tell_waves_of_both_surveys(tmp_path: Path) -> None:
    columns = {
        "S002VS": [5, 6, ""],
        "S002EVS": ["", "", 4],
        "S003": [752, 752, 752],
        "S017": [1, 1, 1],
        "S020": [2006, 2011, 2009],
        "A165": [1, 2, 1],
    }
    found = read(write_table(tmp_path / "f.csv", columns))
    assert found.layout is JOINT
    assert found.wave.tolist() == [5, 6, 104]


def test_the_joint_file_with_letters_for_countries(tmp_path: Path) -> None:
    columns = {"cntry_AN": ["NO", "XK"], "gwght": [1, 2], "year": [2018, 2019], "A165": [1, 2]}
    assert read(write_table(tmp_path / "f.csv", columns)).countries == ("NOR", "XKX")


def test_a_vsm_file_needs_no_weights(tmp_path: Path) -> None:
    columns = {"country": ["Sweden"]} | {name: [3] for name in VSM_ITEMS}
    found = read(write_table(tmp_path / "f.csv", columns))
    assert found.layout is VSM
    assert (found.weight.tolist(), found.weighted) == ([1], False)


def test_sampling_units_are_numbered_over_the_whole_file(tmp_path: Path) -> None:
    units = [f"{number % 7 + 1}" for number in range(400)]
    units[3], units[5] = "-4", ""
    path = write_table(tmp_path / "f.csv", wave7(["SWE"] * 400, I_PSU=units, Q1=[1] * 400))
    found = read(path, batch_bytes=1024).cluster
    assert found[3] == found[5] == -1
    assert found[0] == found[7] == found[399 - 399 % 7]
    assert len(set(found.tolist())) == 8


def test_codes_that_can_be_none_are_marked(tmp_path: Path) -> None:
    found = read(write_table(tmp_path / "f.csv", wave7(["SWE"] * 3, Q1=[1.5, 123456, "NA"])))
    assert found.answers["Q1"].tolist() == [STRANGE, STRANGE, MISSING]


def test_batches_of_any_size_give_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = wave7(
        rng.choice(["SWE", "DNK", "CHN"], 500).tolist(),
        Q1=rng.integers(-2, 5, 500).tolist(),
        W_WEIGHT=rng.random(500).tolist(),
    )
    path = write_table(tmp_path / "f.csv", columns)
    small, large = read(path, batch_bytes=1024), read(path)
    assert small.countries == large.countries
    for name in ("country", "weight", "cluster", "year", "wave"):
        assert np.array_equal(getattr(small, name), getattr(large, name))
    assert np.array_equal(small.answers["Q1"], large.answers["Q1"])


def test_progress_is_told_and_grows_to_one(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    path = write_table(tmp_path / "f.csv", wave7(["SWE"] * 500, Q1=[1] * 500))
    read(path, batch_bytes=1024, progress=lambda stage, done: told.append((stage, done)))
    shares = [done for _, done in told]
    assert len(told) > 3
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {stage for stage, _ in told} == {"reading"}


GOOD = "B_COUNTRY_ALPHA,W_WEIGHT,Q1,Q57\nSWE,1,2,1\nDNK,1,2,2\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: empty; the first line must name the columns"),
        (
            b"a,b,c\n1,2,3\n",
            r"line 1: no known variable among the 3 columns \(a, b, c, \.\.\.\); give a WVS wave 7",
        ),
        (
            b"Q1,Q2,W_WEIGHT\n1,2,3\n",
            "line 1: World Values Survey wave 7 has no country column; keep B_COUNTRY_ALPHA or",
        ),
        (
            b"B_COUNTRY_ALPHA,Q1\nSWE,2\n",
            r"line 1: no weight column \(W_WEIGHT\); keep it, or ask for unweighted",
        ),
        (b"B_COUNTRY_ALPHA,W_WEIGHT,Q1,Q1\nSWE,1,2,2\n", "line 1: column 'Q1' is there twice; keep one"),
        (b"B_COUNTRY_ALPHA,W_WEIGHT,Q1\n", "no respondents; the file has a header only"),
        (GOOD.encode("utf-16"), "line 1: UTF-16 or no text; save the file as UTF-8"),
        ("B_COUNTRY_ALPHA,W_WEIGHT,Q1,é\n".encode("latin-1"), "line 1: byte 0xe9 is no UTF-8"),
        (
            GOOD.encode() + b"\xd6st,1,2,1\n",
            "line 4: column 'B_COUNTRY_ALPHA' is no UTF-8; save the file as UTF-8",
        ),
        (
            GOOD.encode() + b"SWE,1",
            "line 4: 2 cells under 4 columns; the file ends in the middle of a row: download",
        ),
        (
            GOOD.encode() + b"SWE,1\nSWE,1,1,1\n",
            "line 4: 2 cells under 4 columns; put cells that hold the delimiter",
        ),
        (GOOD.encode() + b"SWE,1,1,1,1\nSWE,1,1,1\n", "line 4: 5 cells under 4 columns; put cells that hold"),
        (
            GOOD.encode() + b"SWE,1,very,1\n",
            "line 4: column 'Q1': 'very' is no number; give the file with codes",
        ),
        (GOOD.encode() + b"SWE,,1,1\n", "line 4, column 'W_WEIGHT': empty; every respondent needs a weight"),
        (GOOD.encode() + b"SWE,-1,1,1\n", "line 4, column 'W_WEIGHT': -1; every respondent needs a weight"),
        (GOOD.encode() + b"SWE,inf,1,1\n", "line 4, column 'W_WEIGHT': inf; every respondent needs a weight"),
        (
            GOOD.encode() + b",1,1,1\n",
            "line 4, column 'B_COUNTRY_ALPHA': empty; every respondent needs a country",
        ),
        (
            GOOD.encode() + b"Mars,1,1,1\n",
            "line 4, column 'B_COUNTRY_ALPHA': 'Mars' is no country known here",
        ),
        (
            GOOD.encode() + b'"SWE","1","1","',
            "line 4: a quote is not closed; the file ends in the middle of a row",
        ),
        (
            GOOD.replace("\n", "\r").encode(),
            "line 1: lines end with a carriage return alone; save the file with line",
        ),
        (b"PK\x03\x04zip", "a zip file under another name; unpack or rename it"),
        (b"$FL2@(#)", r"a SPSS \(\.sav\) file under another name"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    with pytest.raises(CultureError, match=message):
        read(path)


def test_a_fault_far_in_the_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(GOOD + "SWE,1,2,1\n" * 2000 + "Mars,1,2,1\n")
    with pytest.raises(CultureError, match="line 2,004, column 'B_COUNTRY_ALPHA': 'Mars'"):
        read(path, batch_bytes=1024)


def test_a_line_longer_than_a_batch_is_told_with_the_setting(tmp_path: Path) -> None:
    columns = wave7(["SWE"] * 3, Q1=[1] * 3, LONG=["x" * 5000] * 3)
    with pytest.raises(
        CultureError, match=r"a line is longer than batch_bytes \(1,024\); raise that setting"
    ):
        read(write_table(tmp_path / "f.csv", columns), batch_bytes=1024)


def test_unweighted_figures_may_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("B_COUNTRY_ALPHA,Q1\nSWE,2\nSWE,1\n")
    found = read(path, weighted=False)
    assert (found.weight.tolist(), found.weighted) == ([1, 1], False)


def test_a_missing_file_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CultureError, match=r"none\.csv: No such file or directory; give a readable file"):
        read(tmp_path / "none.csv")
    with pytest.raises(CultureError, match=r"unknown file extension '\.xlsx'; give \.csv, \.sav or \.zsav"):
        read(tmp_path / "f.xlsx")
    with pytest.raises(CultureError, match=r"none\.sav: no such file"):
        read(tmp_path / "none.sav")


@pytest.mark.shared
def test_the_official_header_is_that_of_wave_7_with_every_variable() -> None:
    if not HEADER.exists():
        pytest.skip("the shared survey data is not here")
    names = [name.strip('"') for name in HEADER.read_text(encoding="utf-8-sig").strip().split(";")]
    layout, columns = find_layout(HEADER, names, ITEMS)
    assert layout is WAVE7
    assert set(columns.answers) == set(WAVE7.known_variables(ITEMS))
    assert (columns.country, columns.weight, columns.cluster) == ("B_COUNTRY_ALPHA", "W_WEIGHT", "I_PSU")


class TestSav:
    """SPSS files, written here with the library that reads them."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        pandas = pytest.importorskip("pandas")
        pyreadstat = pytest.importorskip("pyreadstat")
        size = 3000
        frame = pandas.DataFrame(
            {
                "B_COUNTRY_ALPHA": ["SWE", "DNK", "CHN"] * (size // 3),
                "A_YEAR": [2018.0] * size,
                "W_WEIGHT": [0.5, 1.0, 2.0] * (size // 3),
                "I_PSU": [7520001.0, 2080001.0, -4.0] * (size // 3),
                "Q1": [1.0, -1.0, float("nan")] * (size // 3),
                "Q57": [2.0, -2.0, 1.0] * (size // 3),
                "D_TEXT": ["x"] * size,
            }
        )
        path = tmp_path / "wave7.sav"
        pyreadstat.write_sav(frame, str(path), missing_ranges={"Q57": [{"lo": -5, "hi": -1}]})
        return path

    @pytest.mark.parametrize("batch_bytes", [1024, 1 << 20])
    def test_it_is_read_like_text(self, path: Path, batch_bytes: int) -> None:
        found = read(path, batch_bytes=batch_bytes)
        assert found.layout is WAVE7
        assert found.countries == ("CHN", "DNK", "SWE")
        assert found.country[:3].tolist() == [2, 1, 0]
        assert found.country.size == 3000
        assert found.weight[:3].tolist() == [0.5, 1, 2]
        assert found.answers["Q1"][-3:].tolist() == [1, -1, MISSING]
        assert found.answers["Q57"][:3].tolist() == [2, MISSING, 1]
        assert found.cluster[:3].tolist() == [0, 1, -1]

    def test_a_truncated_file_is_told(self, path: Path) -> None:
        raw = path.read_bytes()
        path.write_bytes(raw[: len(raw) // 2])
        with pytest.raises(CultureError, match=r"after row [\d,]+: .*the file is damaged or ends early"):
            read(path)

    def test_another_file_is_told(self, path: Path) -> None:
        path.write_bytes(b"no SPSS file" * 100)
        with pytest.raises(CultureError, match=r"after row 0: .*damaged or ends early: download it again"):
            read(path)

    def test_labels_in_place_of_codes_are_told_with_the_row(self, path: Path) -> None:
        pandas = pytest.importorskip("pandas")
        pyreadstat = pytest.importorskip("pyreadstat")
        frame = pandas.DataFrame({"B_COUNTRY_ALPHA": ["SWE"], "W_WEIGHT": [1.0], "Q1": ["very"]})
        pyreadstat.write_sav(frame, str(path))
        with pytest.raises(CultureError, match="row 1, column 'Q1': 'very' is no number"):
            read(path)

    def test_without_the_library_the_extra_is_named(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyreadstat", None)
        with pytest.raises(CultureError, match=r"pip install 'concordat\[survey\]', or give the CSV file"):
            read(path)
