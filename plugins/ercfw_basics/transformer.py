"""A transformer encoder over the utterances of each conversation."""

from typing import cast

import torch
from torch import Tensor, nn

from ercfw import Context, DataInfo, Inputs, Rate, Size
from ercfw_basics.blocks.attention_mask import AttentionMask
from ercfw_basics.blocks.products import Linear
from ercfw_basics.blocks.transformer_layer import TransformerLayer, sinusoids


class SpeakerEmbedding(nn.Module):
    """A learnt vector for each speaker number of a conversation.

    Speakers beyond the largest number in a training conversation share one last vector. It is never trained, so it
    starts and stays at zero instead of a random value.
    """

    def __init__(self, speakers: int, width: int) -> None:
        super().__init__()
        self.beyond = speakers
        self.table = nn.Embedding(speakers + 1, width)
        nn.init.zeros_(self.table.weight.data[speakers])

    def forward(self, speakers: Tensor) -> Tensor:
        """Return the vector of each speaker: ``[N] -> [N, width]``."""
        vectors: Tensor = self.table(speakers.clamp(max=self.beyond))  # [N, width]
        return vectors


class TransformerContext(Context):
    """Transformer encoder over the utterances of each conversation (Vaswani et al., 2017; pre-norm).

    Each utterance attends to the utterances of its own conversation. A row of zeros, which is how an absent utterance
    reaches a context, is never attended to.

    Options:
        width: ``out_dim``.
        layers: number of layers.
        heads: number of attention heads, a divisor of the width.
        ffn: hidden width of the feed-forward blocks.
        dropout: dropout rate on the embedded utterances, on the attention weights, and on what each block adds to its
            input.
        positions: whether to add sines and cosines of the position in the conversation.
        speakers: whether to add a learnt vector of the speaker.
        causal: whether utterances never attend to later ones.

    Raises:
        InputError: if ``heads`` does not divide ``width``.
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
        """Return the contextual vectors: ``[N, D] -> [N, width]``."""
        mask = self._mask(x, inputs)
        y: Tensor = self._embed(x, inputs)  # [N, width]
        for layer in self.layers:
            y = layer(y, y, mask)  # [N, width]
        y = self.norm(y)  # [N, width]
        return y

    @torch.no_grad()
    def explain(self, x: Tensor, inputs: Inputs) -> dict[str, Tensor]:
        """Return the attention weights ``[N, H, U]`` of each layer, named ``layer-1`` and so on."""
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
