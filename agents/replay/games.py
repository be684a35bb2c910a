"""Published runs as meta-games: pools round by round, by our utility."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.replay.embedding import Vectors
from agents.replay.vocabulary import SIDES, FirstText, PublishedRun, Side
from negotiation.guideline import Guideline, Pool
from negotiation.replay import PublishedGame, restored_weights
from negotiation.utility import Utility

USUAL = (0.5, 0.5, 0.2)
"""alpha, beta, gamma of the published runs."""
LESS_ACCEPTANCE = (0.5, 0.3, 0.2)
"""The same for the one pair of cultures that was run otherwise."""
_OTHERWISE = frozenset({"English_Speaking", "African_Islamic"})

UNTOLD = "innovative"
"""Kinds of guidelines were not published; this stands for all."""


def run_weights(run: PublishedRun) -> tuple[float, float, float]:
    """alpha, beta and gamma that the run was published with; they go with the pair of cultures, in either order."""
    return LESS_ACCEPTANCE if {run.culture_a, run.culture_b} == _OTHERWISE else USUAL


def run_guidelines(run: PublishedRun, side: Side, first: FirstText) -> list[Guideline]:
    """The side's pool after the last round, in the order it grew.

    The text of the first guideline was not released. ``first`` says what stands for it; the others have theirs whole.
    """
    player = SIDES.index(side)
    heading, opening = run.headings(side)[0], run.opening(side)
    start = Guideline(f"p{player}-r0", player, 0, "initial", heading, opening, "")
    if first != "both":
        start = Guideline(start.id, player, 0, "initial", heading if first == "heading" else opening, "", "")
    return [
        start,
        *(
            Guideline(
                f"p{player}-r{turn.round}",
                player,
                turn.round,
                UNTOLD,
                turn.content,
                turn.reason,
                turn.description,
            )
            for turn in run.turns_of(side)
        ),
    ]


def run_texts(run: PublishedRun, first: FirstText) -> list[str]:
    """All texts of a run that are embedded."""
    return [guideline.text for side in SIDES for guideline in run_guidelines(run, side, first)]


def run_games(run: PublishedRun, vectors: Vectors, first: FirstText) -> list[PublishedGame]:
    """The meta-game of every round.

    Args:
        run: as published.
        vectors: of all ``run_texts``.
        first: what stands for the first guidelines.
    """
    utility = Utility.standard(*run_weights(run))
    pools, weights = [], []
    for player, side in enumerate(SIDES):
        guidelines, headings = run_guidelines(run, side, first), run.headings(side)
        embeddings = np.vstack([vectors[guideline.text] for guideline in guidelines])
        turns: Sequence[int] = range(1, run.rounds_run + 1)
        pools.append([Pool(player, tuple(guidelines[: turn + 1]), embeddings[: turn + 1]) for turn in turns])
        weights.append(
            [restored_weights(headings[: turn.round + 1], turn.by_heading) for turn in run.turns_of(side)]
        )
    return [
        PublishedGame(run.where, number, both, utility, mixtures)
        for number, (both, mixtures) in enumerate(
            zip(zip(*pools, strict=True), zip(*weights, strict=True), strict=True), start=1
        )
    ]
