"""A mediator in the style of the Habermas machine (Tessler et al. 2024, Science 386).

A neutral model, the agents' base without adapter and without culture, writes candidate statements from the opening
statements; each side ranks them; the Schulze method picks one. Then each side criticises the winner, the mediator
writes anew, and a second vote decides. The consensus is one text for all sides.

Departures from the paper: a side's ranking is not that of a reward model trained on people's ratings, but of how
probable its own agent finds each candidate as the consensus it accepts, in nats a token, given the question and its
own position. That works with any model and needs no reply of a stated form. Nothing is trained. With two sides, each
with one ballot, a candidate is beaten only by one that neither likes less, so that several are often left; where the paper
draws a ballot, which would then let one side decide alone, the best worst rank decides here. The record says which
candidates were left.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.asking import Ask, Asker, statement_of
from agents.baselines.config import MediatorConfig
from agents.baselines.sitting import Sitting
from agents.models.protocol import Message
from negotiation.dialogue import DialogueRecord, Election
from negotiation.opening import together
from negotiation.schulze import break_tie, schulze

DECIMALS = 6
"""Scores that are the same to so many decimals of a nat tie: beyond them is the rounding of the arithmetic."""


async def mediate(sitting: Sitting, mediator: Asker, config: MediatorConfig) -> DialogueRecord:
    """Hold the votes on one topic.

    Args:
        sitting: the table.
        mediator: asks the neutral model.
        config: numbers of candidates and critiques.

    Raises:
        MalformedReplyError: if no candidate, or a critique, comes well formed within the retries.
        ModelServerError: if the model's server cannot score texts.
    """
    elections: list[Election] = []
    for number in range(1, config.critiques + 2):
        asked = _asked(sitting, elections[-1] if elections else None)
        with sitting.clock(number, "candidates"):
            candidates = await _candidates(sitting, mediator, number, asked, config.candidates)
        with sitting.clock(number, "rank"):
            election = await _vote(sitting, number, candidates)
        if number <= config.critiques:
            with sitting.clock(number, "critique"):
                election = replace(election, critiques=await _critiques(sitting, election))
        elections.append(election)
    last = elections[-1]
    consensus = (last.candidates[last.winner],) * len(sitting.agents)
    return await sitting.record("mediator", config, consensus, "vote", elections=elections)


def _asked(sitting: Sitting, before: Election | None) -> Message:
    """What the mediator is asked: for first statements, or for better ones than the last winner."""
    prompts, topic, words = sitting.prompts, sitting.topic.text, sitting.words
    if before is None:
        return prompts.statement(topic, sitting.held(), words)
    names = [agent.culture.name for agent in sitting.agents]
    critiques = list(zip(names, before.critiques, strict=True))
    return prompts.revised(topic, sitting.held(), before.candidates[before.winner], critiques, words)


async def _candidates(
    sitting: Sitting, mediator: Asker, number: int, asked: Message, wanted: int
) -> tuple[str, ...]:
    """Different well-formed statements, at most as many as wanted, asked for in one batch."""
    messages = (sitting.prompts.mediating(), asked)
    parse = statement_of(sitting.words)
    asks = [Ask("statement", k, messages, mediator.speaking.consensus_tokens, parse) for k in range(wanted)]
    seed = sitting.seed_of(None, number, "mediate")
    answers = await mediator.all(sitting.topic.id, number, seed, asks)
    sitting.malformed += len(answers.dropped)
    found = tuple(dict.fromkeys(text for text in answers.readings if text is not None))
    if not found:
        raise mediator.gave_up(sitting.topic.id, number, asks[0], answers)
    return found


async def _vote(sitting: Sitting, number: int, candidates: tuple[str, ...]) -> Election:
    """Let every side score the candidates, and count."""
    scores = np.array(await together(_scores(sitting, i, candidates) for i in range(len(sitting.agents))))
    ranks = ranks_of(scores)
    vote = schulze(ranks)
    return Election(
        round=number,
        candidates=candidates,
        scores=tuple(map(tuple, scores.tolist())),
        ranks=tuple(map(tuple, ranks.tolist())),
        defeats=tuple(map(tuple, vote.defeats.tolist())),
        tied=vote.winners,
        winner=break_tie(ranks, vote.winners),
    )


def ranks_of(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N, K) ranks, from 0, of (N, K) scores, higher is better; scores that tie have the same rank.

    >>> ranks_of(np.array([[-1.0, -3.0, -1.0 + 1e-9]])).tolist()
    [[0, 2, 0]]
    """
    rounded = np.round(scores, DECIMALS)
    ranks: NDArray[np.int64] = np.sum(rounded[:, None, :] > rounded[:, :, None], axis=2)
    return ranks


async def _scores(sitting: Sitting, player: int, candidates: tuple[str, ...]) -> list[float]:
    """(K,) log-probability a token of each candidate under one side's agent."""
    agent = sitting.agents[player]
    asked = sitting.prompts.accepted(sitting.topic.text, sitting.positions[player], sitting.words)
    scores = await agent.asker.score((agent.prompts.speaker(agent.culture), asked), candidates)
    return [-score.nats_per_token for score in scores]


async def _critiques(sitting: Sitting, election: Election) -> tuple[str, ...]:
    """(N,) what each side misses in the winner."""
    winner = election.candidates[election.winner]
    asked = [
        sitting.prompts.missed(sitting.topic.text, position, winner, sitting.words)
        for position in sitting.positions
    ]
    tokens = sitting.agents[0].asker.speaking.position_tokens
    return await sitting.all_say(election.round, "critique", asked, tokens)
