"""The documents say what the program says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_command_line_page_is_that_of_the_present_help(tmp_path: Path) -> None:
    page = tmp_path / "command-line.md"
    command = [sys.executable, "-m", "typer", "cluster.cli", "utils", "docs"]
    command += ["--name", "concordat", "--title", "Command line", "--output", str(page)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    kept = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8") == kept, f"run: {' '.join(command[1:-1])} docs/command-line.md"


def test_readme_links_lead_to_files() -> None:
    import re

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://)([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_benchmark_page_is_that_of_the_measured_figures() -> None:
    done = subprocess.run([sys.executable, "benchmarks/tables.py", "--check"], cwd=ROOT, timeout=60)
    assert done.returncode == 0, "run: python benchmarks/tables.py"
