"""What transformers over utterances are built of: a layer, and the sinusoids that tell it the order."""

import math

import torch
from torch import Tensor, nn

from ercfw_basics.blocks.attention import ConversationAttention, FeedForward
from ercfw_basics.blocks.attention_mask import AttentionMask


def sinusoids(position: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of each place at wavelengths from 2 pi to 20000 pi: ``[N] -> [N, width]``.

    Vaswani et al. (2017), section 3.5; there is no longest conversation.
    """
    powers = torch.arange(0, width, 2, device=position.device) / width  # [width/2]
    angles = position.unsqueeze(-1) * torch.exp(-math.log(10_000.0) * powers)  # [N, width/2]
    return torch.cat([angles.sin(), angles.cos()], -1)[:, :width]  # [N, width]


class TransformerLayer(nn.Module):
    """Attention, then a feed-forward block, each on normalised rows and added to its input (pre-norm).

    Vaswani et al. (2017), with the norms inside the residual branches (Xiong et al., 2020), so that no
    warm-up is needed.

    Args:
        width: D.
        heads: attention heads, a divisor of D.
        ffn: hidden width of the feed-forward block.
        dropout: rate on attention weights and on what each branch adds.
    """

    def __init__(self, width: int, heads: int, ffn: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = ConversationAttention(width, heads, dropout=dropout)
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn = FeedForward(width, ffn, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, source: Tensor, mask: AttentionMask) -> Tensor:
        """``x`` ``[N, D]`` reads ``source`` ``[N, D]`` (perhaps itself) as ``mask`` allows -> ``[N, D]``."""
        x = x + self.dropout(self.attention(*self._normalised(x, source), mask))  # [N, D]
        x = x + self.dropout(self.ffn(self.ffn_norm(x)))  # [N, D]
        return x

    def weights(self, x: Tensor, source: Tensor, mask: AttentionMask) -> Tensor:
        """The weights ``[N, H, U]`` with which ``forward`` reads ``source``."""
        return self.attention.weights(*self._normalised(x, source), mask)

    def _normalised(self, x: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        query = self.attention_norm(x)  # [N, D]
        return query, query if source is x else self.attention_norm(source)  # [N, D]
