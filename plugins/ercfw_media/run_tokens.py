"""Runs texts through a transformers encoder, grouped by length, so that there is little padding."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

SLACK, FEW = 0.15, 128
"""Padding that a group may contain: this share of its real tokens, or so few that a further group would cost more."""
MOST_TOKENS = 4096
"""Largest number of tokens of a group, padding included, to bound memory."""

Pooling = Literal["mean", "first"]


def vectors_of(
    network: Any, tokens: Tensor, lengths: Sequence[int], pooling: Pooling, layers: Sequence[int] = (-1,)
) -> Tensor:
    """Return one vector per text, ``[N, D]``: in each layer, the mean of the tokens' vectors or the first token's.

    The vector of a text does not depend on the other texts, up to rounding. A text of length 0 gives zeros.

    Args:
        network: an encoder of transformers.
        tokens: ``[N, T]`` int64, padded at the end.
        lengths: N lengths, on the host.
        pooling: how the vectors of a text's tokens become one vector.
        layers: the layers whose vectors are concatenated; -1 = the last.
    """
    rows: list[int] = []
    found: list[Tensor] = []
    for group in _groups(lengths):
        longest = lengths[group[-1]]
        chosen = torch.tensor(group, device=tokens.device)  # [n]
        sizes = torch.tensor([lengths[row] for row in group], device=tokens.device)  # [n]
        real = torch.arange(longest, device=tokens.device) < sizes.unsqueeze(1)  # [n, t]
        hidden = network(
            input_ids=tokens[chosen, :longest], attention_mask=real.long(), output_hidden_states=True
        ).hidden_states
        found.append(torch.cat([_pool(hidden[layer], real, pooling) for layer in layers], -1))  # [n, D]
        rows += group
    width = network.config.hidden_size * len(layers)
    if not found:
        return torch.zeros(len(lengths), width, device=tokens.device)  # [N, D]
    vectors = torch.cat(found).float()  # [n, D]
    place = torch.tensor(rows, device=tokens.device)  # [n]
    return vectors.new_zeros(len(lengths), width).index_copy(0, place, vectors)  # [N, D]


def _pool(hidden: Tensor, real: Tensor, pooling: Pooling) -> Tensor:
    """Pool ``[n, t, D]`` over the real tokens, given by ``[n, t]`` -> ``[n, D]``."""
    if pooling == "first":
        return hidden[:, 0]
    real = real.unsqueeze(-1)  # [n, t, 1]
    return (hidden * real).sum(1) / real.sum(1)  # [n, D]


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    """Return groups of rows of similar length, shortest first; rows of length 0 are in no group."""
    groups: list[list[int]] = []
    real = 0
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[row]
        if not length:
            continue
        padded = (len(groups[-1]) + 1) * length if groups else 0
        if not groups or padded > MOST_TOKENS or padded - real - length > max(SLACK * real, FEW):
            groups.append([])
            real = 0
        groups[-1].append(row)
        real += length
    return groups
