"""What proposals earn: the terms of the game's utility (``negotiation.utility``), against the mixture that was faced.

    consistency  cos(E(g), E(g_i^0)), in [-1, 1]
    acceptance   mean over opponents j of sum_k w_jk cos(E(g), E(g_jk)), in [-1, 1]
    novelty      1 - max over own guidelines k of cos(E(g), E(g_ik)), in [0, 2]

Parts are kept apart: the trainer normalises each within its group, and then weighs them. Their weighted sum is the utility that
``negotiation.best_response.candidate_values`` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.parsing import parse_guideline
from negotiation.errors import MalformedReplyError
from negotiation.guideline import Guideline
from rewriter.guards import is_copy
from rewriter.learning.vocabulary import Completion, Reward
from rewriter.proposing.config import ProposalRewardConfig
from rewriter.proposing.situations import Situation

FLOOR = {"consistency": -1.0, "acceptance": -1.0, "novelty": 0.0}
"""Rewards of what is refused: the least there are."""


class Embeds(Protocol):
    """E of the utility."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, D) unit rows for n >= 1 texts."""
        ...


class ProposalJudge:
    """Rewards proposals, all of them in one call of the embedder.

    Args:
        embedder: the one of the negotiations.
        config: what is refused.
    """

    def __init__(self, embedder: Embeds, config: ProposalRewardConfig | None = None) -> None:
        self._embedder = embedder
        self._config = ProposalRewardConfig() if config is None else config

    def judge(self, completions: Sequence[Completion[Situation]]) -> list[Reward]:
        """One reward a completion, in order.

        A reply that the culture's agent would drop (malformed, blank, cut) gets the least rewards there are, and counts as
        collapsed; one that repeats a guideline in view counts as copied.
        """
        read = [proposal(completion) for completion in completions]
        copied = [
            guideline is not None and bool(copies(guideline, completion.request))
            for guideline, completion in zip(read, completions, strict=True)
        ]
        refused = [
            guideline is None or (copy and self._config.copy_floor)
            for guideline, copy in zip(read, copied, strict=True)
        ]
        texts = [g.text for g, out in zip(read, refused, strict=True) if g is not None and not out]
        vectors = iter(self._embedder.embed(texts) if texts else ())
        return [
            Reward(
                dict(FLOOR) if out else utility_parts(completion.request, next(vectors)),
                copied=copy,
                collapsed=guideline is None,
            )
            for completion, guideline, copy, out in zip(completions, read, copied, refused, strict=True)
        ]


def proposal(completion: Completion[Situation]) -> Guideline | None:
    """The guideline that a completion is; None if the agent would drop it."""
    view, kind = completion.request.view, completion.request.kind
    if completion.finish == "length":
        return None
    try:
        draft = parse_guideline(completion.text, kind)
    except MalformedReplyError:
        return None
    return draft.as_guideline(f"p{view.player}-r{view.round}-{kind}", view.player, view.round)


def utility_parts(situation: Situation, embedding: NDArray[np.float64]) -> dict[str, float]:
    """The utility's terms of a proposal, unweighted, by name.

    Args:
        situation: where it is made.
        embedding: (D,) of the guideline's text, of unit length.
    """
    own, view = situation.own.embeddings, situation.view
    to_own = own @ embedding
    accepted = [
        float((view.pools[player].embeddings @ embedding) @ view.weights[player])
        for player in situation.opponents
    ]
    return {
        "consistency": float(to_own[0]),
        "acceptance": sum(accepted) / len(accepted),
        "novelty": float(1.0 - to_own.max()),
    }


def copies(guideline: Guideline, situation: Situation) -> str | None:
    """The id of a guideline in view that this one is a near-verbatim copy of; None if there is none."""
    for pool in situation.view.pools:
        for held in pool.guidelines:
            if is_copy(held.text, guideline.text) is not None:
                return held.id
    return None
