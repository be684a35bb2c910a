"""``concordat evaluate culture`` and ``concordat culture profile`` from settings to files."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

import cluster.evaluation as evaluation
from agents.evaluation import CultureEvaluation, EvaluationConfig
from agents.models.config import TransformersConfig
from agents.survey.layouts import VSM_ITEMS
from agents.survey.profile import (
    AnswerShares,
    CultureProfile,
    HofstedeConstants,
    load_profiles,
    load_vsm_constants,
    save_profiles,
)
from cluster.cli import run_command
from cluster.evaluation import EvaluateConfig, settings_of_evaluation, with_constants
from tests.unit.agents.survey.survey_files import Cell, wave7, write_table
from tests.unit.agents.test_evaluation import Voices


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    answers = AnswerShares(item="trust-people", shares=(1 / 3, 2 / 3), respondents=9, source="made up")
    path = tmp_path / "people.json"
    save_profiles({"confucian": CultureProfile(culture="confucian", answers={"trust-people": answers})}, path)
    return path


class Region(Voices):
    """As in the unit test, with a culture of the map."""

    def _logprob(self, request):  # type: ignore[no-untyped-def]  # as its base
        from dataclasses import replace

        adapters = {"confucian": "here", "latin-america": "there", None: None}
        return super()._logprob(replace(request, adapter=adapters[request.adapter]))


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def model(config: EvaluateConfig) -> Iterator[Voices]:
        yield Region()

    monkeypatch.setattr(evaluation, "_model", model)


ARGUMENTS = ["evaluate", "culture", "--cultures", "confucian", "--model", "somewhere", "--serial"]
ADAPTERS = ["--adapter", "confucian=a", "--adapter", "latin-america=b"]


@pytest.mark.usefixtures("faked")
def test_figures_and_picture_are_kept(
    profiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    status = run_command([*ARGUMENTS, *ADAPTERS, "--profiles", str(profiles), "--out", str(out), "--json"])
    assert status == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    [culture] = told["cultures"]
    assert [voice["voice"] for voice in culture["voices"]] == ["own", "base", "adapter of latin-america"]
    assert culture["voices"][0]["distance"]["estimate"] == pytest.approx(0.0, abs=1e-9)
    assert culture["voices"][2]["farther_than_own"]["estimate"] == pytest.approx(1 / 3)
    from matplotlib.image import imread

    pixels = imread(io.BytesIO((out / "evaluation.png").read_bytes()))
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 20


@pytest.mark.usefixtures("faked")
def test_table_says_what_is_not_known(profiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([*ARGUMENTS, *ADAPTERS, "--profiles", str(profiles), "--orders", "1"]) == 0
    [own] = [row.split() for row in capsys.readouterr().out.splitlines() if " own " in row and "0.000" in row]
    assert own[:3] == ["confucian", "own", "0.000"]
    assert own[-1] == "-"  # no Schwartz scores in these profiles


@pytest.mark.usefixtures("faked")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--cultures", "confucian", "--items", "nothing"], "unknown item 'nothing'"),
        (["--adapter", "confucian"], "no CULTURE=PATH"),
        (["--orders", "0"], "orders"),
        (["--cultures", "orthodox-europe"], "none of orthodox-europe; they have confucian"),
        (["--cultures", "confucia"], "did you mean confucian"),
    ],
)
def test_wrong_flags_are_told(
    profiles: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command([*ARGUMENTS[:2], *ARGUMENTS[4:], "--profiles", str(profiles), *more, *ADAPTERS]) == 2
    assert message in capsys.readouterr().err


def test_settings_keep_what_is_given() -> None:
    tree = settings_of_evaluation(
        {"cultures": None, "adapter": ["confucian=x"], "against_prior": True, "seed": 0}
    )
    config = EvaluateConfig.model_validate(tree | {"model": "somewhere"})
    assert config.voices() == ("confucian",)
    assert config.evaluation == EvaluationConfig.model_validate({"interview": {"against_prior": True}})
    loadable = config.loadable()
    assert isinstance(loadable, TransformersConfig)
    assert loadable.adapters == {"confucian": "x"}
    with pytest.raises(ValidationError, match="no cultures and no adapters"):
        EvaluateConfig(model=TransformersConfig(path="somewhere"))


def test_an_evaluation_pickles() -> None:
    import pickle

    one = CultureEvaluation("here", "model", ())
    assert pickle.loads(pickle.dumps(one)) == one


def test_a_survey_file_becomes_profiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    survey, out = tmp_path / "wave7.csv", tmp_path / "profiles.json"
    header = "version,A_YEAR,B_COUNTRY,B_COUNTRY_ALPHA,W_WEIGHT,Q57"
    rows = [f"6-0-0,2019,392,JPN,1,{1 + (k % 4 > 0)}" for k in range(8)]
    survey.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    assert run_command(["culture", "profile", str(survey), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["profiles"]["JPN"]["answers"] == 1
    kept = json.loads(out.read_text(encoding="utf-8"))
    confucian = next(one for one in kept["profiles"] if one["culture"] == "confucian")
    assert confucian["answers"]["trust-people"]["shares"] == [0.25, 0.75]
    assert run_command(["culture", "profile", str(survey), "--out", str(out), "--countries", "SWE"]) == 2
    assert "no respondents of SWE" in capsys.readouterr().err
    assert run_command(["culture", "profile", str(survey), "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["confucian", "1", "1", "-", "-", "-"]


def test_constants_of_hofstedes_dimensions_are_kept_with_the_profiles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    survey, out = tmp_path / "vsm.csv", tmp_path / "profiles.json"
    columns: dict[str, list[Cell]] = {"country": ["Japan", "JP"], **{name: [3, 3] for name in VSM_ITEMS}}
    write_table(survey, columns)
    profile = ["culture", "profile", str(survey), "--out", str(out), "--json"]
    assert run_command([*profile, "--vsm-constants", "PDI=12.5", "IVR=-4"]) == 0
    japan = load_profiles(out)["JPN"].hofstede
    assert {name: figure.value for name, figure in japan.items() if figure.value} == {"PDI": 12.5, "IVR": -4}
    assert japan["IVR"].source.endswith(", constant -4")
    constants = HofstedeConstants(PDI=12.5, IVR=-4)
    assert load_vsm_constants(out) == constants
    config = EvaluateConfig(cultures=("confucian",), profiles=out)
    assert with_constants(config).evaluation.hofstede == constants
    other = config.model_copy(update={"evaluation": EvaluationConfig(hofstede=HofstedeConstants(PDI=1))})
    assert with_constants(other) == other
    assert run_command(profile) == 0
    assert load_vsm_constants(out) == HofstedeConstants()
    capsys.readouterr()


@pytest.mark.parametrize("wrong", [["PDI"], ["XYZ=1"], ["PDI=1", "PDI=2"], ["PDI=high"]])
def test_a_constant_that_is_none_is_told_of(
    wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    survey, out = tmp_path / "wave7.csv", tmp_path / "profiles.json"
    write_table(survey, wave7(["JPN", "JPN"], Q57=[1, 2]))
    command = ["culture", "profile", str(survey), "--out", str(out), "--vsm-constants"]
    assert run_command([*command, *wrong]) == 2
    told = capsys.readouterr().err
    assert "--vsm-constants" in told or "hofstede.PDI" in told
    assert run_command([*command, "PDI=1"]) == 2
    assert "no answers to the Values Survey Module" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_a_stopped_command_still_writes_its_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(settings: object, output: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "evaluate_cultures", stopped)
    assert run_command([*ARGUMENTS, "--json"]) == 130
    told = json.loads(capsys.readouterr().out)
    assert told["error"] == {"type": "Interrupted", "message": "stopped", "status": 130}
