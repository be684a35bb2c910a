"""NashConv by iteration of policy-space response: our loop with exact and with learned oracles, and OpenSpiel's psro_v2.

    python benchmarks/psro_curves.py                        prints the table
    python benchmarks/psro_curves.py --out FILE.json        and writes it with commit, versions, hardware and seed
    python benchmarks/psro_curves.py --plot FILE.png        and draws it
    python benchmarks/psro_curves.py --games kuhn --ways exact openspiel      only these
    python benchmarks/psro_curves.py --check                exits with 1 if a mark is missed

Games: Kuhn poker, and a small bargaining game (two players of two types, three offers, two turns). NashConv is exact, over
the whole game. `openspiel` is psro_v2 as it stands, with its exact best responses, projected replicator dynamics and payoffs
estimated from played episodes. `exact` is our loop with exact best responses and meta-solver, `rllib` the same loop and
meta-solver with PPO best responses on Ray, at the defaults of `concordat bargain`. Of two figures a line, `last` is the last
iteration's and `best` the least on the way, which is what our loop hands on. CPU seconds are those of this process and of its
actors.

Marks: `exact` below 0.01; `rllib` below 0.1 within the stated budget of moves.
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
from negotiation.bargaining.game import DEFAULT, load
from negotiation.bargaining.meta import meta_solver
from negotiation.bargaining.psro import ExactOracle, Iteration, Oracle, psro
from negotiation.bargaining.tree import GameTree
from negotiation.config import ExactConfig

GAMES = ("kuhn", "bargaining")
WAYS = ("exact", "rllib", "openspiel")
ITERATIONS = {"exact": 20, "rllib": 14, "openspiel": 14}
MARKS = {"exact": 0.01, "rllib": 0.1}
BUDGET_MOVES = 250_000
"""Moves that learners may make in a game, all iterations together."""

SIMULATIONS = 200
"""Episodes by which psro_v2 estimates a payoff."""


@dataclass(frozen=True)
class Curve:
    """One way on one game.

    Attributes:
        game, way: what.
        nash_conv: by iteration.
        seconds: wall time at each.
        cpu_s: computing in all.
        moves: that learners made; None where nothing is learned.
        sizes: policies of each player at the end.
    """

    game: str
    way: str
    nash_conv: list[float]
    seconds: list[float]
    cpu_s: float
    moves: int | None
    sizes: list[int]

    @property
    def best(self) -> float:
        """The least NashConv."""
        return min(self.nash_conv)


def game_tree(name: str) -> GameTree:
    """A game, enumerated."""
    import pyspiel

    return GameTree.of(pyspiel.load_game("kuhn_poker") if name == "kuhn" else load(DEFAULT))


def ours(name: str, way: str, iterations: int, seed: int, enough: float, learning: dict[str, int]) -> Curve:
    """Our loop; it ends when NashConv is at most ``enough``. ``learning`` goes over the defaults."""
    tree = game_tree(name)
    told: list[Iteration] = []

    def listen(one: Iteration) -> None:
        told.append(one)
        print(f"  {name} {way} {one.number}: {one.nash_conv:.4f}", file=sys.stderr, flush=True)

    def run(oracle: Oracle) -> None:
        psro(
            tree,
            oracle,
            meta_solver(ExactConfig()),
            iterations=iterations,
            tolerance=enough,
            seed=seed,
            listener=listen,
        )

    start, moves = cpu_seconds(), None
    if way == "exact":
        run(ExactOracle(tree))
    else:
        from cluster.bargaining.config import LearningConfig
        from cluster.bargaining.oracle import RLlibOracle

        with RLlibOracle(
            tree,
            LearningConfig(**learning),
            module=None if name == "kuhn" else "negotiation.bargaining.game",
            seed=seed,
        ) as oracle:
            run(oracle)
            moves = oracle.moves
            spent = cpu_seconds(oracle.processes())
    spent = cpu_seconds() if way == "exact" else spent
    return Curve(
        name,
        way,
        [one.nash_conv for one in told],
        [one.seconds for one in told],
        spent - start,
        moves,
        list(told[-1].sizes),
    )


def openspiels(name: str, iterations: int, seed: int) -> Curve:
    """OpenSpiel's psro_v2 with its own settings."""
    import types

    # Its module imports a linear-program solver that needs cvxpy; projected replicator dynamics never calls it.
    sys.modules.setdefault(
        "open_spiel.python.algorithms.lp_solver", types.ModuleType("open_spiel.python.algorithms.lp_solver")
    )
    from open_spiel.python.algorithms import exploitability, policy_aggregator
    from open_spiel.python.algorithms.psro_v2 import best_response_oracle, psro_v2

    np.random.seed(seed)  # noqa: NPY002 psro_v2 draws from it
    tree = game_tree(name)
    start, began = cpu_seconds(), time.perf_counter()
    loop = psro_v2.PSROSolver(
        tree.game,
        best_response_oracle.BestResponseOracle(game=tree.game),
        sims_per_entry=SIMULATIONS,
        meta_strategy_method="prd",
        training_strategy_selector="probabilistic",
        sample_from_marginals=True,
    )
    convs, seconds = [], []
    for number in range(iterations):
        mixed = policy_aggregator.PolicyAggregator(tree.game).aggregate(
            range(tree.players), loop.get_policies(), loop.get_meta_strategies()
        )
        convs.append(float(exploitability.nash_conv(tree.game, mixed)))
        seconds.append(time.perf_counter() - began)
        print(f"  {name} openspiel {number}: {convs[-1]:.4f}", file=sys.stderr, flush=True)
        if number < iterations - 1:
            loop.iteration()
    sizes = [len(policies) for policies in loop.get_policies()]
    return Curve(name, "openspiel", convs, seconds, cpu_seconds() - start, None, sizes)


