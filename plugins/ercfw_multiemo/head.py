"""The classifier of MultiEMO (Shi and Huang, ACL 2023), equations 14-16."""

from torch import Tensor, nn

from ercfw import DataInfo, Head, HeadOutput, Inputs, Rate, Size
from ercfw_basics import Linear


class MultiEMOHead(Head):
    """A linear map to z (equation 14), a hidden ReLU layer (15) and the logits (16); z is the embedding.

    Options:
        width: E, the width of z.
        hidden: width of the ReLU layer; the paper uses 512 on MELD and 256 on IEMOCAP.
        dropout: rate on the ReLU layer.
    """

    causal = True

    def __init__(
        self,
        dim: int,
        target: str,
        info: DataInfo,
        *,
        width: Size = 256,
        hidden: Size = 512,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__(dim, target, info)
        self.embed = Linear(dim, width)
        self.classify = nn.Sequential(
            Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            Linear(hidden, len(info.targets[target].classes)),
        )

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """Return logits ``[N, C]`` and embedding ``[N, E]`` for ``[N, D]``."""
        z = self.embed(x)  # [N, E]
        return HeadOutput(logits=self.classify(z), embedding=z)
