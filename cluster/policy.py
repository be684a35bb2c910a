"""The consensus policy: what remains of a negotiation when it is to be used rather than studied."""

from __future__ import annotations

from typing import Any

from negotiation.record import NegotiationRecord

POLICY_VERSION = 1


def consensus_policy(record: NegotiationRecord, digest: str | None = None) -> dict[str, Any]:
    """The saved form of a record's result: each side's weighted guidelines, the equilibrium, the statements.

    Embeddings stay in the record. Guidelines are in the order in which they were added; weights are those of
    the final equilibrium, unrounded. ``digest`` is the record's, if it is known already.
    """
    return {
        "policy_version": POLICY_VERSION,
        "negotiation_id": record.negotiation_id,
        "record_digest": digest or record.digest(),
        "topic": {"id": record.topic.id, "text": record.topic.text, "category": record.topic.category},
        "players": [_side(record, player) for player in range(len(record.players))],
        "equilibrium": {
            "solver": record.final.solver,
            "nash_conv": record.final.nash_conv,
            "solver_converged": record.final.converged,
        },
        "converged": record.converged,
        "stop_reason": record.stop_reason,
        "rounds": len(record.rounds),
        "seed": record.seed,
        "provenance": dict(record.provenance),
    }


def _side(record: NegotiationRecord, player: int) -> dict[str, Any]:
    pool, weights = record.pools[player], record.final.weights[player]
    return {
        "culture": record.players[player],
        "payoff": float(record.final.payoffs[player]),
        "statement": record.consensus[player],
        "opening": record.openings[player].statement,
        "pool": [
            {
                "id": guideline.id,
                "weight": float(weight),
                "kind": guideline.kind,
                "round": guideline.round,
                "content": guideline.content,
                "reason": guideline.reason,
                "description": guideline.description,
            }
            for guideline, weight in zip(pool.guidelines, weights, strict=True)
        ],
    }
