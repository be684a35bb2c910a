"""Time and memory from a survey file of the official size to the profiles of all countries and regions.

    python benchmarks/survey_profiles.py                   prints JSON
    python benchmarks/survey_profiles.py --out FILE.json   and writes it
    python benchmarks/survey_profiles.py --check           exits with 1 if a mark is missed

A synthetic file in the format of WVS wave 7 is drawn from the seed: 97,000 respondents of 64 countries with primary sampling
units and weights, 290 questions of which every one has answers of its scale and one in twenty is missing. No answer in it is a
real one. A fresh process then reads it and computes the profiles; its wall time counts from the first import to the last
figure, and its memory is the largest resident set that the operating system saw. The marks are 60 s and 2 GB on two cores.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from agents.cultures import load_cultures
from agents.survey.codebook import load_items
from benchmarks.provenance import keep, provenance

RESPONDENTS, QUESTIONS, COUNTRIES = 97_000, 290, 64
LONGEST_S, MOST_MEMORY_GB = 60.0, 2.0


@dataclass(frozen=True, slots=True)
class Build:
    """From the file to profiles, in a process of its own.

    Attributes:
        seconds: from the first import to the last figure.
        peak_memory_gb: largest resident set, 10^9 bytes.
        profiles: regions and countries.
        figures: numbers with their standard errors in all of them.
    """

    seconds: float
    peak_memory_gb: float
    profiles: int
    figures: int


def write_file(path: Path, respondents: int, seed: int) -> None:
    """Draw a file in the format of wave 7."""
    rng = np.random.default_rng(seed)
    regions = load_cultures()
    # Countries in turn from every region, so that each region has some.
    names = [
        culture.countries[place]
        for place in range(40)
        for culture in regions
        if place < len(culture.countries)
    ]
    country = np.sort(rng.integers(0, COUNTRIES, respondents))
    columns: dict[str, Any] = {
        "version": ["synthetic"] * respondents,
        "A_YEAR": 2017 + country % 5,
        "B_COUNTRY_ALPHA": np.array(names[:COUNTRIES])[country],
        "I_PSU": 1000 * country + rng.integers(0, 100, respondents),
        "W_WEIGHT": np.round(rng.lognormal(0, 0.4, respondents), 6),
    }
    codes = {
        item.variables["wave7"].name: [code for group in item.variables["wave7"].codes for code in group]
        for item in load_items()
        if "wave7" in item.variables
    }
    for number in range(1, QUESTIONS + 1):
        name = f"Q{number}"
        scale = codes.get(name, [1, 2, 3, 4])
        # Countries differ, so that there are axes to find.
        lean = rng.normal(size=COUNTRIES)[country] * len(scale) / 6
        drawn = np.clip(rng.normal((len(scale) - 1) / 2 + lean, len(scale) / 3), 0, len(scale) - 1)
        answers = np.array(scale)[np.rint(drawn).astype(int)]
        columns[name] = np.where(rng.random(respondents) < 0.05, -rng.integers(1, 6, respondents), answers)
    pa_csv.write_csv(pa.table(columns), path)


def build(path: Path) -> Build:
    """Compute the profiles; meant for a process of its own."""
    start = time.perf_counter()
    from agents.survey.build import build_profiles

    profiles = build_profiles(path)
    seconds = time.perf_counter() - start
    figures = sum(
        len(profile.schwartz)
        + len(profile.culture_map)
        + len(profile.hofstede)
        + sum(len(answers.shares) for answers in profile.answers.values())
        for profile in profiles.values()
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return Build(seconds, peak, len(profiles), figures)


def measure(respondents: int, seed: int) -> dict[str, Any]:
    """Write the file, build the profiles in a fresh process, and give the figures with their marks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wave7.csv"
        write_file(path, respondents, seed)
        file_mb = path.stat().st_size / 1e6
        command = [sys.executable, __file__, "--build", str(path)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[1]
        )
    return {
        "benchmark": "survey_profiles",
        "respondents": respondents,
        "questions": QUESTIONS,
        "countries": COUNTRIES,
        "file_mb": round(file_mb, 1),
        **json.loads(done.stdout),
        "marks": {"seconds": LONGEST_S, "peak_memory_gb": MOST_MEMORY_GB},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--respondents", type=int, default=RESPONDENTS)
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a mark is missed")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)  # what the fresh process does
    options = parser.parse_args(arguments)
    if options.build is not None:
        print(json.dumps(asdict(build(options.build))))
        return 0
    record = provenance(options.seed, ("numpy", "pyarrow", "pydantic"), ("agents/survey",)) | measure(
        options.respondents, options.seed
    )
    print(json.dumps(record, indent=2))
    if options.out:
        keep(record, options.out)
    missed = [name for name, mark in record["marks"].items() if record[name] > mark]
    for name in missed:
        print(f"{name} is {record[name]:.3g}; it must be at most {record['marks'][name]:g}", file=sys.stderr)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
