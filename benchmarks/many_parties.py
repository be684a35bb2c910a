"""Three and eight cultures at a table with the bundled model: how long it takes, and how good the solvers' answers are.

    python benchmarks/many_parties.py                     prints the table
    python benchmarks/many_parties.py --out FILE.json     and writes it with commit, versions, hardware and seed
    python benchmarks/many_parties.py --topics 10         only so many questions (default: the thirty that ship)
    python benchmarks/many_parties.py --check             exits with 1 if a table takes ten minutes or an equilibrium is none

The runs are those of a user: ``concordat negotiate --cultures ...`` in a process of its own, with Ray, at the defaults. The
pools that they end with are games of N players; every solver answers each, and NashConv of its answer is computed over the
polymatrix form. For correlated equilibria, which are one distribution over profiles, it is NashConv of the marginals.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import yaml

from agents.cultures import load_cultures
from agents.topics import load_topics
from benchmarks.provenance import keep, provenance
from negotiation.coalitions import coalitions_of
from negotiation.config import (
    CorrelatedConfig,
    ExactConfig,
    LogitConfig,
    PotentialConfig,
    PrdConfig,
    RegretMatchingConfig,
    SolverConfig,
)
from negotiation.errors import SolverError
from negotiation.metagame import build_metagame
from negotiation.record import NegotiationRecord
from negotiation.solvers import solve
from negotiation.storage import read_records
from negotiation.utility import Utility

TABLES = {
    "three": ("confucian", "latin-america", "african-islamic"),
    "eight": tuple(culture.id for culture in load_cultures()),
}

SOLVERS: dict[str, SolverConfig] = {
    "exact": ExactConfig(),
    "potential": PotentialConfig(),
    "logit": LogitConfig(),
    "regret-matching": RegretMatchingConfig(iterations=5000),
    "prd": PrdConfig(iterations=2000),
    "ce, welfare": CorrelatedConfig(kind="ce"),
    "cce, welfare": CorrelatedConfig(kind="cce"),
    "ce, gini": CorrelatedConfig(kind="ce", objective="gini"),
    "cce, gini": CorrelatedConfig(kind="cce", objective="gini"),
}

EXACT_ENOUGH = {"exact": 1e-9, "potential": 1e-9}
"""NashConv that these must reach in every game."""

LONGEST_S = 600.0


@dataclass(frozen=True)
class Answers:
    """What a solver did with the games of a table.

    Attributes:
        games: that it answered.
        refused: games too large for it.
        mean_nash_conv, max_nash_conv: over those answered.
        median_ms: of its time for one.
    """

    games: int
    refused: int
    mean_nash_conv: float | None
    max_nash_conv: float | None
    median_ms: float | None


@dataclass(frozen=True)
class Party:
    """One table.

    Attributes:
        cultures: at it.
        seconds: of the whole command, start of Ray and report in it.
        negotiations, converged: counts.
        rounds, guidelines: mean of a negotiation; guidelines of all players together.
        tokens_per_s: generated, from the first model call to the last record.
        largest: actions of the largest pool.
        profiles: of the largest game.
        order_independent: negotiations whose consensus is the same in all orders of the parties that were tried.
        departures: pairs of a negotiation and a party that leaves.
        stands: departures after which nobody who stays would gain by other weights.
        blocked: negotiations with a guideline that some party accepts less than the openings.
        solvers: by name.
    """

    cultures: tuple[str, ...]
    seconds: float
    negotiations: int
    converged: int
    rounds: float
    guidelines: float
    tokens_per_s: float
    largest: int
    profiles: int
    order_independent: int
    departures: int
    stands: int
    blocked: int
    solvers: dict[str, Answers] = field(default_factory=dict)


def run(cultures: Sequence[str], topics: int, seed: int, folder: Path) -> float:
    """Negotiate as a user does; seconds of the command."""
    chosen = [{"id": one.id, "text": one.text, "category": one.category} for one in load_topics()]
    questions = folder / "topics.yaml"
    questions.write_text(yaml.safe_dump(chosen[:topics], allow_unicode=True), encoding="utf-8")
    command = [sys.executable, "-m", "cluster.cli", "negotiate", "--cultures", *cultures]
    command += ["--topics", str(questions), "--seed", str(seed), "--out", str(folder / "run"), "--json"]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def answers(records: Sequence[NegotiationRecord], solver: SolverConfig) -> Answers:
    """Have a solver answer all games."""
    convs, times, refused = [], [], 0
    for record in records:
        config = record.game_config()
        game = build_metagame(record.pools, Utility.standard(config.alpha, config.beta, config.gamma))
        began = time.perf_counter()
        try:
            solution = solve(game, solver)
        except SolverError:
            refused += 1
            continue
        times.append(1e3 * (time.perf_counter() - began))
        convs.append(game.nash_conv(solution.weights))
    if not convs:
        return Answers(0, refused, None, None, None)
    return Answers(len(convs), refused, float(np.mean(convs)), max(convs), float(np.median(times)))


def look(cultures: Sequence[str], folder: Path, seconds: float) -> Party:
    """What a run's records say."""
    records = [read_records(path)[0] for path in sorted((folder / "run" / "negotiations").glob("*.parquet"))]
    counts = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    views = [coalitions_of(record) for record in records]
    departures = [departure for view in views for departure in view.departures]
    sizes = [[len(pool) for pool in record.pools] for record in records]
    return Party(
        cultures=tuple(cultures),
        seconds=seconds,
        negotiations=len(records),
        converged=sum(record.converged for record in records),
        rounds=float(np.mean([len(record.rounds) for record in records])),
        guidelines=float(np.mean([sum(size) for size in sizes])),
        tokens_per_s=counts["tokens"] / counts["seconds"],
        largest=max(max(size) for size in sizes),
        profiles=max(int(np.prod(size)) for size in sizes),
        order_independent=sum(view.order_independent is True for view in views),
        departures=len(departures),
        stands=sum(departure.stands for departure in departures),
        blocked=sum(bool(view.blocks) for view in views),
        solvers={name: answers(records, solver) for name, solver in SOLVERS.items()},
    )


