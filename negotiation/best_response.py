"""What a guideline is worth at a table: the equilibrium of the pools, and candidates valued against it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from negotiation.config import GameConfig
from negotiation.guideline import Guideline, Pool
from negotiation.metagame import build_metagame
from negotiation.oracle import Proposals, call_seed
from negotiation.record import CandidateRecord, Equilibrium, Move
from negotiation.solvers import solve
from negotiation.utility import Utility


def solve_pools(
    pools: Sequence[Pool], utility: Utility, config: GameConfig, rng: np.random.Generator
) -> Equilibrium:
    """Build the meta-game of the pools and solve it as configured."""
    game = build_metagame(pools, utility)
    solution = solve(game, config.solver, rng)
    return Equilibrium(
        solver=solution.solver,
        weights=solution.weights,
        payoffs=solution.payoffs,
        regrets=game.regrets(solution.weights),
        nash_conv=float(solution.nash_conv),
        iterations=int(solution.iterations),
        converged=bool(solution.converged),
        notes=solution.notes,
    )


def solver_rng(
    seed: int, topic_id: str, players: Sequence[str], pools: Sequence[Pool]
) -> np.random.Generator:
    """The solver's random numbers: of the run seed, the table and the sizes of its pools."""
    sizes = ",".join(f"{player}:{len(pool)}" for player, pool in sorted(zip(players, pools, strict=True)))
    return np.random.default_rng(call_seed(seed, topic_id, players, "", 0, f"solve {sizes}"))


def candidate_values(
    pools: Sequence[Pool],
    player: int,
    candidate: Guideline,
    embedding: NDArray[np.float64],
    weights: Sequence[NDArray[np.float64]],
    utility: Utility,
    best_now: float | None = None,
) -> tuple[float, float, dict[str, float]]:
    """What a candidate is worth to a player against the others' weights.

    Args:
        pools: (N,) all pools without the candidate.
        player: who would add it.
        candidate: not yet in the pool.
        embedding: (D,) of the candidate, of unit length.
        weights: (N,) arrays (K_i,); the player's own are not used.
        utility: values guidelines.
        best_now: what ``best_held`` gives, where it is known already.

    Returns:
        Expected utility of the candidate once it is in the pool; its gain over the best guideline that the
        pool has without it; the utility's terms for it by name, unweighted.
    """
    grown = pools[player].with_guideline(candidate, embedding)
    parts = utility.parts(grown, *_against(pools, player, weights))
    value = float(utility.weighed(parts)[-1])
    if best_now is None:
        best_now = best_held(pools, player, weights, utility)
    return value, value - best_now, {name: float(values[-1]) for name, values in parts.items()}


def best_held(
    pools: Sequence[Pool], player: int, weights: Sequence[NDArray[np.float64]], utility: Utility
) -> float:
    """Expected utility of the best guideline that a player holds, against the others' weights."""
    return float(utility.values(pools[player], *_against(pools, player, weights)).max())


def _against(
    pools: Sequence[Pool], player: int, weights: Sequence[NDArray[np.float64]]
) -> tuple[list[Pool], list[NDArray[np.float64]]]:
    others = [j for j in range(len(pools)) if j != player]
    return [pools[j] for j in others], [weights[j] for j in others]


def valued_move(
    pools: Sequence[Pool],
    player: int,
    candidates: Sequence[Guideline],
    embeddings: NDArray[np.float64],
    proposed: Proposals,
    faced: Equilibrium,
    utility: Utility,
    epsilon: float,
) -> Move:
    """A player's move: every candidate valued; the first of the largest gain is taken if it reaches epsilon.

    Args:
        pools: (N,) all pools before the move.
        player: who moves.
        candidates: (n,) what the player proposed; those not taken keep no id.
        embeddings: (n, D) of the candidates, rows of unit length.
        proposed: the oracle's answer that the candidates come from, in the same order.
        faced: the equilibrium to value them against.
        utility: values guidelines.
        epsilon: least gain that is taken, in utility units.
    """
    best_now = best_held(pools, player, faced.weights, utility) if candidates else 0.0
    valued = [
        candidate_values(pools, player, candidate, embedding, faced.weights, utility, best_now)
        for candidate, embedding in zip(candidates, embeddings, strict=True)
    ]
    gains = [gain for _, gain, _ in valued]
    best = int(np.argmax(gains)) if gains else -1
    taken = best if gains and gains[best] >= epsilon else -1
    return Move(
        player=player,
        candidates=tuple(
            CandidateRecord(
                draft=proposed.drafts[k],
                embedding=embeddings[k],
                utility=value,
                parts=parts,
                gain=gain,
                accepted=k == taken,
                guideline_id=candidates[k].id if k == taken else "",
            )
            for k, (value, gain, parts) in enumerate(valued)
        ),
        malformed=proposed.malformed,
        missing=proposed.missing,
    )
