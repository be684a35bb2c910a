"""Writes benchmarks/README.md from the measured figures in benchmarks/results.

python benchmarks/tables.py          writes the page
python benchmarks/tables.py --check  exit status 1 if the page is another one
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGE = FOLDER / "README.md"

HEAD = """\
# Benchmarks

One script per figure; each prints ratios against a peer or a bound measured in the same run, and writes JSON with commit,
versions, hardware and seed. This page is made from `results/` by `python benchmarks/tables.py`.
"""


def page() -> str:
    """The page in Markdown."""
    parts = [HEAD]
    for name, draw in (
        ("negotiation_throughput", _throughput),
        ("meta_solve", _meta_solve),
        ("survey_profiles", _survey_profiles),
    ):
        path = FOLDER / "results" / f"{name}.json"
        if path.is_file():
            figures = json.loads(path.read_text(encoding="utf-8"))
            parts.append(f"## {name}\n\n{draw(figures)}\n\n{_measured(figures)}\n")
    return "\n".join(parts)


def _measured(figures: dict[str, Any]) -> str:
    hardware = figures["hardware"]
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    return (
        f"Measured at commit {figures['commit'][:10]} on {hardware['cores']} cores ({hardware['cpu']}; load average"
        f" {hardware['load'][0]:.1f} at the end), seed {figures['seed']}; {versions}."
    )


def _throughput(figures: dict[str, Any]) -> str:
    run, raw, slow = figures["run"], figures["raw"], figures["unbatched"]
    return "\n".join(
        [
            f"A run of {run['topics']} topics as a user starts it ({figures['model']} model, two cultures, Ray, defaults),"
            " against one raw `generate` call",
            f"of the same model ({raw['batch']} sequences, {raw['prompt_tokens']} tokens in), and"
            " against the same run one call at a time",
            f"({slow['topics']} topics).",
            "",
            "| figure | measured | wanted |",
            "| --- | ---: | ---: |",
            f"| generated tokens a second, run over raw with replies of the run's lengths | {figures['tokens_ratio']:.2f}"
            " | at least 0.75 |",
            f"| the same, raw with all replies of the mean length | {figures['tokens_ratio_even']:.2f} | at least 0.75 |",
            f"| tokens a second: run, raw, raw with even lengths | {run['tokens_per_s']:.0f},"
            f" {raw['tokens_per_s']:.0f}, {max(raw['even_by_threads'].values()):.0f} | |",
            f"| negotiations an hour, run over one call at a time | {figures['speedup']:.1f} | at least 4 |",
            f"| negotiations an hour | {run['negotiations_per_hour']:.0f} | |",
            f"| peak memory, all processes | {figures['peak_memory_gb']:.2f} GB | below 4 GB |",
        ]
    )


def _meta_solve(figures: dict[str, Any]) -> str:
    lines = [
        "Solving meta-games: `negotiation` and `contested` are games of our utility over random guidelines, `random` has",
        "independent normal payoffs. Wanted of `exact`: NashConv at most 1e-9, and 2 x 20 of our kind in under 20 ms.",
        "",
        "| games | pools | solver | median ms | max ms | median NashConv | max NashConv | converged |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {line['family']} | {line['pools']} | {line['solver']} | {line['median_ms']:.2f} | {line['max_ms']:.2f}"
        f" | {line['median_nash_conv']:.1e} | {line['max_nash_conv']:.1e} | {line['converged']}/{line['games']} |"
        for line in figures["lines"]
    ]
    return "\n".join(lines)


def _survey_profiles(figures: dict[str, Any]) -> str:
    return "\n".join(
        [
            f"A synthetic survey file of the official size ({figures['respondents']:,} respondents in {figures['countries']}"
            f" countries, {figures['questions']} questions, {figures['file_mb']:.0f} MB)",
            f"read to {figures['profiles']} profiles of {figures['figures']:,} figures with their standard errors.",
            "",
            "| figure | measured | wanted |",
            "| --- | ---: | ---: |",
            f"| seconds | {figures['seconds']:.1f} | at most {figures['marks']['seconds']:.0f} |",
            f"| peak memory | {figures['peak_memory_gb']:.2f} GB | at most {figures['marks']['peak_memory_gb']:.0f} GB |",
        ]
    )


def main() -> int:
    """Write or check the page; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args()
    text = page()
    if options.check:
        return 0 if PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
