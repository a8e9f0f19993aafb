"""The garbage collector is paused for a while, and goes on whatever happens."""

import gc

import pytest

from ercfw.system.gc_pause import collector_paused


def test_it_is_paused_inside_and_goes_on_after_a_failure():
    assert gc.isenabled()

    @collector_paused()
    def fails():
        states.append(gc.isenabled())
        raise KeyError

    states = []
    with pytest.raises(KeyError):
        fails()
    assert states == [False]
    assert gc.isenabled()


def test_who_had_paused_it_keeps_it_paused():
    with collector_paused():
        with collector_paused():
            pass
        assert not gc.isenabled()
