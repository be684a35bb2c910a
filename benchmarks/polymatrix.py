"""Games of many players in polymatrix form: time, memory and NashConv, up to 8 players with 32 guidelines each.

    python benchmarks/polymatrix.py                     prints the table
    python benchmarks/polymatrix.py --out FILE.json     and writes it with commit, versions, hardware and seed
    python benchmarks/polymatrix.py --check             exits with 1 if 8 x 32 takes a second or memory grows faster than N^2 k^2

Solvers that need the dense tensor are run on 3 x 4 and 8 x 2 alone. Games are of our utility over random guidelines, as
``meta_solve`` draws them. Memory is the peak of what building and solving allocate (tracemalloc), beside the cells of the pair
matrices, N (N - 1) k^2, and beside those of a dense tensor, N k^N. Growth is the slope of log memory on log (N k): 2 means
N^2 k^2. Seconds are of one thread's computing, and of the clock beside them: other work on the machine lengthens the second
alone.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.provenance import keep, provenance
from negotiation.config import (
    CorrelatedConfig,
    ExactConfig,
    LogitConfig,
    PotentialConfig,
    PrdConfig,
    RegretMatchingConfig,
    SolverConfig,
)
from negotiation.guideline import Guideline, Pool, unit_rows
from negotiation.metagame import PolymatrixGame, build_metagame
from negotiation.solvers import solve
from negotiation.utility import Utility

SIZES = ((2, 32), (3, 32), (4, 32), (8, 8), (8, 16), (8, 32), (8, 64))
"""Players and guidelines each."""

SOLVERS: dict[str, SolverConfig] = {
    "exact": ExactConfig(),
    "potential": PotentialConfig(),
    "logit": LogitConfig(),
}

SMALL = ((3, 4), (8, 2))
"""Sizes for the solvers that need the dense tensor."""

DENSE: dict[str, SolverConfig] = {
    "prd": PrdConfig(iterations=2000),
    "regret-matching": RegretMatchingConfig(iterations=5000),
    "ce": CorrelatedConfig(kind="ce"),
    "cce": CorrelatedConfig(kind="cce"),
    "ce, gini": CorrelatedConfig(kind="ce", objective="gini"),
    "cce, gini": CorrelatedConfig(kind="cce", objective="gini"),
}
"""Approximate dynamics, and correlated equilibria of greatest total payoff or Gini impurity, of whose marginals NashConv is."""

GAMES = 5
DIMENSIONS = 384
MARK = (8, 32)
LONGEST_S = 1.0
STEEPEST = 2.3
"""Slope of memory allowed: 2 and what fixed costs add."""


@dataclass(frozen=True)
class Line:
    """One line of the table: a solver on games of one size."""

    players: int
    actions: int
    solver: str
    games: int
    median_s: float
    max_s: float
    max_wall_s: float
    max_nash_conv: float
    converged: int
    peak_bytes: int
    pair_bytes: int
    dense_bytes: float


def draw(players: int, size: int, rng: np.random.Generator) -> PolymatrixGame:
    """A game over sentence-like unit vectors: topic + position of the side + what each guideline adds."""
    topic = rng.normal(size=DIMENSIONS)
    sides = []
    for player in range(players):
        position = topic + 0.7 * rng.normal(size=DIMENSIONS)
        vectors = unit_rows(position + 0.7 * rng.normal(size=(size, DIMENSIONS)), "benchmark")
        guidelines = tuple(
            Guideline(f"p{player}-{k}", player, k, "innovative" if k else "initial", f"guideline {k}", "", "")
            for k in range(size)
        )
        sides.append(Pool(player, guidelines, vectors))
    return build_metagame(sides, Utility.standard(alpha=0.05, beta=1.0, gamma=0.1))


def measure(players: int, size: int, solver: str, games: int, seed: int) -> Line:
    """Solve some games for time, and one more for memory."""
    seconds, walls, convs, converged = [], [], [], 0
    for index in range(games):
        game = draw(players, size, np.random.default_rng([seed, players, size, index]))
        start, wall = time.process_time(), time.perf_counter()
        solution = solve(game, (SOLVERS | DENSE)[solver])
        seconds.append(time.process_time() - start)
        walls.append(time.perf_counter() - wall)
        convs.append(solution.nash_conv)
        converged += solution.converged
    own, pairs = dict(enumerate(game.own)), dict(game.pairs)
    tracemalloc.start()
    solve(PolymatrixGame(tuple(own.values()), pairs), (SOLVERS | DENSE)[solver])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Line(
        players=players,
        actions=size,
        solver=solver,
        games=games,
        median_s=float(np.median(seconds)),
        max_s=max(seconds),
        max_wall_s=max(walls),
        max_nash_conv=max(convs),
        converged=converged,
        peak_bytes=peak,
        pair_bytes=8 * players * (players - 1) * size * size,
        dense_bytes=8.0 * players * float(size) ** players,
    )


def slope(lines: Sequence[Line], solver: str) -> float:
    """Of log peak memory on log (N k), over games of 8 players."""
    chosen = [line for line in lines if line.solver == solver and line.players == 8 and line.actions >= 8]
    if len(chosen) < 2:
        return 0.0
    sizes = np.log([line.players * line.actions for line in chosen])
    return float(np.polyfit(sizes, np.log([line.peak_bytes for line in chosen]), 1)[0])


def misses(lines: Sequence[Line]) -> list[str]:
    """What is short of the marks."""
    found = [
        f"{line.solver}: 8 x 32 took {line.max_s:.2f} s of computing, wanted below {LONGEST_S:g} s"
        for line in lines
        if (line.players, line.actions) == MARK and line.solver == "exact" and line.max_s >= LONGEST_S
    ]
    grown = slope(lines, "exact")
    if grown > STEEPEST:
        found.append(f"exact: memory grows as (N k)^{grown:.2f}, wanted at most (N k)^{STEEPEST:g}")
    return found


def table(lines: Sequence[Line]) -> str:
    """The figures as a Markdown table."""
    heads = ("players x guidelines", "solver", "median s", "max s", "clock s", "max NashConv", "converged", "peak memory",
             "pairs", "dense tensor")  # fmt: skip
    rows = [f"| {' | '.join(heads)} |", f"| --- | --- |{' ---: |' * (len(heads) - 2)}"]
    for line in lines:
        cells = (
            f"{line.players} x {line.actions}",
            line.solver,
            f"{line.median_s:.3f}",
            f"{line.max_s:.3f}",
            f"{line.max_wall_s:.2f}",
            f"{line.max_nash_conv:.1e}",
            f"{line.converged}/{line.games}",
            f"{line.peak_bytes / 1e6:.1f} MB",
            f"{line.pair_bytes / 1e6:.1f} MB",
            f"{line.dense_bytes / 1e9:.2g} GB",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--games", type=int, default=GAMES, help=f"games of every size (default {GAMES})")
    parser.add_argument("--solvers", nargs="+", choices=list(SOLVERS), default=list(SOLVERS))
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 if the exact solver misses its marks"
    )
    options = parser.parse_args(arguments)
    lines = [
        measure(players, size, solver, options.games, options.seed)
        for players, size in SIZES
        for solver in options.solvers
    ]
    lines += [
        measure(players, size, solver, min(options.games, 2), options.seed)
        for players, size in SMALL
        for solver in [*options.solvers, *DENSE]
    ]
    print(table(lines))
    slopes = {solver: slope(lines, solver) for solver in options.solvers}
    print("memory over N k at 8 players:", ", ".join(f"{k} {v:.2f}" for k, v in slopes.items()))
    if options.out:
        record = provenance(options.seed, ("numpy", "scipy", "open_spiel"), ("negotiation",)) | {
            "benchmark": "polymatrix",
            "slopes": slopes,
            "lines": [asdict(line) for line in lines],
        }
        keep(record, options.out)
    failed = misses(lines)
    for miss in failed:
        print(miss, file=sys.stderr)
    return 1 if options.check and failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
