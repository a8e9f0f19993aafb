"""Count the multiply-adds that the real utterances need: the least that a machine must compute."""

from collections.abc import Iterable, Sequence

from plain import MultiEMO
from torch import nn

FORWARD, BACKWARD = 1, 2
"""Matrix products per weight: the output in the forward pass; two gradients (weight and input) in the backward pass."""


def module(part: nn.Module, lengths: Sequence[int], products: int = FORWARD + BACKWARD) -> int:
    """Count those of a part of the transcription over conversations of these lengths.

    Each product multiplies every element of a weight matrix with every utterance. Attention compares each utterance
    with all utterances of its conversation, over the whole width, and then sums their values.
    """
    weights = sum(p.numel() for p in part.parameters() if p.ndim == 2)
    attended = sum(2 * each.embed_dim for each in part.modules() if isinstance(each, nn.MultiheadAttention))
    return products * (weights * sum(lengths) + attended * sum(n * n for n in lengths))


def swfc(rows: int, width: int) -> int:
    """Count those of all dot products and of their gradients."""
    return 2 * rows * rows * width


def soft_hgr(rows: int, width: int, views: int = 3) -> int:
    """Count those of one covariance per view and of its gradient."""
    return 2 * views * rows * width * width


def inference(model: MultiEMO, lengths: Sequence[int]) -> int:
    """Count those of a forward pass of the network."""
    return module(model, lengths, FORWARD)


def network(model: MultiEMO, lengths: Sequence[int]) -> int:
    """Count those of a forward and backward pass of the network; features need no gradient."""
    return module(model, lengths) - module(model.encoders, lengths, 1)


def training(model: MultiEMO, batches: Iterable[Sequence[int]]) -> int:
    """Count those of an epoch over batches of conversations of these lengths."""
    width = model.embed.out_features
    rows = [(lengths, sum(lengths)) for lengths in batches]
    return sum(network(model, lengths) + swfc(n, width) + soft_hgr(n, width) for lengths, n in rows)
