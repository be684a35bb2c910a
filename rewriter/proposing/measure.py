"""What proposals gain: the best of so many candidates over the best guideline that the player holds already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agents.intervals import bootstrap
from negotiation import best_response
from negotiation.errors import GameError
from negotiation.utility import Utility
from rewriter.learning.vocabulary import Completion, Reward
from rewriter.proposing.situations import Situation


@dataclass(frozen=True, slots=True)
class Proposed:
    """What came of one situation.

    Attributes:
        situation: where it was proposed.
        gains: (n,) of each candidate: expected utility less the best of the player's pool; None for one that an agent drops.
        copied: how many of them are near-verbatim copies of a guideline in view.
        tokens: that they took.
    """

    situation: Situation
    gains: tuple[float | None, ...]
    copied: int
    tokens: int

    def best(self, most: int | None = None) -> float | None:
        """Largest gain among the first ``most`` candidates, all if None; None if an agent would drop each of them."""
        return max((gain for gain in self.gains[:most] if gain is not None), default=None)


def best_held(situation: Situation, weights: Mapping[str, float]) -> float:
    """Expected utility of the best guideline that the player holds, against the others' mixtures.

    Args:
        situation: where the player is.
        weights: of the utility's terms, by name.
    """
    utility = Utility.standard(weights["consistency"], weights["acceptance"], weights["novelty"])
    view = situation.view
    return best_response.best_held(view.pools, view.player, view.weights, utility)


def proposed(
    completions: Sequence[Completion[Situation]], rewards: Sequence[Reward], weights: Mapping[str, float]
) -> list[Proposed]:
    """What came of each situation, in the order of the groups.

    Args:
        completions: whole groups.
        rewards: one each, by ``ProposalJudge``; copies must not have been refused.
        weights: of the utility's terms, by name.
    """
    groups: dict[int, list[int]] = {}
    for place, completion in enumerate(completions):
        groups.setdefault(completion.group, []).append(place)
    found = []
    for places in groups.values():
        situation = completions[places[0]].request
        held = best_held(situation, weights)
        found.append(
            Proposed(
                situation,
                tuple(
                    None
                    if rewards[place].collapsed
                    else sum(weights[name] * rewards[place].parts[name] for name in weights) - held
                    for place in places
                ),
                sum(rewards[place].copied for place in places),
                sum(len(completions[place].tokens) for place in places),
            )
        )
    return found


def by_topic(values: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Mean of the values of each topic."""
    topics: dict[str, list[float]] = {}
    for topic, value in values:
        topics.setdefault(topic, []).append(value)
    return {topic: float(np.mean(theirs)) for topic, theirs in topics.items()}


def best_gains(found: Sequence[Proposed], most: int | None = None) -> dict[str, float]:
    """Mean best gain of each topic, over the situations with a usable candidate among the first ``most``."""
    known = [(one.situation.view.topic.id, one.best(most)) for one in found]
    return by_topic([(topic, gain) for topic, gain in known if gain is not None])


def summarise(found: Sequence[Proposed], epsilon: float, rng: np.random.Generator) -> dict[str, Any]:
    """Figures of some situations' proposals, as plain values.

    Args:
        found: of at least one situation.
        epsilon: least gain that the game takes.
        rng: of the resampling of topics.

    Returns:
        ``gain``: best gain of a situation's candidates, mean over situations of a topic, then over topics, with its interval;
        None if nothing was usable. ``mean_gain``: of a usable candidate. ``taken``: share of situations whose best gain reaches
        epsilon. ``well_formed``, ``copied``: shares of candidates. ``tokens``: of all. ``situations``, ``topics``,
        ``candidates``: of each situation.

    Raises:
        GameError: if there are no situations.
    """
    if not found:
        raise GameError("there are no situations to measure by; hold out more topics")
    gains = [gain for one in found for gain in one.gains if gain is not None]
    count = sum(len(one.gains) for one in found)
    best = best_gains(found)
    return {
        "gain": asdict(bootstrap(np.array(list(best.values())), rng)) if best else None,
        "mean_gain": float(np.mean(gains)) if gains else None,
        "taken": float(np.mean([(one.best() or 0.0) >= epsilon for one in found])),
        "well_formed": len(gains) / count,
        "copied": sum(one.copied for one in found) / count,
        "tokens": sum(one.tokens for one in found),
        "situations": len(found),
        "topics": len({one.situation.view.topic.id for one in found}),
        "candidates": len(found[0].gains),
    }
