"""The section on many parties: what ``negotiation.coalitions`` finds, in the report's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from negotiation.coalitions import Coalitions, coalitions_of
from negotiation.errors import GameError
from negotiation.record import NegotiationRecord


@dataclass(frozen=True, slots=True)
class CoalitionView:
    """Coalitions of one negotiation, with codes in place of guideline ids.

    Attributes:
        found: the analysis.
        codes: of blocked guidelines, in order.
    """

    found: Coalitions
    codes: tuple[str, ...]

    @property
    def order(self) -> str:
        """Whether the order of the players counts, in a sentence."""
        shift = self.found.order_shift
        if shift is None:
            return "Whether the order of the parties counts is not known: the solver had no answer to some order."
        if self.found.order_independent:
            return f"The consensus is the same in {self.found.orders} orders of the parties."
        return (
            f"The consensus depends on the order of the parties: between {self.found.orders} orders a party's weights"
            f" differ by up to {shift:.0%}."
        )


def coalition_view(record: NegotiationRecord, codes: Mapping[str, str]) -> CoalitionView | None:
    """Of more than two parties; None for two, and where the record's utility cannot be computed again."""
    if len(record.players) < 3:
        return None
    try:
        found = coalitions_of(record)
    except GameError:
        return None
    return CoalitionView(found, tuple(codes[block.guideline_id] for block in found.blocks))
