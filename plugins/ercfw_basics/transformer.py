"""A transformer encoder over the utterances of each conversation."""

from typing import cast

import torch
from torch import Tensor, nn

from ercfw import Context, DataInfo, Inputs, Rate, Size
from ercfw_basics.blocks.attention_mask import AttentionMask
from ercfw_basics.blocks.products import Linear
from ercfw_basics.blocks.transformer_layer import TransformerLayer, sinusoids


class SpeakerEmbedding(nn.Module):
    """A learnt vector for each speaker of a conversation, by order of first appearance.

    Speakers beyond the most that a training conversation has share one last slot. It is never trained,
    so it starts, and stays, at zero rather than at a random vector.
    """

    def __init__(self, speakers: int, width: int) -> None:
        super().__init__()
        self.beyond = speakers
        self.table = nn.Embedding(speakers + 1, width)
        nn.init.zeros_(self.table.weight.data[speakers])

    def forward(self, speakers: Tensor) -> Tensor:
        """``[N] -> [N, width]``."""
        vectors: Tensor = self.table(speakers.clamp(max=self.beyond))  # [N, width]
        return vectors


class TransformerContext(Context):
    """Every utterance attends to those of its conversation (Vaswani et al., 2017; pre-norm).

    A row of zeros, which is how an absent utterance reaches a context, is never attended to.

    Options:
        width: ``out_dim``.
        layers: how many.
        heads: attention heads, a divisor of the width.
        ffn: hidden width of the feed-forward blocks.
        dropout: rate on the embedded utterances, on attention weights and on what each block adds.
        positions: add sines and cosines of the place in the conversation.
        speakers: add a learnt vector of the speaker.
        causal: utterances attend to none that come later.

    Raises:
        InputError: the heads do not divide the width.
    """

    def __init__(
        self,
        dim: int,
        info: DataInfo,
        *,
        width: Size = 256,
        layers: Size = 1,
        heads: Size = 4,
        ffn: Size = 512,
        dropout: Rate = 0.1,
        positions: bool = True,
        speakers: bool = False,
        causal: bool = False,
    ) -> None:
        super().__init__(dim, info)
        self.out_dim = width
        self.causal = causal
        self.positions = positions
        self.project = Linear(dim, width)
        self.speaker = SpeakerEmbedding(info.speakers, width) if speakers else None
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(TransformerLayer(width, heads, ffn, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """``[N, D] -> [N, width]``."""
        mask = self._mask(x, inputs)
        y: Tensor = self._embed(x, inputs)  # [N, width]
        for layer in self.layers:
            y = layer(y, y, mask)  # [N, width]
        y = self.norm(y)  # [N, width]
        return y

    @torch.no_grad()
    def explain(self, x: Tensor, inputs: Inputs) -> dict[str, Tensor]:
        """The attention weights ``[N, H, U]`` of ``layer-1`` and all others."""
        mask = self._mask(x, inputs)
        y = self._embed(x, inputs)  # [N, width]
        weights = {}
        for number, layer in enumerate(self.layers, 1):
            weights[f"layer-{number}"] = cast(TransformerLayer, layer).weights(y, y, mask)  # [N, H, U]
            y = layer(y, y, mask)  # [N, width]
        return weights

    def _mask(self, x: Tensor, inputs: Inputs) -> AttentionMask:
        return AttentionMask(inputs.layout, x.ne(0).any(-1), self.causal)

    def _embed(self, x: Tensor, inputs: Inputs) -> Tensor:
        y: Tensor = self.project(x)  # [N, width]
        if self.positions:
            y = y + sinusoids(inputs.layout.position, self.out_dim)  # [N, width]
        if self.speaker is not None:
            y = y + self.speaker(inputs.speakers)  # [N, width]
        y = self.dropout(y)  # [N, width]
        return y
