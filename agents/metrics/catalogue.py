"""Every measure of a negotiation by name: what it says, which way is better, and whether methods are compared in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", ""]
Part = Literal["movement", "fairness", "values", "perplexity", "course"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a negotiation.

    Attributes:
        name: of its column.
        title: heading of a table.
        part: table that it stands in.
        better: which way is better; empty if neither is.
        tested: whether methods are compared in it; the fewer tests, the more each can show.
        meaning: for readers.
        ratio: for a ratio of two sums over negotiations, the names of the two; a mean of ratios would hang on the smallest
            denominators.
    """

    name: str
    title: str
    part: Part
    better: Better
    tested: bool
    meaning: str
    ratio: tuple[str, str] | None = None


_ROWS: tuple[tuple[str, str, Part, Better, bool, str], ...] = (
    ("gap_opening", "gap, openings", "movement", "", False,
     "distance (1 - cos) between the sides' openings"),
    ("gap_consensus", "gap, consensus", "movement", "lower", False,
     "distance between the sides' consensus statements"),
    ("gap_closed", "gap closed", "movement", "higher", True,
     "gap of the openings less gap of the consensus"),
    ("moved", "moved", "movement", "", True,
     "distance of a side's consensus statement from its own opening"),
    ("toward", "came toward", "movement", "higher", True,
     "how much nearer to the others' openings a side's statement became"),
    ("concession_spread", "uneven concessions", "movement", "lower", True,
     "largest less smallest of what sides came toward others"),
    ("concession_first", "first conceded more", "movement", "", False,
     "what the first side came toward the others less what they came"),
    ("imbalance", "imbalance", "fairness", "lower", True,
     "distance of the consensus from the opening it is farthest from, less nearest"),
    ("imbalance_first", "from the first side", "fairness", "", False,
     "distance of the consensus from the first opening less the others"),
    ("plane_imbalance", "imbalance, plane", "fairness", "lower", True,
     "the same as imbalance, on the plane of two principal axes"),
    ("plane_imbalance_first", "from first, plane", "fairness", "", False,
     "the signed imbalance on the plane: from the first opening less the others"),
    ("min_utility", "minimum utility", "fairness", "higher", True,
     "cosine of the consensus with the opening it is farthest from"),
    ("nash_product", "Nash product", "fairness", "higher", True,
     "product of the sides' gains over the others' openings; 0 if one gains nothing"),
    ("gini", "Gini of gains", "fairness", "lower", True,
     "0 if gains are equal, 1 if one side has all; missing if nobody gains"),
    ("all_gain", "all gain", "fairness", "higher", False,
     "share of negotiations whose consensus is nearer to every side than the others' openings were"),
    ("weird_drift", "WEIRD drift", "fairness", "lower", False,
     "how far others came toward the English-Speaking opening"),
    ("weird_index", "WEIRD index", "fairness", "", True,
     "WEIRD drift less how far the English-Speaking side came toward the others"),
    ("value_consistency", "self-consistency", "values", "higher", True,
     "share of the ten values with the same label before and after"),
    ("value_gap_opening", "value gap, openings", "values", "", False,
     "distance of values between the openings, 0 to 1"),
    ("value_gap_consensus", "value gap, consensus", "values", "lower", False,
     "distance of values between the consensus statements"),
    ("value_gap_closed", "value gap closed", "values", "higher", True,
     "value gap of the openings less that of the consensus"),
    ("value_imbalance", "value imbalance", "values", "lower", True,
     "distance of the consensus' values from the farthest opening less nearest"),
    ("value_imbalance_first", "values from first", "values", "", False,
     "signed value imbalance: from the first opening less the others"),
    ("value_weird_index", "WEIRD index, values", "values", "", True,
     "drift of values toward the English-Speaking opening, less its own"),
    ("log_ppl_opening", "log-PPL, openings", "perplexity", "", False,
     "nats a token of the others' openings under a side's agent"),
    ("log_ppl_consensus", "log-PPL, consensus", "perplexity", "lower", False,
     "nats a token of the others' consensus statements"),
    ("log_ppl_drop", "log-PPL drop", "perplexity", "higher", True,
     "nats a token of the others' openings less those of their consensus: how much better these are taken"),
    ("ppl_distance_opening", "D(PPL), openings", "perplexity", "", False,
     "|PPL_a(y_b) - PPL_b(y_a)| of the openings"),
    ("ppl_distance_consensus", "D(PPL), consensus", "perplexity", "lower", False,
     "|PPL_a(y_b) - PPL_b(y_a)| of the consensus statements"),
    ("ppl_distance_change", "D(PPL) change", "perplexity", "higher", True,
     "D(PPL) of the openings less that of the consensus statements"),
    ("log_ppl_distance_opening", "D(log-PPL), openings", "perplexity", "", False,
     "the distance D on log-perplexities, of the openings"),
    ("log_ppl_distance_consensus", "D(log-PPL), consensus", "perplexity", "lower", False,
     "the distance D on log-perplexities, of the consensus statements"),
    ("log_ppl_distance_change", "D(log-PPL) change", "perplexity", "higher", True,
     "D(log-PPL) of the openings less that of the consensus statements"),
    ("rounds", "rounds", "course", "", False,
     "rounds played, of methods that have them"),
    ("converged", "converged", "course", "higher", False,
     "share that met the method's own criterion"),
    ("exploitability", "exploitability", "course", "lower", False,
     "what fresh candidates would gain against the final equilibrium, summed over the sides; of the game only"),
    ("opening_words", "words, openings", "course", "", False,
     "words of an opening; methods of other lengths are hard to compare"),
    ("consensus_words", "words, consensus", "course", "", True,
     "words of a consensus statement"),
)  # fmt: skip

_RATIOS: tuple[tuple[str, str, str, tuple[str, str]], ...] = (
    ("ppl_distance_ratio", "D(PPL) left", "mean D(PPL) of the consensus over that of the openings; 1 is no change",
     ("ppl_distance_consensus", "ppl_distance_opening")),
    ("log_ppl_distance_ratio", "D(log-PPL) left", "the same of log-perplexities",
     ("log_ppl_distance_consensus", "log_ppl_distance_opening")),
)  # fmt: skip

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        *(Measure(*row) for row in _ROWS),
        *(Measure(name, title, "perplexity", "lower", False, text, of) for name, title, text, of in _RATIOS),
    )
}
"""In the order of tables."""

PARTS: dict[Part, str] = {
    "movement": "Movement",
    "fairness": "Fairness",
    "values": "Values",
    "perplexity": "Perplexity",
    "course": "Course",
}
"""Titles of the tables."""
