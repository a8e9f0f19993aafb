"""GRU and LSTM against torch's own, run on each conversation alone."""

import copy

import pytest
import torch

from ercfw import InputError
from ercfw_basics.recurrent import GRUContext, LSTMContext, by_step

CONTEXTS = (GRUContext, LSTMContext)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
def test_each_conversation_is_read_as_if_alone(context, bidirectional, layers, batch, info) -> None:
    made = context(6, info, width=8, layers=layers, bidirectional=bidirectional).double()
    alone = copy.deepcopy(made.rnn)
    x = batch.inputs.streams["text"].values.double().requires_grad_()
    y = x.detach().clone().requires_grad_()
    given = made(x, batch.inputs)
    expected = torch.cat([alone(part.unsqueeze(1))[0][:, 0] for part in y.split(batch.inputs.layout.sizes)])
    torch.testing.assert_close(given, expected, atol=1e-10, rtol=1e-10)
    weigh = torch.randn_like(given)
    (given * weigh).sum().backward()
    (expected * weigh).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, atol=1e-10, rtol=1e-10)
    for mine, theirs in zip(made.rnn.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-10, rtol=1e-10)


def test_rows_by_step_worked_by_hand(batch) -> None:
    order, going_on = by_step(batch.inputs.layout)  # conversations of 5, 9, 1 and 3 utterances
    assert order[:7].tolist() == [5, 0, 15, 14, 6, 1, 16]
    assert going_on.tolist() == [4, 3, 3, 2, 2, 1, 1, 1, 1]
    assert sorted(order.tolist()) == list(range(18))


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_width_is_what_comes_out(context, bidirectional, batch, info) -> None:
    made = context(6, info, width=10, bidirectional=bidirectional)
    assert made.out_dim == made(batch.inputs.streams["text"].values, batch.inputs).shape[1] == 10
    assert made.causal is not bidirectional


@pytest.mark.parametrize("context", CONTEXTS)
def test_dropout_acts_on_a_single_layer_too(context, batch, info, recwarn) -> None:
    made = context(6, info, width=40, dropout=0.5)
    y = made(batch.inputs.streams["text"].values, batch.inputs)
    assert 0.4 < y.eq(0).float().mean() < 0.6
    assert not recwarn.list


@pytest.mark.parametrize("context", CONTEXTS)
def test_an_odd_width_cannot_be_shared(context, info) -> None:
    with pytest.raises(InputError, match="width: two directions cannot share a width of 7"):
        context(6, info, width=7)
    assert context(6, info, width=7, bidirectional=False).out_dim == 7
