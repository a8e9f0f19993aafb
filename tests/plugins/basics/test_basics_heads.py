"""The heads: their embedding is the row that enters the last linear map."""

import torch

from ercfw_basics.heads import LinearHead, MLPHead


def test_linear_head(batch, info) -> None:
    head = LinearHead(6, "emotion", info, dropout=0.5)
    x = batch.inputs.streams["text"].values
    trained = head(x, batch.inputs)
    assert trained.logits.shape == (18, 4)
    assert trained.embedding.ne(x).any()  # dropout stands before the map, so the embedding shows it
    torch.testing.assert_close(trained.logits, trained.embedding @ head.linear.weight.T + head.linear.bias)
    assert torch.equal(head.eval()(x, batch.inputs).embedding, x)


def test_mlp_head(batch, info) -> None:
    head = MLPHead(6, "emotion", info, hidden=9, layers=2)
    x = batch.inputs.streams["text"].values
    given = head(x, batch.inputs)
    first, _, _, second, _, _ = head.hidden
    expected = (second((first(x)).clamp_min(0))).clamp_min(0)
    torch.testing.assert_close(given.embedding, expected)
    torch.testing.assert_close(given.logits, expected @ head.linear.weight.T + head.linear.bias)
    assert (given.embedding.shape, given.logits.shape) == ((18, 9), (18, 4))
