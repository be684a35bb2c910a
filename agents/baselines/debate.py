"""Debate: the sides take turns with the whole dialogue in view, until all say that they agree (NCN section 5.1).

A side agrees if the first line of its turn is the prompt set's line of agreement; any other reply is a turn that does
not. Small models that never write that line go to the round limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.baselines.config import DebateConfig
from agents.baselines.sitting import Sitting
from negotiation.dialogue import DialogueRecord, Turn


async def debate(sitting: Sitting, config: DebateConfig) -> DialogueRecord:
    """Debate one topic; then each side states the consensus, all at once.

    Turns go in player order. The debate ends as soon as the latest turns of all sides agree, or after the last round.

    Raises:
        MalformedReplyError: if a reply stays malformed through all retries.
        ModelError: if the dialogue outgrows the model's window.
    """
    turns: list[Turn] = []
    speaking = sitting.agents[0].asker.speaking
    stop_reason = "round-limit"
    for number in range(1, config.rounds + 1):
        with sitting.clock(number, "turn"):
            ended = await _round(sitting, turns, number, speaking.position_tokens)
        if ended:
            stop_reason = "agreement"
            break
    number = turns[-1].round
    with sitting.clock(number, "conclude"):
        asked = [
            sitting.prompts.consensus_of_debate(
                sitting.topic.text, position, _in_view(sitting, turns, i), sitting.words
            )
            for i, position in enumerate(sitting.positions)
        ]
        consensus = await sitting.all_say(number, "debate-consensus", asked, speaking.consensus_tokens)
    return await sitting.record("debate", config, consensus, stop_reason, turns=turns)


async def _round(sitting: Sitting, turns: list[Turn], number: int, tokens: int) -> bool:
    """One turn of each side, added to ``turns``; stops and tells once all agree."""
    for player, position in enumerate(sitting.positions):
        view = _in_view(sitting, turns, player)
        asked = sitting.prompts.turn(sitting.topic.text, position, view, sitting.words)
        text = await sitting.say(player, number, "debate", asked, tokens)
        turns.append(Turn(number, player, text, sitting.prompts.agrees(text)))
        if _all_agree(turns, len(sitting.agents)):
            return True
    return False


def _all_agree(turns: Sequence[Turn], players: int) -> bool:
    return len(turns) >= players and all(turn.agreed for turn in turns[-players:])


def _in_view(sitting: Sitting, turns: Sequence[Turn], player: int) -> list[str]:
    """The dialogue as one side sees it: the others' openings, then every turn."""
    names = [agent.culture.name for agent in sitting.agents]
    return sitting.held(but=player) + [
        sitting.prompts.said_by(None if turn.player == player else names[turn.player], turn.text)
        for turn in turns
    ]
