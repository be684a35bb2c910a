"""Gauges that are said again and again."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cluster import lasting_gauge
from cluster.lasting_gauge import LastingGauge


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, float, dict[str, str]]]]:
    """What reaches Ray, which is said to be connected; the thread says all of it every hundredth of a second."""
    told: list[tuple[str, float, dict[str, str]]] = []

    class Gauge:
        def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
            self._name = name

        def set(self, value: float, tags: dict[str, str]) -> None:
            told.append((self._name, value, tags))

    keeper = lasting_gauge._Keeper()
    monkeypatch.setattr("ray.util.metrics.Gauge", Gauge)
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr(lasting_gauge, "_keeper", keeper)
    monkeypatch.setattr(lasting_gauge, "AGAIN_S", 0.01)
    yield told
    keeper._over.set()
    assert keeper._thread is not None
    keeper._thread.join()


def wait_for(told: list[Any], count: int) -> None:
    end = time.monotonic() + 30
    while len(told) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_all_latest_values_are_said_again_until_the_gauge_is_dropped(
    said: list[tuple[str, float, dict[str, str]]],
) -> None:
    gauge = LastingGauge("standing", "Where it stands.", ("run", "state"))
    gauge.set(1, {"run": "a", "state": "done"})
    gauge.set(2, {"state": "done", "run": "a"})
    gauge.set(9, {"run": "a", "state": "planned"})
    del said[:]
    wait_for(said, 6)
    assert {(name, value, tags["state"]) for name, value, tags in said} == {
        ("standing", 2, "done"),
        ("standing", 9, "planned"),
    }
    del gauge
    gc.collect()
    time.sleep(0.1)
    del said[:]
    time.sleep(0.1)
    assert said == []
