"""Quick products are float32 products."""

import pytest
import torch

from ercfw import products


@pytest.fixture(autouse=True)
def unchanged():
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    if matmul is None:
        pytest.skip("this PyTorch has no such switch")
    before = matmul.fp32_precision
    yield
    matmul.fp32_precision = before


def test_products_keep_the_precision_of_float32():
    products.use_quick_products()
    numbers = torch.Generator().manual_seed(1)
    x, y = (torch.randn(300, 300, generator=numbers) for _ in range(2))
    exact = x.double() @ y.double()
    assert float((torch.mm(x, y) - exact).abs().max()) < 1e-4
    torch.testing.assert_close(torch.bmm(x[None], y[None])[0].double(), exact, rtol=0, atol=1e-4)


def test_what_rounds_to_bfloat16_is_not_used(monkeypatch):
    def rounds(x, y):
        quick = torch.backends.mkldnn.matmul.fp32_precision == "bf16"
        return (x.bfloat16() @ y.bfloat16()).float() if quick else torch.mm(x, y)

    torch.backends.mkldnn.matmul.fp32_precision = before = "ieee"
    monkeypatch.setattr(torch, "matmul", rounds)
    assert products.use_quick_products() is False
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_it_draws_nothing_from_the_generator():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    products.use_quick_products()
    assert torch.equal(torch.rand(2), expected)
