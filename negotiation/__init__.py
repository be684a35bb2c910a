"""The negotiation game: guidelines, utilities, the meta-game and its solution.

Pure NumPy, SciPy and OpenSpiel: importing this package loads no Ray, torch or transformers. Names are loaded
on first use, so that a command line that needs the errors alone does not wait for a solver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from negotiation.audit import Recomputed, recompute
    from negotiation.config import GameConfig, SolverConfig
    from negotiation.guideline import Guideline, Pool
    from negotiation.metagame import PolymatrixGame, build_metagame
    from negotiation.oracle import Draft, Embedder, NegotiationEvent, Opening, Oracle, Proposals, TableView
    from negotiation.psro import negotiate
    from negotiation.record import NegotiationRecord
    from negotiation.solvers import Solution, solve
    from negotiation.storage import read_records, write_records
    from negotiation.topic import Topic
    from negotiation.utility import Utility

__all__ = [
    "Topic",
    "Guideline",
    "Pool",
    "Utility",
    "PolymatrixGame",
    "build_metagame",
    "GameConfig",
    "SolverConfig",
    "Solution",
    "solve",
    "Draft",
    "Opening",
    "Proposals",
    "TableView",
    "Oracle",
    "Embedder",
    "NegotiationEvent",
    "negotiate",
    "NegotiationRecord",
    "read_records",
    "write_records",
    "Recomputed",
    "recompute",
]

_HOMES = {
    "topic": ["Topic"],
    "guideline": ["Guideline", "Pool"],
    "utility": ["Utility"],
    "metagame": ["PolymatrixGame", "build_metagame"],
    "config": ["GameConfig", "SolverConfig"],
    "solvers": ["Solution", "solve"],
    "oracle": ["Draft", "Embedder", "NegotiationEvent", "Opening", "Oracle", "Proposals", "TableView"],
    "psro": ["negotiate"],
    "record": ["NegotiationRecord"],
    "storage": ["read_records", "write_records"],
    "audit": ["Recomputed", "recompute"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
