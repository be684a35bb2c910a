"""Solvers of the meta-game behind one function, ``solve``."""

from negotiation.solvers.dispatch import solve
from negotiation.solvers.solution import Solution

__all__ = ["Solution", "solve"]
