"""Handle Ctrl-C and a scheduler's SIGTERM: stop at once, or at a point where nothing is lost."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN = 0.05
"""Seconds until a signal that had no effect is sent again."""


class Stopped(BaseException):
    """The process was asked to stop. It is a ``BaseException``, so that no handler of ordinary errors catches it."""


class StopRequest:
    """Records whether the process was asked to stop."""

    asked = False


@contextmanager
def at_once() -> Iterator[None]:
    """Raise ``Stopped`` when a signal arrives inside the block."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    with _handled_by(stop), _sent_again():
        yield


@contextmanager
def _sent_again() -> Iterator[None]:
    """Send the signal again if Python discards ``Stopped``, because it was raised in a finaliser or weak reference."""
    before = sys.unraisablehook

    def discarded(unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, Stopped):
            before(unraisable)
            return
        again = threading.Timer(AGAIN, os.kill, (os.getpid(), signal.SIGTERM))
        again.daemon = True
        again.start()

    sys.unraisablehook = discarded
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def when_saved() -> Iterator[StopRequest]:
    """Set ``asked`` when a signal arrives inside the block; a second Ctrl-C raises ``Stopped`` at once.

    A second SIGTERM does not: a scheduler often sends it twice, to the process and to the one that started it.

    Outside the main thread, which alone can handle signals, nothing changes.
    """
    request = StopRequest()

    def stop(number: int, frame: FrameType | None) -> None:
        if request.asked and number == signal.SIGINT:
            raise Stopped
        request.asked = True

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    with _handled_by(stop):
        yield request


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before: dict[int, Any] = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
