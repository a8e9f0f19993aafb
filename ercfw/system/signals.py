"""Ctrl-C, and the SIGTERM of a scheduler: heeded at once, or where nothing is lost."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """Somebody wants this process to end: no handler of ordinary errors may swallow it."""


class StopRequest:
    """Whether somebody asked to stop."""

    asked = False


@contextmanager
def at_once() -> Iterator[None]:
    """A signal inside the block raises ``Stopped``."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    with _handled_by(stop):
        yield


@contextmanager
def when_saved() -> Iterator[StopRequest]:
    """A signal inside the block only sets ``asked``; a second Ctrl-C is heeded at once.

    A scheduler's SIGTERM often comes twice, once to the process and once through the one that started it.

    In a thread other than the main one, which cannot handle signals, nothing changes.
    """
    wish = StopRequest()

    def stop(number: int, frame: FrameType | None) -> None:
        if wish.asked and number == signal.SIGINT:
            raise Stopped
        wish.asked = True

    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    with _handled_by(stop):
        yield wish


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before: dict[int, Any] = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
