"""Products by oneDNN are torch's, whatever the number of rows, in value and gradient."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ercfw_basics import Linear, fill_up, multiply, multiply_rows
from ercfw_basics.blocks import products

ROWS = (1, 3, 63, 64, 65, 130, products.LARGE + 1)
BOTH = pytest.mark.parametrize("ours", [True, False], ids=["oneDNN", "torch"])


@pytest.fixture
def choose(monkeypatch):
    """Either library, whatever processor this is."""

    def chosen(ours):
        monkeypatch.setattr(products, "_mkl_is_slow", lambda: ours)
        monkeypatch.setattr(products, "_has_bf16", lambda: ours and products._has_onednn())

    return chosen


def random(*shape, dtype=torch.float32, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def value_and_gradients(layer, x):
    x = x.detach().requires_grad_()
    y = layer(x)
    (y * random(*y.shape, seed=1).to(y.dtype)).sum().backward()
    return [y, x.grad, *(parameter.grad for parameter in layer.parameters())]


@BOTH
@pytest.mark.parametrize("rows", ROWS)
def test_value_and_gradients_in_float32(choose, ours, rows):
    choose(ours)
    layer, x = Linear(20, 7), random(rows, 20)
    wanted = nn.Linear(20, 7).double()
    wanted.load_state_dict({name: weight.double() for name, weight in layer.state_dict().items()})
    for given, exact in zip(value_and_gradients(layer, x), value_and_gradients(wanted, x.double()), strict=True):
        assert given.dtype == torch.float32
        scale = exact.abs().max()
        torch.testing.assert_close(given.double() / scale, exact / scale, rtol=0, atol=2e-6)


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_under_autocast_it_is_torch_s(choose, ours, dtype):
    choose(ours)
    layer, x = Linear(20, 7), random(65, 20, dtype=dtype)
    plain = nn.Linear(20, 7)
    plain.load_state_dict(layer.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        pairs = zip(value_and_gradients(layer, x), value_and_gradients(plain, x), strict=True)
    for given, wanted in pairs:
        assert given.dtype == wanted.dtype
        scale = wanted.abs().max()
        torch.testing.assert_close(given / scale, wanted / scale, rtol=0, atol=2e-2)


@BOTH
def test_any_leading_dimensions(choose, ours):
    choose(ours)
    layer = Linear(20, 7)
    x = random(3, 5, 20)
    torch.testing.assert_close(layer(x), layer(x.flatten(0, 1)).view(3, 5, 7))
    torch.testing.assert_close(layer(x[0, 0]), layer(x)[0, 0])
    assert layer(random(0, 20)).shape == (0, 7)
    assert layer(random(4, 0, 20)).shape == (4, 0, 7)


@BOTH
def test_what_wants_no_gradient_gets_none(choose, ours):
    choose(ours)
    layer = Linear(20, 7, bias=False)
    layer.weight.requires_grad_(False)
    x = random(9, 20).requires_grad_()
    layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(9, 20))
    trained = Linear(20, 7)
    trained(random(9, 20)).sum().backward()
    torch.testing.assert_close(trained.bias.grad, torch.full((7,), 9.0))


def test_the_result_may_be_changed_in_place(choose):
    choose(True)
    layer, x = Linear(20, 7), random(9, 20).requires_grad_()
    torch.relu_(layer(x)).sum().backward()
    positive = (F.linear(x, layer.weight, layer.bias) > 0).float()  # [9, 7]
    torch.testing.assert_close(x.grad, positive @ layer.weight)


def test_other_types_are_left_to_torch(choose):
    choose(True)
    layer, x = Linear(20, 7).double(), random(9, 20, dtype=torch.float64)
    exact = F.linear(x, layer.weight, layer.bias)
    assert torch.equal(layer(x), exact)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(x), exact)
    with pytest.raises(RuntimeError, match="dtype"):
        Linear(20, 7)(x)


def test_a_second_derivative_is_refused_not_wrong(choose):
    choose(True)
    layer, x = Linear(20, 1), random(9, 20).requires_grad_()
    (slope,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("rows", ROWS)
def test_products_without_a_graph(choose, ours, rows, dtype):
    choose(ours)
    x, weight, change = random(rows, 20), random(7, 20, dtype=dtype, seed=1), random(rows, 7, dtype=dtype, seed=2)
    close = {torch.float32: 3e-6, torch.bfloat16: 1e-2, torch.float64: 1e-12}[dtype]
    x = x.to(dtype)
    for given, wanted in (
        (multiply(x, weight), x.double() @ weight.double().T),
        (multiply(x, random(20, 7, dtype=dtype, seed=1).T), x.double() @ random(20, 7, dtype=dtype, seed=1).double()),
        (multiply_rows(change, x), change.double().T @ x.double()),
    ):
        assert given.shape == wanted.shape
        assert given.dtype == dtype
        scale = wanted.abs().max()
        torch.testing.assert_close(given.double() / scale, wanted / scale, rtol=0, atol=close)


def test_rows_of_zeros_come_on():
    x = random(70, 3)
    filled = fill_up(x)
    assert filled.shape == (128, 3)
    assert torch.equal(filled[:70], x)
    assert not filled[70:].any()
    assert fill_up(filled) is filled
    assert fill_up(x, torch.bfloat16).dtype == torch.bfloat16
    assert len(fill_up(random(products.LARGE + 1, 1))) == products.LARGE + 1


def test_the_weights_are_those_of_torch_s_linear():
    assert Linear(3, 2).state_dict().keys() == nn.Linear(3, 2).state_dict().keys()
    torch.manual_seed(1)
    one = Linear(3, 2)
    torch.manual_seed(1)
    assert torch.equal(one.weight, nn.Linear(3, 2).weight)
