"""The wheel holds the four packages with their data and nothing else, and works without the source tree."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("negotiation", "agents", "rewriter", "cluster")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    [path] = folder.glob("concordat-*.whl")
    return path


def test_wheel_holds_the_packages_and_their_data_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(PACKAGES)
    tracked = run("git", "ls-files", *PACKAGES, cwd=ROOT).splitlines()
    missing = sorted(set(tracked) - set(names))
    assert not missing, missing
    assert "agents/data/cultures.yaml" in names


def test_installed_wheel_imports_and_answers(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    # Third-party packages come from this environment; a path line does not read the .pth files in that folder, so an
    # editable install of the source tree there stays out.
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    )
    (site / "third_party.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    places = run(
        python,
        "-c",
        f"import {', '.join(PACKAGES)}; print(negotiation.__file__, cluster.__file__)",
        cwd=tmp_path,
    )
    assert all(Path(place).is_relative_to(site) for place in places.split())
    assert "0.1.0" in run(tmp_path / "env" / "bin" / "concordat", "--version", cwd=tmp_path)
    cultures = run(
        python, "-c", "from agents.cultures import load_cultures; print(len(load_cultures()))", cwd=tmp_path
    )
    assert cultures.strip() == "8"
