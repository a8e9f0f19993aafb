"""The frozen lower layers of a language model, run once per text."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence


class FrozenLayers:
    """Runs a network of transformers whose lower layers are frozen, and keeps what these give for each text.

    The lower layers run without dropout, one text at a time: what they give then depends on the text alone, to the bit,
    and not on what else was in its batch. Texts that do not fit are run again each time.

    Args:
        network: an encoder with ``embeddings`` and ``encoder.layer``.
        layers: the number of frozen layers, from the lowest.
        gib: the most memory of what is kept.
    """

    def __init__(self, network: Any, layers: int, gib: float) -> None:
        self.network = network
        self.config = network.config
        self._layers = layers
        self._room = int(gib * 2**30)
        self._kept: dict[bytes, Tensor] = {}

    def __call__(self, input_ids: Tensor, attention_mask: Tensor, output_hidden_states: bool) -> Any:
        """Return what the network returns, its hidden states from the last frozen layer upwards.

        Args:
            input_ids: ``[n, t]`` int64, padded at the end.
            attention_mask: ``[n, t]``, 1 = a token.
            output_hidden_states: whether the states of all trained layers are returned.
        """
        lengths = attention_mask.sum(1).tolist()
        states = [self._lower(ids[:length]) for ids, length in zip(input_ids, lengths, strict=True)]
        with _only(self.network, slice(self._layers, None), pad_sequence(states, batch_first=True)):  # [n, t, D]
            return self.network(
                input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=output_hidden_states
            )

    def _lower(self, ids: Tensor) -> Tensor:
        """Return the states of a text in the last frozen layer, ``[t] -> [t, D]``."""
        key = ids.cpu().numpy().tobytes()
        kept = self._kept.get(key)
        if kept is not None and kept.device == ids.device:
            return kept
        with torch.no_grad(), _only(self.network, slice(self._layers)):
            states: Tensor = self.network(input_ids=ids[None]).last_hidden_state[0]  # [t, D]
        size = states.numel() * states.element_size()
        if kept is None and size <= self._room:
            self._room -= size
            self._kept[key] = states
        return states

    def without_dropout(self) -> None:
        """Put the frozen part into evaluation mode."""
        self.network.embeddings.eval()
        for layer in self.network.encoder.layer[: self._layers]:
            layer.eval()


@contextmanager
def _only(network: Any, layers: slice, states: Tensor | None = None) -> Iterator[None]:
    """Let a network consist of these layers, and read ``states`` in place of its embeddings, while the block runs."""
    whole: nn.ModuleList = network.encoder.layer
    network.encoder.layer = whole[layers]
    hook = None if states is None else network.embeddings.register_forward_hook(lambda *_: states)
    try:
        yield
    finally:
        network.encoder.layer = whole
        if hook is not None:
            hook.remove()
