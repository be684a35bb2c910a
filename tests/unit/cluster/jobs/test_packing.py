"""What of a folder goes along with a job."""

from __future__ import annotations

import os
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.jobs import packing
from cluster.jobs.packing import WorkingDirectory
from negotiation.errors import ConfigurationError


def make(folder: Path, *names: str, size: int = 1) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def names(folder: Path, *excludes: str) -> list[str]:
    return [member.name for member in WorkingDirectory(folder, excludes).members()]


def test_files_that_git_ignores_stay(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "data/b.csv", "data/deep/c.bin", "data/deep/keep.bin", "build/d", ".hidden")
    (tmp_path / ".gitignore").write_text("build/\n*.bin\n")
    (tmp_path / "data/deep/.gitignore").write_text("!keep.bin\n")
    assert names(tmp_path) == [
        ".gitignore",
        ".hidden",
        "a.py",
        "data/b.csv",
        "data/deep/.gitignore",
        "data/deep/keep.bin",
    ]


def test_history_environments_results_and_secrets_stay(tmp_path: Path) -> None:
    make(
        tmp_path,
        ".git/HEAD",
        ".venv/bin/python",
        "runs/one/run.json",
        ".env",
        "a/__pycache__/b.pyc",
        "a/b.py",
    )
    make(tmp_path, "a/runs/kept.txt")
    assert names(tmp_path) == ["a/b.py", "a/runs/kept.txt"]


def test_rayignore_goes_over_gitignore_and_exclude_over_both(tmp_path: Path) -> None:
    make(tmp_path, "a.bin", "b.bin", "c.txt", ".env")
    (tmp_path / ".gitignore").write_text("*.bin\n")
    (tmp_path / ".rayignore").write_text("!a.bin\n!.env\n")
    assert names(tmp_path) == [".env", ".gitignore", ".rayignore", "a.bin", "c.txt"]
    assert names(tmp_path, "*.txt", ".*", "a.*") == []


def test_a_folder_that_is_too_large_is_refused_with_what_fills_it(tmp_path: Path) -> None:
    make(tmp_path, "weights/model.bin", size=3_000_000)
    make(tmp_path, "a.py")
    with pytest.raises(
        ConfigurationError, match=r"3\.0 MB, more than 2 \(largest: weights/ 3\.0 MB.*--exclude"
    ):
        WorkingDirectory(tmp_path, limit_mb=2).members()
    assert len(WorkingDirectory(tmp_path, ("weights/",), limit_mb=2).members()) == 1


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST_FILES", 5)
    make(tmp_path, *(f"data/{k}" for k in range(6)))
    with pytest.raises(ConfigurationError, match=r"more than 5 files \(data/ 6 files\)"):
        WorkingDirectory(tmp_path).members()


def test_equal_folders_make_equal_archives(tmp_path: Path) -> None:
    for place in ("one", "two"):
        make(tmp_path / place, "b/c.txt", "run.sh")
        (tmp_path / place / "run.sh").chmod(0o755)
    os.utime(tmp_path / "two" / "run.sh", (1, 1))
    for place in ("one", "two"):
        WorkingDirectory(tmp_path / place).pack(tmp_path / f"{place}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    archive = zipfile.ZipFile(tmp_path / "one.zip")
    assert archive.namelist() == ["b/c.txt", "run.sh"]
    assert (archive.getinfo("run.sh").external_attr >> 16) & stat.S_IXUSR
    assert not (archive.getinfo("b/c.txt").external_attr >> 16) & stat.S_IXUSR


def test_links_to_files_are_followed_and_those_to_folders_and_nothing_are_not(tmp_path: Path) -> None:
    make(tmp_path / "outside", "deep/a.txt")
    make(tmp_path / "folder", "b.txt")
    (tmp_path / "folder" / "a.txt").symlink_to(tmp_path / "outside/deep/a.txt")
    (tmp_path / "folder" / "deep").symlink_to(tmp_path / "outside/deep")
    (tmp_path / "folder" / "dangling").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path / "folder") == ["a.txt", "b.txt"]


@pytest.mark.parametrize("where", ["--exclude", ".gitignore"])
def test_a_pattern_that_is_none_is_named(where: str, tmp_path: Path) -> None:
    wrong = "!"
    make(tmp_path, "a.txt")
    if where == ".gitignore":
        (tmp_path / ".gitignore").write_text(f"{wrong}\n")
    with pytest.raises(ConfigurationError, match=where):
        WorkingDirectory(tmp_path, (wrong,) if where == "--exclude" else ()).members()


NAMES = st.sampled_from(["a", "b", "c.py", "c.bin", "deep"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
PATTERNS = st.sampled_from(["*.bin", "/a", "deep/", "b/", "!c.bin", "**/b/c.py", "a/*", "!a/b", "deep/**"])


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paths=st.sets(PATHS, max_size=8),
    patterns=st.lists(PATTERNS, max_size=4),
    inner=st.lists(PATTERNS, max_size=2),
)
def test_git_agrees(
    paths: set[str], patterns: list[str], inner: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What goes along is what ``git add .`` would take."""
    folder = tmp_path_factory.mktemp("git")
    for path in sorted(paths, key=len, reverse=True):
        if not (folder / path).exists():
            try:
                make(folder, path)
            except OSError:  # a part of it is a file
                continue
    (folder / ".gitignore").write_text("".join(f"{line}\n" for line in patterns))
    if (folder / "deep").is_dir():
        (folder / "deep" / ".gitignore").write_text("".join(f"{line}\n" for line in inner))
    git = ["git", "-c", "core.excludesFile=/dev/null"]
    subprocess.run([*git, "init", "-q", folder], check=True)
    listed = subprocess.run(
        [*git, "-C", folder, "ls-files", "-o", "--exclude-per-directory=.gitignore"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert names(folder) == sorted(listed.stdout.splitlines())
