"""Conversations in bins: no slot used twice, few empty, each conversation in one bin and in its order."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ercfw.data.collate import make_layout
from ercfw.data.packing import SHARED, pack

SIZES = st.lists(st.integers(1, 12) | st.integers(1, 70) | st.integers(1, 600), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(SIZES)
def test_every_conversation_has_slots_of_its_own_in_one_bin(sizes):
    first, groups = pack(sizes)
    total = sum(count * width for count, width in groups)
    starts = np.cumsum([0] + [width for count, width in groups for _ in range(count)])
    owner = np.full(total, -1)
    for number, (start, size) in enumerate(zip(first, sizes, strict=True)):
        place = np.searchsorted(starts, start, side="right") - 1
        assert start + size <= starts[place + 1]
        assert (owner[start : start + size] == -1).all()
        owner[start : start + size] = number
    assert total <= 2 * sum(sizes)
    for begin, end in pairwise(starts):
        inside = set(owner[begin:end]) - {-1}
        assert len(inside) == 1 or (inside and end - begin <= SHARED)


def test_one_long_conversation_does_not_make_the_others_long():
    assert pack([2000] + [10] * 99)[1] == ((33, 30), (1, 2000))


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_there_and_back(sizes):
    layout = make_layout(sizes, [np.zeros(size, dtype=np.int64) for size in sizes])
    x = torch.randn(sum(sizes), 2, requires_grad=True)
    bins = layout.to_bins(x)
    assert [bin.shape for bin in bins] == [(count, width, 2) for count, width in layout.bins]
    assert torch.equal(layout.from_bins(bins), x)
    taken = layout.to_bins(torch.ones(len(x), dtype=torch.bool))
    assert not any(bin[~here].any() for bin, here in zip(bins, taken, strict=True))
    assert sum(int(here.sum()) for here in taken) == len(x)
    upstream = torch.randn_like(x)
    (gradient,) = torch.autograd.grad(layout.from_bins(bins), x, upstream)
    assert torch.equal(gradient, upstream)


@pytest.mark.parametrize("sizes", [[5], [1, 1, 1], [SHARED], [SHARED + 1], [20] * 7, [4] * 8 + [28] * 8])
def test_where_lengths_allow_it_no_slot_is_empty(sizes):
    assert sum(count * width for count, width in pack(sizes)[1]) == sum(sizes)
