"""Building blocks of transformers over utterances: a layer, and sinusoids that encode positions."""

import math

import torch
from torch import Tensor, nn

from ercfw_basics.blocks.attention import ConversationAttention, FeedForward
from ercfw_basics.blocks.attention_mask import AttentionMask


def sinusoids(position: Tensor, width: int) -> Tensor:
    """Return sines, then cosines, of each position, at wavelengths from 2 pi to 20000 pi: ``[N] -> [N, width]``.

    See Vaswani et al. (2017), section 3.5. Conversations may be of any length.
    """
    powers = torch.arange(0, width, 2, device=position.device) / width  # [width/2]
    angles = position.unsqueeze(-1) * torch.exp(-math.log(10_000.0) * powers)  # [N, width/2]
    return torch.cat([angles.sin(), angles.cos()], -1)[:, :width]  # [N, width]


class TransformerLayer(nn.Module):
    """Attention, then a feed-forward block, each on normalised rows and added to its input (pre-norm).

    The layer of Vaswani et al. (2017), with the norms inside the residual branches (Xiong et al., 2020), so that
    training needs no warm-up.

    Args:
        width: D.
        heads: number of attention heads, a divisor of D.
        ffn: hidden width of the feed-forward block.
        dropout: dropout rate on the attention weights and on what each branch adds.
    """

    def __init__(self, width: int, heads: int, ffn: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = ConversationAttention(width, heads, dropout=dropout)
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn = FeedForward(width, ffn, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, source: Tensor, mask: AttentionMask) -> Tensor:
        """Attend from ``x`` ``[N, D]`` to ``source`` ``[N, D]`` (possibly ``x``) as ``mask`` allows -> ``[N, D]``."""
        x = x + self.dropout(self.attention(*self._normalised(x, source), mask))  # [N, D]
        x = x + self.dropout(self.ffn(self.ffn_norm(x)))  # [N, D]
        return x

    def weights(self, x: Tensor, source: Tensor, mask: AttentionMask) -> Tensor:
        """Return the attention weights ``[N, H, U]`` that ``forward`` gives to ``source``."""
        return self.attention.weights(*self._normalised(x, source), mask)

    def _normalised(self, x: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        query = self.attention_norm(x)  # [N, D]
        return query, query if source is x else self.attention_norm(source)  # [N, D]
