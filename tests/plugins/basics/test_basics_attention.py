"""Attention within conversations against loops over conversations and heads, however its rows are put in bins."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from ercfw import Layout
from ercfw.data import packing
from ercfw.data.collate import make_layout
from ercfw_basics import AttentionMask, ConversationAttention
from ercfw_basics.blocks import attention, attention_mask

WIDTH, HEADS = 6, 2


def layout_of(*sizes: int) -> Layout:
    return make_layout(sizes, [np.zeros(size, dtype=np.int64) for size in sizes])


def presence(layout: Layout, absent: float) -> Tensor:
    """Some rows, and of the last conversation all."""
    there = torch.rand(len(layout.index), generator=torch.Generator().manual_seed(0)) >= absent
    return there & (layout.conversation < len(layout.sizes) - 1) if absent else there


def loops(made: ConversationAttention, query: Tensor, key: Tensor, layout: Layout, present: Tensor, causal: bool):
    """Conversation by conversation, head by head, query by query; no padding, no mask."""
    size = WIDTH // HEADS
    found = []
    for rows in torch.arange(len(query)).split(layout.sizes):
        q, k, v = (one(x[rows]) for one, x in ((made.query, query), (made.key, key), (made.value, key)))
        for place in range(len(rows)):
            read = [other for other in range(place + 1 if causal else len(rows)) if present[rows[other]]]
            heads = []
            for part in (slice(h * size, (h + 1) * size) for h in range(HEADS)):
                shares = (k[read, part] @ q[place, part] / math.sqrt(size)).softmax(0)
                heads.append(shares @ v[read, part])
            found.append(made.out(torch.cat(heads)) if read else 0 * q[place])
    return torch.stack(found)


@pytest.fixture(params=["as it is", "small"])
def widths(request, monkeypatch) -> None:
    """Bins as they are, or so small that a few utterances make a long conversation, of several blocks."""
    if request.param == "small":
        monkeypatch.setattr(packing, "SHARED", 4)
        monkeypatch.setattr(attention_mask, "BLOCK", 4)
        monkeypatch.setattr(attention, "BLOCK", 4)


@pytest.mark.usefixtures("widths")
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("absent", [0.0, 0.5])
@pytest.mark.parametrize("sizes", [(3, 1, 4, 2, 2), (13, 1, 2, 6, 3, 5), (40, 3, 35, 2), (1,), (9,)])
def test_value_and_gradient_are_those_of_loops(sizes, absent, causal):
    torch.manual_seed(0)
    layout = layout_of(*sizes)
    made = ConversationAttention(WIDTH, HEADS).double()
    query, key = torch.randn(2, sum(sizes), WIDTH, dtype=torch.float64).requires_grad_().unbind()
    present = presence(layout, absent)
    mine = made(query, key, AttentionMask(layout, present, causal))
    plain = loops(made, query, key, layout, present, causal)
    torch.testing.assert_close(mine, plain, rtol=1e-12, atol=1e-12)
    leaves = [query, key, *made.parameters()]
    upstream = torch.randn_like(mine)
    a = torch.autograd.grad(mine, leaves, upstream)
    b = torch.autograd.grad((plain * upstream).sum(), leaves, materialize_grads=True)
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)


@pytest.mark.usefixtures("widths")
@pytest.mark.parametrize("causal", [False, True])
def test_dropout_in_the_backward_is_that_of_the_forward(causal):
    layout = layout_of(6, 2, 3)
    made = ConversationAttention(WIDTH, HEADS, dropout=0.4).double()
    mask = AttentionMask(layout, presence(layout, 0.3), causal)

    def seeded(x: Tensor) -> Tensor:
        torch.manual_seed(1)
        return made(x, x, mask)

    x = torch.randn(11, WIDTH, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(seeded, (x,))
    assert not torch.allclose(seeded(x), made.eval()(x, x, mask))


@pytest.mark.usefixtures("widths")
@pytest.mark.parametrize("causal", [False, True])
def test_no_query_is_without_keys(causal):
    """Not every attention kernel takes a row of which all is masked."""
    layout = layout_of(9, 2, 3, 1)
    for bin in AttentionMask(layout, presence(layout, 0.5), causal).bins:
        assert bin.whole.any(-1).all()
        assert bin.of(1, 2).any(-1).all()


class Largest(TorchDispatchMode):
    """The most numbers that one tensor held."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else [made]:
            if isinstance(one, Tensor):
                self.numbers = max(self.numbers, one.untyped_storage().nbytes() // one.element_size())
        return made


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_long_conversation_needs_no_square_of_its_length(causal, dropout):
    size = 1500
    layout = layout_of(size, 2, 3)
    made = ConversationAttention(WIDTH, HEADS, dropout=dropout)
    x = torch.randn(size + 5, WIDTH, requires_grad=True)
    with Largest() as largest:
        made(x, x, AttentionMask(layout, presence(layout, 0.3), causal)).sum().backward()
    allowed = HEADS * attention.BLOCK * size if dropout else attention.BLOCK * size if causal else 2 * WIDTH * size
    assert largest.numbers <= allowed < size**2


def test_one_long_conversation_adds_no_rows_to_the_others():
    layout = layout_of(400, *[10] * 30)
    x = torch.randn(700, WIDTH)
    with Largest() as largest:
        ConversationAttention(WIDTH, HEADS)(x, x, AttentionMask(layout, presence(layout, 0.3)))
    assert largest.numbers <= len(x) * packing.SHARED < len(layout.sizes) * 400 * WIDTH


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("causal", [False, True])
def test_nothing_waits_for_the_device(causal, dropout):
    """Fake tensors have no values: reading one, or a shape that depends on one, raises."""
    layout = layout_of(300, 2, 40)
    with FakeTensorMode() as fake:
        made = ConversationAttention(WIDTH, HEADS, dropout=dropout)
        x = torch.randn(342, WIDTH, requires_grad=True)
        mask = AttentionMask(layout.map(fake.from_tensor), torch.rand(342) < 0.5, causal)
        made(x, x, mask).sum().backward()
    assert x.grad is not None
