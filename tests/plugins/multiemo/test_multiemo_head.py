"""The classifier of equations 14-16, and the names under which MultiEMO's parts are found."""

import torch

import ercfw_multiemo
from ercfw import DataInfo
from ercfw.contract.data_info import TargetSpec
from ercfw_multiemo.head import MultiEMOHead

INFO = DataInfo({"emotion": TargetSpec(("a", "b", "c"), (1, 1, 1))}, {}, 2)


def test_logits_and_embedding_are_those_of_the_equations():
    torch.manual_seed(0)
    head = MultiEMOHead(6, "emotion", INFO, width=4, hidden=5).double()
    x = torch.randn(7, 6, dtype=torch.float64)
    given = head(x, None)
    for row, logits, embedding in zip(x, given.logits, given.embedding, strict=True):
        z = head.embed.weight @ row + head.embed.bias
        hidden = (head.classify[0].weight @ z + head.classify[0].bias).clamp(min=0)
        torch.testing.assert_close(embedding, z)
        torch.testing.assert_close(logits, head.classify[3].weight @ hidden + head.classify[3].bias)


def test_dropout_leaves_the_embedding_alone():
    head = MultiEMOHead(6, "emotion", INFO, width=4, hidden=50, dropout=0.5)
    x = torch.randn(7, 6)
    assert torch.equal(head(x, None).embedding, head(x, None).embedding)
    assert not torch.equal(head(x, None).logits, head(x, None).logits)


def test_the_parts_are_found_by_these_names():
    assert set(ercfw_multiemo.provide_fusions()) == {"multiattn"}
    assert set(ercfw_multiemo.provide_heads()) == {"multiemo"}
    assert set(ercfw_multiemo.provide_losses()) == {"swfc", "soft-hgr"}
