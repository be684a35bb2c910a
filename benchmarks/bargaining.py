"""Agreement, efficiency and fairness of bargaining against the one-shot consensus, over the negotiations of a run.

    python benchmarks/bargaining.py RUN [RUN ...]              prints the table
    python benchmarks/bargaining.py RUN --negotiations 40      of so many negotiations, spread evenly
    python benchmarks/bargaining.py RUN --out FILE.json        writes it with commit, versions, hardware and seed

Each negotiation is bargained over at the defaults of `concordat bargain`, with exact best responses. The one-shot consensus is
the equilibrium as a lottery over the same offers, put to everybody at once, to be taken or left. Both are exact
expectations over private types. Intervals are 95% over topics; differences are paired.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.provenance import keep, provenance
from cluster.bargaining.bargain import bargain
from cluster.bargaining.command import read_runs
from cluster.bargaining.config import BargainConfig
from cluster.bargaining.summary import MEASURES, WAYS, summary_of
from cluster.bargaining.terminal import interval_words
from rewriter.detector.loading import load_detector


def measure(config: BargainConfig) -> dict[str, Any]:
    """Bargain over all negotiations and sum up."""
    records = read_runs(config.runs, config.negotiations)
    detector = load_detector(config.detector or "bundled", num_threads=1)
    start, games = time.process_time(), []
    for place, record in enumerate(records, start=1):
        games.append(dict(bargain(record, config, detector).tree))
        if place % 10 == 0:
            print(f"{place} of {len(records)}", file=sys.stderr, flush=True)
    found = summary_of(games, config)
    tables = len({tuple(game["players"]) for game in games})
    return {
        "tables": tables,
        "cpu_seconds": time.process_time() - start,
        "iterations_most": max(len(game["iterations"]) for game in games),
    } | found


def table(found: Mapping[str, Any]) -> str:
    """The figures as a Markdown table."""
    rows = [
        f"| measure | {' | '.join(WAYS.values())} | difference |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, (heading, _, better) in MEASURES.items():
        cells = [interval_words(found["measures"][way][name]) for way in WAYS]
        cells.append(interval_words(found["differences"][name]))
        rows.append(f"| {heading} {'↑' if better else '↓'} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--negotiations", type=int, help="so many of them, spread evenly (default all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args(arguments)
    config = BargainConfig(
        runs=tuple(options.runs), negotiations=options.negotiations, seed=options.seed, tolerance=1e-3
    )
    found = measure(config)
    print(table(found))
    if options.out:
        settings = config.model_dump(mode="json", exclude={"runs", "out", "learning"})
        record = (
            provenance(options.seed, ("numpy", "scipy", "open_spiel"), ("negotiation", "cluster/bargaining"))
            | {"benchmark": "bargaining", "settings": settings}
            | found
        )
        keep(record, options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
