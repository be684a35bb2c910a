"""Transcripts of small scripted negotiations, regenerated and compared.

A change in any number or decision of the loop shows here as a difference of text. To accept one, run with
``CONCORDAT_UPDATE_GOLDEN=1`` and read the difference before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from negotiation.config import GameConfig, PotentialConfig
from negotiation.oracle import Proposals
from negotiation.record import Equilibrium, NegotiationRecord
from tests.unit.negotiation.scripted import ScriptedOracle, at, play

HERE = Path(__file__).parent


def two_sides() -> NegotiationRecord:
    """Simultaneous moves, an exact solver, candidates of all kinds, one that is missing."""
    first = {
        1: [at(120, "adversarial"), at(30, "complementary"), at(60)],
        2: [at(75, "adversarial"), at(61)],
        3: [at(59)],
    }
    second = {
        1: Proposals((at(75, "complementary"), at(95)), malformed=2, missing=("adversarial",)),
        2: [at(66, "adversarial")],
    }
    return play(
        [ScriptedOracle(0, first), ScriptedOracle(90, second)], players=["confucian", "latin-america"]
    )


def three_sides() -> NegotiationRecord:
    """Alternating moves of three players in space against the potential's argmax, up to the round limit."""
    oracles = [
        ScriptedOracle("1,0,0", {1: [at("1,1,0")], 2: [at("1,1,1")]}),
        ScriptedOracle("0,1,0", {1: [at("1,1,0")], 2: [at("1,2,1")]}),
        ScriptedOracle("0,0,1", {1: [at("1,1,2")], 2: [at("1,1,1")]}),
    ]
    config = GameConfig(update="alternating", solver=PotentialConfig(), rounds=2)
    return play(oracles, config, players=["orthodox-europe", "african-islamic", "protestant-europe"])


def transcript(record: NegotiationRecord) -> str:
    """The record as text; numbers to nine decimals, so that other builds of NumPy write the same."""
    lines = [
        f"{record.topic.id}: {record.topic.text}",
        f"terms {_pairs(record.terms)}",
    ]
    config = record.game_config()
    lines.append(
        f"{config.update}, solver {config.solver.kind}, epsilon {config.epsilon}, rounds {config.rounds}"
    )
    for player, opening in zip(record.players, record.openings, strict=True):
        lines.append(f"{player}: {opening.statement} | {opening.guideline.content}")
    for played in record.rounds:
        lines.append(f"round {played.round}")
        for equilibrium in played.equilibria:
            lines += _solved(equilibrium)
        for move, said in zip(played.moves, played.statements, strict=True):
            lines.append(
                f"  {record.players[move.player]}: malformed {move.malformed}, missing {list(move.missing)}"
            )
            lines.append(f"    says: {said}")
            for candidate in move.candidates:
                numbers = f"utility {_number(candidate.utility)} gain {_number(candidate.gain)}"
                lines.append(f"    {candidate.draft.kind} {candidate.draft.content!r} {numbers}")
                lines.append(f"      {_pairs(candidate.parts)} -> {candidate.guideline_id or 'left out'}")
    lines += ["final", *_solved(record.final)]
    lines += [f"  {name}: {words}" for name, words in zip(record.players, record.consensus, strict=True)]
    lines += [f"  moved {_vector(row)}" for row in record.statement_distances()]
    lines.append(f"{record.stop_reason}, converged {record.converged}, malformed {record.malformed}")
    return "\n".join(lines) + "\n"


def _solved(found: Equilibrium) -> list[str]:
    weights = "; ".join(_vector(weights) for weights in found.weights)
    quality = (
        f"NashConv {_number(found.nash_conv)} regrets {_vector(found.regrets)} converged {found.converged}"
    )
    return [f"  {found.solver}: {weights}", f"    payoffs {_vector(found.payoffs)} {quality}"]


def _number(value: float) -> str:
    return f"{value + 0.0:.9f}".replace("-0.000000000", "0.000000000")


def _vector(values: np.ndarray) -> str:
    return " ".join(_number(value) for value in values)


def _pairs(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {_number(values[name])}" for name in sorted(values))


@pytest.mark.parametrize("negotiation", [two_sides, three_sides], ids=lambda made: made.__name__)
def test_transcript(negotiation):
    path = HERE / f"{negotiation.__name__}.txt"
    found = transcript(negotiation())
    if os.environ.get("CONCORDAT_UPDATE_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")
