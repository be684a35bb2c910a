"""A whole replay: read, embed, solve, and say what was found.

The headline figures are over the *last* meta-game of each run, the one whose weights its consensus was stated from; those over
the meta-games of all rounds stand beside them. Intervals are over topics, since runs of several pairs share a topic.

Measures over the published statements belong here too: ``Replay.runs`` has them, beside the games.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.intervals import Interval, bootstrap
from agents.replay.embedding import BatchEncoder, Vectors, embed_distinct
from agents.replay.games import run_games, run_texts
from agents.replay.reading import sample
from agents.replay.vocabulary import SIDES, Fault, FirstText, PublishedRun, Reading
from negotiation.config import GameConfig
from negotiation.replay import (
    PUBLISHED_ROUNDING,
    Algorithm,
    GameFigures,
    PublishedGame,
    Stop,
    StoppingFigures,
    replay_run,
    stopping_figures,
)

Told = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class RoundFigures:
    """Means over the meta-games of one round.

    Attributes:
        round: from 1.
        games: runs that played it.
        published: mean NashConv of the published weights, lower is better.
        unmixed: the same without the uniform distribution.
        ours_max: largest NashConv of our solutions.
        proposal_gain: mean of what new guidelines gained over those before them.
        proposals_gaining: share of new guidelines that gained the threshold or more, in [0, 1]; the others were added too.
    """

    round: int
    games: int
    published: float
    unmixed: float
    ours_max: float
    proposal_gain: float
    proposals_gaining: float


@dataclass(frozen=True, slots=True)
class AlgorithmFigures:
    """Mean NashConv of another way to solve the same games.

    Attributes:
        name: of the algorithm.
        mean: over the last meta-games of the runs, with its interval over topics.
        every_round_mean: over all meta-games.
    """

    name: str
    mean: Interval
    every_round_mean: float


@dataclass(frozen=True, slots=True)
class Replay:
    """What was found.

    Attributes:
        runs: those replayed.
        faults: runs that could not be used.
        others: runs of methods without a meta-game.
        games: meta-games of all rounds.
        published: mean NashConv of the published weights, over the last meta-games.
        unmixed: the same without the uniform distribution.
        ours_mean: mean NashConv of our solutions, over the last meta-games.
        ours_max: largest NashConv of our solutions, over all meta-games.
        unsolved: meta-games of which our solver says that it did not solve them.
        every_round: means over all meta-games: ``published``, ``unmixed``, ``ours``.
        algorithms: other ways to solve; the first is the published one.
        stopping: what the published rule left undone.
        rounds: figures by round.
        pairs: mean NashConv of the published weights by pair of cultures, over the last meta-games.
        weights: counts of published distributions: ``all``, ``summing_to_one``, ``with_shared_headings``.
        first: what stood for the first guidelines.
        embedder: of the texts.
        seconds: from the runs to the figures.
    """

    runs: tuple[PublishedRun, ...]
    faults: tuple[Fault, ...]
    others: int
    games: int
    published: Interval
    unmixed: Interval
    ours_mean: float
    ours_max: float
    unsolved: int
    every_round: Mapping[str, float]
    algorithms: tuple[AlgorithmFigures, ...]
    stopping: StoppingFigures
    rounds: tuple[RoundFigures, ...]
    pairs: Mapping[str, Interval]
    weights: Mapping[str, int]
    first: FirstText
    embedder: str
    seconds: float

    def tree(self) -> dict[str, Any]:
        """The figures for JSON. ``published_algorithm_mean`` is None if no other algorithm was given."""
        return {
            "games": len(self.runs),
            "published_mean": self.published.estimate,
            "published_algorithm_mean": self.algorithms[0].mean.estimate if self.algorithms else None,
            "ours_mean": self.ours_mean,
            "ours_max": self.ours_max,
            "seconds": round(self.seconds, 2),
            "games_of_all_rounds": self.games,
            "published": asdict(self.published),
            "published_unmixed": asdict(self.unmixed),
            "every_round": dict(self.every_round),
            "unsolved": self.unsolved,
            "algorithms": [asdict(entry) for entry in self.algorithms],
            "stopping": asdict(self.stopping),
            "rounds": [asdict(entry) for entry in self.rounds],
            "pairs": {name: asdict(interval) for name, interval in self.pairs.items()},
            "weights": dict(self.weights),
            "first_guideline": self.first,
            "embedder": self.embedder,
            "other_runs": self.others,
            "faults": {"count": len(self.faults), "runs": [asdict(fault) for fault in self.faults]},
        }


def replay(
    reading: Reading,
    *,
    limit: int | None = None,
    first: FirstText = "both",
    algorithms: Mapping[str, Algorithm] | None = None,
    encoder: BatchEncoder | None = None,
    vectors: dict[str, NDArray[np.float64]] | None = None,
    told: Told = lambda what, done, total: None,
) -> Replay:
    """Rebuild and measure all meta-games of the runs that were read.

    Args:
        reading: the runs.
        limit: replay only so many of them, spread evenly.
        first: what stands for first guidelines.
        algorithms: other ways to solve, by name; the first is to be the published one.
        encoder: for the texts; a new MiniLM if None.
        vectors: of texts that an earlier replay embedded; those embedded now are added.
        told: hears of the progress.
    """
    began = time.perf_counter()
    runs = sample(reading, limit)
    encoder = encoder or BatchEncoder(num_threads=1)
    texts = [text for run in runs for text in run_texts(run, first)]
    vectors = {} if vectors is None else vectors
    new = [text for text in texts if text not in vectors]
    vectors |= embed_distinct(new, lambda done, total: told("texts embedded", done, total), encoder)
    games, figures = _measured(runs, vectors, first, told)
    flat = [game for of_run in games for game in of_run]
    places = np.cumsum([len(of_run) for of_run in games]) - 1  # of each run's last game among all
    topics = [run.topic_id for run in runs]
    others = []
    for number, (name, algorithm) in enumerate((algorithms or {}).items(), start=1):
        found = algorithm(flat)
        convs = np.array([game.game.nash_conv(mix) for game, mix in zip(flat, found, strict=True)])
        others.append(AlgorithmFigures(name, over_topics(convs[places], topics), float(convs.mean())))
        told("algorithms measured", number, len(algorithms or {}))
    every = [entry for of_run in figures for entry in of_run]
    last = [of_run[-1] for of_run in figures]
    epsilon = GameConfig().epsilon
    stops = [_stop(run, entry) for run, entry in zip(runs, last, strict=True)]
    return Replay(
        runs=runs,
        faults=reading.faults,
        others=reading.others,
        games=len(flat),
        published=over_topics(np.array([entry.published for entry in last]), topics),
        unmixed=over_topics(np.array([entry.unmixed for entry in last]), topics),
        ours_mean=float(np.mean([entry.ours for entry in last])),
        ours_max=max(entry.ours for entry in every),
        unsolved=sum(not entry.converged for entry in every),
        every_round={
            name: float(np.mean([getattr(entry, name) for entry in every]))
            for name in ("published", "unmixed", "ours")
        },
        algorithms=tuple(others),
        stopping=stopping_figures(stops, epsilon),
        rounds=tuple(_rounds(every, epsilon)),
        pairs=_pairs(runs, last),
        weights=_weights(runs),
        first=first,
        embedder=f"{encoder.name} in {'bfloat16' if encoder.bfloat16 else 'float32'}",
        seconds=time.perf_counter() - began,
    )


def over_topics(values: NDArray[np.float64], topics: Sequence[int]) -> Interval:
    """The mean of (n,) values, with an interval from resampling their topics; the same numbers give the same interval."""
    order = {topic: place for place, topic in enumerate(dict.fromkeys(topics))}
    units = np.zeros((len(order), 2))
    np.add.at(units, [order[topic] for topic in topics], np.stack([values, np.ones(len(values))], axis=1))

    def ratio(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = drawn.sum(axis=1)
        means: NDArray[np.float64] = sums[:, 0] / sums[:, 1]
        return means

    return bootstrap(units, np.random.default_rng(0), statistic=ratio)


def _measured(
    runs: Sequence[PublishedRun], vectors: Vectors, first: FirstText, told: Told
) -> tuple[list[list[PublishedGame]], list[list[GameFigures]]]:
    games, figures = [], []
    for number, run in enumerate(runs, start=1):
        games.append(run_games(run, vectors, first))
        figures.append(replay_run(games[-1]))
        told("runs solved", number, len(runs))
    return games, figures


def _stop(run: PublishedRun, last: GameFigures) -> Stop:
    fell = []
    for side in SIDES:
        logged = [turn.utility for turn in run.turns_of(side)[-2:]]
        if len(logged) == 2 and logged[0] is not None and logged[1] is not None:
            fell.append(logged[0] - logged[1])
    return Stop(run.consensus_reached, run.rounds_run, last, tuple(fell) if len(fell) == len(SIDES) else None)


def _rounds(every: Sequence[GameFigures], epsilon: float) -> list[RoundFigures]:
    by_round: dict[int, list[GameFigures]] = {}
    for entry in every:
        by_round.setdefault(entry.round, []).append(entry)
    lines = []
    for number, entries in sorted(by_round.items()):
        gains = np.array([entry.proposal_gains for entry in entries])
        lines.append(
            RoundFigures(
                round=number,
                games=len(entries),
                published=float(np.mean([entry.published for entry in entries])),
                unmixed=float(np.mean([entry.unmixed for entry in entries])),
                ours_max=max(entry.ours for entry in entries),
                proposal_gain=float(gains.mean()),
                proposals_gaining=float((gains >= epsilon).mean()),
            )
        )
    return lines


def _pairs(runs: Sequence[PublishedRun], last: Sequence[GameFigures]) -> dict[str, Interval]:
    by_pair: dict[str, list[tuple[float, int]]] = {}
    for run, entry in zip(runs, last, strict=True):
        by_pair.setdefault(f"{run.culture_a} / {run.culture_b}", []).append((entry.published, run.topic_id))
    return {
        name: over_topics(np.array([value for value, _ in found]), [topic for _, topic in found])
        for name, found in sorted(by_pair.items())
    }


def _weights(runs: Sequence[PublishedRun]) -> dict[str, int]:
    counts = {"all": 0, "summing_to_one": 0, "with_shared_headings": 0}
    for run in runs:
        for turn in run.turns:
            headings = run.headings(turn.side)[: turn.round + 1]
            counts["all"] += 1
            counts["summing_to_one"] += abs(sum(turn.by_heading.values()) - 1.0) < PUBLISHED_ROUNDING
            counts["with_shared_headings"] += len(set(headings)) < len(headings)
    return counts