def misses(parties: dict[str, Party]) -> list[str]:
    """What is short of the marks."""
    found = [
        f"{name} cultures took {party.seconds:.0f} s, wanted below {LONGEST_S:.0f} s"
        for name, party in parties.items()
        if party.seconds >= LONGEST_S
    ]
    for name, party in parties.items():
        for solver, most in EXACT_ENOUGH.items():
            worst = party.solvers[solver].max_nash_conv
            if worst is None or worst > most:
                found.append(
                    f"{name} cultures, {solver}: NashConv {worst}, wanted at most {most:g} in all games"
                )
    return found


def table(parties: dict[str, Party]) -> str:
    """The solvers' figures as text."""
    lines = []
    for name, party in parties.items():
        lines.append(
            f"{name}: {party.negotiations} negotiations, {party.converged} converged, {party.seconds:.0f} s,"
            f" {party.rounds:.2f} rounds, {party.guidelines:.1f} guidelines, {party.tokens_per_s:.0f} tokens/s,"
            f" order independent {party.order_independent}, stands {party.stands} of {party.departures} departures"
        )
        lines += [f"  {solver}: {asdict(found)}" for solver, found in party.solvers.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--topics", type=int, default=30, help="questions of each table (default 30)")
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a mark is missed")
    options = parser.parse_args(arguments)
    parties = {}
    for name in options.tables:
        with tempfile.TemporaryDirectory() as scratch:
            seconds = run(TABLES[name], options.topics, options.seed, Path(scratch))
            parties[name] = look(TABLES[name], Path(scratch), seconds)
    print(table(parties))
    if options.out:
        about = provenance(
            options.seed,
            ("ray", "torch", "transformers", "numpy", "open_spiel"),
            ("negotiation", "agents", "cluster"),
        )
        keep(
            about
            | {"benchmark": "many_parties", "tables": {name: asdict(one) for name, one in parties.items()}},
            options.out,
        )
    failed = misses(parties)
    for miss in failed:
        print(miss, file=sys.stderr)
    return 1 if options.check and failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
