"""The folder that a job's command sees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cluster.jobs.entry import arrange

ROOT = Path(__file__).parents[4]


def test_results_lead_to_the_lasting_folder_and_the_rest_to_what_came_along(tmp_path: Path) -> None:
    brought, place = tmp_path / "brought", tmp_path / "place"
    (brought / "runs").mkdir(parents=True)
    (brought / "mine.yaml").write_text("seed: 3\n")
    place.mkdir()
    arrange(brought, tmp_path / "kept", place)
    assert (place / "mine.yaml").read_text() == "seed: 3\n"
    (place / "runs" / "one").mkdir()
    assert (tmp_path / "kept" / "one").is_dir()
    assert not (brought / "runs" / "one").exists()


def entry(tmp_path: Path, kept: str, *command: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "scratch").mkdir()
    return subprocess.run(
        [sys.executable, "-m", "cluster.jobs.entry", *command],
        cwd=tmp_path,
        env={
            **os.environ,
            "CONCORDAT_RUNS": kept,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(tmp_path / "scratch"),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_runs_with_its_own_exit_status_and_leaves_no_folder(tmp_path: Path) -> None:
    done = entry(tmp_path, str(tmp_path / "kept"), "report", "runs/nosuch")
    assert done.returncode == 2
    assert "runs/nosuch holds no run" in done.stderr
    assert (tmp_path / "kept").is_dir()
    assert not list((tmp_path / "scratch").iterdir())


def test_a_folder_for_results_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    done = entry(tmp_path, str(tmp_path / "taken"), "report", "runs/nosuch")
    assert done.returncode == 1
    assert "name another with --runs" in done.stderr
    assert not list((tmp_path / "scratch").iterdir())