def cpu_seconds(others: Sequence[int] = ()) -> float:
    """Of this process, and of others by their ids."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = time.process_time()
    for process in others:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def misses(curves: Sequence[Curve]) -> list[str]:
    """What is short of the marks."""
    found = []
    for curve in curves:
        mark = MARKS.get(curve.way)
        if mark is not None and curve.best >= mark:
            found.append(f"{curve.game} {curve.way}: NashConv {curve.best:.3f}, wanted below {mark:g}")
        if curve.moves is not None and curve.moves > BUDGET_MOVES:
            found.append(f"{curve.game} {curve.way}: {curve.moves:,} moves, wanted at most {BUDGET_MOVES:,}")
    return found


def table(curves: Sequence[Curve]) -> str:
    """The figures as a Markdown table."""
    rows = [
        "| game | way | iterations | first | best | last | policies | CPU s | learners' moves |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    rows += [
        f"| {one.game} | {one.way} | {len(one.nash_conv)} | {one.nash_conv[0]:.3f} | {one.best:.4f} | {one.nash_conv[-1]:.4f}"
        f" | {' + '.join(map(str, one.sizes))} | {one.cpu_s:.1f} | {'' if one.moves is None else f'{one.moves:,}'} |"
        for one in curves
    ]
    return "\n".join(rows)


def plot(curves: Sequence[Curve], path: Path) -> None:
    """NashConv by iteration, a panel a game."""
    from cluster.culture.palette import LIGHT
    from cluster.culture.palette import MARKS as SHAPES
    from cluster.culture.picture import new_figure, png_bytes
    from cluster.report.picture import light_theme

    theme = light_theme()
    games = list(dict.fromkeys(curve.game for curve in curves))
    figure = new_figure((5.6 * len(games), 4.4), theme)
    for axes, game in zip(figure.subplots(1, len(games), squeeze=False)[0], games, strict=True):
        for curve in curves:
            if curve.game == game:
                place = WAYS.index(curve.way)
                heights = np.maximum(curve.nash_conv, 1e-4)
                axes.plot(heights, color=LIGHT[place], marker=SHAPES[place], markersize=4, label=curve.way)
        axes.axhline(MARKS["rllib"], color=theme["soft"], linewidth=1, linestyle="--")
        axes.set_yscale("log")
        axes.set_title({"kuhn": "Kuhn poker", "bargaining": "a small bargaining game"}[game], loc="left")
        axes.set_xlabel("iteration")
        axes.set_ylabel("NashConv")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)
        axes.set_facecolor(theme["surface"])
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.write_bytes(png_bytes(figure, theme))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--games", nargs="+", choices=GAMES, default=list(GAMES))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--iterations", type=int, help="of every way (default 20 exact, 14 others)")
    parser.add_argument("--batch", type=int, default=2048, help="moves a training iteration (default 2048)")
    parser.add_argument(
        "--runners", type=int, default=1, help="actors that play; 0: this process (default 1)"
    )
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--plot", type=Path, help="draw the curves to this PNG file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a mark is missed")
    options = parser.parse_args(arguments)
    learning = {"batch": options.batch, "env_runners": options.runners}
    if "rllib" in options.ways:
        start_ray()
    curves = []
    for game in options.games:
        for way in options.ways:
            count = options.iterations or ITERATIONS[way]
            if way == "openspiel":
                curves.append(openspiels(game, count, options.seed))
            else:
                enough = 0.002 if way == "exact" else 0.99 * MARKS["rllib"]
                curves.append(ours(game, way, count, options.seed, enough, learning))
            if options.out:  # after each, since learning takes minutes
                record = provenance(
                    options.seed,
                    ("numpy", "open_spiel", "ray", "torch", "gymnasium"),
                    ("negotiation", "cluster/bargaining"),
                ) | {
                    "benchmark": "psro_curves",
                    "marks": MARKS,
                    "budget_moves": BUDGET_MOVES,
                    "simulations": SIMULATIONS,
                    "learning": learning,
                    "curves": [asdict(curve) for curve in curves],
                }
                keep(record, options.out)
    print(table(curves))
    if options.plot:
        plot(curves, options.plot)
    failed = misses(curves)
    for miss in failed:
        print(miss, file=sys.stderr)
    return 1 if options.check and failed else 0


def start_ray() -> None:
    """A local cluster of two CPUs, with one thread a process."""
    from cluster.ray_environment import prepare_ray

    prepare_ray()
    import torch

    from cluster.config import ResourcesConfig
    from cluster.ray_backend import connect

    torch.set_num_threads(1)
    connect(ResourcesConfig(cluster_cpus=2))


if __name__ == "__main__":
    raise SystemExit(main())
