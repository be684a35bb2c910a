"""Requests to stop, with another program's handlers in between."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import pytest

from cluster.signals import own_signals


def taken(number: int, frame: Any) -> None:
    """A handler of somebody else's."""


def test_handlers_are_back_within_and_after_the_block() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with own_signals() as back:
        signal.signal(signal.SIGTERM, taken)
        back()
        assert signal.getsignal(signal.SIGTERM) is before
        signal.signal(signal.SIGTERM, taken)
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_exit_within_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), own_signals():
        sys.exit(1)


def test_in_another_thread_nothing_is_set() -> None:
    seen: list[str] = []

    def work() -> None:
        with own_signals() as back:
            back()
            seen.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == ["done"]
