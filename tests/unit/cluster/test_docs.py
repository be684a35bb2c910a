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


def test_the_comparison_is_of_seven_tables_twenty_questions_and_four_methods() -> None:
    """Its settings are still ones that a run takes, and its report has as many negotiations as they plan."""
    import csv

    from cluster.config import RunConfig
    from cluster.plan import plan_of
    from cluster.settings import read_yaml

    folder = ROOT / "docs" / "comparison"
    config = RunConfig.model_validate(read_yaml(folder / "comparison.yaml"))
    plan = plan_of(config)
    with (folder / "negotiations.csv").open(encoding="utf-8", newline="") as lines:
        held = {(row["method"], row["topic"], row["players"]) for row in csv.DictReader(lines)}
    planned = {(method, one.topic.id, "/".join(one.players)) for method in config.methods for one in plan}
    assert len(planned) == 7 * 20 * 4
    assert held == planned
