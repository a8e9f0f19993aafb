"""Results in order, no further prefetch than they may be, and errors where they belong."""

import threading

import pytest

import ercfw
from ercfw.errors import PeerGoneError
from ercfw.training.prefetch import DEPTH, prefetch


def test_results_come_in_the_order_of_the_items_and_from_one_other_thread():
    threads = set()

    def square(n):
        threads.add(threading.get_ident())
        return n * n

    with prefetch(square, range(50)) as results:
        assert list(results) == [n * n for n in range(50)]
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    with prefetch(square, []) as results:
        assert list(results) == []


def test_no_more_is_made_than_may_wait():
    made = []
    with prefetch(lambda n: made.append(n) or n, range(20)) as results:
        for number, result in enumerate(results):
            assert result == number
            assert len(made) <= number + DEPTH


def test_an_error_comes_where_its_result_would_have_come():
    with prefetch(lambda n: 1 / (2 - n), range(5)) as results:
        assert [next(results), next(results)] == [0.5, 1.0]
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_who_stops_asking_leaves_no_thread():
    before = threading.active_count()
    with prefetch(lambda n: n, range(1000)) as results:
        next(results)
    assert threading.active_count() == before


def test_a_step_that_fails_leaves_no_thread_while_its_error_is_handled(tiny_recipe, monkeypatch):
    """The error keeps the frames of the step alive: a thread would end with them, when no signal can be handled."""

    def fail(*_):
        raise PeerGoneError

    monkeypatch.setattr("ercfw.training.callbacks.backward", fail)
    before = threading.active_count()
    with pytest.raises(PeerGoneError) as raised:
        ercfw.run(tiny_recipe(), seeds=1)
    assert any(entry.name == "_train_epoch" for entry in raised.traceback)
    assert threading.active_count() == before


def test_predictions_that_fail_leave_no_thread_while_the_error_is_handled(tiny_recipe, monkeypatch):
    def fail(*_):
        raise PeerGoneError

    monkeypatch.setattr("ercfw.training.evaluate.gather_outputs", fail)
    before = threading.active_count()
    with pytest.raises(PeerGoneError) as raised:
        ercfw.run(tiny_recipe(), seeds=1)
    assert any(entry.name == "predict" for entry in raised.traceback)
    assert threading.active_count() == before
