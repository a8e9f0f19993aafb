"""Texts through a transformers encoder, those of like length together, so that little is padded."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

SLACK, FEW = 0.15, 128
"""Padding that a group may hold: a share of its real tokens, and what costs less than a further group would."""
MOST_TOKENS = 4096
"""Of a group with its padding, so that memory has a bound."""

Pooling = Literal["mean", "first"]


def vectors_of(
    network: Any, tokens: Tensor, lengths: Sequence[int], pooling: Pooling, layers: Sequence[int] = (-1,)
) -> Tensor:
    """One vector a text, ``[N, D]``: of each layer the mean of the tokens' vectors, or the first token's.

    A text gives the same alone and in any company, up to rounding; one of length 0 gives zeros.

    Args:
        network: of transformers.
        tokens: ``[N, T]`` int64, padded behind.
        lengths: N, on the host.
        pooling: how a text's tokens become one vector.
        layers: which layers' vectors stand after one another; -1 = the last.
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
    """``[n, t, D]`` and which tokens are real ``[n, t]`` -> ``[n, D]``."""
    if pooling == "first":
        return hidden[:, 0]
    real = real.unsqueeze(-1)  # [n, t, 1]
    return (hidden * real).sum(1) / real.sum(1)  # [n, D]


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    """Rows of like length, shortest first; those of length 0 are in none."""
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
