"""The garbage collector is paused for a while, and goes on whatever happens."""

import gc
import subprocess
import sys

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


CYCLE = """
class Loud:
    def __del__(self):
        print("searched", end="")

def leave_a_cycle():
    loud = Loud()
    loud.self = loud

import gc
gc.disable()
"""


def said_by(code):
    return subprocess.run([sys.executable, "-c", CYCLE + code], capture_output=True, text=True, check=True).stdout


def test_what_stays_is_never_searched_and_what_comes_later_is():
    code = """
from ercfw.system.gc_pause import objects_stay
gc.enable()
with objects_stay():
    assert not gc.isenabled()
    leave_a_cycle()
assert gc.isenabled() and gc.get_freeze_count()
gc.collect()
print("before ", end="")
leave_a_cycle()
gc.collect()
import os, sys
sys.stdout.flush()
os._exit(0)
"""
    assert said_by(code) == "before searched"


def test_a_process_may_end_without_a_last_collection():
    assert said_by("leave_a_cycle()") == "searched"
    skips = "from ercfw.system.gc_pause import skip_last_collection\nskip_last_collection()\nleave_a_cycle()"
    assert said_by(skips) == ""
