"""A run whose actors, embedder and driver are killed: the short form of ``benchmarks/chaos.py``."""

from __future__ import annotations

from benchmarks.chaos import faults, measure


def test_nothing_is_lost_done_twice_or_changed_whatever_is_killed() -> None:
    order = ("actor", "driver", "embedder")
    figures = measure(negotiations=24, order=order, every_s=0.3, pause=0.2, seed=1)
    assert not faults(figures), figures
    assert figures["finished"] == figures["planned"] == 24
    assert figures["kills"] == dict.fromkeys(order, 1)
    assert figures["sessions"] == 2
    assert figures["failed"] == 0  # a lost actor is no fault of a negotiation
