"""``concordat culture``: which cultures are shown, in the terminal, as JSON, as a picture and as a page."""

from __future__ import annotations

import builtins
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from agents.cultures import load_cultures
from agents.survey.profile import MAP_AXES, CultureProfile, Figure, save_profiles
from agents.survey.shipped import shipped_profiles
from agents.values import SCHWARTZ_VALUES
from cluster.cli import run_command
from cluster.console import MISUSED, OK
from cluster.culture.labels import place_labels
from cluster.culture.palette import DARK, LIGHT, MARK_SCALE, MARKS, SYMBOLS, style_sheet
from cluster.culture.subjects import all_subjects, cited, country_name, find_subjects
from cluster.culture.terminal import HALF_WIDTH, bar, signed
from negotiation.errors import CultureError
from tests.unit.cluster.test_report import Page

BAD = "a</script><img src=https://evil.example onerror=x> <b>$x^{"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Profiles of a user's own: a region, a country, and a culture that we do not know, with a hostile name."""

    def profile(culture: str, shift: float, values: bool = True, error: float | None = 0.1) -> CultureProfile:
        def figure(value: float) -> Figure:
            return Figure(value=value, standard_error=error, source=f"a survey of <{culture}>, wave of 2024")

        return CultureProfile(
            culture=culture,
            schwartz={n: figure(shift + k / 10) for k, n in enumerate(SCHWARTZ_VALUES)} if values else {},
            culture_map={axis: figure(shift + k) for k, axis in enumerate(MAP_AXES)},
        )

    profiles = [profile("confucian", -0.5), profile("SWE", 0.5, values=False, error=None), profile(BAD, 0.0)]
    save_profiles({p.culture: p for p in profiles}, tmp_path / "own.json")
    return tmp_path / "own.json"


def shipped_countries(count: int) -> list[str]:
    return [subject.id for subject in all_subjects(shipped_profiles()) if not subject.is_region][:count]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = run_command(["culture", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out, said.err


def tree(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    status, out, err = run(capsys, *arguments, "--json")
    assert (status, len(out.splitlines())) == (OK, 1), err
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_cultures_are_found_as_regions_and_as_countries_in_any_spelling() -> None:
    names = ["West & South Asia", "jpn", "Sweden", "slovak republic"]
    found = find_subjects(names, shipped_profiles())
    assert [subject.id for subject in found] == ["west-south-asia", "JPN", "SWE", "SVK"]
    assert [subject.name for subject in found] == ["West and South Asia", "Japan", "Sweden", "Slovakia"]
    assert [subject.region for subject in found[1:]] == ["confucian", "protestant-europe", "catholic-europe"]
    assert [subject.is_region for subject in found] == [True, False, False, False]
    assert found[1].place() == (0.9248, 1.6447)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["confusian"], r"unknown culture 'confusian'; did you mean confucian\?"),
        (["QQQ"], "unknown culture 'QQQ'"),
        (["DOM"], "unknown culture 'DOM'"),
        (["JPN", "japan"], r"'JPN' is given twice \('JPN', 'japan'\); name each once"),
        (["confucian", "CONFUCIAN"], "'confucian' is given twice"),
    ],
)
def test_unknown_cultures_and_repeated_ones_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(CultureError, match=message):
        find_subjects(names, shipped_profiles())


def test_a_country_without_any_figure_is_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "show", "MAC")
    assert status == OK
    assert "No survey figures." in out
    (found,) = tree(capsys, "show", "MAC")["cultures"]
    assert (found["schwartz"], found["culture_map"], found["averaged_over"]) == ({}, {}, [])


def test_show_prints_scores_errors_places_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "show", "protestant-europe", "JPN", "DEU")
    assert (status, err) == (OK, "")
    profile = shipped_profiles()["protestant-europe"]
    for name in SCHWARTZ_VALUES:
        figure = profile.schwartz[name]
        (line,) = [line for line in out.splitlines() if line.startswith(name)]
        assert signed(figure.value) in line
        assert figure.standard_error is None or f"±{figure.standard_error:.2f}" in line
    joined = " ".join(out.split())
    for figure in (*profile.schwartz.values(), *profile.culture_map.values()):
        assert figure.source in joined
    assert "9 countries: Switzerland, Germany," in joined
    assert "A country of Confucian." in joined
    assert "No values: its surveys did not ask all ten." in joined  # Germany
    assert re.search(r"Japan +\+1\.64 +\+0\.92", out)


def test_columns_that_do_not_fit_go_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, "show", "confucian", "latin-america", "african-islamic")
    assert max(map(len, out.splitlines())) <= 80
    assert sum(line.startswith("Self-Direction") for line in out.splitlines()) == 2
    assert "…" not in out


@pytest.mark.parametrize("score", [-9.0, -2.0, -0.6, -0.01, 0.0, 0.3, 1.0, 2.5])
def test_bars_have_one_width_and_lie_on_the_side_of_their_score(score: float) -> None:
    shown = bar(score)
    assert len(shown) == 2 * HALF_WIDTH + 1
    left, right = shown.split("│")
    filled = (left.strip() != "", right.strip() != "")
    assert filled == (round(score, 1) < 0, round(score, 1) > 0)


