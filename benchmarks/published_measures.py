"""Our measures over the published statements: every released negotiation, by method, with the differences between methods.

    python benchmarks/published_measures.py PATH                    prints JSON
    python benchmarks/published_measures.py PATH --out FILE.json    and writes it

PATH is what ``concordat evaluate run`` takes: the released repository, or the Parquet made of it. Values are read by the bundled
detector, perplexity is that of the bundled model with its adapters: of a small model, and said so.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.provenance import provenance
from cluster.comparison.comparison import compare_sources
from cluster.comparison.config import CompareConfig
from cluster.comparison.sources import read_sources

PACKAGES = ("numpy", "torch", "transformers", "pyarrow")


def measure(path: Path, topics: int | None, threads: int, *, perplexity: bool) -> dict[str, Any]:
    """The means of every method and the paired differences, both over all negotiations."""
    config = CompareConfig(runs=(path,), topics=topics, threads=threads, perplexity=perplexity)
    began = time.monotonic()

    def told(what: str, done: int, of: int) -> None:
        if done == of or done % 500 == 0:
            print(f"{what}: {done}/{of}", file=sys.stderr, flush=True)

    found = compare_sources(config, read_sources(config.runs, config.methods), told)
    return {
        "negotiations": len(found.measured),
        "topics": len({one.topic_id for one in found.measured}),
        "embedder": found.measurement.embedder,
        "model": found.measurement.model,
        "judges": [judge.judge for judge in found.measurement.judges],
        "notes": found.notes(),
        "rows": [asdict(row) for row in found.rows_of("overall")],
        "differences": [asdict(one) for one in found.tests()],
        "movements": [asdict(one) for one in found.movements],
        "seconds": time.monotonic() - began,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, metavar="PATH", help="what 'concordat evaluate run' takes")
    parser.add_argument("--topics", type=int, help="measure so many topics, spread evenly")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the models' arithmetic")
    parser.add_argument("--no-ppl", action="store_true", help="without perplexity")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args(arguments)
    figures = provenance(0, PACKAGES, ("agents", "cluster/comparison", "rewriter/detector")) | measure(
        options.path, options.topics, options.threads, perplexity=not options.no_ppl
    )
    text = json.dumps(figures, indent=1, allow_nan=False) + "\n"
    print(text, end="")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
