"""Run folders: layout, lock, versions, settings on resume."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.runfolder import (
    LAYOUT_VERSION,
    RunFolder,
    check_version,
    read_settings,
    safe_name,
    write_atomically,
)
from negotiation.errors import RecordError, RunError, RunInUseError

SETTINGS = {
    "seed": 3,
    "cultures": ["confucian", "latin-america"],
    "game": {"alpha": 0.5},
    "concurrency": 32,
    "out": None,
}


def test_begins_with_all_parts_and_saved_settings(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run", SETTINGS) as folder:
        folder.append_event({"event": "run_started"})
        folder.write_metrics({"negotiations": 0})
    assert read_settings(tmp_path / "run") == SETTINGS
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        ".lock",
        "config.yaml",
        "run.json",
        "negotiations",
        "policies",
        "events.jsonl",
        "metrics.json",
    }
    event = json.loads((tmp_path / "run" / "events.jsonl").read_text())
    assert event["event"] == "run_started"
    assert event["time"].startswith("20")


def test_another_run_there_needs_resume(tmp_path: Path) -> None:
    RunFolder(tmp_path, SETTINGS).close()
    with pytest.raises(RunError, match="already holds a run; add --resume"):
        RunFolder(tmp_path, SETTINGS)
    RunFolder(tmp_path, SETTINGS, resume=True).close()


def test_resume_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run to resume"):
        RunFolder(tmp_path / "nothing", SETTINGS, resume=True)
    assert not (tmp_path / "nothing").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="is not a run"):
        RunFolder(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_a_process_that_was_killed_at_once_left_is_no_obstacle(tmp_path: Path) -> None:
    RunFolder(tmp_path, SETTINGS).close()
    (tmp_path / "run.json").unlink()
    (tmp_path / ".run.json.77.tmp").write_text("{")
    RunFolder(tmp_path, SETTINGS).close()
    assert (tmp_path / "run.json").exists()
    (tmp_path / "run.json").unlink()
    (tmp_path / "negotiations" / "tax.parquet").write_bytes(b"PAR1")  # more than that: somebody's work
    with pytest.raises(RunError, match="is not a run"):
        RunFolder(tmp_path, SETTINGS)


def test_other_settings_are_told_field_by_field_and_speed_may_change(tmp_path: Path) -> None:
    RunFolder(tmp_path, SETTINGS).close()
    RunFolder(tmp_path, {**SETTINGS, "concurrency": 4, "out": "elsewhere"}, resume=True).close()
    with pytest.raises(RunError) as caught:
        RunFolder(tmp_path, {**SETTINGS, "seed": 4, "game": {"alpha": 0.7}}, resume=True)
    assert "seed: the run has 3, you ask for 4" in str(caught.value)
    assert "game.alpha: the run has 0.5, you ask for 0.7" in str(caught.value)
    assert "cultures" not in str(caught.value)


def test_methods_may_be_added_to_a_run_and_not_taken_from_it(tmp_path: Path) -> None:
    RunFolder(tmp_path, SETTINGS).close()  # made before there were methods: the game's alone
    assert not (tmp_path / "debate").exists()
    both = {**SETTINGS, "methods": ["psro", "debate"], "baselines": {"debate": {"rounds": 2}}}
    RunFolder(tmp_path, {**both, "concurrency": 4}, resume=True).close()
    assert read_settings(tmp_path) == both
    assert (tmp_path / "debate").is_dir()
    with pytest.raises(RunError, match=r'methods: the run has .*"debate"'):
        RunFolder(tmp_path, {**both, "methods": ["psro"]}, resume=True)
    with pytest.raises(RunError, match=r"baselines.debate.rounds: the run has 2, you ask for 3"):
        RunFolder(tmp_path, {**both, "baselines": {"debate": {"rounds": 3}}}, resume=True)
    with pytest.raises(RunError, match="seed"):
        RunFolder(tmp_path, {**both, "methods": ["psro", "debate", "mediator"], "seed": 9}, resume=True)
    assert read_settings(tmp_path) == both


def test_a_new_run_of_several_methods_can_be_taken_back_whole(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run", {**SETTINGS, "methods": ["debate", "mediator"]}).discard()
    assert not (tmp_path / "run").exists()


def test_another_version_is_refused(tmp_path: Path) -> None:
    RunFolder(tmp_path, SETTINGS).close()
    write_atomically(tmp_path / "run.json", json.dumps({"layout_version": 99, "concordat": "9.9"}).encode())
    with pytest.raises(RecordError, match=r"made by Concordat 9\.9 with run layout 99"):
        RunFolder(tmp_path, SETTINGS, resume=True)
    write_atomically(tmp_path / "run.json", b"{")
    with pytest.raises(RecordError, match="damaged"):
        check_version(tmp_path)
    assert LAYOUT_VERSION == 1


def test_one_process_at_a_time(tmp_path: Path) -> None:
    message = f"in use by process {os.getpid()} on"
    with RunFolder(tmp_path, SETTINGS), pytest.raises(RunInUseError, match=message):
        RunFolder(tmp_path, SETTINGS, resume=True)
    RunFolder(tmp_path, SETTINGS, resume=True).close()


def test_a_lock_left_by_a_dead_process_is_no_obstacle(tmp_path: Path) -> None:
    RunFolder(tmp_path, SETTINGS).close()
    code = (
        "import os, sys; from pathlib import Path; from cluster.runfolder import RunFolder\n"
        f"RunFolder(Path(sys.argv[1]), {SETTINGS!r}, resume=True); os._exit(9)"
    )
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, cwd=Path.cwd())
    assert died.returncode == 9
    assert "process" in (tmp_path / ".lock").read_text()
    RunFolder(tmp_path, SETTINGS, resume=True).close()


def test_half_written_files_are_cleared_and_never_seen(tmp_path: Path) -> None:
    RunFolder(tmp_path, SETTINGS).close()
    (tmp_path / "negotiations" / ".tax.parquet.123.tmp").write_bytes(b"PAR1")
    with RunFolder(tmp_path, SETTINGS, resume=True) as folder:
        assert not folder.is_finished("tax")
    assert not list((tmp_path / "negotiations").iterdir())


def test_a_new_run_can_be_taken_back_whole(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run", SETTINGS).discard()
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="cannot make"):
        RunFolder(tmp_path / "run", SETTINGS)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot write"):
        write_atomically(tmp_path / "gone" / "file", b"")


@pytest.mark.parametrize("identifier", ["../../etc/passwd", "A", "a" * 300, ".hidden", "", "日本", "a b"])
def test_names_are_safe_and_distinct(identifier: str) -> None:
    name = safe_name(identifier)
    assert name == name.lower()
    assert "/" not in name
    assert not name.startswith(".")
    assert 0 < len(name) <= 120
    assert name != safe_name(identifier + "x")


def test_names_differ_where_only_case_differs() -> None:
    assert safe_name("Tax") != safe_name("tax") == "tax"
