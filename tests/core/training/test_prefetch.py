"""Results in order, no further prefetch than they may be, and errors where they belong."""

import threading

import pytest

from ercfw.training.prefetch import DEPTH, prefetch


def test_results_come_in_the_order_of_the_items_and_from_one_other_thread():
    threads = set()

    def square(n):
        threads.add(threading.get_ident())
        return n * n

    assert list(prefetch(square, range(50))) == [n * n for n in range(50)]
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    assert list(prefetch(square, [])) == []


def test_no_more_is_made_than_may_wait():
    made = []
    for number, result in enumerate(prefetch(lambda n: made.append(n) or n, range(20))):
        assert result == number
        assert len(made) <= number + DEPTH


def test_an_error_comes_where_its_result_would_have_come():
    results = prefetch(lambda n: 1 / (2 - n), range(5))
    assert [next(results), next(results)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_who_stops_asking_leaves_no_thread():
    before = threading.active_count()
    results = prefetch(lambda n: n, range(1000))
    next(results)
    results.close()
    assert threading.active_count() == before
