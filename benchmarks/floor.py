"""The least that a machine has to do: the multiply-adds that the real utterances need."""

from collections.abc import Iterable, Sequence

from plain import MultiEMO
from torch import nn

FORWARD, BACKWARD = 1, 2
"""Products with each weight: forwards the output; backwards the gradients of the weight and of the input."""


def module(part: nn.Module, lengths: Sequence[int], products: int = FORWARD + BACKWARD) -> int:
    """Of a part of the transcription over conversations of these lengths.

    Every element of a weight matrix meets every utterance once a product; attention compares each utterance
    with those of its conversation, over the whole width, and then sums their values.
    """
    weights = sum(p.numel() for p in part.parameters() if p.ndim == 2)
    attended = sum(2 * each.embed_dim for each in part.modules() if isinstance(each, nn.MultiheadAttention))
    return products * (weights * sum(lengths) + attended * sum(n * n for n in lengths))


def swfc(rows: int, width: int) -> int:
    """All dot products, and the gradients that come back through them."""
    return 2 * rows * rows * width


def soft_hgr(rows: int, width: int, views: int = 3) -> int:
    """A covariance a view, and the gradient that comes back through it."""
    return 2 * views * rows * width * width


def inference(model: MultiEMO, lengths: Sequence[int]) -> int:
    """Of the network forwards."""
    return module(model, lengths, FORWARD)


def network(model: MultiEMO, lengths: Sequence[int]) -> int:
    """Of the network forwards and backwards; features need no gradient."""
    return module(model, lengths) - module(model.encoders, lengths, 1)


def training(model: MultiEMO, batches: Iterable[Sequence[int]]) -> int:
    """Of an epoch over batches of conversations of these lengths."""
    width = model.embed.out_features
    rows = [(lengths, sum(lengths)) for lengths in batches]
    return sum(network(model, lengths) + swfc(n, width) + soft_hgr(n, width) for lengths, n in rows)
