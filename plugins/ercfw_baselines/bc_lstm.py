"""BC-LSTM (Poria et al., ACL 2017): an LSTM for each modality, and one over what they found."""

import torch
from torch import Tensor, nn

from ercfw import DataInfo, Head, HeadOutput, InputError, Inputs, Rate, Size
from ercfw_basics import LSTMContext


class BCLSTMHead(Head):
    """The upper level of BC-LSTM's hierarchy, over the concatenated contexts of the modalities.

    With h_m, D wide, the states of the lower level's LSTM of a modality (``[context.default] use = "lstm"``)::

        z_m = tanh(W_m drop(h_m))                 o_m = V_m drop(z_m)      an answer by that modality alone
        h   = BiLSTM([z_m for each m])            o   = V drop(relu(W h))  the answer

    The o_m are the auxiliary answers. The paper trains the lower level first, by them, and the upper one then on
    its frozen z; here both are trained at once, by the sum of the losses. The layer W between the upper LSTM and
    the answer is that of the code released with MELD's baselines.

    Options:
        dense: width of each z_m.
        width: of the upper LSTM, both directions together.
        hidden: width of the ReLU layer, and of the embedding.
        dropout: rate on h_m, z_m and the ReLU layer.

    Raises:
        InputError: the modalities' contexts are not of one width, put after one another.
    """

    def __init__(
        self,
        dim: int,
        target: str,
        info: DataInfo,
        *,
        dense: Size = 100,
        width: Size = 200,
        hidden: Size = 100,
        dropout: Rate = 0.3,
    ) -> None:
        super().__init__(dim, target, info)
        modalities, classes = len(info.modalities), len(info.targets[target].classes)
        if dim % modalities:
            what = f"{dim} numbers do not come apart into {modalities} modalities of one width"
            raise InputError.at("use", what, 'fusion "concat" of contexts of one width')
        self.modalities = modalities
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.ModuleList(nn.Linear(dim // modalities, dense) for _ in range(modalities))
        self.alone = nn.ModuleList(nn.Linear(dense, classes) for _ in range(modalities))
        self.upper = LSTMContext(dense * modalities, info, width=width)
        self.hidden = nn.Linear(width, hidden)
        self.classify = nn.Linear(hidden, classes)

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """``[N, D * M]`` -> logits ``[N, C]``, embedding ``[N, hidden]``, auxiliary ``[N, M, C]``."""
        parts = self.dropout(x).chunk(self.modalities, -1)  # [N, D] each
        lower = [dense(part).tanh() for dense, part in zip(self.dense, parts, strict=True)]  # [N, dense] each
        alone = [answer(self.dropout(z)) for answer, z in zip(self.alone, lower, strict=True)]  # [N, C] each
        states = self.upper(torch.cat(lower, -1), inputs)  # [N, width]
        embedding = self.dropout(self.hidden(states).relu())  # [N, hidden]
        return HeadOutput(self.classify(embedding), embedding, torch.stack(alone, 1))
