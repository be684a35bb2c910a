"""The published negotiations replayed: the published weights and algorithm against exact equilibria of the same games.

    python benchmarks/published_replay.py PATH                    prints JSON
    python benchmarks/published_replay.py PATH --out FILE.json    and writes it
    python benchmarks/published_replay.py PATH --check            exits with 1 if a mark is missed

PATH is what ``concordat replay`` takes. That command measures with the algorithms of this file too, so that its figures and
these are the same; here they stand with commit, versions and hardware, and with other texts in place of the first guidelines,
which were not released.

The published algorithm, written anew from what is known of it: both sides start from uniform weights and follow multiplicative
updates (mirror descent with entropy) at rate 0.05 for at most 1,000 steps, or until no weight vector moves by 1e-6. Its faults
can each be put right:

- player 2 multiplies by its payoff matrix transposed, so that its own terms drop out;
- half of a uniform distribution is mixed into the answer, which is then rounded to two decimals;
- the payoffs are consistency + acceptance + novelty without alpha, beta, gamma.

NashConv is always that of our utility, with alpha, beta and gamma.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.provenance import keep, provenance
from negotiation.metagame import PolymatrixGame, Weights, build_metagame
from negotiation.replay import PUBLISHED_UNIFORM, Algorithm, PublishedGame
from negotiation.utility import Utility

if TYPE_CHECKING:
    from agents.replay.vocabulary import FirstText

STEPS, RATE, STILL = 1000, 0.05, 1e-6
PLAIN = Utility.standard(1.0, 1.0, 1.0)
"""Consistency + acceptance + novelty, unweighted."""

PACKAGES = ("numpy", "torch", "transformers", "pyarrow")
MEASURED = ("negotiation", "agents/replay", "cluster/replay")

LARGEST_CONV, LONGEST_S = 1e-9, 300.0
FIRSTS: tuple[FirstText, ...] = ("heading", "opening")
"""What else could stand for the first guidelines."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Which faults of the published algorithm are in.

    Attributes:
        transposed: player 2's update multiplies by the transposed payoff matrix.
        mixed: half of a uniform distribution is mixed in, and two decimals are kept.
        unweighted: the payoffs ignore alpha, beta and gamma.
    """

    transposed: bool = True
    mixed: bool = True
    unweighted: bool = True


def mirror_descent(
    first: NDArray[np.float64], second: NDArray[np.float64], *, transposed: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The published dynamics on many games of one size at once; each game stands still once it has come to rest.

    Args:
        first: (G, K_1, K_2) payoffs of player 1, axes (game, own action, other's action).
        second: (G, K_2, K_1) payoffs of player 2, axes (game, own action, other's action).
        transposed: with the fault; needs K_1 = K_2.

    Returns:
        (G, K_1) and (G, K_2) weights.
    """
    count, rows, columns = first.shape
    used = second.transpose(0, 2, 1) if transposed else second
    if used.shape != (count, columns, rows):
        raise ValueError(f"pools of {rows} and {columns} guidelines: the transposed update needs equal ones")
    weights = [np.full((count, size), 1.0 / size) for size in (rows, columns)]
    moving = np.arange(count)
    for _ in range(STEPS):
        now = [vector[moving] for vector in weights]
        values = np.matmul(first[moving], now[1][..., None]), np.matmul(used[moving], now[0][..., None])
        after = [_step(vector, value[..., 0]) for vector, value in zip(now, values, strict=True)]
        moved = np.stack([np.linalg.norm(new - old, axis=1) for new, old in zip(after, now, strict=True)])
        for vector, new in zip(weights, after, strict=True):
            vector[moving] = new
        moving = moving[(moved >= STILL).any(axis=0)]
        if not moving.size:
            break
    return weights[0], weights[1]


