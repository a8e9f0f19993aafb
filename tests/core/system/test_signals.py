"""Signals stop the process wherever they arrive."""

import os
import signal
import sys
import time
import weakref

import pytest

from ercfw.system.signals import Stopped, at_once


class Thing:
    """Can have weak references."""


def test_a_signal_in_the_midst_of_a_weak_references_callback_is_not_lost(capfd):
    """Python discards what a handler raises there."""
    things, hook, reached = [Thing()], sys.unraisablehook, []
    reference = weakref.ref(things[0], lambda _: os.kill(os.getpid(), signal.SIGTERM))

    def work():
        things.clear()
        reached.append(True)
        time.sleep(10)

    with pytest.raises(Stopped), at_once():
        work()
    assert reached
    assert reference() is None
    assert sys.unraisablehook is hook
    assert capfd.readouterr().err == ""


def test_other_discarded_exceptions_are_reported(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    thing = Thing()
    reference = weakref.ref(thing, lambda _: [][1])
    with at_once():
        del thing
    assert reference() is None
    assert [each.exc_type for each in seen] == [IndexError]