def test_show_as_json_has_every_number_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    (region, country) = tree(capsys, "show", "confucian", "JPN")["cultures"]
    assert set(region) == {
        *("id", "name", "description", "region", "countries", "averaged_over"),
        *("schwartz", "culture_map", "hofstede"),
    }
    assert list(region["schwartz"]) == list(SCHWARTZ_VALUES)
    figure = shipped_profiles()["confucian"].schwartz["Power"]
    assert region["schwartz"]["Power"] == figure.model_dump()
    assert (country["id"], country["region"], country["countries"]) == ("JPN", "confucian", ["JPN"])


def test_map_shows_regions_and_as_json_countries_too(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "map")
    assert status == OK
    assert len(out.splitlines()) == 9
    assert re.search(r"Protestant Europe +\+0\.97 ±0\.09 +\+2\.40 ±0\.25 +9$", out, re.M)
    cultures = tree(capsys, "map")["cultures"]
    assert len(cultures) == sum(bool(p.culture_map) for p in shipped_profiles().values()) > 100
    assert {"SWE", "confucian"} <= {culture["id"] for culture in cultures}
    assert set(cultures[0]["culture_map"]) == set(MAP_AXES)


@pytest.mark.parametrize(
    "arguments", [("show", "confucian", "JPN"), ("show", "SWE"), ("show", "KWT"), ("map",)]
)
def test_a_picture_is_written_and_is_not_blank(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    png = tmp_path / "new" / "picture.PNG"
    assert tree(capsys, *arguments, "--out", png)["out"] == str(png)
    pixels = imread(png, format="png")
    assert min(pixels.shape[:2]) > 1000
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 100
    ink = (np.abs(pixels[..., :3] - pixels[0, 0, :3]).max(axis=2) > 0.2).mean()
    assert 0.01 < ink < 0.5


def test_pictures_and_pages_of_all_regions_and_of_a_users_profiles(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, own: Path
) -> None:
    regions = [subject.id for subject in all_subjects(shipped_profiles()) if subject.is_region]
    for out in (tmp_path / "a.png", tmp_path / "a.html"):
        assert run(capsys, "show", *regions, "--out", out)[0] == OK
        assert run(capsys, "map", "--profiles", own, "--out", out)[0] == OK
        assert run(capsys, "show", BAD, "SWE", "--profiles", own, "--out", out)[0] == OK


def test_a_users_profiles_stand_in_for_ours(capsys: pytest.CaptureFixture[str], own: Path) -> None:
    (known, unknown) = tree(capsys, "show", "confucian", BAD, "--profiles", own)["cultures"]
    assert known["schwartz"]["Self-Direction"]["value"] == -0.5
    assert (unknown["name"], unknown["region"], unknown["description"]) == (BAD, None, "")
    assert len(tree(capsys, "map", "--profiles", own)["cultures"]) == 3
    _, out, _ = run(capsys, "map", "--profiles", own)
    assert [name in out for name in ("Confucian", "Sweden", BAD)] == [True] * 3
    status, out, _ = run(capsys, "show", "latin-america", "--profiles", own)
    assert (status, "No survey figures." in out) == (OK, True)


@pytest.mark.parametrize("command", ["show", "map"])
def test_a_page_loads_nothing_and_texts_are_no_markup(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, own: Path, command: str
) -> None:
    out = tmp_path / "page.html"
    names = ["confucian", BAD, "SWE"] if command == "show" else []
    assert run(capsys, command, *names, "--profiles", own, "--out", out)[0] == OK
    html = out.read_text(encoding="utf-8")
    page = Page(html)
    assert BAD in page.text
    assert not {tag for tag, _ in page.tags} & {
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "svg",
        "a",
        "b",
    }
    for tag, attributes in page.tags:
        assert not set(attributes) & {"src", "srcset", "href", "action", "background"}, tag
        assert not any(name.startswith("on") for name in attributes), tag
    (policy,) = [a["content"] or "" for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    drawn = json.dumps([{"data": f["data"], "layout": f["layout"]} for f in page.figures.values()])
    assert "<img" not in drawn
    assert "&lt;img" in drawn
    assert set(page.figures) == ({"map"} if command == "map" else {"radar", "scores", "places"})
    assert set(page.figures) == {a["id"] for _, a in page.tags if a.get("class") == "plot"}
    style = re.findall(r"<style>(.*?)</style>", html, re.S)[0]
    assert "url(" not in style
    assert "http" not in style


def test_a_page_has_every_number(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert run(capsys, "show", "protestant-europe", "JPN", "--out", out)[0] == OK
    page = Page(out.read_text(encoding="utf-8"))
    profile = shipped_profiles()["protestant-europe"]
    for figure in (*profile.schwartz.values(), *profile.culture_map.values()):
        assert f"{abs(figure.value):.2f}" in page.text
        assert figure.source in page.text
    radar = page.figures["radar"]["data"][0]
    assert radar["r"][:10] == [profile.schwartz[name].value for name in SCHWARTZ_VALUES]
    assert radar["theta"][:10] == list(SCHWARTZ_VALUES)
    (japan,) = [t for t in page.figures["places"]["data"] if t["name"] == "Japan"]
    assert (japan["x"], japan["y"]) == ([0.9248], [1.6447])  # self-expression to the right


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "confusian"), "unknown culture 'confusian'; did you mean confucian?"),
        (
            ("show", "confucian", "--out", "x.svg"),
            "--out x.svg ends in '.svg'; end it in .png for a picture or",
        ),
        (("map", "--out", "x"), "--out x has no ending; end it in .png"),
        (
            ("show", "MAC", "--out", "x.png"),
            "nothing to draw: no survey figures of Macau; name another culture",
        ),
        (("show", *shipped_countries(9), "--out", "x.png"), "name at most 8"),
        (("show", "JPN", "--profiles", "none.json"), "profiles none.json: No such file or directory"),
        (("map", "--profiles", "none.json"), "profiles none.json: No such file or directory"),
    ],
)
def test_what_cannot_be_shown_is_said(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (MISUSED, "")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_profiles_without_places_make_no_map(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    save_profiles({"KWT": shipped_profiles()["KWT"]}, tmp_path / "own.json")
    status, _, err = run(capsys, "map", "--profiles", tmp_path / "own.json")
    assert (status, "none has a culture_map" in err) == (MISUSED, True)


def test_a_file_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, _, err = run(capsys, "map", "--out", tmp_path / "file" / "map.html")
    assert status == MISUSED
    assert re.search(r"--out .*map\.html: .*; name a file that can be written", err)


def test_without_matplotlib_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    status, _, err = run(capsys, "map", "--out", tmp_path / "map.png")
    assert (status, "pip install concordat[plot]" in err) == (MISUSED, True)
    assert run(capsys, "map", "--out", tmp_path / "map.html")[0] == OK


def test_the_commands_load_neither_ray_nor_torch() -> None:
    code = (
        "import sys; from cluster.cli import run_command; status = run_command(['culture', 'show', 'JPN']);"
        "heavy = {'ray', 'torch', 'transformers', 'pyspiel', 'matplotlib', 'plotly'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(status)"
    )
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr


def test_names_on_a_map_hide_neither_each_other_nor_a_point() -> None:
    points = np.array([[100.0 + 25 * (k % 6), 100.0 + 25 * (k // 6)] for k in range(24)])
    sizes = np.full((24, 2), (40.0, 10.0))
    centres = place_labels(points, sizes, [(0.0, 0.0, 400.0, 60.0)], (0.0, 0.0, 400.0, 400.0), radius=3.0)
    low, high = centres - sizes / 2, centres + sizes / 2
    for k in range(24):
        assert (low[k] >= [0, 60]).all()
        assert (high[k] <= 400).all()
        for j in range(24):
            assert j == k or (np.minimum(high[k], high[j]) <= np.maximum(low[k], low[j]) + 1e-9).any()
            assert ((points[j] <= low[k]) | (points[j] >= high[k])).any()


def test_a_lone_name_stands_to_the_right_of_its_point() -> None:
    points, sizes = np.array([[50.0, 50.0]]), np.array([[20.0, 8.0]])
    (centre,) = place_labels(points, sizes, [], (0.0, 0.0, 100.0, 100.0), radius=4.0)
    assert centre == pytest.approx([50 + 4 + 1 + 10, 50])


def test_each_region_has_a_colour_and_a_mark_of_its_own() -> None:
    for marks in (LIGHT, DARK, MARKS, SYMBOLS):
        assert len(set(marks)) == 8
    assert len(MARK_SCALE) == 8
    sheet = style_sheet()
    assert all(f"--p{k}:{LIGHT[k]}" in sheet for k in range(8))


def test_colours_are_told_apart_from_the_ground_they_are_on() -> None:
    def luminance(hue: str) -> float:
        parts = [int(hue[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    # Web Content Accessibility Guidelines 1.4.11: 3 to 1 for what is no text.
    assert all((luminance("#ffffff") + 0.05) / (luminance(hue) + 0.05) >= 3 for hue in LIGHT)
    assert all((luminance(hue) + 0.05) / (luminance("#1b1f25") + 0.05) >= 3 for hue in DARK)


def test_every_country_of_a_region_has_a_name_that_leads_to_it() -> None:
    codes = [code for region in load_cultures() for code in region.countries]
    assert [code for code in codes if country_name(code) == code] == []
    found = find_subjects([country_name(code) for code in codes], shipped_profiles())
    assert [subject.id for subject in found] == codes


def test_a_source_line_names_each_survey_once() -> None:
    subjects = all_subjects(shipped_profiles())
    assert cited(subjects) == (
        "Source: World Values Survey and European Values Study, Integrated Values Surveys."
    )
