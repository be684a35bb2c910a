"""Consultancy: each side is told who the others are, and answers once, alone (NCN section 5.1)."""

from __future__ import annotations

from agents.baselines.config import ConsultancyConfig
from agents.baselines.sitting import Sitting
from negotiation.dialogue import DialogueRecord


async def consult(sitting: Sitting, config: ConsultancyConfig) -> DialogueRecord:
    """Ask each side, at once, for the consensus it would state knowing the others' names and descriptions only.

    Raises:
        MalformedReplyError: if a reply stays malformed through all retries.
    """
    cultures = [agent.culture for agent in sitting.agents]
    asked = [
        sitting.prompts.answer(sitting.topic.text, position, cultures[:i] + cultures[i + 1 :], sitting.words)
        for i, position in enumerate(sitting.positions)
    ]
    tokens = sitting.agents[0].asker.speaking.consensus_tokens
    with sitting.clock(1, "conclude"):
        consensus = await sitting.all_say(1, "consultancy", asked, tokens)
    return await sitting.record("consultancy", config, consensus, "answered")
