"""Runs texts through a transformers encoder, grouped by length, so that there is little padding."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ercfw import InputError
from ercfw_media.prompt_tokens import ANSWER, OWN

SLACK, FEW = 0.15, 128
"""Padding that a group may contain: this share of its real tokens, or so few that a further group would cost more."""
MOST_TOKENS = 4096
"""Largest number of tokens of a group, padding included, unless a model is told another one; it bounds memory."""

Pooling = Literal["mean", "first", "utterance", "mask"]
PART_OF = {"utterance": OWN, "mask": ANSWER}
"""The part of a prompt whose tokens a pooling averages."""


def check_pooling(pooling: Pooling, question: str | None) -> None:
    """Check that there is a mask where its vector is read.

    Raises:
        InputError: there is none.
    """
    if pooling == "mask" and "{mask}" not in (question or ""):
        raise InputError.at("pooling", "is mask, but no question has a {mask}", 'prompt: question = "... {mask}"')


def vectors_of(
    network: Any,
    tokens: Tensor,
    lengths: Sequence[int],
    pooling: Pooling,
    layers: Sequence[int] = (-1,),
    parts: Tensor | None = None,
    most_tokens: int = MOST_TOKENS,
) -> Tensor:
    """Return one vector per text, ``[N, D]``: in each layer, the mean of some tokens' vectors or the first token's.

    The vector of a text does not depend on the other texts, up to rounding. A text of length 0 gives zeros.

    Args:
        network: an encoder of transformers.
        tokens: ``[N, T]`` int64, padded at the end.
        lengths: N lengths, on the host.
        pooling: how the vectors of a text's tokens become one vector.
        layers: the layers whose vectors are concatenated; -1 = the last.
        parts: ``[N, T]`` int64, the part of each token; needed to pool a part.
        most_tokens: largest number of tokens that pass the network at once, padding included.
    """
    if pooling in PART_OF:
        assert parts is not None
        return _vectors_of_parts(network, tokens, lengths, parts == PART_OF[pooling], layers, most_tokens)
    rows: list[int] = []
    found: list[Tensor] = []
    for group, hidden, real in _run(network, tokens, lengths, range(len(lengths)), layers, most_tokens):
        found.append(torch.cat([_pool(each, real, pooling) for each in hidden], -1))  # [n, D]
        rows += group
    return _in_order(found, rows, len(lengths), network.config.hidden_size * len(layers), tokens.device)


def _vectors_of_parts(
    network: Any, tokens: Tensor, lengths: Sequence[int], chosen: Tensor, layers: Sequence[int], most_tokens: int
) -> Tensor:
    """Return the mean of each text's chosen tokens, ``[N, D]``; texts of the same tokens share one run of the network.

    The utterances of a conversation that is read whole are such texts: they differ in the tokens that are averaged.
    """
    firsts: dict[bytes, int] = {}
    host = tokens.cpu().numpy()
    text_of = [firsts.setdefault(host[row, :length].tobytes(), row) for row, length in enumerate(lengths)]
    rows: list[int] = []
    found: list[Tensor] = []
    for group, hidden, real in _run(network, tokens, lengths, sorted(set(firsts.values())), layers, most_tokens):
        place = {text: n for n, text in enumerate(group)}
        readers = [row for row, text in enumerate(text_of) if text in place]
        texts = torch.tensor([place[text_of[row]] for row in readers], device=tokens.device)  # [r]
        own = chosen[torch.tensor(readers, device=tokens.device), : real.shape[1]] & real[texts]  # [r, t]
        reader, at = own.nonzero(as_tuple=True)  # [k], [k]
        states = torch.cat([each[texts[reader], at] for each in hidden], -1)  # [k, D]
        sums = states.new_zeros(len(readers), states.shape[1]).index_add(0, reader, states)  # [r, D]
        found.append(sums / own.sum(1, keepdim=True).clamp(min=1))
        rows += readers
    return _in_order(found, rows, len(lengths), network.config.hidden_size * len(layers), tokens.device)


def _in_order(found: Sequence[Tensor], rows: Sequence[int], texts: int, width: int, device: torch.device) -> Tensor:
    """Return the vectors of all texts in their order, ``[N, D]``; zeros for those that are not there."""
    if not found:
        return torch.zeros(texts, width, device=device)  # [N, D]
    vectors = torch.cat(list(found)).float()  # [n, D]
    place = torch.tensor(rows, device=device)  # [n]
    return vectors.new_zeros(texts, width).index_copy(0, place, vectors)  # [N, D]


def _run(
    network: Any,
    tokens: Tensor,
    lengths: Sequence[int],
    texts: Sequence[int],
    layers: Sequence[int],
    most_tokens: int,
) -> Iterator[tuple[list[int], list[Tensor], Tensor]]:
    """Yield the rows of each group of texts, the states of each layer ``[n, t, width]``, and where tokens are."""
    for group in _groups(lengths, texts, most_tokens):
        longest = lengths[group[-1]]
        chosen = torch.tensor(group, device=tokens.device)  # [n]
        sizes = torch.tensor([lengths[row] for row in group], device=tokens.device)  # [n]
        real = torch.arange(longest, device=tokens.device) < sizes.unsqueeze(1)  # [n, t]
        hidden = network(
            input_ids=tokens[chosen, :longest], attention_mask=real.long(), output_hidden_states=True
        ).hidden_states
        yield group, [hidden[layer] for layer in layers], real


def _pool(hidden: Tensor, real: Tensor, pooling: Pooling) -> Tensor:
    """Pool ``[n, t, D]`` over the real tokens, given by ``[n, t]`` -> ``[n, D]``."""
    if pooling == "first":
        return hidden[:, 0]
    real = real.unsqueeze(-1)  # [n, t, 1]
    return (hidden * real).sum(1) / real.sum(1)  # [n, D]


def _groups(lengths: Sequence[int], texts: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Return groups of rows of similar length, shortest first; rows of length 0 are in no group.

    A text that is longer than ``most_tokens`` is a group of its own.
    """
    groups: list[list[int]] = []
    real = 0
    for row in sorted(texts, key=lengths.__getitem__):
        length = lengths[row]
        if not length:
            continue
        padded = (len(groups[-1]) + 1) * length if groups else 0
        if not groups or padded > most_tokens or padded - real - length > max(SLACK * real, FEW):
            groups.append([])
            real = 0
        groups[-1].append(row)
        real += length
    return groups