def _step(weights: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    grown = weights * np.exp(RATE * values)
    scaled: NDArray[np.float64] = grown / grown.sum(axis=1, keepdims=True)
    return scaled


def mixed_and_rounded(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half of a uniform distribution mixed into (G, K) weights, two decimals kept, sums mended."""
    blended = PUBLISHED_UNIFORM / weights.shape[1] + (1.0 - PUBLISHED_UNIFORM) * weights
    rounded = np.round(blended, 2)
    mended: NDArray[np.float64] = rounded / rounded.sum(axis=1, keepdims=True)
    return mended


def solve_games(games: Sequence[PolymatrixGame], faults: Faults) -> list[Weights]:
    """Weights of the published algorithm on two-player games; ``unweighted`` is a matter of the payoffs and not looked at."""
    found: list[Weights | None] = [None] * len(games)
    for shape in sorted({game.sizes for game in games}):
        places = [place for place, game in enumerate(games) if game.sizes == shape]
        first = np.stack([games[place].own[0][:, None] + games[place].pairs[0, 1] for place in places])
        second = np.stack([games[place].own[1][:, None] + games[place].pairs[1, 0] for place in places])
        both = mirror_descent(first, second, transposed=faults.transposed)
        if faults.mixed:
            both = mixed_and_rounded(both[0]), mixed_and_rounded(both[1])
        for place, one, other in zip(places, *both, strict=True):
            found[place] = (one, other)
    return [weights for weights in found if weights is not None]


def solve_published(games: Sequence[PublishedGame], faults: Faults) -> list[Weights]:
    """The published algorithm on published meta-games."""
    return solve_games(
        [build_metagame(game.pools, PLAIN) if faults.unweighted else game.game for game in games], faults
    )


ALGORITHMS: Mapping[str, Algorithm] = {
    "as published": partial(solve_published, faults=Faults()),
    "payoffs of player 2 put right": partial(solve_published, faults=Faults(transposed=False)),
    "nothing mixed in or rounded": partial(solve_published, faults=Faults(mixed=False)),
    "alpha, beta, gamma heeded": partial(solve_published, faults=Faults(unweighted=False)),
    "all put right": partial(solve_published, faults=Faults(False, False, False)),
}
"""The published algorithm first, then with faults put right. ``concordat replay`` measures these."""


def measure(
    path: Path, limit: int | None, told: Callable[[str, int, int], None], others: bool = True
) -> dict[str, Any]:
    """Replay, and replay again with other texts for the first guidelines."""
    from agents.replay.embedding import BatchEncoder
    from agents.replay.reading import read_published
    from agents.replay.run import replay

    began, began_cpu = time.perf_counter(), time.process_time()
    reading, encoder = read_published(path), BatchEncoder(num_threads=1)
    again = partial(
        replay, reading, limit=limit, algorithms=ALGORITHMS, encoder=encoder, vectors={}, told=told
    )
    found = replace(again(), seconds=time.perf_counter() - began)
    cpu_s = time.process_time() - began_cpu
    by_first = {"both": found} | {first: again(first=first) for first in FIRSTS if others}
    return {
        "benchmark": "published_replay",
        **found.tree(),
        "cpu_seconds": round(cpu_s, 1),  # of all threads: what the seconds would be on one quiet core
        "by_first_guideline": {
            name: {
                "published_mean": one.published.estimate,
                "published_unmixed_mean": one.unmixed.estimate,
                "published_algorithm_mean": one.algorithms[0].mean.estimate,
                "ours_max": one.ours_max,
            }
            for name, one in by_first.items()
        },
        "marks": {"ours_max": LARGEST_CONV, "seconds": LONGEST_S},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, metavar="PATH", help="what 'concordat replay' takes")
    parser.add_argument("--limit", type=int, help="replay only so many runs, spread evenly")
    parser.add_argument("--once", action="store_true", help="not again with other first guidelines")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a mark is missed")
    options = parser.parse_args(arguments)

    def told(what: str, done: int, total: int) -> None:
        if done == total or done % 2000 == 0:
            print(f"{what}: {done}/{total}", file=sys.stderr)

    record = measure(options.path, options.limit, told, others=not options.once)
    record = provenance(0, PACKAGES, MEASURED) | record
    print(json.dumps(record, indent=2))
    if options.out:
        keep(record, options.out)
    missed = [name for name, mark in record["marks"].items() if record[name] > mark]
    for name in missed:
        print(f"{name} is {record[name]:.3g}; it must be at most {record['marks'][name]:g}", file=sys.stderr)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
