"""Ctrl-C and requests to stop, where Ray puts handlers of its own in the place of the program's."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def own_signals() -> Iterator[Callable[[], None]]:
    """A block in which Ray is connected and used; afterwards the program's handlers are back.

    Gives a function that puts them back within the block, say once Ray is connected. Ray's handlers end the process by
    ``SystemExit``; within the block that becomes ``KeyboardInterrupt``, as without Ray.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():  # only there handlers can be set
        before = {number: signal.getsignal(number) for number in _STOPS}

    def back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    try:
        yield back
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        back()


@contextmanager
def loop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM call ``stop``; a second one acts as if nothing were done about it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _STOPS}

    def restore() -> None:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def first() -> None:
        restore()
        stop()

    for number in before:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        restore()
