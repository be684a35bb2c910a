"""Time and NashConv of the meta-game's solvers on 2 x 5, 2 x 20 and 2 x 100 pools.

    python benchmarks/meta_solve.py                     prints the table
    python benchmarks/meta_solve.py --out FILE.json     and writes it with commit, versions, hardware and seed
    python benchmarks/meta_solve.py --check             exits with 1 if the exact solver misses its marks

Three families of games, all drawn from the seed:

    negotiation   our utility at its default weights over pools of unit vectors: each side's guidelines lie
                  about its own position, and both positions about the topic, with cosines like those of
                  sentences on one topic
    contested     the same with little weight on one's own first guideline, so that many pure equilibria
                  compete
    random        independent normal payoffs for both sides: general-sum games with no structure at all

The shortest of three solves of a game counts, to measure the solver and not what else the machine does; median
and maximum are over games, of which the slow solvers get fewer. NashConv is in payoff units, of which payoffs
differ by about one. The exact solver's marks are NashConv <= 1e-9 on every game, and 20 ms in the median on
2 x 20 pools of our utility.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
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

SIZES = {5: 40, 20: 40, 100: 10}
"""Guidelines a pool, and how many games of that size."""

SLOW = {"prd", "regret-matching", "cce"}
"""Solvers that take seconds a game; they get a fifth of the games."""

UTILITIES = {
    "negotiation": Utility.standard(alpha=0.5, beta=0.5, gamma=0.2),
    "contested": Utility.standard(alpha=0.05, beta=1.0, gamma=0.1),
}
FAMILIES = (*UTILITIES, "random")

SOLVERS: dict[str, SolverConfig] = {
    "exact": ExactConfig(),
    "potential": PotentialConfig(),
    "logit": LogitConfig(),
    "prd": PrdConfig(),
    "regret-matching": RegretMatchingConfig(),
    "cce": CorrelatedConfig(kind="cce"),
}

LARGEST_CONV = 1e-9
LONGEST_MS = 20.0
DIMENSIONS = 384

REPEATS = 3
ENOUGH_S = 0.2
"""A game is solved three times, unless that takes longer than this, and the shortest time counts."""


@dataclass(frozen=True)
class Line:
    """One line of the table: a solver on one family and size."""

    family: str
    pools: str
    solver: str
    games: int
    median_ms: float
    max_ms: float
    median_nash_conv: float
    max_nash_conv: float
    converged: int


def pools(rng: np.random.Generator, size: int) -> list[Pool]:
    """Two pools of sentence-like unit vectors: topic + position of the side + what each guideline adds."""
    topic = rng.normal(size=DIMENSIONS)
    sides = []
    for player in range(2):
        position = topic + 0.7 * rng.normal(size=DIMENSIONS)
        vectors = unit_rows(position + 0.7 * rng.normal(size=(size, DIMENSIONS)), "benchmark")
        guidelines = tuple(
            Guideline(f"p{player}-{k}", player, k, "innovative" if k else "initial", f"guideline {k}", "", "")
            for k in range(size)
        )
        sides.append(Pool(player, guidelines, vectors))
    return sides


def draw(family: str, size: int, rng: np.random.Generator) -> PolymatrixGame:
    """One game with ``size`` actions a player."""
    if family == "random":
        return PolymatrixGame.from_bimatrix(rng.normal(size=(size, size)), rng.normal(size=(size, size)))
    return build_metagame(pools(rng, size), UTILITIES[family])


def measure(family: str, size: int, solver: str, games: int, seed: int) -> Line:
    """Solve ``games`` games, after a small one to warm up; the same games for every solver."""
    seconds, convs, converged = [], [], 0
    solve(draw(family, 5, np.random.default_rng(seed)), SOLVERS[solver])
    for index in range(games):
        game = draw(family, size, np.random.default_rng([seed, FAMILIES.index(family), size, index]))
        times: list[float] = []
        while len(times) < REPEATS and sum(times) < ENOUGH_S:
            start = time.perf_counter()
            solution = solve(game, SOLVERS[solver])
            times.append(time.perf_counter() - start)
        seconds.append(min(times))
        convs.append(solution.nash_conv)
        converged += solution.converged
    return Line(
        family=family,
        pools=f"2x{size}",
        solver=solver,
        games=games,
        median_ms=1e3 * float(np.median(seconds)),
        max_ms=1e3 * max(seconds),
        median_nash_conv=float(np.median(convs)),
        max_nash_conv=max(convs),
        converged=converged,
    )


def misses(lines: Sequence[Line]) -> list[str]:
    """What of the exact solver is short of its marks."""
    found = []
    for line in lines:
        if line.solver != "exact":
            continue
        if line.max_nash_conv > LARGEST_CONV:
            found.append(
                f"{line.family} {line.pools}: NashConv {line.max_nash_conv:.1e} > {LARGEST_CONV:.0e}"
            )
        if line.family in UTILITIES and line.pools == "2x20" and line.median_ms > LONGEST_MS:
            found.append(f"{line.family} {line.pools}: {line.median_ms:.1f} ms > {LONGEST_MS:.0f} ms")
    return found


def table(lines: Sequence[Line]) -> str:
    """The figures as a Markdown table."""
    rows = [
        "| games | pools | solver | median ms | max ms | median NashConv | max NashConv | converged |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {line.family} | {line.pools} | {line.solver} | {line.median_ms:.2f} | {line.max_ms:.2f}"
        f" | {line.median_nash_conv:.1e} | {line.max_nash_conv:.1e} | {line.converged}/{line.games} |"
        for line in lines
    ]
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--solvers", nargs="+", choices=list(SOLVERS), default=list(SOLVERS))
    parser.add_argument(
        "--games", type=int, help="games of every size (default: 40, 40 and 10, a fifth for slow solvers)"
    )
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 if the exact solver misses its marks"
    )
    options = parser.parse_args(arguments)
    lines = [
        measure(family, size, solver, options.games or games // (5 if solver in SLOW else 1), options.seed)
        for family in FAMILIES
        for size, games in SIZES.items()
        for solver in options.solvers
        if solver != "potential" or family != "random"
    ]
    print(table(lines))
    if options.out:
        record = provenance(options.seed, ("numpy", "scipy", "open_spiel"), ("negotiation",)) | {
            "benchmark": "meta_solve",
            "omp_num_threads": os.environ.get("OMP_NUM_THREADS", "unset"),
            "lines": [asdict(line) for line in lines],
        }
        keep(record, options.out)
    failed = misses(lines)
    for miss in failed:
        print(miss, file=sys.stderr)
    return 1 if options.check and failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
