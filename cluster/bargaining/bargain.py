"""One negotiation bargained over: stakes, loop, outcome, and all of it as a plain tree for files and pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agents.survey.shipped import shipped_profiles
from cluster.bargaining.config import BargainConfig
from cluster.bargaining.policies import BargainingPolicy
from negotiation.bargaining.game import load
from negotiation.bargaining.meta import meta_solver
from negotiation.bargaining.offers import Offers, choose_offers, private_stakes
from negotiation.bargaining.outcomes import Outcome, bargained, consensus_lottery, one_shot
from negotiation.bargaining.psro import ExactOracle, Iteration, Oracle, Situation, Solved, psro
from negotiation.bargaining.solutions import kalai_smorodinsky, nash_solution
from negotiation.bargaining.stakes import Stakes
from negotiation.bargaining.tree import GameTree
from negotiation.config import (
    CorrelatedConfig,
    ExactConfig,
    LogitConfig,
    PrdConfig,
    RegretMatchingConfig,
    SolverConfig,
)
from negotiation.record import NegotiationRecord

if TYPE_CHECKING:
    from rewriter.vocabulary import Detector

Array = NDArray[np.float64]

TREMBLE = 1e-4
"""Uniform play mixed into what exact best responses face, so that they are sensible off the path too."""


@dataclass(frozen=True, slots=True, eq=False)
class Bargaining:
    """One finished piece: ``tree`` for files and pages, ``policy`` to act by."""

    tree: Mapping[str, Any]
    policy: BargainingPolicy


def bargain(
    record: NegotiationRecord,
    config: BargainConfig,
    detector: Detector | None,
    told: Callable[[Iteration], Any] | None = None,
) -> Bargaining:
    """Bargain over the guidelines of a finished negotiation.

    Ray must run if the oracle learns.

    Raises:
        GameError: if the record's guidelines make no game.
    """
    began = perf_counter()
    offers = choose_offers(record, config.offers)
    stakes, left_out = stakes_of(record, offers, config, detector)
    tree = GameTree.of(load(stakes), limit=10 * config.most_histories)
    way: list[Outcome] = []

    def watch(situation: Situation) -> None:
        way.append(bargained(tree, stakes, situation.mixtures))

    with _oracle(tree, config) as oracle:
        solved = psro(
            tree,
            oracle,
            meta_solver(solver_of(config.solver)),
            iterations=config.iterations,
            tolerance=config.tolerance,
            seed=config.seed,
            listener=told,
            watcher=watch,
        )
    words = [
        {
            "id": one.id,
            "player": one.player,
            "content": one.content,
            "reason": one.reason,
            "description": one.description,
        }
        for one in offers.guidelines
    ]
    policy = BargainingPolicy.of(
        record.negotiation_id, record.topic.text, record.players, words, stakes, tree, solved
    )
    lottery = consensus_lottery(record, offers.ids)
    found = {
        "id": record.negotiation_id,
        "topic": {
            "id": record.topic.id,
            "text": record.topic.text,
            "category": record.topic.category,
        },
        "players": list(record.players),
        "offers": words,
        "utilities": [rows.tolist() for rows in stakes.utilities],
        "walk_aways": [row.tolist() for row in stakes.walk_aways],
        "discount": stakes.discount,
        "turns": stakes.turns,
        "left_out": left_out,
        "histories": tree.size,
        "oracle": config.oracle,
        "solver": config.solver,
        "iterations": _iterations(solved, way),
        "best": solved.best,
        "nash_conv": solved.nash_conv,
        "converged": solved.converged,
        "bargaining": outcome_tree(way[solved.best]),
        "one_shot": outcome_tree(one_shot(stakes, lottery)),
        "solutions": _solutions(stakes),
        "seconds": perf_counter() - began,
    }
    return Bargaining(found, policy)


def stakes_of(
    record: NegotiationRecord, offers: Offers, config: BargainConfig, detector: Detector | None
) -> tuple[Stakes, str]:
    """What the offers are worth to the sides, and what was left out to keep the game small."""
    return private_stakes(
        offers.position,
        value_readings(record.players, offers, detector),
        walk_away=config.walk_away,
        discount=config.discount,
        turns=config.turns,
        most_histories=config.most_histories,
    )


def value_readings(players: Sequence[str], offers: Offers, detector: Detector | None) -> list[Array | None]:
    """For each side the cosine of what each offer speaks for with what its people value; None for unknown people.

    Values of offers are read by the detector, those of people come from the profiles that ship with the package.
    """
    profiles = shipped_profiles()
    vectors = [
        profile.values.vector if (profile := profiles.get(player)) is not None and profile.values else None
        for player in players
    ]
    if detector is None or all(vector is None for vector in vectors):
        return [None] * len(players)
    read = np.stack([one.vector for one in detector.read([g.text for g in offers.guidelines])])
    return [None if vector is None else _cosines(read, vector) for vector in vectors]


def _cosines(rows: Array, vector: Array) -> Array:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(vector)
    cosines: Array = np.divide(rows @ vector, lengths, out=np.zeros(len(rows)), where=lengths > 1e-12)
    return cosines


def solver_of(kind: str) -> SolverConfig:
    """The configuration of a meta-solver by kind."""
    known: dict[str, Callable[[], SolverConfig]] = {
        "exact": ExactConfig,
        "prd": lambda: PrdConfig(iterations=2000),
        "regret-matching": lambda: RegretMatchingConfig(iterations=2000),
        "logit": LogitConfig,
        "ce": lambda: CorrelatedConfig(kind="ce"),
        "cce": lambda: CorrelatedConfig(kind="cce"),
    }
    return known[kind]()


def _oracle(tree: GameTree, config: BargainConfig) -> AbstractContextManager[Oracle]:
    if config.oracle == "exact":
        return nullcontext(ExactOracle(tree, tremble=TREMBLE))
    from cluster.bargaining.oracle import RLlibOracle

    return RLlibOracle(tree, config.learning, module="negotiation.bargaining.game", seed=config.seed)


def outcome_tree(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain values."""
    return {
        "agreement": outcome.agreement,
        "payoffs": outcome.payoffs.tolist(),
        "efficiency": outcome.efficiency,
        "nash_product": outcome.nash_product,
        "nash_distance": outcome.nash_distance,
        "ks_distance": outcome.ks_distance,
        "offers": outcome.offers.tolist(),
    }


def _iterations(solved: Solved, way: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [
        {
            "number": one.number,
            "sizes": list(one.sizes),
            "nash_conv": one.nash_conv,
            "regrets": list(one.regrets),
            "payoffs": list(one.payoffs),
            "gains": list(one.gains),
            "agreement": outcome.agreement,
            "efficiency": outcome.efficiency,
            "nash_product": outcome.nash_product,
            "seconds": one.seconds,
        }
        for one, outcome in zip(solved.iterations, way, strict=True)
    ]


def _solutions(stakes: Stakes) -> list[dict[str, Any]]:
    """Both solutions at every type profile."""
    found = []
    for types, chance in stakes.profiles():
        points, outside = stakes.points(types), stakes.disagreement(types)
        nash, ks = nash_solution(points, outside), kalai_smorodinsky(points, outside)
        found.append(
            {
                "types": list(types),
                "probability": chance,
                "disagreement": outside.tolist(),
                "nash": {"point": nash.point.tolist(), "product": nash.product},
                "kalai_smorodinsky": {"point": ks.point.tolist(), "product": ks.product},
            }
        )
    return found
