"""The report's section on many parties."""

from __future__ import annotations

import pytest

from cluster.report.page import TEMPLATES, template_environment
from cluster.report.source import view
from negotiation.config import GameConfig
from negotiation.oracle import Oracle
from tests.unit.negotiation.scripted import ScriptedOracle, at, play

PLAYERS = ("confucian", "latin-america", "protestant-europe")


def section(starts: tuple[int, ...]) -> str:
    oracles: list[Oracle] = [ScriptedOracle(start, {1: [at(60)]}) for start in starts]
    item = view(play(oracles, GameConfig(rounds=2), players=PLAYERS[: len(starts)]), "n1")
    if item.coalitions is None:
        return ""
    macros = template_environment(TEMPLATES).get_template("coalitions.html.j2").module
    return str(macros.coalitions(item))  # type: ignore[attr-defined]  # a macro of the template


def test_two_sides_have_no_coalitions() -> None:
    assert section((0, 90)) == ""


@pytest.mark.parametrize(
    "text", ["Coalitions", "Confucian", "Leaves", "Least off is", "orders of the parties"]
)
def test_three_sides_have_acceptance_departures_and_blocks(text: str) -> None:
    assert text in section((0, 60, 170))
